"""Sessions: units of a model as tensors in the daemon's own memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from ecf8 import _native
from ecf8._arrays import Arrays
from ecf8._closing import Closing
from ecf8._errors import from_status


class Session(Closing):
    """Opened by `Daemon.session`. Thread-safe. A context manager: its end closes it.

    Where the daemon went, calls raise UnavailableError, and `reopen` begins it anew.
    """

    def __init__(self, session: _native.Session, arrays: Arrays[Any]) -> None:
        self._session = session
        self._arrays = arrays
        self._description = session.model()
        self._index_of = {unit.id: unit.index for unit in self._description.units}

    @property
    def model(self) -> _native.ModelInfo:
        return self._description.model

    @property
    def units(self) -> list[_native.UnitInfo]:
        """Of the model, by index."""
        return self._description.units

    @property
    def slot_bytes(self) -> int:
        """Of memory, that was granted."""
        return self._session.slot_bytes

    def acquire(self, units: Sequence[int | str], *, timeout: float | None = None) -> Lease:
        """Waits until all of the units, by id or index, are there, and leases them. `timeout`: in
        seconds; then DeadlineExceededError, and nothing is leased.

        ResourceExhaustedError where they are more than was granted; DataLossError where a unit is
        damaged. The session goes on.
        """
        indices = [index_of_unit(self._index_of, unit) for unit in units]
        return Lease(self._session.acquire(indices, milliseconds(timeout)), self._arrays)

    def hint(self, units: Sequence[int | str]) -> None:
        """Tells that these may be acquired soon."""
        self._session.hint([index_of_unit(self._index_of, unit) for unit in units], 0)

    def skip(self, count: int) -> None:
        """Tells that so many units of the walk will not be acquired this time."""
        self._session.skip(count, 0)

    def check(self) -> None:
        """Raises what the session has ended with, if it has."""
        self._session.check()

    def reopen(self, *, timeout: float | None = None) -> None:
        """Begins a session that has ended anew: the same weights, the walk from its start. Leases
        from before are leased no more."""
        self._session.reopen(milliseconds(timeout))

    def close(self) -> None:
        """Ends it; whatever is leased is the daemon's again. Calls in other threads return."""
        self._session.close()


def index_of_unit(index_of: Mapping[str, int], unit: int | str) -> int:
    """By its id, where it is none already."""
    if isinstance(unit, int):
        return unit
    if unit not in index_of:
        raise from_status("NOT_FOUND", f"there is no unit {unit!r}", unit=unit)
    return index_of[unit]


class Lease(Mapping[str, Any]):
    """Units that are leased, as a mapping from the names of their tensors to the tensors.

    These are the daemon's memory, mapped, not copied: **a write to one kills the process**
    (SIGSEGV). NumPy's are marked, PyTorch has no such mark. They are the original weights until
    the lease ends, by `release` or with its `with` block. Then the lease raises, and tensors from
    it, which stay readable, may show anything; take what you keep with `copy=True`. Without either
    the lease lasts as long as it or a tensor of it.

    Of a tensor that is split among units this is the part that the first of these units holds: rows
    from `row_offset(name)` on, or, where it holds no whole rows, flat.
    """

    def __init__(self, lease: _native.Lease, arrays: Arrays[Any]) -> None:
        self._lease = lease
        self._arrays = arrays
        self._parts: dict[str, tuple[int, _native.TensorInfo]] = {}
        for number, unit in enumerate(lease.units()):
            for tensor in unit.tensors:
                self._parts.setdefault(tensor.name, (number, tensor))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.release()
        elif self._lease.leased:
            try:
                self._lease.release(_PARTING_MS)
            except Exception as failed:
                if error is not None:
                    error.add_note(f"and the lease could not be released: {failed}")

    def __getitem__(self, name: str) -> Any:
        return self.tensor(name)

    def __iter__(self) -> Iterator[str]:
        self._check_leased()
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def leased(self) -> bool:
        return self._lease.leased

    def units(self) -> list[_native.UnitInfo]:
        """As they were asked for."""
        self._check_leased()
        return self._lease.units()

    def tensor(self, name: str, *, copy: bool = False) -> Any:
        """The tensor in the daemon's memory; with `copy`, in memory of its own. KeyError where the
        units have none of this name."""
        self._check_leased()
        number, info = self._parts[name]
        view = self._arrays.view(self._lease, number, info, _shape_of_part(info))
        return self._arrays.copy(view) if copy else view

    def row_offset(self, name: str) -> int:
        """Which row of the whole tensor (in its first dimension) comes first here."""
        _, info = self._parts[name]
        row_bytes = _row_bytes(info)
        return info.tensor_offset_bytes // row_bytes if row_bytes else 0

    def check(self) -> None:
        """DataLossError where the memory was given to others, so that what was read may be
        anything: after the session has ended."""
        self._check_leased()
        self._lease.check()

    def release(self, *, timeout: float | None = None) -> None:
        """Gives the units back. DataLossError as in `check`. Does nothing where it has ended."""
        self._lease.release(milliseconds(timeout))

    def _check_leased(self) -> None:
        if not self._lease.leased:
            raise from_status("FAILED_PRECONDITION", "the lease has ended")


_PARTING_MS = 5000


def milliseconds(seconds: float | None) -> int:
    """0 is no limit."""
    return 0 if seconds is None else max(1, round(seconds * 1000))


def _row_bytes(info: _native.TensorInfo) -> int:
    """0 where it has no rows, or rows of no whole number of bytes."""
    if not info.shape:
        return 0
    bits = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}.get(info.dtype, 8 * _SIZES.get(info.dtype, 1))
    row_bytes, rest = divmod(math.prod(info.shape[1:]) * bits, 8)
    return 0 if rest else row_bytes


_SIZES = {
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}


def _shape_of_part(info: _native.TensorInfo) -> list[int] | None:
    """None: it holds no whole rows."""
    row_bytes = _row_bytes(info)
    if row_bytes == 0:
        return list(info.shape)
    if info.tensor_offset_bytes % row_bytes or info.size_bytes % row_bytes:
        return None
    return [info.size_bytes // row_bytes, *info.shape[1:]]
