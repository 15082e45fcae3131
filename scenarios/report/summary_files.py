"""The files with the results of a run: summary.json, JUnit XML and the report, made from a line for each cell."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from scenarios.evidence import run_folder as runs
from scenarios.evidence.run_folder import RESULT_SCHEMA, StorageProblem
from scenarios.report import write as report
from scenarios.verdict.check import Verdict
from scenarios.verdict.survival import Survival

NAMED = 5  # cells by name in a message; more are counted


def join_titles(titles: Sequence[str]) -> str:
    """`lost-syn · echo/select · be-le, … and 4 more`."""
    return ", ".join(titles[:NAMED]) + (f" and {len(titles) - NAMED} more" if titles[NAMED:] else "")


def status_of(verdicts: Collection[Verdict]) -> int:
    """0: all pass. 1: one failed. 2: none failed, but one is unproven or unsupported, or nothing was run."""
    if Verdict.FAIL in verdicts:
        return 1
    return 0 if set(verdicts) == {Verdict.PASS} else 2


def write(
    run_folder: Path,
    lines: Sequence[Mapping[str, Any]],
    asked: int,
    took_s: float,
    ran_on: Mapping[str, str],
    verdicts: Mapping[Verdict, int],
    junit: Path | None = None,
    *,
    tells_ci: bool = True,
) -> None:
    """Write summary.json, junit.xml and the report into the folder of the run; junit.xml to `junit` too.

    `lines` are the cells, as summary.json has them (docs/summary.schema.json); `asked` is how many were asked for. The
    Markdown summary goes to the page of the CI job too, in which this runs (`tells_ci`). What cannot be written keeps
    nothing else from being written; raise the first problem at the end.
    """
    document = {
        "schema": RESULT_SCHEMA,
        "asked": asked,
        "run": sum(verdicts.values()),
        "verdicts": {each.value: verdicts.get(each, 0) for each in Verdict},
        "duration_s": round(took_s, 3),
        "cells": lines,
        "versions": ran_on,
    }
    runs.give_room(run_folder)
    problems: list[Exception] = []

    def attempt(step: Callable[[], object]) -> None:
        try:
            step()
        except OSError as error:
            problems.append(StorageProblem(f"{error.filename or run_folder}: {error.strerror or error}"))
        except Exception as error:
            problems.append(error)

    summary = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    attempt(lambda: runs.write(run_folder / "summary.json", summary))
    text = _junit(run_folder, lines, verdicts, took_s)
    attempt(lambda: runs.write(run_folder / "junit.xml", text))
    if junit is not None:
        attempt(lambda: junit.write_text(text, "utf-8"))
    attempt(lambda: report.write(run_folder))
    if tells_ci:
        attempt(lambda: report.tell_ci(run_folder))
    if problems:
        raise problems[0]


def _junit(run_folder: Path, lines: Sequence[Mapping[str, Any]], told: Mapping[Verdict, int], took_s: float) -> str:
    """JUnit XML; unproven is an error, unsupported is skipped, and what is otherwise than promised is a failure."""
    otherwise = [_otherwise(each) for each in lines]
    suite = Xml.Element(
        "testsuite",
        name="faultwire",
        tests=str(sum(told.values())),
        failures=str(told.get(Verdict.FAIL, 0) + sum(map(bool, otherwise))),
        errors=str(told.get(Verdict.UNPROVEN, 0)),
        skipped=str(told.get(Verdict.UNSUPPORTED, 0)),
        time=f"{took_s:.3f}",
    )
    tags = {Verdict.FAIL.value: "failure", Verdict.UNPROVEN.value: "error", Verdict.UNSUPPORTED.value: "skipped"}
    for each, broken in zip(lines, otherwise, strict=True):
        name = f"{each['service']} {each['pair']}" + (f" #{each['repeat']}" if each["repeat"] > 1 else "")
        case = Xml.SubElement(suite, "testcase", classname=each["drill"], name=name, time=f"{each['duration_s']:.3f}")
        if "did" in each:
            properties = Xml.SubElement(case, "properties")
            Xml.SubElement(properties, "property", name="did", value=_plain(each["did"]["word"]))
        if each["verdict"] in tags:
            Xml.SubElement(case, tags[each["verdict"]], message=_plain(each["sentence"]))
        if broken:
            Xml.SubElement(case, "failure", message=_plain(broken))
        folder = run_folder / each["folder"]
        captures = sorted(path.relative_to(run_folder) for path in folder.glob("*/*.pcapng"))
        if captures:
            out = Xml.SubElement(case, "system-out")
            out.text = "\n".join(f"[[ATTACHMENT|{path}]]" for path in captures)
    root = Xml.Element("testsuites")
    root.append(suite)
    Xml.indent(root)
    text: str = Xml.tostring(root, encoding="unicode")
    return f"<?xml version='1.0' encoding='utf-8'?>\n{text}\n"


def _otherwise(line: Mapping[str, Any]) -> str:
    """What a cell of the matrix that passed has beside its claim that is not as promised: the matrix ends with 1."""
    found = Survival(**line["survival"]) if "survival" in line and line["verdict"] == Verdict.PASS.value else None
    return found.otherwise if found and found.is_as_promised is False else ""


def _plain(text: str) -> str:
    """Without what XML 1.0 cannot hold."""
    return "".join(each if each.isprintable() or each in "\n\t" else "�" for each in text)
