"""Synthetic models of any size with the names and shapes of real ones: a dense Llama, or a
DeepSeek-V3 with experts. Their weights are resampled from SmolLM2's (see resample.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import model_shapes
import recipes
from model_dir import say, shard_name, write_index, write_json
from resample import Resampler
from safetensors_writer import stock_order, write_file

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {f"{unit}I": 1 << (10 * i) for i, unit in enumerate(("", "K", "M", "G", "T")) if unit}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?I?)B?", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Bytes of a size such as 2GB (10^9) or 512MiB (2^20); ValueError if it is none."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2].upper() not in _UNITS:
        raise ValueError(f"{text!r} is not a size such as 2GB or 512MiB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def split_shards(
    parts: Iterable[model_shapes.Part], shard_size: int
) -> list[list[model_shapes.Part]]:
    """The tensors in order, in shards of at most `shard_size` bytes each (but at least one
    tensor). A weight and its scales stay together."""
    shards: list[list[model_shapes.Part]] = [[]]
    filled = 0
    for part in parts:
        spec = part[0]
        full = filled + spec.nbytes > shard_size and not spec.name.endswith("_scale_inv")
        if full and shards[-1]:
            shards.append([])
            filled = 0
        shards[-1].append(part)
        filled += spec.nbytes
    return shards


def build(
    directory: Path, config: dict[str, Any], source: Path, shard_size: int, seed: int
) -> None:
    """Fills `directory` with the model of `config`, resampled from the model in `source`."""
    make = {"llama": model_shapes.llama, "deepseek_v3": model_shapes.deepseek_v3}
    shards = split_shards(make[config["model_type"]](config), shard_size)
    resampler = Resampler(source, seed)
    for i, shard in enumerate(shards):
        name = shard_name(i, len(shards))
        say(f"writing {name} ({sum(spec.nbytes for spec, _ in shard) / 1e6:.0f} MB)")
        tensors = stock_order(resampler.tensor(spec, role) for spec, role in shard)
        write_file(directory / name, tensors, {"format": "pt"})
    write_index(directory, [[spec for spec, _ in shard] for shard in shards])
    write_json(directory / "config.json", recipes.adapt_config("block", config))
