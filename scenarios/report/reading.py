"""Reading the folder of a run: its summary, its cells, and the packets of each. Values only; nothing is drawn here."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenarios import frames
from scenarios.survival import Survival
from scenarios.verdict import Verdict

SUMMARY, RESULT, PAGE = "summary.json", "result.json", "index.html"
RUNS = ("fault", "control")  # of a cell, in the order in which one wants to see them


@dataclass(frozen=True, slots=True)
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
    has_page: bool  # its folder is there

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What makes it the same cell in another run."""
        return self.drill, self.service, self.pair, self.repeat

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
        return Verdict.PASS.value if self.survival.is_as_promised else Verdict.FAIL.value

    @property
    def word_tone(self) -> str:
        """The same of the word alone."""
        if self.survival is None or self.tone in (Verdict.UNPROVEN.value, Verdict.UNSUPPORTED.value):
            return self.tone
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


@dataclass(frozen=True, slots=True)
class Run:
    """A run, as its folder tells it."""

    folder: Path
    lines: Sequence[Line]
    asked: int
    duration_s: float | None  # None: it was broken off before it could write its summary
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet, as each leg saw it; None: this leg did not see it."""

    client_leg: Frame | None
    server_leg: Frame | None


@dataclass(frozen=True, slots=True)
class Packets:
    """What frames.json holds."""

    port: int
    addresses: Mapping[str, Sequence[str]]  # of each role
    client_side: frozenset[str]
    packets: Sequence[Packet]  # in order of time


def run(folder: Path) -> Run:
    """What a run left. Without its summary, it is put together from the results of its cells.

    Raises ValueError when the folder is not one of a run.
    """
    folder = folder.resolve()
    path = folder / SUMMARY
    if path.is_file():
        stored = _json(path)
        lines = [_line(each, folder) for each in stored["cells"]]
        return Run(folder, lines, stored["asked"], stored["duration_s"], stored["versions"])
    results = [_json(path) | {"folder": str(path.parent)} for path in sorted(folder.glob(f"*/*/*/{RESULT}"))]
    if not results:
        raise ValueError(f"{folder} is no folder of a run: it has neither a {SUMMARY} nor a */*/*/{RESULT}")
    return Run(folder, [_line(each, folder) for each in results], len(results), None, results[0]["versions"])


def result(folder: Path) -> dict[str, Any]:
    """The result.json of a cell."""
    return _json(folder / RESULT)


def packets(folder: Path) -> Packets | None:
    """The packets of one run of a script; None where a run of long ago left none. Raises ValueError."""
    path = folder / frames.FILE
    if not path.is_file():
        return None
    stored = _json(path)
    if stored["schema"] != frames.SCHEMA:
        raise ValueError(f"{path}: schema {stored['schema']}, where {frames.SCHEMA} is read")
    legs = [{each["number"]: _frame(each) for each in stored["legs"][leg]} for leg in frames.LEGS]
    found = [Packet(*(leg[number] if number else None for leg, number in zip(legs, numbers, strict=True)))
             for numbers in stored["packets"]]  # fmt: skip
    return Packets(stored["port"], stored["addresses"], frozenset(stored["client_side"]), found)


def _frame(stored: Mapping[str, Any]) -> Frame:
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()}
    return Frame(**plain)


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: no JSON: {error}") from error
    return found


def survival(stored: Mapping[str, Any]) -> Survival | None:
    """Of a line of summary.json, or of result.json."""
    found = stored.get("survival")
    return Survival(**found) if found else None


def _line(stored: Mapping[str, Any], run_folder: Path) -> Line:
    folder = run_folder.parent / stored["folder"]
    return Line(
        drill=stored["drill"],
        service=stored["service"],
        pair=stored["pair"],
        seed=stored["seed"],
        repeat=stored["repeat"],
        verdict=Verdict(stored["verdict"]),
        sentence=stored["sentence"],
        duration_s=stored["duration_s"],
        folder=Path(os.path.relpath(folder, run_folder)).as_posix(),
        repeat_with=stored["repeat_with"],
        survival=survival(stored),
        has_page=(folder / RESULT).is_file(),
    )
