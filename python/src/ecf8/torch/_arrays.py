"""PyTorch's tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ecf8 import _native

# F6 is left out: PyTorch has no such type.
DTYPES: dict[str, torch.dtype] = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "U16": torch.uint16,
    "I16": torch.int16,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "U32": torch.uint32,
    "I32": torch.int32,
    "F32": torch.float32,
    "U64": torch.uint64,
    "I64": torch.int64,
    "F64": torch.float64,
    "C64": torch.complex64,
}
# Types that came to PyTorch later.
for _name, _attribute in (("F8_E8M0", "float8_e8m0fnu"), ("F4", "float4_e2m1fn_x2")):
    if hasattr(torch, _attribute):
        DTYPES[_name] = getattr(torch, _attribute)
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def dtype_of(name: str) -> torch.dtype:
    """TypeError where PyTorch has no such type."""
    if name not in DTYPES:
        raise TypeError(f"PyTorch {torch.__version__} has no dtype for tensors of {name}")
    return DTYPES[name]


def shape_in_torch(dtype: str, shape: Sequence[int]) -> list[int]:
    """PyTorch counts pairs of 4-bit elements, safetensors the elements."""
    if dtype != "F4":
        return list(shape)
    if not shape or shape[-1] % 2 != 0:
        raise TypeError(f"PyTorch has no F4 tensors of shape {list(shape)}: it pairs elements")
    return [*shape[:-1], shape[-1] // 2]


class TorchArrays:
    def empty(self, dtype: str, shape: Sequence[int], size_bytes: int) -> tuple[Tensor, Any]:
        kind = dtype_of(dtype)
        memory = torch.empty(size_bytes, dtype=torch.uint8, device="cpu")
        return memory.view(kind).view(shape_in_torch(dtype, shape)), memory

    def finish(self, tensor: Tensor, device: str) -> Tensor:
        return tensor if device == "cpu" else tensor.to(device)

    def view(
        self,
        lease: _native.Lease,
        unit: int,
        info: _native.TensorInfo,
        shape: Sequence[int] | None,
    ) -> Tensor:
        memory: Tensor = lease.torch(unit, info.decoded_offset_bytes, info.size_bytes)
        tensor = memory.view(dtype_of(info.dtype))
        return tensor if shape is None else tensor.view(shape_in_torch(info.dtype, shape))

    def copy(self, tensor: Tensor) -> Tensor:
        return tensor.clone()

    def take(self, tensor: Tensor, index: tuple[Any, ...]) -> Tensor:
        part = tensor[index]
        return part if part.numel() == tensor.numel() else part.clone()


TORCH = TorchArrays()
