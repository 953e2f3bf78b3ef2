"""How a model's weights become FP8: the recipes `block`, `tensor`, `cast` and `e5m2`; and
`original`, by which they stay what they are.

block: DeepSeek's. Every projection weight W of shape [out, in] becomes E4M3 with one F32 scale a
       block of 128x128: `<name>_scale_inv` of shape [ceil(out/128), ceil(in/128)] holds amax/448,
       and W is about fp8 * scale_inv.
tensor: E4M3 with one F32 scale a tensor: `<name>_scale` of shape [1] holds amax/448.
cast:  the same weights, cast to E4M3 as they are. No scales.
e5m2:  the same, cast to E5M2.
original: every tensor as the source has it.

But for `original`, all other floating-point tensors (norms, embeddings, biases, heads) become BF16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, get_args

import ml_dtypes
import numpy as np
import numpy.typing as npt

from safetensors_writer import Array

Recipe = Literal["block", "tensor", "cast", "e5m2", "original"]
RECIPES: tuple[Recipe, ...] = get_args(Recipe)
BLOCK = 128  # rows and columns that share one scale
E4M3_MAX = 448.0
E5M2_MAX = 57344.0

F32Array = npt.NDArray[np.float32]


def to_e4m3(values: F32Array) -> Array:
    """E4M3 of `values` (any shape): round to nearest even, and saturate at +-448. NaN stays NaN."""
    clipped = np.clip(values, -E4M3_MAX, E4M3_MAX)
    return clipped.astype(ml_dtypes.float8_e4m3fn)


def to_e5m2(values: F32Array) -> Array:
    """E5M2 of `values` (any shape), as to_e4m3; saturates at +-57344."""
    return np.clip(values, -E5M2_MAX, E5M2_MAX).astype(ml_dtypes.float8_e5m2)


def to_bf16(values: Array) -> Array:
    """BF16 of `values` (any shape), rounded to nearest even."""
    return values.astype(ml_dtypes.bfloat16)


def _spread(scale_inv: F32Array, shape: tuple[int, int]) -> F32Array:
    """The scales of shape [ceil(out/128), ceil(in/128)] repeated to `shape` = [out, in]."""
    wide = np.repeat(np.repeat(scale_inv, BLOCK, axis=0), BLOCK, axis=1)
    return wide[: shape[0], : shape[1]]


def block_quantize(weight: F32Array) -> tuple[Array, F32Array]:
    """Quantises `weight` [out, in] to E4M3 [out, in] and scale_inv, F32 [ceil(out/128),
    ceil(in/128)].

    A block that is all zero, or whose scale would be subnormal, has scale 1.
    """
    rows, columns = weight.shape
    blocks = (-(-rows // BLOCK), -(-columns // BLOCK))
    padded = np.zeros((blocks[0] * BLOCK, blocks[1] * BLOCK), np.float32)
    padded[:rows, :columns] = np.abs(weight)
    amax = padded.reshape(blocks[0], BLOCK, blocks[1], BLOCK).max(axis=(1, 3), initial=0)
    scale_inv = amax / np.float32(E4M3_MAX)
    scale_inv[scale_inv < np.finfo(np.float32).tiny] = 1
    return to_e4m3(weight / _spread(scale_inv, (rows, columns))), scale_inv


def tensor_quantize(weight: F32Array) -> tuple[Array, F32Array]:
    """Quantises `weight` (any shape) to E4M3 and its scale, F32 [1]; the scale of one that is all
    zero, or whose scale would be subnormal, is 1."""
    scale = np.abs(weight).max(initial=0) / np.float32(E4M3_MAX)
    if scale < np.finfo(np.float32).tiny:
        scale = np.float32(1)
    return to_e4m3(weight / scale), np.array([scale], np.float32)


def block_dequantize(quantized: Array, scale_inv: F32Array) -> F32Array:
    """The F32 weights [out, in] that E4M3 `quantized` [out, in] stands for."""
    rows, columns = quantized.shape
    return quantized.astype(np.float32) * _spread(scale_inv, (rows, columns))


def apply(
    recipe: Recipe,
    weights: Iterable[tuple[str, Array]],
    is_projection: Callable[[str], bool],
) -> Iterator[tuple[str, Array]]:
    """The tensors of the quantised model, from those of the original, (name, array) each."""
    if recipe == "original":
        yield from weights
        return
    for name, array in weights:
        if is_projection(name):
            if recipe == "block":
                quantized, scale_inv = block_quantize(array.astype(np.float32))
                yield name, quantized
                yield name + "_scale_inv", scale_inv
            elif recipe == "tensor":
                quantized, scale = tensor_quantize(array.astype(np.float32))
                yield name, quantized
                yield name + "_scale", scale
            else:
                to_fp8 = to_e5m2 if recipe == "e5m2" else to_e4m3
                yield name, to_fp8(array.astype(np.float32))
        elif np.issubdtype(array.dtype, np.floating):
            yield name, to_bf16(array)
        else:
            yield name, array


def adapt_config(recipe: Recipe, config: dict[str, Any]) -> dict[str, Any]:
    """config.json of the quantised model, from that of the original (whose weights are F32)."""
    config = {**config, "torch_dtype": "float32" if recipe == "original" else "bfloat16"}
    if recipe == "block":
        config["quantization_config"] = {
            "activation_scheme": "dynamic",
            "fmt": "e4m3",
            "quant_method": "fp8",
            "weight_block_size": [BLOCK, BLOCK],
        }
    if recipe == "tensor":
        config["quantization_config"] = {"activation_scheme": "dynamic", "quant_method": "fp8"}
    return config
