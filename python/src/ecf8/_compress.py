"""A plain model to a compressed one."""

from __future__ import annotations

import os
from typing import NamedTuple

from ecf8 import _native


class CompressedSizes(NamedTuple):
    """Of all files of a directory, before and after."""

    raw_bytes: int
    stored_bytes: int


def compress(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    threads: int = 0,
    replace: bool = False,
) -> CompressedSizes:
    """Compresses a Hugging Face directory, or one .safetensors file, to the directory
    `destination`, which appears when it is complete. The same as `ecf8 compress`.

    `threads`: 0 is one a core. `replace`: whether a directory that is there may be replaced.
    """
    return CompressedSizes(
        *_native.compress(os.fspath(source), os.fspath(destination), threads, replace)
    )
