"""The results of the gallery's cells, in short: read from the folders of runs, and kept in docs/gallery.json.

Each has the reference to its evidence: the run, the cell's folder in it, the verdict, and how many frames each leg saw.
The folder of a run may be gone by now; what is kept says what was seen, and when.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scenarios.lab.places import PAGES
from scenarios.lab.valueclass import valueclass
from scenarios.report import read_run
from scenarios.verdict.check import Verdict

STORED = PAGES / "gallery.json"


@valueclass
class Seen:
    """A cell in short. `word` is what the program did, empty where nothing is known; `kind` that without figures."""

    drill: str
    program: str
    verdict: Verdict
    sentence: str  # why, where it did not pass; else empty
    word: str
    kind: str
    took_s: float | None
    kernel_end: str  # of one that hung: what the kernel alone would make of it; empty where that is not known
    run: str
    cell: str  # its folder, from that of the run
    client_frames: int  # of the run with the failure, on the client's leg
    server_frames: int

    @property
    def key(self) -> tuple[str, str]:
        return self.drill, self.program


def of_run(folder: Path) -> list[Seen]:
    """Every cell of a run, those that are whole."""
    found = []
    for path in sorted(folder.glob(f"*/*/*/{read_run.RESULT}")):
        stored = json.loads(path.read_text(encoding="utf-8"))
        found.append(_read_cell(stored, folder.name, path.parent.relative_to(folder).as_posix()))
    return found


def _read_cell(stored: Mapping[str, Any], run: str, cell: str) -> Seen:
    verdict = Verdict(stored["verdict"])
    did = stored.get("did") or {}
    captures = stored["runs"].get("fault", {}).get("captures", {})
    frames = [int(captures.get(leg, {}).get("frames", 0)) for leg in ("client-leg", "server-leg")]
    return Seen(
        drill=stored["drill"],
        program=f"{stored['service'].partition(':')[0]}:{stored['client']}",
        verdict=verdict,
        sentence="" if verdict is Verdict.PASS else stored["sentence"],
        word=did.get("word", ""),
        kind=did.get("kind", ""),
        took_s=did.get("took_s"),
        kernel_end=did.get("kernel_end", ""),
        run=run,
        cell=cell,
        client_frames=frames[0],
        server_frames=frames[1],
    )


def stored(path: Path = STORED) -> dict[tuple[str, str], Seen]:
    """The cells that are kept, by drill and program; none where the file is not there."""
    if not path.is_file():
        return {}
    found = [Seen(**{**each, "verdict": Verdict(each["verdict"])}) for each in json.loads(path.read_text("utf-8"))]
    return {each.key: each for each in found}


def merge_cells(kept: Mapping[tuple[str, str], Seen], new: Iterable[Seen]) -> dict[tuple[str, str], Seen]:
    """Those that are kept, with new ones in the place of old ones.

    One that proved nothing does not take the place of one that did.
    """
    found = dict(kept)
    for each in new:
        if each.verdict is not Verdict.UNPROVEN or found.get(each.key, each).verdict is Verdict.UNPROVEN:
            found[each.key] = each
    return found


def text(cells: Mapping[tuple[str, str], Seen]) -> str:
    """What docs/gallery.json holds, a line each cell, in order."""
    plain = [asdict(cells[key]) | {"verdict": cells[key].verdict.value} for key in sorted(cells)]
    lines = [json.dumps(each, ensure_ascii=False) for each in plain]
    return "[\n" + ",\n".join(lines) + "\n]\n"
