"""Writes .safetensors files as a stream, with the dtypes that numpy has only through ml_dtypes.

A file is: u64 header length (little endian), the JSON header, the tensors' bytes without holes.
Tensors are given as a spec and a function that yields their bytes, so a file of any size needs
no more memory than one piece.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Pieces = Callable[[], Iterable[Array | bytes]]

# In the order of the safetensors library's own enum, by which it sorts a file's tensors
# (descending, so that wide elements come first and everything is aligned).
NUMPY_DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E8M0": np.dtype(ml_dtypes.float8_e8m0fnu),
    "I16": np.dtype(np.int16),
    "U16": np.dtype(np.uint16),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I32": np.dtype(np.int32),
    "U32": np.dtype(np.uint32),
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
    "I64": np.dtype(np.int64),
    "U64": np.dtype(np.uint64),
}
_RANK = {name: rank for rank, name in enumerate(NUMPY_DTYPES)}
_NAMES = {dtype: name for name, dtype in NUMPY_DTYPES.items()}


@dataclass(frozen=True)
class TensorSpec:
    """A tensor without its data: `dtype` is safetensors' name of it, e.g. "F8_E4M3"."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return math.prod(self.shape) * NUMPY_DTYPES[self.dtype].itemsize


@dataclass(frozen=True)
class Tensor:
    """A tensor to be written: its spec, and a function that yields its bytes in order."""

    spec: TensorSpec
    pieces: Pieces


def from_array(name: str, array: Array) -> Tensor:
    """The tensor `name` of an array of any shape; the dtype is the array's own."""
    spec = TensorSpec(name, _NAMES[array.dtype], array.shape)
    return Tensor(spec, lambda: [np.ascontiguousarray(array)])


def stock_order(tensors: Iterable[Tensor]) -> list[Tensor]:
    """The order in which the safetensors library would write `tensors`."""
    return sorted(tensors, key=lambda t: (-_RANK[t.spec.dtype], t.spec.name))


def write_file(
    path: Path,
    tensors: Sequence[Tensor],
    metadata: Mapping[str, str] | None = None,
    extra_padding: int = 0,
) -> None:
    """Writes `tensors` in the order given; the header ends in spaces, `extra_padding` more than
    its rounding up to 8 bytes needs. Raises ValueError if a tensor's pieces do not make its size.
    """
    header: dict[str, Any] = {}
    if metadata is not None:
        header["__metadata__"] = dict(metadata)
    offset = 0
    for tensor in tensors:
        spec = tensor.spec
        if spec.name in header:
            raise ValueError(f"tensor {spec.name!r} is given twice")
        header[spec.name] = {
            "dtype": spec.dtype,
            "shape": list(spec.shape),
            "data_offsets": [offset, offset + spec.nbytes],
        }
        offset += spec.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8 + extra_padding)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors:
            written = 0
            for piece in tensor.pieces():
                data = piece if isinstance(piece, bytes) else piece.reshape(-1).view(np.uint8).data
                written += file.write(data)
            if written != tensor.spec.nbytes:
                raise ValueError(
                    f"tensor {tensor.spec.name!r} has {written} bytes, not {tensor.spec.nbytes}"
                )
