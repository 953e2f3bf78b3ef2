"""From the decode kernel's instructions to weights a second; formulas: docs/GPU.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sass_listing import Instruction, Loop

LANES = 32
LANE_WEIGHTS_PER_SYMBOL = 2
TABLES = 8
TABLE_BYTES = 8192
# decoder/tile_decode_cuda.cu: WordRing::kBytes and kSliceBytes.
RING_BYTES = 1280
SLICE_BYTES = 256
GROUP_WEIGHTS = 512


@dataclass(frozen=True)
class Chip:
    """A multiprocessor, and for those with a model the card that has so many of them."""

    max_warps: int
    shared_bytes: int  # of a multiprocessor; a block may have 1 KiB less
    card: str = ""
    multiprocessors: int = 0
    clock_ghz: float = 0.0  # the base clock: boost depends on the day
    copy_tbytes_per_s: float = 0.0  # read plus written


KIB = 1024
RESERVED_BYTES = 1 * KIB  # of every block
CHIPS = {
    "sm_80": Chip(64, 164 * KIB, "A100 SXM 80 GB", 108, 1.275, 1.75),
    "sm_89": Chip(48, 100 * KIB),
    "sm_90": Chip(64, 228 * KIB, "H100 SXM 80 GB", 132, 1.59, 3.0),
    "sm_100": Chip(64, 228 * KIB),
    "sm_120": Chip(48, 100 * KIB),
}
REGISTERS = 65536
ISSUE_PER_CLOCK = 4 * LANES

# Lanes a clock and multiprocessor of each pipe, 8.0 and 9.0 alike.
PIPES = {"alu": 64, "fma": 64, "popc": 16}
_PIPE_OF = {
    "IMAD": "fma",
    "IDP": "fma",
    "POPC": "popc",
    "VOTE": "vote",
    "LDS": "shared_loads",
    "STS": "shared_stores",
    "LDG": "global_loads",
    "STG": "global_stores",
    "CCTL": "prefetches",
    "SHFL": "shuffle",
    "BRA": "control",
    "NOP": "control",
    "BSSY": "control",
    "BSYNC": "control",
    "WARPSYNC": "control",
}
# Votes are ALU instructions, counted by themselves.
ALU_PIPES = ("alu", "vote")

# Cycles until the result of an instruction whose time is not fixed. Of those with a fixed time, the
# compiler says itself how long to wait.
LATENCIES = {"LDS": 32, "POPC": 16, "SHFL": 24, "LDG": 800, "S2R": 30}
OPERANDS_READ_AFTER = 12  # of those that have a barrier for it


def pipe_of(instruction: Instruction) -> str:
    """The pipe that the instruction goes to."""
    if instruction.name in _PIPE_OF:
        return _PIPE_OF[instruction.name]
    if instruction.name == "VOTEU":
        return "vote"
    return "uniform" if instruction.name.startswith(("U", "R2UR", "S2UR")) else "alu"


def replay(turn: list[Instruction], times: int = 6) -> float:
    """Cycles that one warp alone takes for a turn, all memory as near as it is meant to be: the
    stalls and barriers that the compiler has written into the code."""
    ready = [0] * 8
    now = 0
    starts: list[int] = []
    for _ in range(times):
        starts.append(now)
        for instruction in turn:
            for barrier in range(6):
                if instruction.wait_mask >> barrier & 1:
                    now = max(now, ready[barrier])
            latency = LATENCIES.get(instruction.name, LATENCIES["LDS"])
            if instruction.write_barrier < 6:
                barrier = instruction.write_barrier
                ready[barrier] = max(ready[barrier], now + latency)
            if instruction.read_barrier < 6:
                barrier = instruction.read_barrier
                ready[barrier] = max(ready[barrier], now + OPERANDS_READ_AFTER)
            now += max(instruction.stall, 1)
    return (now - starts[1]) / (times - 1)


def shared_bytes(warps: int, tables: int = TABLES) -> int:
    """SharedBytes of decoder/tile_decode_cuda.cu."""
    begin = -(-(RESERVED_BYTES + warps * RING_BYTES) // TABLE_BYTES) * TABLE_BYTES
    return begin - RESERVED_BYTES + tables * TABLE_BYTES


def resident(chip: Chip, warps: int, registers: int) -> tuple[int, int]:
    """Blocks and warps that a multiprocessor runs at once with all tables."""
    by_shared = chip.shared_bytes // (shared_bytes(warps) + RESERVED_BYTES)
    warp_registers = -(-registers * LANES // 256) * 256
    by_registers = REGISTERS // (warp_registers * warps)
    blocks = min(by_shared, by_registers, chip.max_warps // warps)
    return blocks, blocks * warps


def _per_weight(count: float, loop: Loop) -> float:
    return count / (loop.symbols * LANE_WEIGHTS_PER_SYMBOL)


def describe_loop(loop: Loop, word_bits: float) -> dict[str, Any]:
    """What the loop takes a weight, with as many slices stored as the words of a turn fill."""
    groups = loop.symbols / 8
    slices = groups * GROUP_WEIGHTS * word_bits / 8 / SLICE_BYTES
    none, both = loop.turns[0], loop.turns[2]
    share = slices / 2

    def mean(without: float, with_two: float) -> float:
        return without + (with_two - without) * share

    by_pipe: dict[str, float] = {}
    for pipe in sorted({pipe_of(i) for i in both}):
        counts = [sum(pipe_of(i) == pipe for i in turn) for turn in (none, both)]
        by_pipe[pipe] = round(_per_weight(mean(counts[0], counts[1]), loop), 3)
    return {
        "instructions_per_weight": round(_per_weight(mean(len(none), len(both)), loop), 2),
        "instructions_per_weight_without_fetch": round(_per_weight(len(none), loop), 2),
        "instructions_per_weight_by_pipe": by_pipe,
        "chain_cycles_per_symbol": round(mean(replay(none), replay(both)) / loop.symbols, 1),
    }


def model(
    chip: Chip, loop: dict[str, Any], resident_warps: int, traffic: dict[str, float]
) -> dict[str, Any]:
    """Weights a second, each limit by itself; the lowest binds."""
    pipes = loop["instructions_per_weight_by_pipe"]
    step_weights = LANES * LANE_WEIGHTS_PER_SYMBOL
    alu = sum(pipes.get(pipe, 0.0) for pipe in ALU_PIPES)
    per_clock = {
        "issue": ISSUE_PER_CLOCK / loop["instructions_per_weight"],
        "alu": PIPES["alu"] / alu,
        "fma": PIPES["fma"] / pipes["fma"],
        "popc": PIPES["popc"] / pipes["popc"],
        "wavefronts": step_weights / traffic["wavefronts_per_step"],
        "latency": resident_warps * step_weights / loop["chain_cycles_per_symbol"],
    }
    clocks = chip.multiprocessors * chip.clock_ghz * 1e9 / 1e12
    limits = {name: round(value * clocks, 2) for name, value in per_clock.items()}
    limits["memory"] = round(chip.copy_tbytes_per_s / traffic["bytes_per_weight"], 2)
    binding = min(limits, key=lambda name: limits[name])
    return {
        "card": chip.card,
        "multiprocessors": chip.multiprocessors,
        "clock_ghz": chip.clock_ghz,
        "copy_tbytes_per_s": chip.copy_tbytes_per_s,
        "weights_per_clock_by_limit": {k: round(v, 1) for k, v in per_clock.items()},
        "tweights_per_s_by_limit": limits,
        "binding_limit": binding,
        "modelled_tweights_per_s": limits[binding],
    }
