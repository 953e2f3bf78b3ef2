"""The build backend: scikit-build-core's, whose wheels get the shared libraries that they need.

auditwheel copies them into the wheel under names of their own, so that they meet neither those of
the system nor those of other packages in one process.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from scikit_build_core import build as _build
from scikit_build_core.build import (
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_wheel",
]


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        bare, whole = Path(scratch, "bare"), Path(scratch, "whole")
        bare.mkdir()
        name = _build.build_wheel(str(bare), config_settings, metadata_directory)
        command = [sys.executable, "-m", "auditwheel", "repair", "--plat", "auto"]
        subprocess.run([*command, "--wheel-dir", str(whole), str(bare / name)], check=True)
        (wheel,) = whole.iterdir()
        wheel.replace(Path(wheel_directory, wheel.name))
        return wheel.name
