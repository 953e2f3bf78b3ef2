"""NumPy: arrays from compressed files and back, as `safetensors.numpy` does it for plain ones.

FP8 and BF16 are the types of ml_dtypes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from ecf8 import _native
from ecf8._files import read_tensors
from ecf8._numpy_arrays import NAMES, NUMPY, Array

__all__ = ["load_file", "save_file"]


def load_file(path: str | os.PathLike[str], *, threads: int = 0) -> dict[str, Array]:
    """Every tensor of a compressed model's directory, or of one .safetensors file of it.

    They are the original bytes, in memory of their own; DataLossError otherwise. `threads` that
    decode: 0 is one a core.
    """
    file = _native.TensorFile.open(os.fspath(path))
    return read_tensors(file, file.names(), NUMPY, "cpu", threads)


def save_file(
    tensors: Mapping[str, Array],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    *,
    threads: int = 0,
) -> None:
    """Compresses `tensors` to the file `path`, which must end in ".safetensors" and appears, or
    replaces what was there, when it is complete.

    FP8 arrays (float8_e4m3fn, float8_e5m2) shrink, others are stored as they are. Nothing may
    change them meanwhile.
    """
    entries = []
    for name, array in tensors.items():
        little = array.astype(array.dtype.newbyteorder("<")) if _is_big(array) else array
        if little.dtype not in NAMES:
            raise TypeError(f"{name!r}: a file has no place for {array.dtype}")
        memory = np.ascontiguousarray(little).reshape(-1).view(np.uint8)
        entries.append((name, NAMES[little.dtype], list(array.shape), memory))
    _native.save(entries, dict(metadata or {}), os.fspath(path), threads)


def _is_big(array: Array) -> bool:
    return array.dtype.byteorder == ">"
