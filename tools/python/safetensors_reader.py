"""Reads .safetensors files as memory-mapped numpy arrays, FP8 and BF16 through ml_dtypes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from safetensors_writer import NUMPY_DTYPES, Array


def read_file(path: Path) -> dict[str, Array]:
    """Every tensor of the file by its name, with its dtype and shape; mapped, read-only."""
    data = np.memmap(path, np.uint8, mode="r")
    start = 8 + int.from_bytes(data[:8].tobytes(), "little")
    header = json.loads(data[8:start].tobytes())
    header.pop("__metadata__", None)
    tensors: dict[str, Array] = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        array = np.frombuffer(data[start + begin : start + end], NUMPY_DTYPES[entry["dtype"]])
        tensors[name] = array.reshape(entry["shape"])
    return tensors
