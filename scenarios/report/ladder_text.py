"""The ladder of a stored run as text, for the drills' pages, and the file that keeps one of each drill.

    docs/ladders.json: {drill: {taken, service, pair, script, lines}}

A ladder shows one script, so the file keeps a digest of that script: if the drill's script has changed since, its page
has no ladder until somebody stores a new one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scenarios.lab.valueclass import valueclass
from scenarios.report import read_run
from scenarios.report.ladder import LadderRow, Picture, picture
from scenarios.report.ladder_events import seconds
from scenarios.spec.drill import Drill

WIDTH = 34  # of a leg
ROWS = 44  # a ladder that has more is cut in its middle
SCRIPT = re.compile(r"^script:\n(.*?)^\w", re.MULTILINE | re.DOTALL)


@valueclass
class StoredLadder:
    """A ladder of a drill. `script` identifies what was performed: see script_of()."""

    taken: str
    service: str
    pair: str
    script: str
    lines: Sequence[str]


def script_of(drill: Drill) -> str:
    """What identifies the script of a drill, whatever else its file says."""
    found = SCRIPT.search(drill.text)
    words = " ".join((found[1] if found else drill.text).split())
    return hashlib.sha256(f"{drill.service} {words}".encode()).hexdigest()[:12]


def draw(ladder: Picture) -> list[str]:
    """The lines of a ladder, the heads first: time, and the two legs of each way."""
    first, *others = ladder.ends
    words = [first, *(word for end in others for word in ("firewall", end))]
    heads = f"{'':>11}" + "".join(f"{word:<{WIDTH + 1}}" for word in words)
    rows = [line for row in ladder.rows for line in _row(row.at_ms, row.packet, row.says, row.pause_s, 2 * len(others))]
    if len(rows) > ROWS:
        left_out = len(rows) - ROWS
        rows = [*rows[: ROWS // 2], f"{'':>11}… {left_out} more lines", *rows[-ROWS // 2 :]]
    return [line.rstrip() for line in (heads, *rows)]


def ladders_of_run(folder: Path, known: Mapping[str, Drill]) -> Iterator[tuple[str, StoredLadder]]:
    """The ladders of the cells of a run that passed with the drill's own service, one for each drill."""
    for path in sorted(folder.glob(f"*/*/*/{read_run.RESULT}")):
        result = read_run.result(path.parent)
        drill = known.get(result["drill"])
        if drill is None or result["verdict"] != "pass" or result["service"] != drill.service:
            continue
        ladder = picture(result["runs"]["fault"], read_run.packets(path.parent / "fault"))
        if ladder.packets:
            yield (
                drill.drill,
                StoredLadder(folder.name[:10], drill.service, result["pair"], script_of(drill), draw(ladder)),
            )


def stored(path: Path) -> dict[str, StoredLadder]:
    """The ladders that are kept; none where there is no file."""
    found: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return {drill: StoredLadder(**each) for drill, each in found.items()}


def text(ladders: Mapping[str, StoredLadder]) -> str:
    """The file that keeps them."""
    plain = {drill: asdict(each) for drill, each in sorted(ladders.items())}
    return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"


def _row(at_ms: float, packet: LadderRow | None, says: str, pause_s: float | None, columns: int) -> Iterator[str]:
    if packet:
        yield f"{at_ms:>7.1f} ms {_legs(packet, columns)}"
    elif pause_s is not None:
        yield f"{'':>11}⋮ {seconds(pause_s)}"
    else:
        yield f"{at_ms:>7.1f} ms · {says}"


def _legs(packet: LadderRow, columns: int) -> str:
    label = " ".join(word for word in (_source_label(packet), packet.flags, packet.size or packet.about) if word)
    if packet.marks:
        label += f" ({', '.join(packet.marks)})"
    near, far = packet.left is not None, packet.right is not None
    if not packet.rightwards:
        near, far = far, near  # of whoever sends it
    first = leg(label, packet.rightwards, ends=not far and packet.fate != "turned") if near else " " * WIDTH
    second = leg("" if near else label, packet.rightwards, ends=False) if far else " " * WIDTH
    left, right = (first, second) if packet.rightwards else (second, first)
    empty = [" " * WIDTH] * (columns - 2)
    halves = [left, *empty, right] if packet.past_server else [left, right, *empty]
    return "│" + "│".join([*empty, left, right] if packet.of_backend else halves) + "│"


def _source_label(packet: LadderRow) -> str:
    if packet.fate == "turned":
        return f"{packet.source} to {packet.destination}:"
    return "" if packet.source in ("client", "server", "backend", "firewall") else f"{packet.source}:"


def leg(label: str, rightwards: bool, *, ends: bool, width: int = WIDTH) -> str:
    """An arrow of `width` columns; `ends`: it does not come to the other leg. A label that is too long is cut."""
    label = label if len(label) <= width - 6 else label[: width - 7] + "…"
    words = f" {label} " if label else ""
    if rightwards:
        return f"──{words}".ljust(width - 1, "─") + ("╳" if ends else "▶")
    return ("╳" if ends else "◀") + f"{words}──".rjust(width - 1, "─")


def merge_ladders(kept: Mapping[str, StoredLadder], new: Iterable[tuple[str, StoredLadder]]) -> dict[str, StoredLadder]:
    """Those that are kept, and in their places the new ones."""
    return {**kept, **dict(new)}
