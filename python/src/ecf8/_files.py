"""Compressed models on disk, without a daemon."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from types import EllipsisType
from typing import Any

from ecf8 import _native
from ecf8._arrays import Arrays, Framework, arrays_of
from ecf8._closing import Closing

Index = int | slice | EllipsisType


def read_tensors(
    file: _native.TensorFile, names: Iterable[str], arrays: Arrays[Any], device: str, threads: int
) -> dict[str, Any]:
    """Whole tensors, all decoded in one go."""
    tensors: dict[str, Any] = {}
    ranges: list[tuple[str, int, Any]] = []
    for name in names:
        tensor, memory = arrays.empty(file.dtype(name), file.shape(name), file.size_bytes(name))
        tensors[name] = tensor
        ranges.append((name, 0, memory))
    file.read(ranges, threads)
    return {name: arrays.finish(tensor, device) for name, tensor in tensors.items()}


class safe_open(Closing):
    """A compressed model, or one shard of it, open for reading; the class `safe_open` of the
    package safetensors, for what ecf8 has compressed.

    `path` is a model's directory or a .safetensors file of it. Tensors come as `framework` has
    them, "pt" (PyTorch) or "np" (NumPy with ml_dtypes), on `device` (of PyTorch). They are the
    original bytes, or DataLossError is raised. Decoding takes `threads` (0: one a core), which do
    not hold the GIL. Thread-safe until it is closed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        framework: Framework = "pt",
        device: str = "cpu",
        *,
        threads: int = 0,
    ) -> None:
        self._arrays = arrays_of(framework)
        self._device = str(device)
        self._threads = threads
        self._file: _native.TensorFile | None = _native.TensorFile.open(os.fspath(path))

    def close(self) -> None:
        """Lets go of the files. What was returned stays."""
        self._file = None

    @property
    def _opened(self) -> _native.TensorFile:
        if self._file is None:
            raise ValueError("the model is closed")
        return self._file

    @property
    def digest(self) -> str:
        """16 hex digits that change with any weight."""
        return self._opened.digest

    def keys(self) -> list[str]:
        """The names of all tensors, sorted."""
        return sorted(self._opened.names())

    def offset_keys(self) -> list[str]:
        """The names of all tensors, in the order of their bytes on the disk."""
        return self._opened.names()

    def metadata(self) -> dict[str, str]:
        """`__metadata__` of the original's first file; {"format": "pt"} where it had none."""
        return self._opened.metadata()

    def get_tensor(self, name: str) -> Any:
        """The tensor, in memory of its own. NotFoundError where there is none of this name."""
        return self.get_tensors([name])[name]

    def get_tensors(self, names: Iterable[str]) -> dict[str, Any]:
        """Several tensors, decoded together: faster than one after the other."""
        return read_tensors(self._opened, names, self._arrays, self._device, self._threads)

    def get_slice(self, name: str) -> TensorSlice:
        """A tensor that is read in part, by indexing what this returns."""
        return TensorSlice(self._opened, name, self._arrays, self._device, self._threads)


class TensorSlice:
    """A tensor that is read when it is indexed: `f.get_slice(name)[128:256]`.

    Of the rows (the first dimension) those are read and decoded that were asked for, and what else
    is in their chunks of 1 MiB. The other dimensions are cut after decoding. Indices are slices of
    step 1, integers and `...`.
    """

    def __init__(
        self,
        file: _native.TensorFile,
        name: str,
        arrays: Arrays[Any],
        device: str,
        threads: int,
    ) -> None:
        self._file = file
        self._name = name
        self._arrays = arrays
        self._device = device
        self._threads = threads
        self._shape = file.shape(name)

    def get_shape(self) -> list[int]:
        return list(self._shape)

    def get_dtype(self) -> str:
        """As safetensors spells it: "F8_E4M3"."""
        return self._file.dtype(self._name)

    def __getitem__(self, index: Index | tuple[Index, ...]) -> Any:
        full = _expand(index, self._shape)
        if not full:
            scalar = self._read(self._shape, 0, self._file.size_bytes(self._name))
            return self._arrays.finish(scalar, self._device)
        first, *others = full
        begin, end = _bounds(first, self._shape[0])
        row_bytes, rest = divmod(self._file.size_bytes(self._name), max(self._shape[0], 1))
        if rest != 0:
            raise ValueError(f"the rows of {self._name!r} are no whole numbers of bytes")
        shape = [end - begin, *self._shape[1:]]
        tensor = self._read(shape, begin * row_bytes, (end - begin) * row_bytes)
        rows = 0 if isinstance(first, int) else slice(None)
        return self._arrays.finish(self._arrays.take(tensor, (rows, *others)), self._device)

    def _read(self, shape: Sequence[int], offset_bytes: int, size_bytes: int) -> Any:
        tensor, memory = self._arrays.empty(self.get_dtype(), shape, size_bytes)
        self._file.read([(self._name, offset_bytes, memory)], self._threads)
        return tensor


def _expand(index: Index | tuple[Index, ...], shape: Sequence[int]) -> list[int | slice]:
    """An index for every dimension, checked."""
    given = list(index) if isinstance(index, tuple) else [index]
    dots = sum(1 for part in given if part is ...)
    missing = len(shape) - (len(given) - dots)
    if dots > 1 or missing < 0:
        raise IndexError(f"{len(given)} indices do not fit a tensor of shape {list(shape)}")
    if dots == 0:
        given.append(...)
    full: list[int | slice] = []
    for part in given:
        if part is ...:
            full.extend([slice(None)] * missing)
        elif isinstance(part, int | slice):
            full.append(part)
        else:
            raise TypeError(f"tensors are sliced by integers, slices and `...`, not by {part!r}")
    for part, size in zip(full, shape, strict=True):
        _bounds(part, size)
    return full


def _bounds(index: int | slice, size: int) -> tuple[int, int]:
    """What an index selects of a dimension."""
    if isinstance(index, int):
        if not -size <= index < size:
            raise IndexError(f"there is no {index} in a dimension of {size}")
        return index % size, index % size + 1
    begin, end, step = index.indices(size)
    if step != 1:
        raise ValueError("tensors are sliced with a step of 1")
    return begin, max(begin, end)
