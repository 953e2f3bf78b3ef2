"""FP8 matrices to the numbers that they stand for, in the dtype that is computed in."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ecf8 import _native
from ecf8.torch._arrays import NAMES

BlockSize = tuple[int, int]
DEFAULT_BLOCK: BlockSize = (128, 128)


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
        self._block = block
        self._scales = scales
        self._native: _native.Dequantizer | None = None
        if scales.device.type == "cpu":
            values: Any = scales.contiguous()
            self._native = _native.Dequantizer(NAMES[dtype], *shape, *block, values)

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
