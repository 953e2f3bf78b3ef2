"""A daemon's models and memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ecf8 import _native
from ecf8._arrays import Arrays, Framework, arrays_of
from ecf8._errors import from_status
from ecf8._session import Session, index_of_unit, milliseconds

Tier = Literal["slots", "host", "device"]


def connect(
    address: str | os.PathLike[str] = "", *, timeout: float = 5.0, retry_for: float = 5.0
) -> Daemon:
    """Connects to `ecf8d` at "unix:PATH" or "HOST:PORT"; by default at $ECF8_DAEMON, or else at the
    user's own socket. UnavailableError where nobody answers within `timeout` seconds.

    Calls that find no daemon try again for `retry_for` seconds: a restart is not seen.
    """
    return Daemon(
        _native.Client.connect(os.fspath(address), milliseconds(timeout), milliseconds(retry_for))
    )


class Daemon:
    """A connection to a daemon. Thread-safe. `connect` makes it."""

    def __init__(self, client: _native.Client) -> None:
        self._client = client

    def models(self) -> list[_native.ModelInfo]:
        """What it serves."""
        return self._client.models()

    def model(self, name: str) -> ServedModel:
        """One of its models, for `ecf8.torch.attach`. Asks the daemon nothing."""
        return ServedModel(self, name)

    def describe(self, model: str) -> _native.ModelDescription:
        """The model's units, and the tensors in them."""
        return self._client.describe(model)

    def status(self) -> _native.DaemonStatus:
        """Its tiers of memory, and what it has read and decoded."""
        return self._client.status()

    def fetch(
        self,
        model: str,
        tensors: Iterable[str] | None = None,
        *,
        framework: Framework = "pt",
        device: str = "cpu",
        decode_here: bool = False,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Copies whole tensors, all of them where `tensors` is None, into memory of their own.

        They are the original bytes, or DataLossError is raised. `decode_here`: they travel
        compressed, and this process decodes them. `timeout`: in seconds.
        """
        arrays = arrays_of(framework)
        description = self.describe(model)
        found = {t.name: t for unit in description.units for t in unit.tensors}
        sizes = dict.fromkeys(found, 0)
        for unit in description.units:
            for part in unit.tensors:
                sizes[part.name] += part.size_bytes
        names = list(found) if tensors is None else list(dict.fromkeys(tensors))
        wanted = {}
        for name in names:
            if name not in found:
                raise _not_found(model, name)
            wanted[name] = (found[name].dtype, found[name].shape, sizes[name])
        fetched = self._fetch(description.model, wanted, arrays, decode_here, timeout)
        return {name: arrays.finish(tensor, device) for name, tensor in fetched.items()}

    def _fetch(
        self,
        model: _native.ModelInfo,
        wanted: Mapping[str, tuple[str, Sequence[int], int]],
        arrays: Arrays[Any],
        decode_here: bool,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Tensors of known dtype, shape and size in bytes, in host memory."""
        fetched: dict[str, Any] = {}
        memory: list[Any] = []
        for name, (dtype, shape, size_bytes) in wanted.items():
            fetched[name], bytes_of_it = arrays.empty(dtype, shape, size_bytes)
            memory.append(bytes_of_it)
        if fetched:
            self._client.fetch_into(
                model.name, model.digest, list(fetched), memory, decode_here, milliseconds(timeout)
            )
        return fetched

    def preload(
        self,
        model: str,
        units: Sequence[str] = (),
        *,
        tier: Tier = "slots",
        pin: bool = False,
        progress: bool = True,
        timeout: float | None = None,
    ) -> _native.PreloadReport:
        """Brings units (by id; none: all) to a tier of the daemon's memory, and returns when they
        are there. `pin`: they stay. With `progress`, a bar shows how far it is if tqdm is there.

        ResourceExhaustedError where they can never be there together. `timeout`: in seconds.
        """
        with _Bar(f"{model} to {tier}", progress) as bar:
            return self._client.preload(
                model, list(units), tier, pin, bar.update, milliseconds(timeout)
            )

    def session(
        self,
        model: str,
        *,
        digest: str = "",
        walk: Sequence[int | str] = (),
        cyclic: bool = False,
        depth: int = 0,
        slot_bytes: int = 0,
        resident: bool = False,
        framework: Framework = "pt",
        debug: bool = False,
        timeout: float | None = None,
    ) -> Session:
        """Opens a session: units that the daemon has decoded are read in its own memory.

        `digest`: of the weights that are wanted; "": those served. `walk`: the units, by id or
        index, that will be acquired in this order, again and again if `cyclic`; the next `depth`
        of them are kept ready. `slot_bytes`: of memory, for all that is leased and ahead; 0: depth
        + 2 of the largest unit. `resident`: the whole model stays decoded in the daemon's memory,
        also after this process, until it is unpinned (`ecf8 unpin MODEL --tier slots`): whoever
        opens such a session again has it at once. `debug`: memory that was released cannot be read,
        so that whoever does crashes there and then.

        The daemon must be on this machine, and its slots this user's (docs/SESSIONS.md).
        """
        arrays = arrays_of(framework)
        description = self.describe(model)
        index_of = {unit.id: unit.index for unit in description.units}
        session = self._client.open_session(
            model,
            digest or description.model.digest,
            [index_of_unit(index_of, unit) for unit in walk],
            cyclic,
            depth,
            slot_bytes,
            resident,
            debug,
            milliseconds(timeout),
        )
        return Session(session, arrays)


@dataclass(frozen=True)
class ServedModel:
    """A model of a daemon's. `Daemon.model` makes it."""

    daemon: Daemon
    name: str

    def describe(self) -> _native.ModelDescription:
        return self.daemon.describe(self.name)

    def session(self, **options: Any) -> Session:
        """As `Daemon.session`."""
        return self.daemon.session(self.name, **options)


def _not_found(model: str, tensor: str) -> Exception:
    return from_status(
        "NOT_FOUND", f"model {model!r} has no tensor {tensor!r}", model=model, tensor=tensor
    )


class _Bar:
    """A tqdm bar of bytes, or nothing."""

    def __init__(self, what: str, wanted: bool) -> None:
        self._bar: Any = None
        if wanted:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self._bar = tqdm(desc=what, unit="B", unit_scale=True, leave=False)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    @property
    def update(self) -> Callable[[_native.PreloadReport], None] | None:
        return None if self._bar is None else self._show

    def _show(self, report: _native.PreloadReport) -> None:
        self._bar.total = report.size_bytes
        self._bar.update(report.done_bytes - self._bar.n)
