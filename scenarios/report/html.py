"""The HTML pages of a run: templates, and the values that fill them. Text of programs or from the wire is hostile here.

A ladder is a table that is drawn as a picture: one text for the eye, the browser's search, a screen reader, the
clipboard and paper. So time is not to scale.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, UndefinedError
from markupsafe import Markup

from scenarios.evidence import frames_json
from scenarios.evidence.tshark_fields import KEPT, PREFERENCES
from scenarios.lab.topology import ARCHITECTURES
from scenarios.report import read_run
from scenarios.report.advice import advice
from scenarios.report.changes import Changes
from scenarios.report.ladder import PAUSE_NS, Picture, Row, picture
from scenarios.report.ladder_events import ran_for, seconds, tone_of
from scenarios.report.matrix import matrix
from scenarios.report.read_run import Run
from scenarios.spec.sources import Source
from scenarios.spec.units import so_many
from scenarios.verdict import check
from scenarios.verdict.check import Verdict

HERE = Path(__file__).parent
STYLE, SCRIPT = "report.css", "report.js"
CHUNK = 250  # rows of a ladder that the browser lays out together: 10,000 packets stay usable without a script
FEW = 12  # frames of a rule that stand beside it; the others are a click away
LINES_FIRST, LINES_LAST = 150, 50  # of what a program printed; all of it is in its file
MARKS = {verdict.value: mark for verdict, mark in check.MARKS.items()}
ORDERS = {end: str(machine) for end, machine, _ in ARCHITECTURES.values()}
FATES = {
    "crossed": "crosses the firewall",
    "lost": "ends at the firewall",
    "made": "begins at the firewall",
    "altered": "crosses the firewall, altered",
    "cut": "is cut at the firewall",
    "piece": "is a piece that the firewall cut",
    "taken": "is addressed to the firewall",
    "local": "stays on this link",
    "turned": "goes back by the leg that it came by",
}
# What a page must not hold as it is: controls, what is no character, and what turns the direction of the text.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def visible(text: str) -> str:
    """The text with each character that one would not see, or that no page may hold, as its picture or its number."""

    def shown(match: re.Match[str]) -> str:
        code = ord(match[0])
        return "␡" if code == 0x7F else chr(0x2400 + code) if code < 0x20 else f"\\u{code:04x}"

    return UNSEEN.sub(shown, text)


def _finalize(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def link(path: str) -> str:
    """A path as a relative reference (RFC 3986, section 4.2)."""
    return quote(path)


def milliseconds(value: float) -> str:
    """`1 016.134`, with a narrow space after the thousands, and a minus sign."""
    return f"{value:,.3f}".replace(",", "\u202f").replace("-", "−")


def date(name: str) -> str:
    """`21 November 2026, 17:11:16 UTC` of a run's name; another name is left as it is."""
    try:
        at = datetime.strptime(name, "%Y-%m-%dT%H-%M-%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return name
    return f"{at.day} {at:%B %Y, %H:%M:%S} UTC"


@cache
def environment() -> Environment:
    """Autoescape everywhere; a name that is not there is an error."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"link": link, "ms": milliseconds, "seconds": seconds, "date": date, "so_many": so_many}
    made.globals |= {"MARKS": MARKS, "FATES": FATES, "STYLE": STYLE, "SCRIPT": SCRIPT, "FEW": FEW, "live": False}
    return made


def index(run: Run, changes: Changes | None, *, live: bool = False, goes_on: bool = False) -> str:
    """The first page of a run. `live`: it is served, and looks for what is new; `goes_on`: its run is not over."""
    others = [line for line in run.lines if line.verdict is not Verdict.PASS]
    order = list(Verdict)
    return environment().get_template("index.html.j2").render(
        run=run,
        live=live,
        goes_on=goes_on,
        counts=[(each.value, run.counts.get(each, 0)) for each in Verdict],
        matrix=matrix(run.lines),
        survival=any(line.survival for line in run.lines),
        broken=sum(line.promise == "broken" for line in run.lines),
        others=sorted(others, key=lambda line: order.index(line.verdict)),
        changes=changes,
        kinds=sorted({line.kind for line in run.lines if line.survival}),
        services=sorted({line.service for line in run.lines}),
        pairs=sorted({line.pair for line in run.lines}),
    )  # fmt: skip


def cell(folder: Path, run_folder: Path, *, live: bool = False) -> str:
    """The page of a cell. Raises TornFile when a file of it cannot be read, or is of another form."""
    result = read_run.result(folder)
    try:
        return _cell(folder, run_folder, result, live=live)
    except read_run.TornFile:
        raise
    except (*read_run.OF_ANOTHER_FORM, UndefinedError) as error:
        why = f"it is not the result of a cell: {read_run.in_words(error)}"
        raise read_run.TornFile(folder / read_run.RESULT, why) from error


def _cell(folder: Path, run_folder: Path, result: Mapping[str, Any], *, live: bool) -> str:
    place = folder.relative_to(run_folder)
    client, _, server = result["pair"].partition("-")
    runs = [_script(name, folder, run_folder, result) for name in read_run.RUNS if name in result["runs"]]
    return environment().get_template("cell.html.j2").render(
        result=result,
        live=live,
        cure=advice(read_run.read_behaviour(result)),
        sources=[_source(each) for each in result["source"]],
        survival=read_run.survival(result),
        did=read_run.read_behaviour(result),
        home="/".join([".."] * len(place.parts)),
        run_name=run_folder.name,
        byteorders=(ORDERS.get(client, client), ORDERS.get(server, server)),
        machines={role: result.get("machines", {}).get(role) for role in ("client", "server")},
        runs=runs,
        pause=seconds(PAUSE_NS / 1e9),
    )  # fmt: skip


def _source(text: str) -> dict[str, str]:
    """A source as it was written, where it can be read, and what stands there."""
    try:
        found = Source.parse(text)
    except ValueError:  # of a run of somebody else's drill, or of an earlier day
        return {"text": text, "url": "", "title": "", "says": ""}
    return {"text": text, "url": found.url, "title": found.title, "says": found.says}


def _script(name: str, folder: Path, run_folder: Path, result: Mapping[str, Any]) -> dict[str, Any]:
    """What a page says of one run of the script."""
    run = result["runs"][name]
    kept = read_run.packets(folder / name)
    drawn = picture(run, kept)
    decoded = dict.fromkeys(frames_json.LEGS, 0)
    for packet in kept.packets if kept else ():
        for leg in packet.frames:
            decoded[leg] += 1
    return {
        "name": name,
        "run": run,
        "checks": result["expectations"] if name == "fault" else result["control"],
        "picture": drawn,
        "has_packets": kept is not None,
        "has_row": {(leg, number) for row in drawn.rows if row.packet for leg, number in row.packet.legs},
        "addresses": kept.addresses if kept else {},
        "chunks": list(_chunks(drawn)),
        "captures": [
            {
                "leg": leg,
                "decoded": decoded.get(leg, 0),
                "command": tshark(f"runs/{run_folder.name}/{folder.relative_to(run_folder).as_posix()}/{each['file']}"),
                **each,
            }
            for leg, each in run["captures"].items()
        ],
        "printed": list(_printed(folder / name, run)),
        "outcomes": [
            {"name": call, "ended": each["ended"] + ran_for(each["call"]), "tone": tone_of(each["call"]["outcome"])}
            for call, made in run["calls"].items()
            for each in made
        ],
    }


def tshark(path: str) -> str:
    """The command that reads a capture as the lab read it, with its tshark and its dissector."""
    options = [word for preference in PREFERENCES for word in ("-o", preference)]
    command = [
        "docker",
        "run",
        "--rm",
        "-i",
        "--entrypoint",
        "tshark",
        "faultwire/firewall",
        "-r",
        "-",
        "-Y",
        KEPT,
        *options,
    ]
    return f"{shlex.join(command)} < {shlex.quote(path)}"


def _chunks(drawn: Picture) -> Iterator[tuple[int, int, list[Row]]]:
    """The rows in groups: the numbers of the first and the last packet of each, and its rows."""
    rows, number = iter(drawn.rows), 0
    while chunk := list(islice(rows, CHUNK)):
        first = number + 1
        number += sum(row.packet is not None for row in chunk)
        yield first, number, chunk


def _printed(folder: Path, run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What each program printed: its name, its first and last lines, and how many are between them."""
    calls = list(run["calls"])
    files = sorted(folder.glob("*.txt"), key=lambda path: (path.stem not in calls, path.stem))
    for path in files:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        more = max(0, len(lines) - LINES_FIRST - LINES_LAST)
        first, last = (lines[:LINES_FIRST], lines[-LINES_LAST:]) if more else (lines, [])
        yield {"name": path.stem, "file": f"{folder.name}/{path.name}", "first": first, "more": more, "last": last}
