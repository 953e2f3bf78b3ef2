"""Tokens a second, memory and exactness of generating with a model that is resident, attached to a
daemon, attached to a directory, offloaded to the disk by accelerate, and run by AirLLM.

Each way runs in a process of its own, one after the other, round after round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bar_chart import bar_chart
from generate_run import WAYS
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
NAMES = {
    "resident": "resident, BF16",
    "daemon": "attached to a daemon",
    "directory": "attached to a directory",
    "disk_offload": "accelerate, layers on the disk",
    "airllm": "AirLLM",
}
PROMPTS = ("What is gravity?", "Write a haiku about the sea.", "Name three prime numbers.")
BLOCK = 128
MIB = 1 << 20


def dequantize(source: Path, target: Path) -> None:
    """The BF16 checkpoint that an FP8 one of 128x128 blocks stands for."""
    tensors = load_file(source / "model.safetensors")
    plain = {}
    for name, tensor in tensors.items():
        scales = tensors.get(f"{name}_scale_inv")
        if scales is not None:
            spread = scales.repeat_interleave(BLOCK, 0).repeat_interleave(BLOCK, 1)
            tensor = (tensor.float() * spread[: tensor.shape[0], : tensor.shape[1]]).bfloat16()
        if not name.endswith("_scale_inv"):
            plain[name] = tensor
    target.mkdir()
    save_file(plain, target / "model.safetensors", {"format": "pt"})
    config = json.loads((source / "config.json").read_text())
    del config["quantization_config"]
    (target / "config.json").write_text(json.dumps(config))
    for file in source.glob("*token*"):
        (target / file.name).write_bytes(file.read_bytes())


class Daemon:
    """An ecf8d of the run's own."""

    def __init__(self, place: Path, packed: Path, options: argparse.Namespace) -> None:
        self.address = f"unix:{place}/s"
        self._process = subprocess.Popen(
            [
                options.bin / "ecf8d",
                f"--model-dir={packed}",
                f"--listen={self.address}",
                f"--slot-budget={options.slot_budget}",
                f"--host-budget={options.host_budget}",
                *options.daemon_option,
            ],
            stderr=(place / "log").open("ab"),
        )
        while not (place / "s").exists():
            if self._process.poll() is not None:
                sys.exit((place / "log").read_text())
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


def run(way: str, place: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One process's result. A daemon is started for it, and counted from its start."""
    packed = place / "packed"
    command = [sys.executable, str(Path(__file__).with_name("generate_run.py")), way]
    command += ["--plain", str(place / "plain"), "--packed", str(packed)]
    command += ["--offload", str(place / "offload"), f"--slots={options.slots}"]
    tokens = options.airllm_tokens if way == "airllm" else options.tokens
    command += [f"--tokens={tokens}", f"--threads={options.threads}"]
    if options.cold:
        command.append("--cold")
    environment = dict(os.environ)
    if way == "airllm":
        environment["PYTHONPATH"] = str(options.airllm)
    daemon = None
    if way == "daemon":
        daemon = Daemon(place, packed, options)
        command += ["--daemon", daemon.address, f"--pid={daemon.pid}"]
    try:
        done = subprocess.run(
            [*command, *PROMPTS], env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
    finally:
        if daemon is not None:
            daemon.stop()
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def are_same(some: list[list[int]], all_of_them: list[list[int]]) -> bool:
    """Whether answers are equal; the first may be the beginnings of the others."""
    return all(few == many[: len(few)] for few, many in zip(some, all_of_them, strict=True))


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """In Markdown: medians over the rounds, and the slowest and fastest round."""
    lines = ["| | tokens/s | least to most | CPU a token | peak memory | stall | load | tokens |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    wanted = next(iter(results.values()))[0]["tokens"]
    for way, rounds in results.items():
        rates = [r["tokens_per_second"] for r in rounds]
        peak = statistics.median(r["peak_bytes"] for r in rounds) / MIB
        used = statistics.median(r["cpu_ms_per_token"] for r in rounds)
        load = statistics.median(r["load_seconds"] for r in rounds)
        same = "equal" if all(are_same(r["tokens"], wanted) for r in rounds) else "DIFFERENT"
        stall = "-"
        if "stall_share" in rounds[0]:
            stall = f"{statistics.median(r['stall_share'] for r in rounds):.0%}"
        lines.append(
            f"| {NAMES[way]} | {statistics.median(rates):.1f} | {min(rates):.1f} to "
            f"{max(rates):.1f} | {used:.0f} ms | {peak:.0f} MiB | {stall} | {load:.1f} s | {same} |"
        )
    return "\n".join(lines)


def beside_accelerate(results: dict[str, list[dict[str, Any]]]) -> str:
    """How many times as fast, round by round."""
    lines = []
    for way in (way for way in results if way != "disk_offload"):
        pairs = zip(results[way], results["disk_offload"], strict=True)
        ratios = [a["tokens_per_second"] / b["tokens_per_second"] for a, b in pairs]
        lines.append(f"{NAMES[way]}: {statistics.median(ratios):.2f} of accelerate's tokens/s")
    return "\n".join(lines)


def main() -> int:
    options = _arguments()
    with tempfile.TemporaryDirectory(prefix="ecf8-bench.") as scratch:
        place = Path(scratch)
        dequantize(options.model, place / "plain")
        subprocess.run(
            [options.bin / "ecf8", "compress", options.model, place / "packed"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        results: dict[str, list[dict[str, Any]]] = {way: [] for way in options.ways}
        for number in range(options.rounds):
            for way in options.ways:
                result = run(way, place, options)
                results[way].append(result)
                rate = result["tokens_per_second"]
                print(f"round {number + 1}, {way}: {rate:.1f} tokens/s", file=sys.stderr)
    print(table(results))
    if "disk_offload" in results:
        print(beside_accelerate(results))
    if options.svg:
        bars = [
            (NAMES[way], statistics.median(r["tokens_per_second"] for r in rounds))
            for way, rounds in results.items()
        ]
        options.svg.write_text(bar_chart("tokens a second, median of the rounds", bars))
    if options.json:
        options.json.write_text(json.dumps(results))
    wanted = next(iter(results.values()))[0]["tokens"]
    found = [r["tokens"] for rounds in results.values() for r in rounds]
    return 0 if all(are_same(tokens, wanted) for tokens in found) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT / "build/models/smollm2-block")
    parser.add_argument("--bin", type=Path, default=ROOT / "build/release/bin")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--airllm", type=Path, help="the folder that AirLLM was installed into")
    parser.add_argument("--airllm-tokens", type=int, default=4, help="it is slow")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64, help="of each of the three answers")
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--slot-budget", default="16MiB")
    parser.add_argument("--host-budget", default="40MiB")
    parser.add_argument("--daemon-option", action="append", default=[], help="a flag of ecf8d's")
    parser.add_argument("--threads", type=int, default=0, help="of PyTorch; 0: its own choice")
    parser.add_argument("--cold", action="store_true", help="the page cache forgets between tokens")
    parser.add_argument("--svg", type=Path, help="where a bar chart of tokens a second goes")
    parser.add_argument("--json", type=Path, help="where every run's figures go")
    options = parser.parse_args()
    if options.airllm is None:
        options.ways = [way for way in options.ways if way != "airllm"]
    return options


if __name__ == "__main__":
    sys.exit(main())
