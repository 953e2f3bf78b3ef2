"""A model of awkward tensors: every size, shape, name, dtype and content that a compressor of
safetensors files may trip over. All of it is legal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from model_dir import shard_name, write_index, write_json
from safetensors_writer import NUMPY_DTYPES, Array, Tensor, from_array, stock_order, write_file

# Around a group (512 weights), a tile (32768) and a chunk (1 MiB), and the smallest.
SIZES = (0, 1, 511, 512, 513, 32767, 32768, 32769, 1048575, 1048576, 1048577)
_SHAPES = ((33, 77), (1, 1), (3, 32769), (5, 0), (0, 5), (7, 11, 13), (1, 1, 1, 1), (2, 3, 4, 5, 6))
_COUNT = 100_003  # elements of the tensors whose content is awkward; a prime
_FP8: dict[str, np.dtype[Any]] = {
    "e4m3": NUMPY_DTYPES["F8_E4M3"],
    "e5m2": NUMPY_DTYPES["F8_E5M2"],
}
_NAMES = (
    "größe.重み.🙂.weight",
    "a name with  spaces .weight",
    "...",
    " ",
    "layers.3.weight",
    "layers.-1.weight",
    "layers.007.weight",
    "layers.99999999999999999999.weight",
    "model.layers.1.mlp.experts.5.down_proj.weight",
    "model.layers.1.mlp.experts.down_proj",
    "layers/2\\weight",
    'quoted "name"\n\ttab',
    "x" * 200,
)


def _normal(random: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Weights as in a model: normal, with the widest in E4M3's upper half."""
    values: Array = (random.standard_normal(shape) * 60).astype(np.float32)
    return np.clip(values, -448, 448).astype(dtype)


def _contents(random: np.random.Generator, dtype: np.dtype[Any]) -> dict[str, Array]:
    """Awkward contents, by name: FP8 arrays of one dimension."""
    nan = {"float8_e4m3fn": 0x7F, "float8_e5m2": 0x7E}[dtype.name]
    ramp = np.arange(_COUNT)
    sparse = np.full(_COUNT, 0x38)
    sparse[-1] = 0xFE  # one rare symbol, the last
    # Symbol i with a frequency of 2^-i: an unlimited Huffman code would be as deep as there are
    # symbols.
    deep = np.minimum(random.geometric(0.5, _COUNT) - 1, 15) << 3
    drift = (random.integers(0, 4, _COUNT) + ramp * 12 // _COUNT) << 3
    raw: dict[str, Any] = {
        "all_256_values": ramp % 256,
        "each_value_for_long": ramp * 256 // _COUNT,
        "one_symbol": np.full(_COUNT, 0x38),
        "two_symbols": random.choice([0x38, 0xB0], _COUNT),
        "uniform_noise": random.integers(0, 256, _COUNT),
        "all_nan": np.full(_COUNT, nan),
        "both_nans": random.choice([nan, nan | 0x80], _COUNT),
        "all_minus_zero": np.full(_COUNT, 0x80),
        "all_zero": np.zeros(_COUNT),
        "subnormals": random.choice([0x01, 0x81, 0x02, 0x83], _COUNT),
        "last_one_rare": sparse,
        "deep_code": deep,
        "drifting": drift,
        "alternating_groups": np.where(ramp // 512 % 2, 0x38, random.integers(0, 256, _COUNT)),
    }
    return {name: values.astype(np.uint8).view(dtype) for name, values in raw.items()}


def _fp8_tensors(random: np.random.Generator) -> list[Tensor]:
    tensors = []
    for kind, dtype in _FP8.items():
        arrays: dict[str, Array] = {f"size_{n}": _normal(random, (n,), dtype) for n in SIZES}
        for shape in _SHAPES:
            arrays["shape_" + "x".join(map(str, shape))] = _normal(random, shape, dtype)
        arrays["scalar"] = _normal(random, (), dtype)
        arrays |= _contents(random, dtype)
        tensors += [from_array(f"{kind}.{name}", array) for name, array in arrays.items()]
    return tensors


def _other_tensors(random: np.random.Generator) -> list[Tensor]:
    """Every other dtype: a scalar, an empty tensor, and random bytes of an odd shape."""
    tensors = []
    for kind, dtype in NUMPY_DTYPES.items():
        if dtype in _FP8.values():
            continue
        high = 2 if kind == "BOOL" else 256
        noise = random.integers(0, high, 33 * 77 * dtype.itemsize).astype(np.uint8)
        tensors.append(from_array(f"{kind.lower()}.noise", noise.view(dtype).reshape(33, 77)))
        tensors.append(from_array(f"{kind.lower()}.empty", np.zeros((0,), dtype)))
        tensors.append(from_array(f"{kind.lower()}.scalar", np.ones((), dtype)))
    return tensors


def _named_tensors(random: np.random.Generator) -> list[Tensor]:
    e4m3 = _FP8["e4m3"]
    return [from_array(name, _normal(random, (i + 1, 131), e4m3)) for i, name in enumerate(_NAMES)]


def build(directory: Path, seed: int) -> None:
    """Fills `directory` with the model."""
    random = np.random.Generator(np.random.PCG64(seed))
    first = stock_order(_fp8_tensors(random) + _other_tensors(random))
    # The second shard is not in the library's order, so that wide elements lie unaligned; its
    # header is long, has metadata, and ends in many spaces.
    odd = from_array("first.odd", np.zeros(3, np.uint8))
    wide = from_array("then.wide", np.arange(5, dtype=np.float64).astype(ml_dtypes.bfloat16))
    second = [odd, wide, *_named_tensors(random)]
    metadata = {"format": "pt", "": "an empty key", "ключ": "значение", "long": "y" * 5000}
    write_file(directory / shard_name(0, 2), first)
    write_file(directory / shard_name(1, 2), second, metadata, extra_padding=4099)
    write_index(directory, [[t.spec for t in first], [t.spec for t in second]])
    config = {"architectures": ["AwkwardModel"], "model_type": "awkward", "num_hidden_layers": 2}
    write_json(directory / "config.json", config)
    (directory / "empty.txt").touch()
    (directory / "binary.bin").write_bytes(random.bytes(70_001))
    subdirectory = directory / "a sub directory" / "größe"
    subdirectory.mkdir(parents=True)
    (subdirectory / "no newline.txt").write_text("no newline at the end", encoding="utf-8")
    # No shard of this model: its index does not list it.
    write_file(directory / "a sub directory" / "stray.safetensors", second[:3])
