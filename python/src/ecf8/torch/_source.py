"""Where an attached model's weights come from: what both kinds of source can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ecf8._errors import from_status
from ecf8.torch._arrays import dtype_of


class Stored(NamedTuple):
    """A tensor of a source."""

    dtype: str
    """As safetensors spells it: "F8_E4M3"."""
    shape: list[int]
    size_bytes: int

    @property
    def is_fp8(self) -> bool:
        return self.dtype in ("F8_E4M3", "F8_E5M2")

    @property
    def torch_dtype(self) -> torch.dtype:
        return dtype_of(self.dtype)

    def check_rows(self, name: str, begin: int, end: int) -> None:
        """InvalidArgumentError where there are no rows [begin, end)."""
        rows = self.shape[0] if self.shape else 0
        if not 0 <= begin <= end <= rows:
            raise from_status(
                "INVALID_ARGUMENT",
                f"{name!r} has {rows} rows, and none from {begin} to {end}",
                tensor=name,
            )


class Groups(NamedTuple):
    """Names of tensors that are wanted at the same time, as groups. A group's number is its place
    in `walk`, or `len(walk)` more than its place in `loose`."""

    walk: Sequence[Sequence[str]]
    """What a pass over the model wants, in this order, again and again."""
    loose: Sequence[Sequence[str]]
    """What is wanted or not, as a router says."""

    def __getitem__(self, number: int) -> Sequence[str]:  # type: ignore[override]
        walked = len(self.walk)
        return self.walk[number] if number < walked else self.loose[number - walked]


class StreamOptions(NamedTuple):
    slots: int
    """So many groups of the walk are in memory at once, the one in use included."""
    loose_slots: int
    """So many others besides."""
    device: torch.device
    timeout: float
    """Seconds that a group may take to come."""
    reconnect_for: float
    """Seconds in which a daemon that went may come back; 0: it is not waited for."""


class Held(Protocol):
    """A group's tensors, on the stream's device, until they are released."""

    @property
    def tensors(self) -> Mapping[str, Tensor]: ...

    def release(self) -> None:
        """DataLossError where they were given to others meanwhile."""


class Stream(Protocol):
    """Groups one after the other, the next ones made ready meanwhile. One thread's at a time,
    but for `close`."""

    @property
    def memory_bytes(self) -> int:
        """What it holds at most."""

    def acquire(self, group: int) -> Held: ...

    def hint(self, groups: Sequence[int]) -> None:
        """These are wanted next."""

    def close(self) -> None: ...


class Source(Protocol):
    @property
    def description(self) -> str:
        """For messages."""

    @property
    def digest(self) -> str:
        """16 hex digits that change with any weight."""

    def tensors(self) -> Mapping[str, Stored]: ...

    def read(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Whole tensors, in host memory of their own."""

    def read_rows(self, name: str, begin: int, end: int) -> Tensor:
        """Rows [begin, end) of a tensor (its first dimension), in host memory of their own.
        InvalidArgumentError where it has no such rows."""

    def batches(self) -> list[list[str]]:
        """All tensors, in an order in which they are read fast, by what is read best together."""

    def stream(self, groups: Groups, options: StreamOptions) -> Stream: ...
