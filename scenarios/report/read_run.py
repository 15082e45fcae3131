"""Reading the folder of a run: its summary, its cells, and the packets of each. Values only; nothing is drawn here."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from scenarios.evidence import frames_json
from scenarios.evidence.ways import Way, goes_right, way_of
from scenarios.lab.errors import UsageError
from scenarios.lab.valueclass import valueclass
from scenarios.report.stored_json import TornFile as TornFile
from scenarios.report.stored_json import mapping_in, of_this_form
from scenarios.spec.cell import cell_title
from scenarios.spec.roles import LegName
from scenarios.verdict.behaviour import Behaviour
from scenarios.verdict.check import Verdict
from scenarios.verdict.survival import Survival

SUMMARY, RESULT, PAGE = "summary.json", "result.json", "index.html"
BLANKS = "blanks.json"  # why a drill was not run with a service: of a matrix alone
OF_ONE_CALL = "call"  # what the result of `call` and `demo` has, and none of a drill
PLACE_PARTS = 3  # of the folder of a cell in the folder of its run: drill, service, pair
RUNS = ("fault", "control")  # of a cell, in the order in which one wants to see them


@valueclass
class Line:
    """A cell in short: a line of the summary."""

    drill: str
    service: str
    pair: str
    seed: int
    repeat: int
    verdict: Verdict
    sentence: str
    duration_s: float
    folder: str  # from the folder of the run
    repeat_with: str
    survival: Survival | None
    did: Behaviour | None
    has_page: bool  # its folder is there

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What makes it the same cell in another run."""
        return self.drill, self.service, self.pair, self.repeat

    @property
    def title(self) -> str:
        """What a cell is called, as spec.cell.Cell has it."""
        return cell_title(self.drill, self.service, self.pair, self.repeat)

    @property
    def word(self) -> str:
        """What happened, or else the verdict."""
        return self.survival.word if self.survival else self.verdict.value

    @property
    def kind(self) -> str:
        """The word without its figures: what cells are told apart and filtered by."""
        return self.survival.kind if self.survival else self.verdict.value

    @property
    def tone(self) -> str:
        """The verdict; where there is a word of survival, whether all of it is as promised instead of pass and fail."""
        if self.survival is None or self.verdict in (Verdict.UNPROVEN, Verdict.UNSUPPORTED):
            return self.verdict.value
        verdicts = {True: Verdict.PASS, False: Verdict.FAIL, None: Verdict.UNPROVEN}
        return verdicts[self.survival.is_as_promised].value

    @property
    def word_tone(self) -> str:
        """The same of the word alone."""
        if self.survival is None or self.verdict in (Verdict.UNPROVEN, Verdict.UNSUPPORTED):
            return self.verdict.value
        return Verdict.PASS.value if self.survival.as_promised else Verdict.FAIL.value

    @property
    def promise(self) -> str:
        """`kept`, `broken`; empty where there is none, or nothing is known of it."""
        known = self.survival and self.survival.is_as_promised
        return "" if known is None else "kept" if known else "broken"

    @property
    def page(self) -> str:
        """From the folder of the run."""
        return f"{self.folder}/{PAGE}"


@valueclass
class Run:
    """A run, as its folder tells it."""

    folder: Path
    lines: Sequence[Line]
    cells_wanted: int
    counts: Mapping[Verdict, int]  # of all that was run: more than there are lines, where what passed left nothing
    duration_s: float | None  # None: it was broken off before it could write its summary
    versions: Mapping[str, str]
    blanks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by drill and service

    def blank(self, drill: str, column: str) -> str:
        """Say why there is no cell of a drill in a column of the matrix."""
        return self.blanks.get(drill, {}).get(column, "") or "not run"

    @property
    def ran(self) -> int:
        """How many cells were run."""
        return sum(self.counts.values())


