"""What a whole run came to: summary.json, JUnit XML, the report, and its exit status."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from scenarios.evidence import run_folder as runs
from scenarios.evidence.run_folder import RESULT_SCHEMA, StorageProblem
from scenarios.lab.errors import UsageError
from scenarios.lab.versions import versions
from scenarios.report import write as report
from scenarios.spec.cell import Cell
from scenarios.verdict.check import Verdict
from scenarios.verdict.result import Result

NAMED = 5  # cells that were not run, by name; more are counted


def line(result: Result) -> Mapping[str, Any]:
    """A result in short. Its folder is from the folder of the run, which may be moved."""
    cell = result.cell
    return {
        "drill": cell.drill.drill,
        "service": cell.chosen.label,
        "pair": cell.pair,
        "seed": cell.seed,
        "repeat": cell.repeat,
        "verdict": result.verdict.value,
        "sentence": result.sentence,
        "duration_s": round(result.duration_s, 3),
        "folder": str(result.folder.relative_to(result.folder.parents[2])),
        "repeat_with": cell.command,
        **({"did": asdict(result.did)} if result.did else {}),
        **({"survival": asdict(result.survival)} if result.survival else {}),
    }


def exit_status(results: Sequence[Result]) -> int:
    """0: all pass. 1: one failed. 2: none failed, but one is unproven or unsupported, or nothing was run."""
    verdicts = {each.verdict for each in results}
    if Verdict.FAIL in verdicts:
        return 1
    return 0 if verdicts == {Verdict.PASS} else 2


def not_run(results: Sequence[Result], asked: Sequence[Cell], goes_on: str = "") -> str:
    """`24 of 31 were run; all faults are undone; not run: lost-syn · echo/select · be-le, … and 4 more`.

    `goes_on` is the command that would run what is left, where there is one.
    """
    done = {each.cell.title for each in results}
    left = [cell.title for cell in asked if cell.title not in done]
    said = f"{len(asked) - len(left)} of {len(asked)} were run; all faults are undone"
    if goes_on:
        said += f"; `{goes_on}` goes on"
    if left:
        said += f"; not run: {', '.join(left[:NAMED])}" + (f" and {len(left) - NAMED} more" if left[NAMED:] else "")
    return said


def check_junit(path: Path | None) -> None:
    """Raise UsageError when JUnit XML cannot be written there: before the run, not after it."""
    if path is not None:
        try:
            path.open("ab").close()
        except OSError as error:
            raise UsageError(f"--junit: {path} cannot be written: {error.strerror}") from error


def write(
    run_folder: Path,
    results: Sequence[Result],
    asked: int,
    took_s: float,
    junit: Path | None = None,
    verdicts: Mapping[Verdict, int] | None = None,
) -> None:
    """Write summary.json, junit.xml and the report into the folder of the run; junit.xml to `junit` too.

    `asked` is how many cells were asked for. `verdicts` counts what was run, where `results` are not all of that.
    The Markdown summary goes to the page of the CI job too, in which this runs. docs/summary.schema.json describes
    summary.json. What cannot be written keeps nothing else from being written; raise the first problem at the end.
    """
    told = Counter(each.verdict for each in results) if verdicts is None else verdicts
    document = {
        "schema": RESULT_SCHEMA,
        "asked": asked,
        "run": sum(told.values()),
        "verdicts": {each.value: told.get(each, 0) for each in Verdict},
        "duration_s": round(took_s, 3),
        "cells": [line(each) for each in results],
        "versions": versions(),
    }
    runs.give_room(run_folder)
    problems: list[Exception] = []

    def attempt(write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            problems.append(StorageProblem(f"{error.filename or run_folder}: {error.strerror or error}"))
        except Exception as error:
            problems.append(error)

    summary = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    attempt(lambda: runs.write(run_folder / "summary.json", summary))
    text = _junit(run_folder, results, told, took_s)
    attempt(lambda: runs.write(run_folder / "junit.xml", text))
    if junit is not None:
        attempt(lambda: junit.write_text(text, "utf-8"))
    attempt(lambda: report.write(run_folder))
    attempt(lambda: report.tell_ci(run_folder))
    if problems:
        raise problems[0]


def close(
    run_folder: Path,
    results: Sequence[Result],
    asked: int,
    took_s: float,
    broke_off: BaseException | None,
    junit: Path | None = None,
    verdicts: Mapping[Verdict, int] | None = None,
) -> BaseException | None:
    """Write what a run came to, as `write`; return what the caller is to raise then, if anything.

    That is what broke the run off, or else what kept its results from being written.
    """
    try:
        write(run_folder, results, asked, took_s, junit, verdicts)
    except Exception as problem:
        if broke_off is None:
            return problem
        broke_off.add_note(f"and the results were not written whole: {problem}")
    return broke_off


def _junit(run_folder: Path, results: Sequence[Result], told: Mapping[Verdict, int], took_s: float) -> str:
    """JUnit XML; unproven is an error, unsupported is skipped."""
    suite = Xml.Element(
        "testsuite",
        name="faultwire",
        tests=str(sum(told.values())),
        failures=str(told.get(Verdict.FAIL, 0)),
        errors=str(told.get(Verdict.UNPROVEN, 0)),
        skipped=str(told.get(Verdict.UNSUPPORTED, 0)),
        time=f"{took_s:.3f}",
    )
    tags = {Verdict.FAIL: "failure", Verdict.UNPROVEN: "error", Verdict.UNSUPPORTED: "skipped"}
    for each in results:
        name = f"{each.cell.chosen.label} {each.cell.pair}" + (f" #{each.cell.repeat}" if each.cell.repeat > 1 else "")
        case = Xml.SubElement(
            suite, "testcase", classname=each.cell.drill.drill, name=name, time=f"{each.duration_s:.3f}"
        )
        if each.did:
            properties = Xml.SubElement(case, "properties")
            Xml.SubElement(properties, "property", name="did", value=_plain(each.did.word))
        if each.verdict in tags:
            Xml.SubElement(case, tags[each.verdict], message=_plain(each.sentence))
        captures = sorted(path.relative_to(run_folder) for path in each.folder.glob("*/*.pcapng"))
        if captures:
            out = Xml.SubElement(case, "system-out")
            out.text = "\n".join(f"[[ATTACHMENT|{path}]]" for path in captures)
    root = Xml.Element("testsuites")
    root.append(suite)
    Xml.indent(root)
    text: str = Xml.tostring(root, encoding="unicode")
    return f"<?xml version='1.0' encoding='utf-8'?>\n{text}\n"


def _plain(text: str) -> str:
    """Without what XML 1.0 cannot hold."""
    return "".join(each if each.isprintable() or each in "\n\t" else "�" for each in text)
