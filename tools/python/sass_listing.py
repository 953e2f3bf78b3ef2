"""Reads what `nvdisasm -c -hex` prints: instructions with what the compiler tells the hardware of
their timing, and the loops of the decode kernel."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LABEL = re.compile(r"^(\.L_\w+):")
_CODE = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;\s+/\* 0x[0-9a-f]{16} \*/")
_SECOND_WORD = re.compile(r"^\s+/\* (0x[0-9a-f]{16}) \*/")
_BRANCH = re.compile(r"\bBRA\b.*`\((\.L_\w+)\)")
# Where the upper of an instruction's two words holds the timing: "Dissecting the NVIDIA Volta GPU
# Architecture via Microbenchmarking" (arXiv 1804.06826, section 2.1); as in all chips since.
_TIMING_SHIFT = 41


@dataclass(frozen=True)
class Instruction:
    """One instruction. A barrier number of 7 is none."""

    text: str
    stall: int  # cycles before the next may be issued
    write_barrier: int  # counts down when its result is there
    read_barrier: int  # counts down when its operands have been read
    wait_mask: int  # barriers that it waits for

    @property
    def opcode(self) -> str:
        """Without predicate and operands: `LDS.U16`."""
        words = self.text.split()
        return words[1] if words[0].startswith("@") else words[0]

    @property
    def name(self) -> str:
        """The opcode without its modifiers: `LDS`."""
        return self.opcode.split(".")[0]

    @property
    def predicated(self) -> bool:
        return self.text.startswith("@")


@dataclass(frozen=True)
class Listing:
    """The instructions of one kernel, and by label the index of the one behind it."""

    code: list[Instruction]
    labels: dict[str, int]

    def target(self, index: int) -> int | None:
        """Where the branch at `index` goes; None if it is none."""
        match = _BRANCH.search(self.code[index].text)
        return self.labels[match.group(1)] if match else None


def parse(text: str) -> Listing:
    """The listing of a file with one kernel."""
    code: list[Instruction] = []
    labels: dict[str, int] = {}
    lines = text.splitlines()
    for number, line in enumerate(lines):
        label = _LABEL.match(line)
        if label:
            labels[label.group(1)] = len(code)
        match = _CODE.match(line)
        if not match:
            continue
        second = _SECOND_WORD.match(lines[number + 1])
        if not second:
            raise ValueError(f"no second word behind: {line}")
        timing = int(second.group(1), 16) >> _TIMING_SHIFT
        code.append(
            Instruction(
                text=match.group(1),
                stall=timing & 15,
                write_barrier=timing >> 5 & 7,
                read_barrier=timing >> 8 & 7,
                wait_mask=timing >> 11 & 63,
            )
        )
    return Listing(code, labels)


@dataclass(frozen=True)
class Loop:
    """A turn of the decode loop, by how many slices of words it stores."""

    codec: str
    symbols: int  # of a lane in a turn
    turns: dict[int, list[Instruction]]


# A turn decodes two groups.
_SYMBOLS = 16
_RAW_LOADS = {"e4m3": 2, "e5m2": 4}
# Every slice is stored twice, at places that differ; one of them only now and then.
_STORES_PER_SLICE = 2
_MOST_INSTRUCTIONS = 1000


def _codec(turn: list[Instruction]) -> str:
    """Only E4M3 subtracts code lengths by IDP."""
    return "e4m3" if any(i.name == "IDP" for i in turn) else "e5m2"


def _turns(listing: Listing, begin: int, end: int) -> dict[int, list[Instruction]]:
    """The ways from `begin` to the branch back at `end`, by the slices stored."""
    found: dict[int, list[Instruction]] = {}

    def walk(index: int, way: list[Instruction], stores: int) -> None:
        while len(way) < _MOST_INSTRUCTIONS:
            instruction = listing.code[index]
            way.append(instruction)
            stores += instruction.name == "STS"
            target = listing.target(index)
            if index == end:
                slices = stores // _STORES_PER_SLICE
                votes = sum(i.name.startswith("VOTE") for i in way)
                loads = sum(i.name == "LDG" for i in way)
                raw_loads = _RAW_LOADS[_codec(way)]
                # A slice is fetched for every one stored; other ways are no turn's.
                right = votes == _SYMBOLS and loads == raw_loads + slices
                if right and (slices not in found or len(way) < len(found[slices])):
                    found[slices] = way
                return
            if instruction.name == "EXIT" and not instruction.predicated:
                return
            # A branch to code of warps that have come apart is not taken; back branches inside
            # of the loop are those of a second slice in the same place.
            if target is not None and not instruction.opcode.startswith("BRA.DIV"):
                if instruction.predicated and target > index:
                    walk(target, list(way), stores)
                elif not instruction.predicated:
                    if target <= index:
                        return
                    index = target
                    continue
            index += 1

    walk(begin, [], 0)
    return found


def find_loops(listing: Listing) -> dict[str, Loop]:
    """The loops over pairs of groups, by codec."""
    loops: dict[str, Loop] = {}
    for end in range(len(listing.code)):
        begin = listing.target(end)
        if begin is None or begin > end:
            continue
        if sum(i.name.startswith("VOTE") for i in listing.code[begin : end + 1]) != _SYMBOLS:
            continue
        turns = _turns(listing, begin, end)
        if 0 not in turns:
            continue
        codec = _codec(turns[0])
        loops[codec] = Loop(codec, _SYMBOLS, turns)
    return loops
