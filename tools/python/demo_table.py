"""Prints the table with which tools/demo ends, from the JSON that its steps left in a directory."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def _megabytes(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"


def _rows(reports: dict[str, dict[str, Any]]) -> list[tuple[str, str, str]]:
    compress, codec = reports["compress"], reports["codec"]
    weights = codec["fp8_weights"]
    coded = compress["bits_per_fp8_weight"] * weights / 8
    zstd = codec["zstd1_bytes"]
    rows = [
        ("model, all files", _megabytes(compress["raw_bytes"]), ""),
        (
            "compressed",
            _megabytes(compress["stored_bytes"]),
            f"{compress['stored_bytes'] / compress['raw_bytes']:.1%} of the model",
        ),
        ("its FP8 weights", _megabytes(weights), "8 bits a weight"),
        (
            "  ecf8, all counted",
            _megabytes(coded),
            f"{compress['bits_per_fp8_weight']:.3f} bits a weight",
        ),
        (
            "  zstd -1",
            _megabytes(zstd),
            f"{codec['zstd1_bits_per_weight']:.3f} bits a weight",
        ),
        ("compress", f"{compress['gbps']:.2f} GB/s", f"{compress['seconds']:.1f} s, all files"),
        ("verify --against", f"{reports['verify']['gbps']:.2f} GB/s", "every byte compared"),
        (
            "encode, one core",
            f"{codec['encode_gbps']:.2f} GB/s",
            f"zstd -1: {codec['zstd1_encode_gbps']:.2f} GB/s",
        ),
        (
            "decode, one core",
            f"{codec['decode_gbps']:.2f} GB/s",
            f"zstd -1: {codec['zstd1_decode_gbps']:.2f} GB/s",
        ),
    ]
    for form in ("compressed", "decoded"):
        fetch, check = reports[f"fetch-{form}"], reports[f"check-{form}"]
        rows.append(
            (
                f"fetch {form}",
                f"{fetch['decoded_gb_per_second']:.2f} GB/s",
                f"{check['units']} units, {_megabytes(check['compared_bytes'])} equal",
            )
        )
    return rows


def main() -> None:
    names = ("compress", "verify", "codec", "fetch-compressed", "fetch-decoded")
    checks = ("check-compressed", "check-decoded")
    directory = Path(sys.argv[1])
    reports = {
        name: json.loads((directory / f"{name}.json").read_text()) for name in names + checks
    }
    rows = _rows(reports)
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    print()
    for what, value, remark in rows:
        print(f"  {what:<{widths[0]}}  {value:>{widths[1]}}  {remark}".rstrip())
    print("\n  GB/s are of decoded bytes.")


if __name__ == "__main__":
    main()
