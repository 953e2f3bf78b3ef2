"""tools/sass_report: what the CUDA decode kernel costs, as far as that is known without a GPU."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import sass_listing
import sass_model

ROOT = Path(__file__).resolve().parents[2]
KERNEL = ROOT / "decoder" / "tile_decode_cuda.cu"
RECORD = ROOT / "tools" / "python" / "sass_record.json"
ARCHITECTURES = ("sm_80", "sm_89", "sm_90", "sm_100", "sm_120")
DISASSEMBLED = ("sm_80", "sm_90")


class ReportError(Exception):
    """The report cannot be made; says why."""


def _run(command: list[str]) -> str:
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode != 0:
        raise ReportError(f"{' '.join(command)}\n{result.stdout}{result.stderr}")
    return result.stdout + result.stderr


def _number(pattern: str, text: str) -> int:
    match = re.search(pattern, text)
    if not match:
        raise ReportError(f"no '{pattern}' in the compiler's output:\n{text}")
    return int(match.group(1))


def _compile(nvcc: str, architecture: str, cubin: Path) -> dict[str, Any]:
    """Compiles the kernel; what the compiler says of it, and what fits a multiprocessor."""
    common = [nvcc, "-std=c++20", "-O3", f"-I{ROOT}", f"-arch={architecture}"]
    resources = _run([*common, "-cubin", "-Xptxas=-v", str(KERNEL), "-o", str(cubin)])
    ptx = _run([*common, "-ptx", str(KERNEL), "-o", "-"])
    registers = _number(r"Used (\d+) registers", resources)
    warps = _number(r"\.maxntid (\d+)", ptx) // sass_model.LANES
    chip = sass_model.CHIPS[architecture]
    blocks, resident = sass_model.resident(chip, warps, registers)
    return {
        "registers": registers,
        "spill_bytes": _number(r"(\d+) bytes spill stores", resources)
        + _number(r"(\d+) bytes spill loads", resources),
        "shared_bytes": sass_model.shared_bytes(warps),
        "block_warps": warps,
        "resident_blocks": blocks,
        "resident_warps": resident,
    }


def _disassemble(
    nvdisasm: str, architecture: str, cubin: Path, traffic: dict[str, float], warps: int
) -> dict[str, Any]:
    listing = sass_listing.parse(_run([nvdisasm, "-c", "-hex", str(cubin)]))
    loops = sass_listing.find_loops(listing)
    if set(loops) != {"e4m3", "e5m2"}:
        raise ReportError(f"the decode loops of {architecture} were not found: only {set(loops)}")
    bits = traffic["word_bits_per_weight"]
    e4m3 = sass_model.describe_loop(loops["e4m3"], bits)
    e5m2 = sass_model.describe_loop(loops["e5m2"], bits)
    chip = sass_model.CHIPS[architecture]
    return {**e4m3, "e5m2": e5m2, **sass_model.model(chip, e4m3, warps, traffic)}


def _traffic(record: dict[str, Any]) -> dict[str, float]:
    """What the emulator counted, with the sums that the model takes."""
    counted: dict[str, float] = dict(record["emulated_traffic"]["figures"])
    counted["wavefronts_per_step"] = round(
        sum(value for name, value in counted.items() if name.endswith("wavefronts_per_step")), 3
    )
    counted["bytes_per_weight"] = record["stored_bits_per_weight"] / 8 + 1
    return counted


def make_report(nvcc: str, nvdisasm: str, record: dict[str, Any]) -> dict[str, Any]:
    """The whole report, by architecture."""
    traffic = _traffic(record)
    report: dict[str, Any] = {"nvcc": _run([nvcc, "--version"]).splitlines()[-2].strip()}
    report["emulated_traffic"] = traffic
    with tempfile.TemporaryDirectory() as scratch:
        for architecture in ARCHITECTURES:
            cubin = Path(scratch) / f"{architecture}.cubin"
            report[architecture] = _compile(nvcc, architecture, cubin)
            if architecture in DISASSEMBLED:
                warps = report[architecture]["resident_warps"]
                report[architecture] |= _disassemble(nvdisasm, architecture, cubin, traffic, warps)
    return report


def check(report: dict[str, Any], budget: dict[str, dict[str, float]]) -> list[str]:
    """What is worse than the recorded budget allows: `most_X` is a bound from above of X, `least_X`
    one from below."""
    problems = []
    for architecture, bounds in budget.items():
        figures = report[architecture]
        for name, bound in bounds.items():
            kind, figure = name.split("_", 1)
            value = figures[figure]
            if value > bound if kind == "most" else value < bound:
                problems.append(f"{architecture}: {figure} is {value}, the budget {kind} {bound}")
    for architecture in ARCHITECTURES:
        if report[architecture]["spill_bytes"] != 0:
            problems.append(f"{architecture}: {report[architecture]['spill_bytes']} bytes spilled")
    return problems


def _print(report: dict[str, Any]) -> None:
    print(f"decoder/tile_decode_cuda.cu, {report['nvcc']}. Nothing here was measured on a GPU.\n")
    print("            registers  spilled  shared, bytes  warps a block  resident blocks, warps")
    for architecture in ARCHITECTURES:
        row = report[architecture]
        print(
            f"{architecture:<10} {row['registers']:>10} {row['spill_bytes']:>8}"
            f" {row['shared_bytes']:>14} {row['block_warps']:>14}"
            f" {row['resident_blocks']:>11} x {row['block_warps']} = {row['resident_warps']}"
        )
    for architecture in DISASSEMBLED:
        row = report[architecture]
        print(f"\n{architecture}, {row['card']}: instructions a weight in the steady loop")
        for codec, loop in (("e4m3", row), ("e5m2", row["e5m2"])):
            by_pipe = loop["instructions_per_weight_by_pipe"]
            pipes = ", ".join(f"{pipe} {count}" for pipe, count in by_pipe.items())
            print(
                f"  {codec} {loop['instructions_per_weight']}"
                f" ({loop['instructions_per_weight_without_fetch']} without fetching words):"
                f" {pipes}"
            )
        print(f"  a symbol of one warp alone: {row['chain_cycles_per_symbol']} cycles")
        limits = ", ".join(f"{k} {v}" for k, v in row["tweights_per_s_by_limit"].items())
        print(f"  T weights/s by limit: {limits}")
        print(
            f"  model: {row['modelled_tweights_per_s']} T weights/s, bound by"
            f" {row['binding_limit']} ({row['multiprocessors']} multiprocessors at"
            f" {row['clock_ghz']} GHz, copy {row['copy_tbytes_per_s']} TB/s)"
        )
    traffic = report["emulated_traffic"]
    print(f"\nshared memory and L1, wavefronts a step: {traffic['wavefronts_per_step']} (emulator)")


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/sass_report", description=__doc__)
    parser.add_argument("--nvcc", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--nvdisasm", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit 1 on spills, or where a figure is worse than sass_record.json allows",
    )
    arguments = parser.parse_args()
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    try:
        report = make_report(arguments.nvcc, arguments.nvdisasm, record)
    except ReportError as error:
        print(f"sass_report: error: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        _print(report)
    problems = check(report, record["budget"]) if arguments.check else []
    for problem in problems:
        print(f"sass_report: over budget: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
