"""Makes weights of any size from real ones: blocks of 4 KiB at random places of SmolLM2's tensors.

Attention weights come from attention weights, MLP weights from MLP weights, and so on, so that the
local statistics are real ones. All layers are one pool: what differs from tensor to tensor in the
real model is mixed here. And since the pool is finite, a long enough output repeats itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from safetensors_reader import read_file
from safetensors_writer import NUMPY_DTYPES, Array, Tensor, TensorSpec

Role = Literal["attention", "mlp", "embedding", "norm", "scale"]

_BLOCK_BYTES = 4096
_PIECE_BYTES = 1 << 20  # made and written at a time


def _role(name: str) -> Role:
    """The role of SmolLM2's tensor `name`."""
    if name.endswith("_scale_inv"):
        return "scale"
    if "embed_tokens" in name:
        return "embedding"
    if "norm" in name:
        return "norm"
    return "attention" if "self_attn" in name else "mlp"


def pool_dtype(role: Role) -> str:
    """The safetensors dtype of a role's pool."""
    if role in ("attention", "mlp"):
        return "F8_E4M3"
    return "F32" if role == "scale" else "BF16"


class Resampler:
    """Draws tensors from the model `source`, a directory of smollm2 by the recipe block.

    The same (seed, tensor name, role, size) always gives the same bytes, whatever else is drawn.
    """

    def __init__(self, source: Path, seed: int) -> None:
        self._seed = seed
        parts: dict[Role, list[Array]] = {}
        for name, array in sorted(read_file(source / "model.safetensors").items()):
            parts.setdefault(_role(name), []).append(array.reshape(-1))
        self._pools = {role: np.concatenate(arrays) for role, arrays in parts.items()}

    def tensor(self, spec: TensorSpec, role: Role) -> Tensor:
        """The tensor `spec`, to be drawn from `role` when it is written."""
        return Tensor(spec, lambda: self._pieces(spec, role))

    def _pieces(self, spec: TensorSpec, role: Role) -> Iterator[Array]:
        pool = self._pools[role]
        dtype = NUMPY_DTYPES[spec.dtype]
        # Norms and scales are few: they are drawn one by one.
        single = role in ("norm", "scale")
        block = 1 if single else _BLOCK_BYTES // pool.itemsize
        raw = pool.view(f"u{pool.itemsize}")
        windows = np.lib.stride_tricks.sliding_window_view(raw, block)
        name_seed = int.from_bytes(hashlib.sha256(spec.name.encode()).digest()[:8], "little")
        random = np.random.Generator(np.random.PCG64([self._seed, name_seed]))
        left = spec.nbytes // dtype.itemsize
        while left > 0:
            count = min(left, _PIECE_BYTES // pool.itemsize)
            drawn = windows[random.integers(0, len(windows), -(-count // block))]
            piece = drawn.reshape(-1)[:count].view(pool.dtype)
            if dtype != pool.dtype:
                piece = piece.astype(dtype)
            yield piece
            left -= count
