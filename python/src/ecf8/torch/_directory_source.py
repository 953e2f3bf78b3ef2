"""Weights from a compressed directory, decoded in this process by a thread of its own."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ecf8 import _native
from ecf8._errors import from_status
from ecf8._files import TensorSlice, read_tensors
from ecf8.torch._arrays import TORCH, shape_in_torch
from ecf8.torch._group_memory import GroupMemory, MemoryPool
from ecf8.torch._source import Groups, Stored, StreamOptions

_TENSOR_ALIGNMENT_BYTES = 256
_BATCH_BYTES = 64 << 20  # of tensors that are read in one go
_THREAD_BYTES = 4 << 20  # that make it worth while to start another


class DirectorySource:
    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        file = self._file = _native.TensorFile.open(self._path)
        self._tensors = {
            name: Stored(file.dtype(name), list(file.shape(name)), file.size_bytes(name))
            for name in file.names()
        }

    @property
    def description(self) -> str:
        return f"{self._path!r}"

    @property
    def digest(self) -> str:
        return self._file.digest

    def tensors(self) -> Mapping[str, Stored]:
        return self._tensors

    def read(self, names: Sequence[str]) -> dict[str, Tensor]:
        return read_tensors(self._file, names, TORCH, "cpu", 0)

    def read_rows(self, name: str, begin: int, end: int) -> Tensor:
        self._tensors[name].check_rows(name, begin, end)
        rows: Tensor = TensorSlice(self._file, name, TORCH, "cpu", 0)[begin:end]
        return rows

    def batches(self) -> list[list[str]]:
        batches: list[list[str]] = []
        room = 0
        for name, stored in self._tensors.items():
            if not batches or stored.size_bytes > room:
                batches.append([])
                room = _BATCH_BYTES
            batches[-1].append(name)
            room -= stored.size_bytes
        return batches

    def stream(self, groups: Groups, options: StreamOptions) -> DirectoryStream:
        return DirectoryStream(self._file, self.tensors(), groups, options)


class _Layout:
    """Where a group's tensors lie in one piece of memory."""

    def __init__(self, names: Sequence[str], tensors: Mapping[str, Stored]) -> None:
        self.places: list[tuple[str, int, Stored]] = []
        self.size_bytes = 0
        for name in names:
            stored = tensors[name]
            self.places.append((name, self.size_bytes, stored))
            aligned = -(-stored.size_bytes // _TENSOR_ALIGNMENT_BYTES) * _TENSOR_ALIGNMENT_BYTES
            self.size_bytes += aligned

    def views(self, memory: Tensor) -> dict[str, Tensor]:
        views = {}
        for name, offset, stored in self.places:
            flat = memory[offset : offset + stored.size_bytes].view(stored.torch_dtype)
            views[name] = flat.view(shape_in_torch(stored.dtype, stored.shape))
        return views

    def ranges(self, memory: Tensor) -> list[tuple[str, int, Any]]:
        return [
            (name, 0, memory[offset : offset + stored.size_bytes])
            for name, offset, stored in self.places
        ]


class _Entry:
    """A group that is in memory, or on its way there."""

    def __init__(self, memory: GroupMemory) -> None:
        self.memory = memory
        self.ready = False
        self.holders = 0


class DirectoryStream:
    """Groups in a bounded piece of memory. One thread reads and decodes: first what is waited for,
    then the next ones of the walk and what was hinted at, as far as there is room."""

    def __init__(
        self,
        file: _native.TensorFile,
        tensors: Mapping[str, Stored],
        groups: Groups,
        options: StreamOptions,
    ) -> None:
        self._file = file
        self._options = options
        self._walked = len(groups.walk)
        self._layouts = [_Layout(names, tensors) for names in [*groups.walk, *groups.loose]]
        sizes = [layout.size_bytes for layout in self._layouts]
        self._pool = MemoryPool(
            options.slots * max(sizes[: self._walked], default=0)
            + options.loose_slots * max(sizes[self._walked :], default=0),
            options.device,
        )
        self._changed = threading.Condition()
        self._entries: OrderedDict[int, _Entry] = OrderedDict()  # the longest unused first
        self._demand: int | None = None
        self._ahead: list[int] = []
        self._hints: list[int] = []
        self._error: tuple[int, BaseException] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="ecf8-reader", daemon=True)
        self._thread.start()

    @property
    def memory_bytes(self) -> int:
        return self._pool.limit_bytes

    def acquire(self, group: int) -> DirectoryHeld:
        with self._changed:
            self._demand = group
            self._plan(group)
            self._changed.notify_all()
            try:
                self._wait_for(group)
            finally:
                self._demand = None
            entry = self._entries[group]
            entry.holders += 1
            self._entries.move_to_end(group)
        return DirectoryHeld(self, group, entry, self._layouts[group])

    def _plan(self, group: int) -> None:
        if group < self._walked:
            count = min(self._options.slots, self._walked)
            self._ahead = [(group + i) % self._walked for i in range(1, count)]
        elif group in self._hints:
            self._hints.remove(group)

    def _wait_for(self, group: int) -> None:
        def there() -> bool:
            entry = self._entries.get(group)
            return self._closed or self._error is not None or (entry is not None and entry.ready)

        if not self._changed.wait_for(there, self._options.timeout):
            raise from_status(
                "DEADLINE_EXCEEDED", f"weights did not come within {self._options.timeout:g} s"
            )
        if self._closed:
            raise from_status("FAILED_PRECONDITION", "the model is no longer attached")
        if self._error is not None:
            _, error = self._error
            self._error = None
            raise error

    def hint(self, groups: Sequence[int]) -> None:
        with self._changed:
            self._hints = list(groups)
            self._changed.notify_all()

    def release(self, group: int, entry: _Entry) -> None:
        entry.memory.mark_used()
        with self._changed:
            entry.holders -= 1
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                begun = self._begin()
                while begun is None:
                    if self._closed:
                        return
                    self._changed.wait()
                    begun = self._begin()
                group, entry = begun
            error = self._fill(group, entry)
            with self._changed:
                if error is None:
                    entry.ready = True
                else:
                    del self._entries[group]
                    self._pool.give_back(entry.memory)
                    # Nobody is told of what failed ahead of time: it fails again when it is wanted.
                    if self._demand == group:
                        self._error = (group, error)
                    self._ahead = [ahead for ahead in self._ahead if ahead != group]
                    self._hints = [hint for hint in self._hints if hint != group]
                self._changed.notify_all()

    def _begin(self) -> tuple[int, _Entry] | None:
        """What to read next, with memory for it; None where there is nothing, or no room."""
        if self._closed:
            return None
        demand = [] if self._demand is None else [self._demand]
        for group in [*demand, *self._hints, *self._ahead]:
            if group in self._entries:
                continue
            memory = self._take(self._layouts[group].size_bytes, group == self._demand)
            if memory is None:
                return None
            entry = self._entries[group] = _Entry(memory)
            return group, entry
        return None

    def _take(self, size_bytes: int, is_demand: bool) -> GroupMemory | None:
        """Memory, for which others have to go: those that nobody has asked for, the longest unused
        first; for what is waited for also those that are ahead."""
        wanted = {*self._ahead, *self._hints}
        if self._demand is not None:
            wanted.add(self._demand)
        while True:
            memory = self._pool.take(size_bytes)
            if memory is not None:
                return memory
            idle = [g for g, e in self._entries.items() if e.ready and e.holders == 0]
            going = [g for g in idle if g not in wanted]
            if not going and is_demand:
                going = [g for g in reversed([*self._hints, *self._ahead]) if g in idle]
            if not going:
                return None
            self._pool.give_back(self._entries.pop(going[0]).memory)

    def _fill(self, group: int, entry: _Entry) -> BaseException | None:
        layout = self._layouts[group]
        threads = min(os.cpu_count() or 1, max(1, layout.size_bytes // _THREAD_BYTES))
        try:
            with entry.memory.filling() as host:
                self._file.read(layout.ranges(host), threads)
        except Exception as error:
            return error
        return None


class DirectoryHeld:
    def __init__(self, stream: DirectoryStream, group: int, entry: _Entry, layout: _Layout) -> None:
        self._stream = stream
        self._group = group
        self._entry: _Entry | None = entry
        entry.memory.wait_until_filled()
        self.tensors: Mapping[str, Tensor] = layout.views(entry.memory.bytes)

    def release(self) -> None:
        self.tensors = {}
        entry, self._entry = self._entry, None
        if entry is not None:
            self._stream.release(self._group, entry)
