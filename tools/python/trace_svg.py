"""Draws a time line that ecf8 has written with --trace as an SVG picture.

    trace_svg.py TRACE.json PICTURE.svg [--from-ms 10] [--to-ms 60] [--lanes 8]

For documents: to look into a trace, open it in https://ui.perfetto.dev.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

_WIDTH = 1000
_LABELS = 150
_LANE = 15
_COLOURS = {
    "wait for memory": "#d9694f",
    "wait for the disk": "#c3c8cf",
    "wait for bytes": "#c3c8cf",
    "wait for the decoder": "#f0dcae",
    "read": "#5b8fc7",
    "verify": "#e3b34c",
    "copy": "#9a77b8",
    "decode": "#63a870",
}
_LEGEND = {
    "wait for memory": "wait for memory",
    "wait for bytes": "wait for the disk, for bytes",
    "wait for the decoder": "wait for the decoder",
    "read": "read",
    "verify": "verify",
    "copy": "copy",
    "decode": "decode",
}


@dataclass
class Span:
    begin_us: float
    end_us: float
    name: str  # of the unit
    stage: str  # of _COLOURS; empty: a unit as a whole


@dataclass
class Track:
    name: str = ""
    spans: list[Span] = field(default_factory=list)


@dataclass
class Group:
    name: str = ""
    tracks: dict[int, Track] = field(default_factory=dict)


def load(path: Path) -> list[dict[str, Any]]:
    """The events of a trace, also of one whose writer was killed: then the array has no end."""
    text = path.read_text(encoding="utf-8")
    try:
        events = json.loads(text)
    except json.JSONDecodeError:
        lines = text.rstrip().splitlines()
        while lines and not lines[-1].rstrip(",").endswith("}"):
            lines.pop()
        events = json.loads("\n".join(lines).rstrip(",") + "]")
    if not isinstance(events, list):
        raise ValueError(f"{path} is no trace")
    return events


def arrange(events: list[dict[str, Any]]) -> dict[int, Group]:
    """Groups of tracks by number, with times from the first event on."""
    groups: dict[int, Group] = {}
    begin_us = min((e["ts"] for e in events if "ts" in e), default=0)
    for event in events:
        group = groups.setdefault(event["pid"], Group())
        if event["name"] == "process_name":
            group.name = event["args"]["name"]
            continue
        track = group.tracks.setdefault(event["tid"], Track())
        if event["name"] == "thread_name":
            track.name = event["args"]["name"]
        elif event["ph"] == "X":
            begin = event["ts"] - begin_us
            arguments = event.get("args", {})
            stage = arguments.get("stage", event["name"] if event["name"] in _COLOURS else "")
            name = arguments.get("unit", event["name"])
            track.spans.append(Span(begin, begin + event["dur"], name, stage))
    return groups


class Picture:
    """Collects shapes from the top down."""

    def __init__(self, from_us: float, to_us: float) -> None:
        self._from_us = from_us
        self._to_us = to_us
        self._shapes: list[str] = []
        self._y = 12.0

    def _x(self, us: float) -> float:
        share = (us - self._from_us) / (self._to_us - self._from_us)
        return _LABELS + min(max(share, 0.0), 1.0) * (_WIDTH - _LABELS - 8)

    def _text(self, x: float, y: float, text: str, style: str = "") -> None:
        self._shapes.append(f'<text x="{x:.1f}" y="{y:.1f}"{style}>{escape(text)}</text>')

    def legend(self) -> None:
        x = 8.0
        for stage, text in _LEGEND.items():
            colour = _COLOURS[stage]
            box = f'width="11" height="11" fill="{colour}"'
            self._shapes.append(f'<rect x="{x:.0f}" y="{self._y:.0f}" {box}/>')
            self._text(x + 16, self._y + 10, text)
            x += 30 + 5.6 * len(text)
        self._y += 24

    def heading(self, text: str) -> None:
        self._y += 8
        self._text(8, self._y + 10, text, ' font-weight="bold"')
        self._y += 17

    def lane(self, track: Track) -> None:
        self._text(18, self._y + 11, track.name)
        for span in track.spans:
            if span.end_us <= self._from_us or span.begin_us >= self._to_us:
                continue
            x = self._x(span.begin_us)
            width = self._x(span.end_us) - x
            if span.stage:
                box = f'width="{max(width, 0.4):.1f}" height="{_LANE - 3}"'
                colour = _COLOURS[span.stage]
                shape = f'<rect x="{x:.1f}" y="{self._y:.1f}" {box} fill="{colour}">'
                ms = (span.end_us - span.begin_us) / 1000
                title = escape(f"{span.stage} {span.name}: {ms:.3f} ms")
                self._shapes.append(f"{shape}<title>{title}</title></rect>")
        for span in track.spans:
            x = self._x(span.begin_us)
            width = self._x(span.end_us) - x
            # Of units their name; of reads, too, where there is room.
            named = not span.stage or (span.stage == "read" and span.name != "read")
            if named and width > 5.8 * len(span.name) + 4:
                self._text(x + 3, self._y + 10, span.name, ' font-size="10"')
        self._y += _LANE

    def note(self, text: str) -> None:
        self._text(18, self._y + 10, text, ' fill="#777"')
        self._y += _LANE

    def axis(self) -> None:
        span_ms = (self._to_us - self._from_us) / 1000
        step = next(s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1e9) if span_ms / s <= 12)
        bottom = self._y + 6
        tick = -(-self._from_us / 1000 // step) * step
        while tick * 1000 <= self._to_us:
            x = self._x(tick * 1000)
            self._shapes.insert(
                0, f'<path d="M{x:.1f} 34V{bottom:.1f}" stroke="#ececec" fill="none"/>'
            )
            self._text(x, bottom + 14, f"{tick + 0.0:g} ms", ' text-anchor="middle"')
            tick += step
        self._y = bottom + 22

    def svg(self) -> str:
        style = 'font-family="sans-serif" font-size="11"'
        size = f'width="{_WIDTH}" height="{self._y:.0f}" viewBox="0 0 {_WIDTH} {self._y:.0f}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>'
        return "\n".join(
            [head, '<rect width="100%" height="100%" fill="#fff"/>', *self._shapes, "</svg>\n"]
        )


def draw(groups: dict[int, Group], from_us: float, to_us: float, lanes: int) -> str:
    picture = Picture(from_us, to_us)
    picture.legend()
    for _, group in sorted(groups.items()):
        shown = [
            track
            for _, track in sorted(group.tracks.items())
            if any(s.end_us > from_us and s.begin_us < to_us for s in track.spans)
        ]
        if not shown:
            continue
        picture.heading(group.name)
        for track in shown[:lanes]:
            picture.lane(track)
        if len(shown) > lanes:
            picture.note(f"and {len(shown) - lanes} more")
    picture.axis()
    return picture.svg()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("trace", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--from-ms", type=float, default=0)
    parser.add_argument("--to-ms", type=float, help="default: the end")
    parser.add_argument("--lanes", type=int, default=8, help="of a group, at most")
    arguments = parser.parse_args()
    groups = arrange(load(arguments.trace))
    ends = [s.end_us for g in groups.values() for t in g.tracks.values() for s in t.spans]
    to_us = arguments.to_ms * 1000 if arguments.to_ms else max(ends, default=1.0)
    svg = draw(groups, arguments.from_ms * 1000, to_us, arguments.lanes)
    arguments.picture.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
