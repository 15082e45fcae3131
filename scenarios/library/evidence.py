"""What is kept of a test: its captures, and a page of it beside those of drills, in the folder of a run."""

from __future__ import annotations

import dataclasses
import re
import time
from collections import Counter
from pathlib import Path

from scenarios.evidence import run_folder
from scenarios.lab.versions import versions
from scenarios.library.session import Session
from scenarios.library.story import Story
from scenarios.report import read_run, summary_files
from scenarios.report import write as report
from scenarios.run.cell import store_seen
from scenarios.verdict.check import Check, Verdict

SERVICE = "test"  # in the place of a service, in the report
LONGEST_NAME = 100


def folder_of(session: Session, story: Story) -> Path:
    """The folder of a test, made. Raises StorageProblem, or OSError, where it cannot be."""
    if session.run_folder is None:
        session.run_folder = run_folder.new_run()
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", story.name).strip("-.")[-LONGEST_NAME:] or "test"
    folder = run_folder.cell_path(session.run_folder, name, SERVICE, session.pair)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def kept_folder(session: Session, story: Story, number: int) -> Path:
    """The folder of one recording of a test, made."""
    folder = folder_of(session, story) / f"recording-{number}"
    folder.mkdir(exist_ok=True)
    return folder


def keep(session: Session, story: Story, sentence: str, verdict: Verdict, repeat_with: str) -> Path:
    """Keep the last recording of a test, and that of its control, and make their page; the folder of the test."""
    folder = folder_of(session, story)
    runs = {}
    controls = [seen for control in story.controls for seen in control.recorded]
    for name, found in (("control", controls), ("fault", story.recorded)):
        if found and not (folder / name).exists():
            seen = dataclasses.replace(found[-1], stalls=session.stalls, logs=story.logs, caught=story.caught)
            runs[name] = store_seen(seen, folder, name)
    check = Check("the test", "", sentence, verdict)
    assert session.run_folder is not None  # noqa: S101 (folder_of made it)
    in_short = {
        "drill": story.name,
        "service": SERVICE,
        "pair": session.pair,
        "seed": session.seed,
        "repeat": 1,
        "sentence": sentence,
        "duration_s": round((time.time_ns() - story.began_ns) / 1e9, 3),
        "repeat_with": repeat_with,
    }
    result = {
        **in_short,
        "claim": story.name,
        "source": (),
        "client": SERVICE,
        "machines": {},
        "family": session.family,
        "verdict": verdict,
        "earlier_tries": (),
        "control": (),
        "expectations": (check,),
        "runs": runs,
        "inputs": "",
    }
    run_folder.write_result(folder, result, versions())
    line = {**in_short, "verdict": verdict.value, "folder": folder.relative_to(session.run_folder).as_posix()}
    session.kept.append(line)
    report.write_cell(folder, session.run_folder)
    return folder


def close(session: Session) -> Path | None:
    """Write summary.json, JUnit XML and the report of what was kept, and tell the CI job's page; the report's path."""
    if session.run_folder is None or not session.kept:  # captures alone, which an assertion named
        return None
    lines = session.kept
    verdicts = Counter(Verdict(each["verdict"]) for each in lines)
    took_s = sum(each["duration_s"] for each in lines)
    summary_files.write(session.run_folder, lines, len(lines), took_s, versions(), verdicts)
    return session.run_folder / read_run.PAGE
