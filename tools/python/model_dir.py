"""A model directory is there completely or not at all.

A model is made in a hidden directory beside its place and renamed when complete. What it was made
of is recorded in a stamp beside the directory, never inside: there lie only the model's own files.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors_writer import TensorSpec


class FetchError(Exception):
    """A failure that the user can act on; its text is the sentence that says how."""


def say(text: str) -> None:
    """Tells the user which step is done now."""
    print(f"fetch_model: {text}", file=sys.stderr, flush=True)


def _stamp(directory: Path) -> Path:
    return directory.parent / f".{directory.name}.fetch_model.json"


def is_complete(directory: Path, request: Mapping[str, Any]) -> bool:
    """Whether `directory` already holds the model that `request` describes. Raises FetchError if
    something else lies there."""
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return False
    try:
        made_of = json.loads(_stamp(directory).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        made_of = None
    if made_of != dict(request):
        what = "something that fetch_model did not make" if made_of is None else f"{made_of}"
        raise FetchError(f"{directory} holds {what}: remove it or name another directory.")
    return True


def _remove_dead_leftovers(directory: Path) -> None:
    """Removes what runs left that were killed: their process is gone."""
    prefix = f".{directory.name}.partial-"
    for path in directory.parent.glob(f"{prefix}*"):
        pid = path.name.removeprefix(prefix)
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def building(directory: Path, request: Mapping[str, Any]) -> Iterator[Path]:
    """Gives a directory to fill, which becomes `directory` when the block ends without exception
    and is removed otherwise."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    _remove_dead_leftovers(directory)
    partial = directory.parent / f".{directory.name}.partial-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        # The stamp first: without the directory it means nothing.
        write_json(_stamp(directory), dict(request))
        try:
            os.rename(partial, directory)
        except OSError:
            if not is_complete(directory, request):  # else another run was faster
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """Writes `value` as a JSON file."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def shard_name(index: int, count: int) -> str:
    """Hugging Face's name of shard `index` (from 0) of `count`."""
    if count == 1:
        return "model.safetensors"
    return f"model-{index + 1:05d}-of-{count:05d}.safetensors"


def write_index(directory: Path, shards: Sequence[Sequence[TensorSpec]]) -> None:
    """Writes model.safetensors.index.json for `shards`, unless there is only one."""
    if len(shards) == 1:
        return
    weight_map = {
        spec.name: shard_name(i, len(shards)) for i, specs in enumerate(shards) for spec in specs
    }
    total = sum(spec.nbytes for specs in shards for spec in specs)
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    write_json(directory / "model.safetensors.index.json", index)
