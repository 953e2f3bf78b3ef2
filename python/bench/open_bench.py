"""How long one tensor of 10 MB takes: `ecf8.safe_open` on a compressed file beside safetensors'
own, which maps the plain one, warm (the file is in the page cache) and cold.

What is timed ends when every byte has been read once. The ways take turns, round after round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file

import ecf8
import ecf8.torch

ROOT = Path(__file__).resolve().parents[2]
WANTED_BYTES = 10_000_000
NAME = "tensor"


def make_tensor(model: Path) -> torch.Tensor:
    """Real weights: matrices of one width, one below the other."""
    rows: list[torch.Tensor] = []
    with safetensors.safe_open(model / "model.safetensors", framework="pt") as f:
        for name in f.keys():  # noqa: SIM118  # it is no mapping
            if name.endswith("up_proj.weight"):
                rows.append(f.get_tensor(name).view(torch.uint8))
                if sum(part.numel() for part in rows) >= WANTED_BYTES:
                    return torch.cat(rows).view(torch.float8_e4m3fn).contiguous()
    sys.exit(f"{model} has too few weights")


def read_all(tensor: torch.Tensor) -> int:
    return int(tensor.view(-1).view(torch.int64).sum())


class Way:
    """Opens a file, or keeps it open, and reads the one tensor."""

    def __init__(self, name: str, path: Path, start: Callable[[], Any]) -> None:
        self.name = name
        self._path = path
        self._start = start
        self._kept = start()
        self.seconds: dict[str, list[float]] = {"opened before": [], "opened anew": [], "cold": []}

    def run(self) -> None:
        self._time("opened before", self._kept)
        self._time("opened anew", None)
        self._forget()
        self._time("cold", None)

    def _time(self, kind: str, opened: Any) -> None:
        begun = time.perf_counter()
        if opened is None:
            opened = self._start()
        read_all(opened.get_tensor(NAME))
        self.seconds[kind].append(time.perf_counter() - begun)

    def _forget(self) -> None:
        """Drops what the page cache has of the file; what is mapped of it stays."""
        self._kept = None
        file = os.open(self._path, os.O_RDONLY)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)

    def open_again(self) -> None:
        self._kept = self._start()
        read_all(self._kept.get_tensor(NAME))


def table(ways: list[Way], rounds: int) -> str:
    lines = ["| | " + " | ".join(ways[0].seconds) + " |", "|---|" + "---|" * len(ways[0].seconds)]
    for way in ways:
        cells = []
        for kind, seconds in way.seconds.items():
            ratios = [a / b for a, b in zip(seconds, ways[0].seconds[kind], strict=True)]
            cell = f"{1000 * statistics.median(seconds):.1f} ms ({1000 * min(seconds):.1f})"
            if way is not ways[0]:
                cell += f", {statistics.median(ratios):.2f}"
            cells.append(cell)
        lines.append(f"| {way.name} | " + " | ".join(cells) + " |")
    note = f"medians of {rounds} rounds (the least), and of the rounds' ratios to {ways[0].name}"
    return "\n".join([*lines, note])


def main() -> int:
    options = _arguments()
    with tempfile.TemporaryDirectory(prefix="ecf8-bench.", dir=options.place) as scratch:
        plain, packed = Path(scratch, "plain.safetensors"), Path(scratch, "packed.safetensors")
        tensor = make_tensor(options.model)
        save_file({NAME: tensor}, plain)
        ecf8.torch.save_file({NAME: tensor}, packed)
        for path in (plain, packed):  # what is not on the disk cannot be dropped from the cache
            with path.open("rb") as file:
                os.fsync(file.fileno())
        print(f"{tensor.nbytes} bytes, {packed.stat().st_size} compressed")
        ways = [
            Way("safetensors", plain, lambda: safetensors.safe_open(plain, framework="pt")),
            Way("ecf8", packed, lambda: ecf8.safe_open(packed)),
            Way("ecf8, one thread", packed, lambda: ecf8.safe_open(packed, threads=1)),
        ]
        for _ in range(options.rounds):
            for way in ways:
                way.open_again()
                way.run()
        same = ecf8.safe_open(packed).get_tensor(NAME).view(torch.uint8)
        print(table(ways, options.rounds))
    return 0 if same.equal(tensor.view(torch.uint8)) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT / "build/models/smollm2-block")
    parser.add_argument("--place", type=Path, help="a folder of the disk to be measured")
    parser.add_argument("--rounds", type=int, default=25)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
