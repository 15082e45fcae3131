"""The picture of the rooms as SVG, for the documents' site, which has no program that would draw Mermaid's text.

A row a layer: a room stands below every room that imports it. An arrow over several rows has a place of its own in each
row between, so that it passes beside the rooms there.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import combinations, pairwise
from typing import Final, NamedTuple

WIDTH, PASSAGE = 204, 20  # of a room's box; of the place that an arrow has in a row
BESIDE, BELOW, MARGIN = 22, 34, 16
LINE, LETTERS = 15, 30  # height of a line of text; how many letters go into one
SWEEPS: Final = 8
ALT: Final = "The rooms as boxes in rows, the commands at the top and the lab at the bottom, all arrows downwards"
STYLE: Final = (
    "text{font:12px sans-serif;fill:#1b1f24;text-anchor:middle}.name{font-weight:bold;font-size:14px}"
    "rect{fill:#eef1fb;stroke:#4051b5}path{fill:none;stroke:#57606a;stroke-width:1.4}"
)

Arrow = tuple[str, str]
Place = str | tuple[Arrow, int]  # a room; or an arrow, in a row between


class Box(NamedTuple):
    """Where a place is in the picture, in pixels from its left upper corner."""

    middle: float
    top: int
    bottom: int


def rows(order: Sequence[str], arrows: Sequence[Arrow]) -> list[list[Place]]:
    """Return each row from the top, with as few crossings as some sweeps find. `order` has importers first."""
    depth = dict.fromkeys(order, 0)
    for room in order:
        for _, below in (each for each in arrows if each[0] == room):
            depth[below] = max(depth[below], depth[room] + 1)
    found: list[list[Place]] = [[] for _ in range(max(depth.values()) + 1)]
    for room in order:
        found[depth[room]].append(room)
    for arrow in arrows:
        for row in range(depth[arrow[0]] + 1, depth[arrow[1]]):
            found[row].append((arrow, row))
    ways = [*steps(found, arrows)]
    best = [list(row) for row in found]
    for sweep in range(SWEEPS):
        numbers = range(1, len(found)) if sweep % 2 == 0 else range(len(found) - 2, -1, -1)
        for number in numbers:
            beside = found[number - 1 if sweep % 2 == 0 else number + 1]
            means = {each: _mean(each, beside, ways) for each in found[number]}
            found[number].sort(key=lambda each, means=means: means[each])  # type: ignore[misc]
        if crossings(found, ways) < crossings(best, ways):
            best = [list(row) for row in found]
    return best


def _mean(place: Place, beside: Sequence[Place], ways: Sequence[tuple[Place, Place]]) -> float:
    """The middle, in part of the row, of what is joined to a place in the row beside it; what is joined to none keeps
    to the middle."""
    joined = [one if other == place else other for one, other in ways if place in (one, other)]
    at = [(beside.index(each) + 0.5) / len(beside) for each in joined if each in beside]
    return sum(at) / len(at) if at else 0.5


def steps(found: Sequence[Sequence[Place]], arrows: Sequence[Arrow]) -> Iterator[tuple[Place, Place]]:
    """Yield the way of each arrow, from row to row."""
    for arrow in arrows:
        yield from pairwise(way(arrow, found))


def way(arrow: Arrow, found: Sequence[Sequence[Place]]) -> list[Place]:
    """Return the places through which an arrow goes, its rooms among them."""
    between = sorted(each[1] for row in found for each in row if isinstance(each, tuple) and each[0] == arrow)
    return [arrow[0], *((arrow, row) for row in between), arrow[1]]


def crossings(found: Sequence[Sequence[Place]], ways: Sequence[tuple[Place, Place]]) -> int:
    """Return how many pairs of steps between the same two rows cross each other."""
    at = {each: (number, row.index(each)) for number, row in enumerate(found) for each in row}
    count = 0
    for (one, below), (other, below_other) in combinations(ways, 2):
        if at[one][0] == at[other][0]:
            count += (at[one][1] - at[other][1]) * (at[below][1] - at[below_other][1]) < 0
    return count


def svg(order: Sequence[str], arrows: Sequence[Arrow], about: Mapping[str, str]) -> str:
    """Return the picture. `about` says of each room in a few words what it is for."""
    found = rows(order, arrows)
    said = {room: textwrap.wrap(about[room], LETTERS) for room in order}
    widths = [[WIDTH if isinstance(each, str) else PASSAGE for each in row] for row in found]
    whole = max(sum(row) + BESIDE * (len(row) - 1) for row in widths) + 2 * MARGIN
    at: dict[Place, Box] = {}
    top = MARGIN
    for row, row_widths in zip(found, widths, strict=True):
        left = (whole - sum(row_widths) - BESIDE * (len(row) - 1)) / 2
        bottom = top + LINE * (2 + max(len(said[each]) for each in row if isinstance(each, str)))
        for each, width in zip(row, row_widths, strict=True):
            at[each] = Box(left + width / 2, top, bottom)
            left += width + BESIDE
        top = bottom + BELOW
    high = top - BELOW + MARGIN
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole:g} {high}" role="img">',
            f"<title>{escape(ALT)}</title><style>{STYLE}</style>",
            '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
            'orient="auto"><path d="M0 0L8 4L0 8z" style="fill:#57606a;stroke:none"/></marker></defs>',
            f'<rect width="{whole:g}" height="{high}" rx="8" style="fill:#fff;stroke:none"/>',
            *(_line([at[each] for each in way(arrow, found)]) for arrow in arrows),
            *(line for room in order for line in _drawn(room, said[room], at[room])),
            "</svg>\n",
        )
    )


def _line(through: Sequence[Box]) -> str:
    """An arrow: from below the first place, straight down beside those between, to above the last."""
    drawn = f"M{through[0].middle:g} {through[0].bottom}"
    for one, other in pairwise(through):
        bend = (one.bottom + other.top) / 2
        drawn += f"C{one.middle:g} {bend:g} {other.middle:g} {bend:g} {other.middle:g} {other.top}"
        if other is not through[-1]:
            drawn += f"V{other.bottom}"
    return f'<path d="{drawn}" marker-end="url(#head)"/>'


def _drawn(room: str, lines: Sequence[str], box: Box) -> Iterator[str]:
    left, high = box.middle - WIDTH / 2, box.bottom - box.top
    yield f'<rect x="{left:g}" y="{box.top}" width="{WIDTH}" height="{high}" rx="5"/>'
    first = box.top + (high - LINE * len(lines)) / 2 + LINE / 3
    yield f'<text class="name" x="{box.middle:g}" y="{first:g}">{escape(room)}</text>'
    for number, line in enumerate(lines, start=1):
        yield f'<text x="{box.middle:g}" y="{first + number * LINE:g}">{escape(line)}</text>'
