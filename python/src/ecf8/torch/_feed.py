"""What the layers of an attached model take their weights from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ecf8.torch._dequantize import Scratch
from ecf8.torch._source import Held, Stream


class Feed:
    """A stream, and what of it is held. One thread's at a time."""

    def __init__(self) -> None:
        self.scratch = Scratch()
        self.stall_seconds = 0.0
        self.acquired: dict[int, int] = {}
        self._stream: Stream | None = None
        self._held: dict[int, Held] = {}

    def open(self, stream: Stream) -> None:
        self._stream = stream

    def close(self) -> None:
        stream, self._stream = self._stream, None
        self._held.clear()
        if stream is not None:
            stream.close()

    @property
    def memory_bytes(self) -> int:
        return 0 if self._stream is None else self._stream.memory_bytes

    def reset(self) -> None:
        """Begins to count anew."""
        self.stall_seconds = 0.0
        self.acquired = {}

    def acquire(self, group: int) -> Mapping[str, Tensor]:
        """Waits for it. The tensors are there until `release`."""
        if self._stream is None:
            raise RuntimeError("the model is no longer attached to its weights")
        begun = time.perf_counter()
        held = self._held[group] = self._stream.acquire(group)
        self.stall_seconds += time.perf_counter() - begun
        self.acquired[group] = self.acquired.get(group, 0) + 1
        return held.tensors

    def release(self, group: int) -> None:
        """Of one that is not held: nothing."""
        held = self._held.pop(group, None)
        if held is not None:
            held.release()

    @contextmanager
    def lent(self, group: int) -> Iterator[Mapping[str, Tensor]]:
        tensors = self.acquire(group)
        try:
            yield tensors
        except BaseException:
            self._held.pop(group).release()
            raise
        self.release(group)

    def hint(self, groups: Sequence[int]) -> None:
        if self._stream is not None:
            self._stream.hint(groups)

    def held(self, group: int) -> Mapping[str, Tensor]:
        held = self._held.get(group)
        if held is None:
            raise RuntimeError("these weights are there only while their layer runs")
        return held.tensors


def refuse_training(*tensors: Tensor) -> None:
    """RuntimeError where a backward pass would come, and find other weights."""
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        raise RuntimeError(
            "a model attached to ecf8 is for inference: its weights are gone before a backward "
            "pass could use them. Run it under torch.inference_mode() or torch.no_grad()."
        )
