"""Weights from a daemon's slots, read where they are."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor

from ecf8 import _native
from ecf8._daemon import ServedModel
from ecf8._errors import Error, UnavailableError, from_status
from ecf8._session import Session, milliseconds
from ecf8.torch._arrays import TORCH, dtype_of, shape_in_torch
from ecf8.torch._source import Groups, Stored, StreamOptions

_SLOT_PAGE_BYTES = 2 << 20


class DaemonSource:
    def __init__(self, served: ServedModel) -> None:
        self._served = served
        self._model = served.describe()
        sizes: dict[str, int] = {}
        self._tensors: dict[str, Stored] = {}
        for unit in self._model.units:
            for part in unit.tensors:
                sizes[part.name] = sizes.get(part.name, 0) + part.size_bytes
                self._tensors[part.name] = Stored(part.dtype, list(part.shape), sizes[part.name])

    @property
    def description(self) -> str:
        return f"model {self._served.name!r} of the daemon"

    @property
    def digest(self) -> str:
        return self._model.model.digest

    def tensors(self) -> Mapping[str, Stored]:
        return self._tensors

    def read(self, names: Sequence[str]) -> dict[str, Tensor]:
        # Decoded here, they need no room in the daemon's slots.
        wanted = {name: self._tensors[name] for name in names}
        return self._served.daemon._fetch(self._model.model, wanted, TORCH, decode_here=True)

    def read_rows(self, name: str, begin: int, end: int) -> Tensor:
        self._tensors[name].check_rows(name, begin, end)
        # Whole tensors are what a daemon sends.
        return self.read([name])[name][begin:end]

    def batches(self) -> list[list[str]]:
        first = {t.name: unit.index for unit in reversed(self._model.units) for t in unit.tensors}
        batches: list[list[str]] = [[] for _ in self._model.units]
        for name, unit in first.items():
            batches[unit].append(name)
        return [batch for batch in batches if batch]

    def stream(self, groups: Groups, options: StreamOptions) -> DaemonStream:
        return DaemonStream(self._served, self._model, groups, options)


class _Part(NamedTuple):
    """Of a group: where one of its tensors is."""

    name: str
    unit: int
    """Which of the group's."""
    info: _native.TensorInfo
    dtype: torch.dtype
    shape: list[int]


class _Group(NamedTuple):
    units: list[int]
    size_bytes: list[int]
    """Of each, decoded."""
    parts: list[_Part]
    slot_bytes: int


class DaemonStream:
    def __init__(
        self,
        served: ServedModel,
        model: _native.ModelDescription,
        groups: Groups,
        options: StreamOptions,
    ) -> None:
        self._served = served
        self._options = options
        self._groups = _Locator(model).locate(groups)
        walked = self._groups[: len(groups.walk)]
        walk = [unit for group in walked for unit in group.units]
        if len(set(walk)) != len(walk):
            raise from_status(
                "INVALID_ARGUMENT", f"{served.name!r} keeps weights of several layers in one unit"
            )
        slot_bytes = options.slots * max((group.slot_bytes for group in walked), default=0)
        loose = self._groups[len(groups.walk) :]
        slot_bytes += options.loose_slots * max((group.slot_bytes for group in loose), default=0)
        units_of_group = max((len(group.units) for group in walked), default=1)
        self._session: Session = served.session(
            digest=model.model.digest,
            walk=walk,
            cyclic=True,
            depth=(options.slots - 1) * units_of_group,
            slot_bytes=slot_bytes,
            timeout=options.timeout,
        )

    @property
    def memory_bytes(self) -> int:
        return self._session.slot_bytes

    def acquire(self, group: int) -> DaemonHeld:
        wanted = self._groups[group]
        until = time.monotonic() + self._options.reconnect_for
        while True:
            try:
                lease = self._session._session.acquire(
                    wanted.units, milliseconds(self._options.timeout)
                )
                return DaemonHeld(lease, wanted, self._options)
            except UnavailableError as error:
                self._come_back(error, until)

    def _come_back(self, error: Error, until: float) -> None:
        """Begins the session anew; raises `error` where that does not succeed in time."""
        if self._options.reconnect_for == 0:
            raise from_status(
                "UNAVAILABLE",
                f"the daemon went while the model was running ({error}). What the model has "
                "returned so far is right. With reconnect=True, ecf8.torch.attach waits until the "
                "daemon is back.",
                model=self._served.name,
            ) from error
        while True:
            try:
                self._session.reopen(timeout=max(0.001, until - time.monotonic()))
                return
            except (UnavailableError, TimeoutError) as failed:
                if time.monotonic() >= until:
                    failed.add_note(
                        f"The daemon was waited for for {self._options.reconnect_for:g} s."
                    )
                    raise failed from error
            time.sleep(0.05)

    def hint(self, groups: Sequence[int]) -> None:
        units = [unit for group in groups for unit in self._groups[group].units]
        with suppress(UnavailableError):  # the acquire that follows meets it, too
            self._session._session.hint(units, 0)

    def close(self) -> None:
        self._session.close()


class DaemonHeld:
    def __init__(self, lease: _native.Lease, group: _Group, options: StreamOptions) -> None:
        self._lease = lease
        self._options = options
        memory = [lease.torch(i, 0, size) for i, size in enumerate(group.size_bytes)]
        self.tensors: dict[str, Tensor] = {}
        for part in group.parts:
            begin = part.info.decoded_offset_bytes
            flat = memory[part.unit][begin : begin + part.info.size_bytes].view(part.dtype)
            view = flat.view(part.shape)
            # A copy to a device is over when `to` returns: the memory is not pinned.
            self.tensors[part.name] = (
                view if options.device.type == "cpu" else view.to(options.device)
            )

    def release(self) -> None:
        self.tensors = {}
        with suppress(UnavailableError):  # what was read was right; the next acquire meets it
            self._lease.release(milliseconds(self._options.timeout))


class _Locator:
    """Which units hold which tensors."""

    def __init__(self, model: _native.ModelDescription) -> None:
        self._units = model.units
        self._at: dict[str, tuple[int, _native.TensorInfo]] = {}
        self._split: set[str] = set()
        for unit in model.units:
            for tensor in unit.tensors:
                if tensor.name in self._at:
                    self._split.add(tensor.name)
                self._at[tensor.name] = (unit.index, tensor)

    def locate(self, groups: Groups) -> list[_Group]:
        return [self._locate(names) for names in [*groups.walk, *groups.loose]]

    def _locate(self, names: Sequence[str]) -> _Group:
        for name in names:
            if name in self._split:
                raise from_status("INVALID_ARGUMENT", f"{name!r} is split among units", tensor=name)
        units = sorted({self._at[name][0] for name in names})
        parts = []
        for name in names:
            index, info = self._at[name]
            shape = shape_in_torch(info.dtype, info.shape)
            parts.append(_Part(name, units.index(index), info, dtype_of(info.dtype), shape))
        sizes = [self._units[unit].decoded_size_bytes for unit in units]
        pages = sum(-(-size // _SLOT_PAGE_BYTES) for size in sizes)
        return _Group(units, sizes, parts, pages * _SLOT_PAGE_BYTES)
