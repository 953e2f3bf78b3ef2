"""A compressed model's tensors one after the other, for those who fill a model by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from ecf8.torch._arrays import shape_in_torch
from ecf8.torch._dequantize import DEFAULT_BLOCK, BlockScales, BlockSize, scale_name
from ecf8.torch._lazy import LazyTensor
from ecf8.torch._source import Source, Stored

_SCALE_OF_INPUTS = ".input_scale"

ReadRows = Callable[[str, int, int], Tensor]


class Checkpoint:
    """A source's tensors, as they are stored; or, with a `dtype`, FP8 weights as the numbers of
    that dtype that they and their scales stand for: weight * scale in F32, rounded once. `block`
    rows and columns share a scale.
    """

    def __init__(
        self, source: Source, dtype: torch.dtype | None = None, block: BlockSize = DEFAULT_BLOCK
    ) -> None:
        self._source = source
        self._stored = source.tensors()
        self._dtype = dtype
        self._block = block
        self._scale_of: dict[str, str | None] = {}
        if dtype is not None:
            fp8 = [name for name, stored in self._stored.items() if stored.is_fp8]
            self._scale_of = {name: scale_name(name, self._stored) for name in fp8}

    def tensors(self, *, ahead: bool) -> Iterator[tuple[str, Tensor]]:
        """All of them by name; scales that the values contain are left out.

        They are read when they are used, and of their rows those that are. With `ahead`, where all
        are going to be used in this order, a thread reads whole tensors, a batch ahead of who takes
        them.
        """
        batches = self._batches()
        if not ahead:
            for batch in batches:
                yield from self._lazily(batch, self._source.read_rows)
            return
        with ThreadPoolExecutor(1, "ecf8-reader") as reader:
            coming = None
            for number, batch in enumerate(batches):
                read = (coming or reader.submit(self._read, batch)).result()
                following = batches[number + 1 : number + 2]
                coming = reader.submit(self._read, following[0]) if following else None
                yield from self._lazily(batch, _RowsOf(read))

    def _batches(self) -> list[list[str]]:
        """Of what is to be returned."""
        scales = set(self._scale_of.values())
        for name in self._scale_of:
            scales.add(name.removesuffix(".weight") + _SCALE_OF_INPUTS)
        batches = [[n for n in batch if n not in scales] for batch in self._source.batches()]
        return [batch for batch in batches if batch]

    def _read(self, batch: Sequence[str]) -> dict[str, Tensor]:
        scales = [self._scale_of.get(name) for name in batch]
        return self._source.read([*batch, *(scale for scale in scales if scale is not None)])

    def _lazily(self, batch: Sequence[str], read_rows: ReadRows) -> Iterator[tuple[str, Tensor]]:
        for name in batch:
            stored = self._stored[name]
            if not stored.shape:
                yield name, self._source.read([name])[name]
                continue
            rows: _StoredRows | _DequantizedRows = _StoredRows(name, stored, read_rows)
            if self._dtype is not None and name in self._scale_of:
                rows = _DequantizedRows(rows, self._dtype, self._scales(name, read_rows))
            yield name, LazyTensor(rows, 0, stored.shape[0])

    def _scales(self, name: str, read_rows: ReadRows) -> Callable[[], BlockScales]:
        stored = self._stored[name]
        scale = self._scale_of[name]

        def read() -> BlockScales:
            values = None
            if scale is not None:
                shape = self._stored[scale].shape
                values = (
                    read_rows(scale, 0, shape[0]) if shape else self._source.read([scale])[scale]
                )
            return BlockScales.of(name, stored.torch_dtype, stored.shape, values, self._block)

        return read


class _RowsOf:
    """Of tensors that have been read."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self._tensors = tensors

    def __call__(self, name: str, begin: int, end: int) -> Tensor:
        return self._tensors[name][begin:end]


class _StoredRows:
    def __init__(self, name: str, stored: Stored, read_rows: ReadRows) -> None:
        self.dtype = stored.torch_dtype
        self.shape = shape_in_torch(stored.dtype, stored.shape)
        self._name = name
        self._read_rows = read_rows

    def read(self, begin: int, end: int) -> Tensor:
        return self._read_rows(self._name, begin, end)

    def read_into(self, begin: int, end: int, out: Tensor) -> None:
        out.copy_(self.read(begin, end))


class _DequantizedRows:
    def __init__(
        self, stored: _StoredRows, dtype: torch.dtype, scales: Callable[[], BlockScales]
    ) -> None:
        self.dtype = dtype
        self.shape = stored.shape
        self._stored = stored
        self._scales = scales

    def read(self, begin: int, end: int) -> Tensor:
        if begin == end:
            return torch.empty(0, *self.shape[1:], dtype=self.dtype, device="cpu")
        scales = self._scales()
        first = begin - begin % scales.row_step
        values = torch.empty(end - first, self.shape[1], dtype=self.dtype, device="cpu")
        scales.rows(first, end).dequantize(self._stored.read(first, end), values)
        return values[begin - first :]

    def read_into(self, begin: int, end: int, out: Tensor) -> None:
        scales = self._scales()
        fits = out.dtype == self.dtype and out.device.type == "cpu" and out.is_contiguous()
        if fits and begin % scales.row_step == 0:
            scales.rows(begin, end).dequantize(self._stored.read(begin, end), out)
        else:
            out.copy_(self.read(begin, end))
