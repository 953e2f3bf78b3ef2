"""The command line of tools/codec_peers: ecf8 beside compressors from PyPI on the same FP8 tensors.

Every peer compresses and decompresses each tensor by itself, on one thread, in memory, and must
give back every byte. Rounds are interleaved: each runs every peer once, then ecf8 (with zstd -1 as
a C library beside it). The table holds medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

_FP8 = ("F8_E4M3", "F8_E5M2")
_ECF8_BUILDS = ("avx512", "avx2", "portable")


@dataclass
class Peer:
    """A compressor of bytes, and what was measured of it."""

    name: str
    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes], bytes]
    stored_bytes: int = 0
    encode_gbps: list[float] = field(default_factory=list)
    decode_gbps: list[float] = field(default_factory=list)


def _zstd(level: int) -> Peer:
    zstandard = import_module("zstandard")
    encoder = zstandard.ZstdCompressor(level=level)
    return Peer(f"zstandard -{level}", encoder.compress, zstandard.ZstdDecompressor().decompress)


def _lz4() -> Peer:
    frame = import_module("lz4.frame")
    return Peer("lz4", frame.compress, frame.decompress)


def _blosc2() -> Peer:
    blosc2 = import_module("blosc2")
    blosc2.set_nthreads(1)

    def compress(data: bytes) -> bytes:
        # Bit planes, which are what blosc has for numbers of few different exponents.
        return bytes(
            blosc2.compress2(
                data,
                codec=blosc2.Codec.ZSTD,
                clevel=1,
                typesize=1,
                filters=[blosc2.Filter.BITSHUFFLE],
                nthreads=1,
            )
        )

    return Peer(
        "blosc2, bitshuffle, zstd -1", compress, lambda data: bytes(blosc2.decompress2(data))
    )


def _zipnn() -> Peer:
    warnings.simplefilter("ignore")
    zipnn = import_module("zipnn")
    codec = zipnn.ZipNN(input_format="byte", bytearray_dtype="float8_e4m3fn", threads=1)
    return Peer("zipnn", codec.compress, lambda data: bytes(codec.decompress(data)))


_PEERS: dict[str, Callable[[], list[Peer]]] = {
    "zstandard": lambda: [_zstd(1), _zstd(3)],
    "lz4": lambda: [_lz4()],
    "blosc2": lambda: [_blosc2()],
    "zipnn": lambda: [_zipnn()],
}


def fp8_tensors(model: Path, most: int) -> list[bytes]:
    """FP8 tensors of the model's .safetensors files, whole ones, of at most `most` bytes in all."""
    tensors: list[bytes] = []
    left = most
    for path in sorted(model.glob("*.safetensors")):
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size))
            header.pop("__metadata__", None)
            for entry in header.values():
                begin, end = entry["data_offsets"]
                if entry["dtype"] not in _FP8 or end - begin > left:
                    continue
                file.seek(8 + size + begin)
                tensors.append(file.read(end - begin))
                left -= end - begin
    return tensors


def measure(peer: Peer, tensors: Sequence[bytes]) -> None:
    """One round of a peer. RuntimeError if it loses a byte."""
    total = sum(map(len, tensors))
    begin = time.perf_counter()
    stored = [peer.compress(tensor) for tensor in tensors]
    middle = time.perf_counter()
    decoded = [peer.decompress(data) for data in stored]
    end = time.perf_counter()
    if decoded != list(tensors):
        raise RuntimeError(f"{peer.name} did not give back the weights")
    peer.stored_bytes = sum(map(len, stored))
    peer.encode_gbps.append(total / (middle - begin) / 1e9)
    peer.decode_gbps.append(total / (end - middle) / 1e9)


def run_ecf8(program: Path, model: Path, most: int, build: str) -> dict[str, Any]:
    """One round of `ecf8 bench codec`, by the implementation `build`."""
    command = [str(program), "bench", "codec", str(model), "--runs", "1", "--json"]
    command += ["--max-bytes", str(most), "--threads", "1"]
    done = subprocess.run(
        command, env={"ECF8_CPU": build}, check=True, capture_output=True, text=True
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _row(name: str, bits: float, encode: Sequence[float], decode: Sequence[float]) -> str:
    return (
        f"| {name} | {bits:.3f} | {statistics.median(encode):.2f} "
        f"| {statistics.median(decode):.2f} |"
    )


def main(argv: Sequence[str]) -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="codec_peers", description="ecf8 beside PyPI's peers.")
    parser.add_argument("model", metavar="MODEL", type=Path, help="a directory with FP8 tensors")
    parser.add_argument("--ecf8", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--peers", default=",".join(_PEERS), help=f"some of {','.join(_PEERS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-bytes", type=int, default=256_000_000, help="of FP8 tensors")
    arguments = parser.parse_args(argv)
    unknown = set(arguments.peers.split(",")) - set(_PEERS)
    if unknown:
        parser.error(f"there is no peer {', '.join(sorted(unknown))}")

    tensors = fp8_tensors(arguments.model, arguments.max_bytes)
    total = sum(map(len, tensors))
    if total == 0:
        parser.error(f"{arguments.model} holds no FP8 tensor")
    peers = [peer for name in arguments.peers.split(",") for peer in _PEERS[name]()]
    ecf8: dict[str, list[dict[str, Any]]] = {build: [] for build in _ECF8_BUILDS}
    for number in range(arguments.rounds):
        for peer in peers:
            print(f"codec_peers: round {number + 1}: {peer.name}", file=sys.stderr, flush=True)
            measure(peer, tensors)
        for build, reports in ecf8.items():
            reports.append(run_ecf8(arguments.ecf8, arguments.model, arguments.max_bytes, build))

    print("| one thread | bits a weight | encode, GB/s | decode, GB/s |")
    print("|---|---|---|---|")
    for build, reports in ecf8.items():
        if reports[0]["decoder"] != build:
            continue  # not on this machine
        encode, decode = ([r[key] for r in reports] for key in ("encode_gbps", "decode_gbps"))
        print(_row(f"ecf8, {build}", reports[0]["bits_per_weight"], encode, decode))
    first = ecf8[_ECF8_BUILDS[0]]
    encode, decode = ([r[f"zstd1_{key}_gbps"] for r in first] for key in ("encode", "decode"))
    print(_row("zstd -1 (C)", first[0]["zstd1_bits_per_weight"], encode, decode))
    for peer in peers:
        bits = 8 * peer.stored_bytes / total
        print(_row(peer.name, bits, peer.encode_gbps, peer.decode_gbps))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
