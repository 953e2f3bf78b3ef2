"""FP8 matrices to the numbers that they stand for, in the dtype that is computed in."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from ecf8 import _native
from ecf8._errors import from_status
from ecf8.torch._arrays import NAMES

BlockSize = tuple[int, int]
DEFAULT_BLOCK: BlockSize = (128, 128)
_SCALE_SUFFIXES = ("_scale_inv", "_scale")


def scale_name(weight: str, names: Container[str]) -> str | None:
    """Which of `names` holds the scales of an FP8 weight; None where none does."""
    return next((weight + s for s in _SCALE_SUFFIXES if weight + s in names), None)


def block_size_said(quantization_config: Any) -> BlockSize | None:
    """Rows and columns that share a scale, as the `quantization_config` of a Hugging Face model
    says it, or what ecf8 has kept in it of the original's."""
    known = quantization_config
    while known is not None:
        said = known if isinstance(known, Mapping) else vars(known)
        size = said.get("weight_block_size")
        if size is not None:
            rows, columns = size
            return int(rows), int(columns)
        known = said.get("base")
    return None


def block_of(shape: tuple[int, int], grid: tuple[int, int], block: BlockSize) -> BlockSize | None:
    """Rows and columns that share a scale, where `grid` scales belong to a matrix: `block`, or what
    divides it evenly; None where neither can be."""
    if all(-(-size // step) == n for size, step, n in zip(shape, block, grid, strict=True)):
        return block
    if all(n > 0 and size % n == 0 and size > 0 for size, n in zip(shape, grid, strict=True)):
        return shape[0] // grid[0], shape[1] // grid[1]
    return None


class BlockScales:
    """The scales of one matrix of FP8 weights [rows, columns]: what turns these into the values
    weight * scale, in F32, rounded once."""

    def __init__(
        self, dtype: torch.dtype, shape: tuple[int, int], scales: Tensor, block: BlockSize
    ) -> None:
        self.shape = shape
        self._dtype = dtype
        self._block = block
        self._scales = scales
        self._native: _native.Dequantizer | None = None
        if scales.device.type == "cpu":
            values: Any = scales.contiguous()
            self._native = _native.Dequantizer(NAMES[dtype], *shape, *block, values)

    @classmethod
    def of(
        cls,
        name: str,
        dtype: torch.dtype,
        shape: Sequence[int],
        values: Tensor | None,
        block: BlockSize,
    ) -> Self:
        """Of the weight `name`, as a checkpoint has them: one a block, a row or a matrix, also as
        exponents; None: 1. TypeError where the weight is no matrix, InvalidArgumentError where the
        scales do not fit it."""
        if len(shape) != 2:
            raise TypeError(f"{name!r} has {len(shape)} dimensions, and no matrix has")
        rows, columns = shape
        if values is None:
            values = torch.ones((), device="cpu")
        if values.dtype == torch.uint8:  # exponents
            values = (values.to(torch.float32) - 127).exp2()
        values = values.to(torch.float32)
        if values.numel() == 1:
            return cls(
                dtype, (rows, columns), values.reshape(1, 1), (max(rows, 1), max(columns, 1))
            )
        values = values.reshape(-1, 1) if values.dim() == 1 else values
        found = block_of((rows, columns), tuple(values.shape), block)  # type: ignore[arg-type]
        if found is None:
            raise from_status(
                "INVALID_ARGUMENT",
                f"{name!r} has the shape {list(shape)}, and scales of {list(values.shape)}",
                tensor=name,
            )
        return cls(dtype, (rows, columns), values, found)

    @property
    def row_step(self) -> int:
        """Rows can be taken by themselves from every so many'th on."""
        return 1 if self._scales.shape[0] == 1 else self._block[0]

    def rows(self, begin: int, end: int) -> BlockScales:
        """Of some of the matrix's rows; `begin` is a multiple of `row_step`."""
        step = self.row_step
        assert begin % step == 0
        shape = (end - begin, self.shape[1])
        if self._scales.shape[0] == 1:
            block = (max(end - begin, 1), self._block[1])
            return BlockScales(self._dtype, shape, self._scales, block)
        scales = self._scales[begin // step : -(-end // step)]
        return BlockScales(self._dtype, shape, scales, self._block)

    def to(self, device: torch.device) -> BlockScales:
        if self._scales.device == device:
            return self
        return BlockScales(self._dtype, self.shape, self._scales.to(device), self._block)

    def dequantize(self, weights: Tensor, out: Tensor) -> None:
        """Fills `out`, which is contiguous and of a dtype of its own, with the values of `weights`
        [rows, columns]; both on the scales' device."""
        if self._native is None or out.dtype not in (torch.bfloat16, torch.float32):
            out.copy_(self._values(weights))
            return
        for tensor in (weights, out):  # of which only the addresses are passed on
            if tensor.shape != self.shape or not tensor.is_contiguous() or not tensor.is_cpu:
                raise ValueError("the memory does not fit the matrix")
        run = self._native.bf16 if out.dtype == torch.bfloat16 else self._native.f32
        run(weights.data_ptr(), out.data_ptr())

    def _values(self, weights: Tensor) -> Tensor:
        rows, columns = self.shape
        spread = self._scales.repeat_interleave(self._block[0], 0)[:rows]
        values = weights.to(torch.float32)
        if columns % self._block[1] == 0:
            values.view(rows, -1, self._block[1]).mul_(spread.unsqueeze(-1))
        else:
            values.mul_(spread.repeat_interleave(self._block[1], 1)[:, :columns])
        return values


class Scratch:
    """Memory for one dequantised matrix at a time, which all layers share."""

    def __init__(self) -> None:
        self._memory: dict[tuple[torch.device, torch.dtype], Tensor] = {}
        self._views: dict[tuple[tuple[int, int], torch.dtype, torch.device], Tensor] = {}

    def take(self, shape: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
        """Undefined values; whoever had it before has it no more."""
        view = self._views.get((shape, dtype, device))
        return self._make(shape, dtype, device) if view is None else view

    def _make(self, shape: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
        size = shape[0] * shape[1]
        memory = self._memory.get((device, dtype))
        # Not in inference mode: what is made there cannot be written to outside of it.
        with torch.inference_mode(False):
            if memory is None or memory.numel() < size:
                self._views.clear()
                memory = self._memory[device, dtype] = torch.empty(size, dtype=dtype, device=device)
            view = self._views[shape, dtype, device] = memory[:size].view(shape)
        return view
