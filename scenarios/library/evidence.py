"""What is kept of a test: its captures, and a page of it beside those of drills, in the folder of a run."""

from __future__ import annotations

import dataclasses
import re
import time
from pathlib import Path

from scenarios.evidence import run_folder
from scenarios.lab.versions import versions
from scenarios.library.session import Session
from scenarios.library.story import Story
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
    result = {
        "drill": story.name,
        "claim": story.name,
        "source": (),
        "service": SERVICE,
        "client": SERVICE,
        "pair": session.pair,
        "machines": {},
        "family": session.family,
        "seed": session.seed,
        "repeat": 1,
        "verdict": verdict,
        "sentence": sentence,
        "earlier_tries": (),
        "duration_s": (time.time_ns() - story.began_ns) / 1e9,
        "control": (),
        "expectations": (check,),
        "runs": runs,
        "repeat_with": repeat_with,
        "inputs": "",
    }
    run_folder.write_result(folder, result, versions())
    assert session.run_folder is not None  # noqa: S101 (folder_of made it)
    report.write_cell(folder, session.run_folder)
    return folder


def close(session: Session) -> Path | None:
    """Make the first page of the run, where something was kept; its path."""
    return report.write(session.run_folder) if session.run_folder else None
