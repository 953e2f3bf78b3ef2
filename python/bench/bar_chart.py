"""Bars with their values, as SVG that is readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_WIDTH, _LABEL, _VALUE, _BAR, _GAP, _TOP = 640, 210, 70, 22, 10, 30


def bar_chart(title: str, bars: Sequence[tuple[str, float]]) -> str:
    """One bar a (name, value), from 0, as long as its value is beside the largest."""
    largest = max(value for _, value in bars) or 1
    height = _TOP + len(bars) * (_BAR + _GAP) + _GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_GAP}" y="19" fill="#222222">{escape(title)}</text>',
    ]
    for number, (name, value) in enumerate(bars):
        top = _TOP + number * (_BAR + _GAP)
        length = value / largest * (_WIDTH - _LABEL - _VALUE)
        middle = top + _BAR - 6
        lines += [
            f'<text x="{_LABEL - 8}" y="{middle}" text-anchor="end" fill="#222222">'
            f"{escape(name)}</text>",
            f'<rect x="{_LABEL}" y="{top}" width="{length:.1f}" height="{_BAR}" fill="#3572b0"/>',
            f'<text x="{_LABEL + length + 6:.1f}" y="{middle}" fill="#222222">{value:.1f}</text>',
        ]
    return "\n".join([*lines, "</svg>\n"])
