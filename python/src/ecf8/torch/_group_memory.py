"""Memory that groups of weights are decoded into, on the host or on a CUDA device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class GroupMemory:
    """Filled by one thread, used by another; `filling`, `wait_until_filled` and `mark_used` put the
    work on a device in order."""

    def __init__(self, size_bytes: int, staging: _Staging | None) -> None:
        self._staging = staging
        device = "cpu" if staging is None else staging.device
        self.bytes: Tensor = torch.empty(size_bytes, dtype=torch.uint8, device=device)
        self._filled: torch.cuda.Event | None = None
        self._used: torch.cuda.Event | None = None
        self.mark_used()  # what had this memory before may still be at work on this stream

    @contextmanager
    def filling(self) -> Iterator[Tensor]:
        """Host memory of the same size, whose bytes are here when the block ends."""
        if self._staging is None:
            yield self.bytes
            return
        with self._staging.lend(self.bytes.numel()) as host:
            yield host
            self._filled = self._staging.copy(host, self.bytes, self._used)

    def wait_until_filled(self) -> None:
        """Before it is used on the current stream."""
        if self._filled is not None:
            stream = torch.cuda.current_stream(self.bytes.device)
            stream.wait_event(self._filled)
            self.bytes.record_stream(stream)

    def mark_used(self) -> None:
        """What was begun on the current stream is the last that uses what is here."""
        if self._staging is not None:
            self._used = _record(torch.cuda.current_stream(self.bytes.device))


class _Staging:
    """Pinned host memory, from which a stream of its own copies to the device. One thread's."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._buffers: list[Tensor | None] = [None, None]
        self._copied: list[torch.cuda.Event | None] = [None, None]
        self._turn = 0

    @contextmanager
    def lend(self, size_bytes: int) -> Iterator[Tensor]:
        """The buffer whose last copy is over."""
        self._turn = 1 - self._turn
        copied = self._copied[self._turn]
        if copied is not None:
            copied.synchronize()
        buffer = self._buffers[self._turn]
        if buffer is None or buffer.numel() < size_bytes:
            buffer = torch.empty(size_bytes, dtype=torch.uint8, pin_memory=True)
            self._buffers[self._turn] = buffer
        yield buffer[:size_bytes]

    def copy(
        self, host: Tensor, target: Tensor, after: torch.cuda.Event | None
    ) -> torch.cuda.Event:
        """Copies when `after` has come; the event that comes when it has."""
        with torch.cuda.stream(self._stream):
            if after is not None:
                self._stream.wait_event(after)
            target.copy_(host, non_blocking=True)
            target.record_stream(self._stream)
            copied = _record(self._stream)
        self._copied[self._turn] = copied
        return copied


def _record(stream: torch.cuda.Stream) -> torch.cuda.Event:
    """The event that comes when all has been done that `stream` was given so far."""
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(stream)
    return event


class MemoryPool:
    """At most `limit_bytes` of memory, of which what was given back is used again."""

    def __init__(self, limit_bytes: int, device: torch.device) -> None:
        self.limit_bytes = limit_bytes
        self._staging = _Staging(device) if device.type == "cuda" else None
        self._allocated_bytes = 0
        self._free: list[GroupMemory] = []

    def take(self, size_bytes: int) -> GroupMemory | None:
        """None: what is in use leaves no room."""
        for i, memory in enumerate(self._free):
            if memory.bytes.numel() == size_bytes:
                return self._free.pop(i)
        while self._free and self._allocated_bytes + size_bytes > self.limit_bytes:
            self._allocated_bytes -= self._free.pop().bytes.numel()
        if self._allocated_bytes + size_bytes > self.limit_bytes:
            return None
        self._allocated_bytes += size_bytes
        return GroupMemory(size_bytes, self._staging)

    def give_back(self, memory: GroupMemory) -> None:
        self._free.append(memory)
