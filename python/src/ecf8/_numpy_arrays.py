"""NumPy's arrays; ml_dtypes has the types that NumPy lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from ecf8 import _native

Array = npt.NDArray[Any]

# F4 and F6 are left out: ml_dtypes takes a byte for an element of them, and a file less.
DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "F8_E8M0": np.dtype(ml_dtypes.float8_e8m0fnu),
    "U16": np.dtype(np.uint16),
    "I16": np.dtype(np.int16),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "U32": np.dtype(np.uint32),
    "I32": np.dtype(np.int32),
    "F32": np.dtype(np.float32),
    "U64": np.dtype(np.uint64),
    "I64": np.dtype(np.int64),
    "F64": np.dtype(np.float64),
    "C64": np.dtype(np.complex64),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def dtype_of(name: str) -> np.dtype[Any]:
    """TypeError where NumPy has no such type."""
    if name not in DTYPES:
        raise TypeError(f"NumPy has no dtype for tensors of {name}")
    return DTYPES[name]


class NumpyArrays:
    def empty(self, dtype: str, shape: Sequence[int], size_bytes: int) -> tuple[Array, Array]:
        kind = dtype_of(dtype)
        memory = np.empty(size_bytes, np.uint8)
        return memory.view(kind).reshape(tuple(shape)), memory

    def finish(self, tensor: Array, device: str) -> Array:
        if device != "cpu":
            raise ValueError(f"NumPy's arrays are on the CPU, not on {device!r}")
        return tensor

    def view(
        self,
        lease: _native.Lease,
        unit: int,
        info: _native.TensorInfo,
        shape: Sequence[int] | None,
    ) -> Array:
        memory = lease.numpy(unit, info.decoded_offset_bytes, info.size_bytes)
        array: Array = memory.view(dtype_of(info.dtype))
        return array if shape is None else array.reshape(tuple(shape))

    def copy(self, tensor: Array) -> Array:
        return tensor.copy()

    def take(self, tensor: Array, index: tuple[Any, ...]) -> Array:
        part = np.asarray(tensor[index])
        return part if part.size == tensor.size else part.copy()


NUMPY = NumpyArrays()
