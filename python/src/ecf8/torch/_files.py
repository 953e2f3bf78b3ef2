"""Whole files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ecf8 import _native
from ecf8._files import read_tensors
from ecf8.torch._arrays import NAMES, TORCH


def load_file(
    path: str | os.PathLike[str], device: str | torch.device = "cpu", *, threads: int = 0
) -> dict[str, Tensor]:
    """Every tensor of a compressed model's directory, or of one .safetensors file of it.

    They are the original bytes, in memory of their own on `device`; DataLossError otherwise.
    `threads` that decode: 0 is one a core.
    """
    file = _native.TensorFile.open(os.fspath(path))
    return read_tensors(file, file.names(), TORCH, str(device), threads)


def save_file(
    tensors: Mapping[str, Tensor],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    *,
    threads: int = 0,
) -> None:
    """Compresses `tensors` to the file `path`, which must end in ".safetensors" and appears, or
    replaces what was there, when it is complete.

    FP8 tensors (float8_e4m3fn, float8_e5m2) shrink, others are stored as they are. Tensors may lie
    on any device; those that share memory are stored each. Nothing may change them meanwhile.
    """
    entries = []
    for name, tensor in tensors.items():
        dtype = _dtype_name(name, tensor)
        host = tensor.detach().to("cpu").resolve_conj().resolve_neg().contiguous()
        entries.append((name, dtype, _shape(host), _memory(host)))
    _native.save(entries, dict(metadata or {}), os.fspath(path), threads)


def _dtype_name(name: str, tensor: Tensor) -> str:
    if tensor.layout != torch.strided or tensor.dtype not in NAMES:
        raise TypeError(f"{name!r}: a file has no place for {tensor.layout} of {tensor.dtype}")
    return NAMES[tensor.dtype]


def _shape(tensor: Tensor) -> list[int]:
    shape = list(tensor.shape)
    if NAMES[tensor.dtype] == "F4":
        shape[-1] *= 2
    return shape


def _memory(tensor: Tensor) -> Any:
    return tensor.reshape(-1).view(torch.uint8)
