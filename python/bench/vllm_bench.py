"""How long vLLM takes to load SmolLM2's weights on the CPU: compressed, from a directory and from a
daemon, and de-quantised, by its own loader and by Run:ai's; beside reading all tensors with
safetensors.

All in one process, one way after the other, round after round: first with a page cache that has
nothing of the files (cold), then again (warm). What each of vLLM's ways has loaded is compared.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from generate_bench import ROOT, Daemon, dequantize
from safetensors.torch import load_file
from vllm.config import set_current_vllm_config
from vllm.distributed import init_distributed_environment, initialize_model_parallel
from vllm.engine.arg_utils import EngineArgs
from vllm.model_executor.model_loader import get_model_loader
from vllm.model_executor.model_loader.utils import initialize_model
from vllm.plugins import load_general_plugins
from vllm.utils.torch_utils import set_default_torch_dtype

WAYS = {
    "directory": ("ecf8 from a directory", "packed"),
    "daemon": ("ecf8 from a daemon", "packed"),
    "auto": ("vLLM's default loader, BF16", "plain"),
    "runai_streamer": ("Run:ai's loader, BF16", "plain"),
    "safetensors": ("safetensors without vLLM, BF16", "plain"),
    "safetensors_fp8": ("safetensors without vLLM, FP8", "fp8"),
}


class Bench:
    def __init__(self, place: Path, options: argparse.Namespace) -> None:
        self._place = place
        self._options = options
        self._met = False
        self._digest: str | None = None

    def run(self, way: str, is_cold: bool) -> float:
        """Seconds."""
        directory = self._place / WAYS[way][1]
        if is_cold:
            drop_page_cache(directory)
        if way.startswith("safetensors"):
            return read_with_safetensors(directory)
        with self._daemon(way, directory, is_cold) as extra:
            return self._load(way, directory, extra)

    @contextmanager
    def _daemon(self, way: str, packed: Path, is_cold: bool) -> Iterator[dict[str, Any]]:
        """What the loader is told. The daemon is a new one each time; for a warm load it has
        brought the compressed model to its memory before."""
        if way != "daemon":
            yield {}
            return
        with tempfile.TemporaryDirectory(prefix="ecf8-bench.") as place:
            daemon = Daemon(Path(place), packed, self._options)
            try:
                if not is_cold:
                    command = [self._options.bin / "ecf8", "preload", packed.name, "--tier=host"]
                    command += [f"--daemon={daemon.address}"]
                    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                yield {"model_loader_extra_config": {"daemon": daemon.address}}
            finally:
                daemon.stop()

    def _load(self, way: str, directory: Path, extra: dict[str, Any]) -> float:
        load_format = "ecf8" if way in ("directory", "daemon") else way
        arguments = EngineArgs(
            model=str(directory),
            load_format=load_format,
            max_model_len=256,
            enforce_eager=True,
            use_tqdm_on_load=False,
            **extra,
        )
        config = arguments.create_engine_config()
        with set_current_vllm_config(config):
            self._meet()
            with set_default_torch_dtype(config.model_config.dtype):
                model = initialize_model(vllm_config=config, model_config=config.model_config)
                loader = get_model_loader(config.load_config)
                begun = time.perf_counter()
                loader.load_weights(model, config.model_config)
                seconds = time.perf_counter() - begun
        self._check(model)
        del model
        gc.collect()
        return seconds

    def _meet(self) -> None:
        """vLLM wants groups of ranks; this is the only one."""
        if not self._met:
            init_distributed_environment(1, 0, f"file://{self._place}/meeting", 0, backend="gloo")
            initialize_model_parallel(1)
            self._met = True

    def _check(self, model: torch.nn.Module) -> None:
        """Raises where the parameters are not those of the load before."""
        found = hashlib.sha256()
        for name, tensor in model.named_parameters():
            memory: Any = tensor.detach().contiguous().view(-1).view(torch.uint8).numpy()
            found.update(name.encode())
            found.update(memory)
        if self._digest not in (None, found.hexdigest()):
            raise SystemExit("the ways have loaded different weights")
        self._digest = found.hexdigest()


def drop_page_cache(directory: Path) -> None:
    """Of the directory's files."""
    for file in directory.iterdir():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_with_safetensors(directory: Path) -> float:
    """Copies every tensor, as what it returns is a mapping of the file."""
    begun = time.perf_counter()
    copies = [tensor.clone() for tensor in load_file(directory / "model.safetensors").values()]
    seconds = time.perf_counter() - begun
    del copies
    return seconds


def table(place: Path, seconds: dict[tuple[str, bool], list[float]]) -> str:
    """In Markdown: medians, and the least and most."""
    lines = [
        "| | read | cold | least to most | warm | least to most |",
        "|---|---|---|---|---|---|",
    ]
    for way in dict.fromkeys(way for way, _ in seconds):
        name, directory = WAYS[way]
        size = (place / directory / "model.safetensors").stat().st_size / 1e6
        cells = [name, f"{size:.0f} MB"]
        for is_cold in (True, False):
            taken = seconds[way, is_cold]
            cells.append(f"{statistics.median(taken):.2f} s")
            cells.append(f"{min(taken):.2f} to {max(taken):.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    options = _arguments()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    load_general_plugins()
    with tempfile.TemporaryDirectory(prefix="ecf8-bench.", dir=options.scratch) as scratch:
        place = Path(scratch)
        dequantize(options.model, place / "plain")
        (place / "fp8").symlink_to(options.model)
        subprocess.run(
            [options.bin / "ecf8", "compress", options.model, place / "packed"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        bench = Bench(place, options)
        seconds: dict[tuple[str, bool], list[float]] = {}
        for number in range(-1, options.rounds):
            for way in options.ways:
                for is_cold in (True, False):
                    taken = bench.run(way, is_cold)
                    if number < 0:  # what is imported and allocated the first time
                        continue
                    seconds.setdefault((way, is_cold), []).append(taken)
                    kind = "cold" if is_cold else "warm"
                    print(f"round {number + 1}, {way}, {kind}: {taken:.2f} s", file=sys.stderr)
        print(table(place, seconds))
    if options.json:
        named = {f"{way} {'cold' if c else 'warm'}": taken for (way, c), taken in seconds.items()}
        options.json.write_text(json.dumps(named))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT / "build/models/smollm2-block")
    parser.add_argument("--bin", type=Path, default=ROOT / "build/release/bin")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scratch", type=Path, help="on which file system the models are")
    parser.add_argument("--slot-budget", default="64MiB")
    parser.add_argument("--host-budget", default="256MiB")
    parser.add_argument("--json", type=Path, help="where every load's seconds go")
    return parser.parse_args()


if __name__ == "__main__":
    main()
