"""Copies some tensors of a model directory into another: a slice of a real model, for tests and
bundles that cannot carry all of it."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from safetensors_reader import read_file
from safetensors_writer import from_array, stock_order, write_file


def slice_model(source: Path, directory: Path, tensors: re.Pattern[str]) -> int:
    """Makes `directory` of the config and the tensors whose whole name matches; returns how many
    these are. Their bytes stay as they are."""
    chosen = {
        name: array
        for path in sorted(source.glob("*.safetensors"))
        for name, array in read_file(path).items()
        if tensors.fullmatch(name)
    }
    if not chosen:
        raise ValueError(f"{source} has no tensor whose name is {tensors.pattern}")
    directory.mkdir(parents=True)
    shutil.copyfile(source / "config.json", directory / "config.json")
    ordered = stock_order(from_array(name, array) for name, array in chosen.items())
    write_file(directory / "model.safetensors", ordered, {"format": "pt"})
    return len(chosen)


def main(argv: Sequence[str]) -> int:
    """slice_model.py SOURCE DIRECTORY REGEX; returns the exit status."""
    parser = argparse.ArgumentParser(prog="slice_model", description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("tensors", type=re.compile, help="a regular expression of whole names")
    arguments = parser.parse_args(argv)
    try:
        slice_model(arguments.source, arguments.directory, arguments.tensors)
    except (OSError, ValueError) as error:
        print(f"slice_model: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