@valueclass
class Frame:
    """A frame as one leg saw it; see dissect.Frame, whose payload is in the capture."""

    number: int
    time_ns: int
    length: int
    transport: str
    source: str
    destination: str
    source_port: int | None = None
    destination_port: int | None = None
    identification: int | None = None
    ttl: int = 0
    flags: tuple[str, ...] = ()
    seq: int | None = None
    ack: int | None = None
    window: int | None = None
    payload_bytes: int = 0
    payload: str = ""  # the first bytes, in hexadecimal
    protocol: str = ""
    info: str = ""
    notes: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    byteorders: tuple[str, ...] = ()
    checksum_good: bool = True


@valueclass
class Packet:
    """One packet, as each leg saw it; None: this leg did not see it."""

    client_leg: Frame | None = None
    server_leg: Frame | None = None
    backend_leg: Frame | None = None
    is_unsure: bool = False  # an equal packet before it may have crossed in its place

    @classmethod
    def across(cls, way: Way, left: Frame | None, right: Frame | None) -> Packet:
        """The packet that the two legs of a way saw so."""
        seen = dict(zip(way, (left, right), strict=True))
        return cls(seen.get("client-leg"), seen.get("server-leg"), seen.get("backend-leg"))

    @property
    def frames(self) -> dict[LegName, Frame]:
        """The packet by each leg that saw it."""
        legs = zip(frames_json.LEGS, (self.client_leg, self.server_leg, self.backend_leg), strict=True)
        return {leg: frame for leg, frame in legs if frame is not None}


@valueclass
class Packets:
    """What frames.json holds."""

    port: int
    addresses: Mapping[str, Sequence[str]]  # of each role
    client_side: frozenset[str]
    packets: Sequence[Packet]  # in order of time
    backend_side: frozenset[str] = frozenset()  # of a run of long ago none: a backend stood on the client's side

    def way(self, packet: Packet) -> tuple[Way, bool]:
        """Between which legs a packet goes, and whether from the left one of them to the right one."""
        at, frame = min(packet.frames.items(), key=lambda each: each[1].time_ns)
        way = way_of(frame.source, frame.destination, at, self.client_side, self.backend_side)
        return way, goes_right(frame.source, way, self.client_side, self.backend_side)


class NoRun(UsageError):
    """The folder is not one of a run, or of one that cannot be read; the message names the file and what is wrong."""


def run(folder: Path) -> Run:
    """What a run left. Without its summary, it is put together from the results of its cells, those that are whole.

    Raise NoRun when the folder is not one of a run.
    """
    folder = folder.resolve()
    path = folder / SUMMARY
    try:
        if path.is_file():
            stored = of_this_form(path)
            lines = [_line(each, folder) for each in _cells(stored)]
            asked, duration_s = int(stored["asked"]), float(stored["duration_s"])
            counts = {each: int(stored["verdicts"][each.value]) for each in Verdict}
            return Run(folder, lines, asked, counts, duration_s, _versions(stored), _blanks(folder))
        found = sorted(folder.glob(f"*/*/*/{RESULT}"))
    except OF_ANOTHER_FORM as error:
        raise NoRun(f"{path} is not the summary of a run: {in_words(error)}") from error
    lines, versions = [], {}
    problem = f"it has neither a {SUMMARY} nor a */*/*/{RESULT}"
    for path in found:
        try:
            stored = of_this_form(path)
            if OF_ONE_CALL in stored:
                problem = f"{path.parent.relative_to(folder)} is what one call left; a run of drills has a report"
                continue
            lines.append(_line(stored | {"folder": str(path.parent.relative_to(folder))}, folder))
            versions = _versions(stored)
        except OF_ANOTHER_FORM as error:  # the last one of a run that was killed, say
            problem = f"{path}: {in_words(error)}"
    if not lines:
        raise NoRun(f"{folder} is not the folder of a run: {problem}")
    counts = Counter(line.verdict for line in lines)
    return Run(folder, lines, len(lines), counts, None, versions, _blanks(folder))


