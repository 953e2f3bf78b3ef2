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
from ecf8._errors import Error, ResourceExhaustedError, UnavailableError, from_status
from ecf8._session import Session, milliseconds
from ecf8.torch._arrays import TORCH, dtype_of, shape_in_torch
from ecf8.torch._source import Groups, Stored, StreamOptions

_SLOT_PAGE_BYTES = 2 << 20
_MAX_PLACES = 64  # of a group that are remembered


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
        loose = self._groups[len(groups.walk) :]
        slot_bytes = options.slots * max((group.slot_bytes for group in walked), default=0)
        slot_bytes += options.loose_slots * max((group.slot_bytes for group in loose), default=0)
        units_of_group = max((len(group.units) for group in walked), default=1)
        self._session: Session = served.session(
            digest=model.model.digest,
            walk=walk,
            cyclic=True,
            # Beside the group in use and the one that is asked for meanwhile.
            depth=max(0, options.slots - 2) * units_of_group,
            slot_bytes=slot_bytes,
            timeout=options.timeout,
        )
        self._walked = len(walked)
        self._walk = _Line(self._session._session, options)
        self._loose = _Line(self._session._session, options)
        self._views = [_Views(group) for group in self._groups]
        self._hints: list[int] = []
        self._closed = False

    @property
    def memory_bytes(self) -> int:
        return self._session.slot_bytes

    def acquire(self, group: int) -> DaemonHeld:
        line = self._walk if group < self._walked else self._loose
        until = time.monotonic() + self._options.reconnect_for
        while True:
            try:
                lease = line.take(group, self._groups[group].units)
                following = self._after(group)
                if following is None:
                    line.end()
                else:
                    line.ask(following, self._groups[following].units)
                return DaemonHeld(line, lease, self._tensors(group, lease))
            except UnavailableError as error:
                self._come_back(error, until)

    def _tensors(self, group: int, lease: _native.Lease) -> Mapping[str, Tensor]:
        tensors = self._views[group].of(lease)
        device = self._options.device
        if device.type == "cpu":
            return tensors
        # The copies are over when `to` returns: the memory is not pinned.
        return {name: tensor.to(device) for name, tensor in tensors.items()}

    def _after(self, group: int) -> int | None:
        """The group that will be wanted after this one, where there is room for both."""
        if group < self._walked:
            room = min(self._options.slots, self._walked)
            return (group + 1) % self._walked if room > 1 else None
        if group in self._hints and self._options.loose_slots > 1:
            following = self._hints[self._hints.index(group) + 1 :]
            return following[0] if following else None
        return None

    def _come_back(self, error: Error, until: float) -> None:
        """Begins the session anew; raises `error` where that does not succeed in time."""
        if self._closed:
            raise from_status("FAILED_PRECONDITION", "the model is no longer attached") from error
        if self._options.reconnect_for == 0:
            raise from_status(
                "UNAVAILABLE",
                f"the daemon went while the model was running ({error}). What the model has "
                "returned so far is right. With reconnect=True, ecf8.torch.attach waits until the "
                "daemon is back.",
                model=self._served.name,
            ) from error
        self._forget()
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
        self._hints = list(groups)
        units = [unit for group in groups for unit in self._groups[group].units]
        with suppress(UnavailableError):  # the acquire that follows meets it, too
            self._session._session.hint(units, 0)

    def close(self) -> None:
        self._closed = True
        self._session.close()
        self._forget()

    def _forget(self) -> None:
        """What was had, and asked for, of a session that has ended."""
        for line in (self._walk, self._loose):
            line.forget()
        for views in self._views:
            views.forget()


class _Line:
    """Groups that are leased one after the other. Each is asked for, in the message that gives the
    last one back, while the one before it is in use: so nobody waits for messages to travel."""

    def __init__(self, session: _native.Session, options: StreamOptions) -> None:
        self._session = session
        self._timeout_ms = milliseconds(options.timeout)
        self._asked: tuple[int, _native.PendingLease] | None = None
        self._done: _native.Lease | None = None

    def take(self, group: int, units: list[int]) -> _native.Lease:
        asked, self._asked = self._asked, None
        if asked is not None and asked[0] == group:
            with suppress(ResourceExhaustedError):  # by now there may be room
                return asked[1].wait(self._timeout_ms)
        del asked  # given up, before its room is needed
        return self._start(units).wait(self._timeout_ms)

    def ask(self, group: int, units: list[int]) -> None:
        self._asked = (group, self._start(units))

    def _start(self, units: list[int]) -> _native.PendingLease:
        done, self._done = self._done, None
        return self._session.start(units, done, self._timeout_ms)

    def give_back(self, lease: _native.Lease) -> None:
        """DataLossError as of Lease.check."""
        lease.check()
        self._done = lease
        if self._asked is None:
            self.end()

    def end(self) -> None:
        """Nothing more is asked for soon."""
        done, self._done = self._done, None
        if done is not None:
            with suppress(UnavailableError):  # what was read was right; the next acquire meets it
                done.release(self._timeout_ms)

    def forget(self) -> None:
        self._asked = self._done = None


class DaemonHeld:
    def __init__(self, line: _Line, lease: _native.Lease, tensors: Mapping[str, Tensor]) -> None:
        self._line = line
        self._lease: _native.Lease | None = lease
        self.tensors = tensors

    def release(self) -> None:
        self.tensors = {}
        lease, self._lease = self._lease, None
        if lease is not None:
            self._line.give_back(lease)


class _Views:
    """A group's tensors in slots: the few places that its units come to are remembered."""

    def __init__(self, group: _Group) -> None:
        self._group = group
        self._at: dict[tuple[int, ...], dict[str, Tensor]] = {}

    def of(self, lease: _native.Lease) -> Mapping[str, Tensor]:
        """While it is leased; the memory stays mapped as long as any of these tensors lives."""
        units = range(len(self._group.units))
        addresses = tuple(lease.address(i) for i in units)
        known = self._at.get(addresses)
        if known is None:
            if len(self._at) >= _MAX_PLACES:
                self._at.clear()
            with torch.inference_mode(False):  # for later passes outside of it, too
                memory = [lease.place(i) for i in units]
                known = self._at[addresses] = {p.name: _view(p, memory) for p in self._group.parts}
        return known

    def forget(self) -> None:
        """They are unmapped, where nobody else has them."""
        self._at.clear()


def _view(part: _Part, memory: Sequence[Tensor]) -> Tensor:
    begin = part.info.decoded_offset_bytes
    flat = memory[part.unit][begin : begin + part.info.size_bytes]
    return flat.view(part.dtype).view(part.shape)


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
