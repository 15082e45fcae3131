"""What a whole run came to: summary.json, JUnit XML, the report, and its exit status."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from scenarios.drill import Cell
from scenarios.report import writing as report
from scenarios.running import Result
from scenarios.runs import RESULT_SCHEMA, versions
from scenarios.verdict import Verdict


def line(result: Result) -> Mapping[str, Any]:
    """A result in short."""
    cell = result.cell
    return {
        "drill": cell.drill.drill,
        "service": cell.chosen.name,
        "pair": cell.pair,
        "seed": cell.seed,
        "repeat": cell.repeat,
        "verdict": result.verdict.value,
        "sentence": result.sentence,
        "duration_s": round(result.duration_s, 3),
        "folder": str(result.folder.relative_to(result.folder.parents[3])),
        "repeat_with": cell.command,
        **({"survival": asdict(result.survival)} if result.survival else {}),
    }


def exit_status(results: Sequence[Result]) -> int:
    """0: all pass. 1: one failed. 2: none failed, but one is unproven or unsupported, or nothing was run."""
    verdicts = {each.verdict for each in results}
    if Verdict.FAIL in verdicts:
        return 1
    return 0 if verdicts == {Verdict.PASS} else 2


def write(
    run_folder: Path, results: Sequence[Result], asked: Sequence[Cell], took_s: float, junit: Path | None = None
) -> None:
    """Write summary.json, junit.xml and the report into the folder of the run; junit.xml to `junit` too.

    The Markdown summary goes to the page of the CI job too, in which this runs. docs/summary.schema.json describes
    summary.json.
    """
    counts = Counter(each.verdict.value for each in results)
    document = {
        "schema": RESULT_SCHEMA,
        "asked": len(asked),
        "run": len(results),
        "verdicts": {each.value: counts[each.value] for each in Verdict},
        "duration_s": round(took_s, 3),
        "cells": [line(each) for each in results],
        "versions": versions(),
    }
    (run_folder / "summary.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
    text = _junit(run_folder, results, took_s)
    for path in (run_folder / "junit.xml", junit):
        if path is not None:
            path.write_bytes(text)
    report.write(run_folder)
    report.tell_ci(run_folder)


def _junit(run_folder: Path, results: Sequence[Result], took_s: float) -> bytes:
    """JUnit XML; unproven is an error, unsupported is skipped."""
    counts = Counter(each.verdict for each in results)
    suite = Xml.Element(
        "testsuite",
        name="faultwire",
        tests=str(len(results)),
        failures=str(counts[Verdict.FAIL]),
        errors=str(counts[Verdict.UNPROVEN]),
        skipped=str(counts[Verdict.UNSUPPORTED]),
        time=f"{took_s:.3f}",
    )
    tags = {Verdict.FAIL: "failure", Verdict.UNPROVEN: "error", Verdict.UNSUPPORTED: "skipped"}
    for each in results:
        name = f"{each.cell.chosen.name} {each.cell.pair}" + (f" #{each.cell.repeat}" if each.cell.repeat > 1 else "")
        case = Xml.SubElement(
            suite, "testcase", classname=each.cell.drill.drill, name=name, time=f"{each.duration_s:.3f}"
        )
        if each.verdict in tags:
            Xml.SubElement(case, tags[each.verdict], message=_plain(each.sentence))
        captures = sorted(path.relative_to(run_folder) for path in each.folder.glob("*/*.pcapng"))
        if captures:
            out = Xml.SubElement(case, "system-out")
            out.text = "\n".join(f"[[ATTACHMENT|{path}]]" for path in captures)
    root = Xml.Element("testsuites")
    root.append(suite)
    Xml.indent(root)
    text: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _plain(text: str) -> str:
    """Without what XML 1.0 cannot hold."""
    return "".join(each if each.isprintable() or each in "\n\t" else "�" for each in text)