def _cells(stored: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    cells = stored["cells"]
    if not isinstance(cells, list) or not all(isinstance(each, dict) for each in cells):
        raise ValueError("cells: expected a sequence of mappings")
    return cells


def _blanks(folder: Path) -> dict[str, dict[str, str]]:
    """Why drills were not run with services; nothing where the run does not say, or says it in another form."""
    try:
        stored = mapping_in(folder / BLANKS)
        return {drill: {str(name): str(why) for name, why in of.items()} for drill, of in stored.items()}
    except OF_ANOTHER_FORM:
        return {}


# What reading a file of another form raises: JSON allows everything where a mapping, a text or a number should be.
OF_ANOTHER_FORM = (OSError, LookupError, TypeError, ValueError, AttributeError, RecursionError)


def in_words(error: BaseException) -> str:
    """What reading a file of another form came to."""
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _versions(stored: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(version) for name, version in stored["versions"].items()}


def summary(folder: Path) -> dict[str, Any]:
    """The summary.json of a run, as it stands there. Raise OSError or ValueError."""
    return of_this_form(folder / SUMMARY)


def result(folder: Path) -> dict[str, Any]:
    """The result.json of a cell. Raise OSError, or TornFile."""
    return of_this_form(folder / RESULT)


def packets(folder: Path) -> Packets | None:
    """The packets of one run of a script; None where a run of long ago left none. Raise TornFile."""
    path = folder / frames_json.FILE
    if not path.is_file():
        return None
    stored = mapping_in(path)
    try:
        return _packets(stored)
    except OF_ANOTHER_FORM as error:
        raise TornFile(path, in_words(error)) from error


def _packets(stored: Mapping[str, Any]) -> Packets:
    if stored["schema"] != frames_json.SCHEMA:
        raise ValueError(f"expected schema {frames_json.SCHEMA}, got {stored['schema']}")
    legs = [{each["number"]: _frame(each) for each in stored["legs"][leg]} for leg in frames_json.LEGS
            if leg in stored["legs"] or leg != "backend-leg"]  # fmt: skip
    unsure = frozenset(stored.get("unsure", ()))
    found = []
    for at, numbers in enumerate(stored["packets"]):
        client, server, *backend = (leg[number] if number else None for leg, number in zip(legs, numbers, strict=True))
        found.append(Packet(client, server, backend[0] if backend else None, at in unsure))
    sides = frozenset(stored["client_side"]), frozenset(stored.get("backend_side", ()))
    return Packets(stored["port"], stored["addresses"], sides[0], found, sides[1])


def _frame(stored: Mapping[str, Any]) -> Frame:
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()}
    return Frame(**plain)


def survival(stored: Mapping[str, Any]) -> Survival | None:
    """Of a line of summary.json, or of result.json."""
    found = stored.get("survival")
    return Survival(**found) if found else None


def read_behaviour(stored: Mapping[str, Any]) -> Behaviour | None:
    """What a program did, of a line of summary.json, or of result.json."""
    found = stored.get("did")
    return Behaviour(**found) if found else None


def _line(stored: Mapping[str, Any], run_folder: Path) -> Line:
    """A line of a summary, which may be another's: each value is of its type, and the folder below that of the run."""
    place = Path(_text(stored, "folder"))
    # In runs before 2026-11-27 the name of the run stood before.
    if len(place.parts) == PLACE_PARTS + 1 and not place.is_absolute():
        place = Path(*place.parts[1:])
    folder = (run_folder / place).resolve()
    if not folder.is_relative_to(run_folder.resolve()):
        raise ValueError(f"folder: {stored['folder']!r} is outside of the run")
    duration_s = float(stored["duration_s"])
    if not 0 <= duration_s < math.inf:
        raise ValueError(f"duration_s: {duration_s} is not a length of time")
    return Line(
        drill=_text(stored, "drill"),
        service=_text(stored, "service"),
        pair=_text(stored, "pair"),
        seed=int(stored["seed"]),
        repeat=int(stored["repeat"]),
        verdict=Verdict(stored["verdict"]),
        sentence=_text(stored, "sentence"),
        duration_s=duration_s,
        folder=place.as_posix(),
        repeat_with=_text(stored, "repeat_with"),
        survival=survival(stored),
        did=read_behaviour(stored),
        has_page=(folder / RESULT).is_file(),
    )


def _text(stored: Mapping[str, Any], key: str) -> str:
    found = stored[key]
    if not isinstance(found, str):
        raise ValueError(f"{key}: expected a string, found {found!r}")
    return found
