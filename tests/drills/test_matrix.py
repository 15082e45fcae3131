"""The matrix in labs: what becomes of others, what an interrupt leaves, and what goes on from there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.evidence import run_folder
from scenarios.lab.lab import Lab
from scenarios.lab.waiting import wait_for
from scenarios.run.cell import run
from scenarios.run.session import Stage
from scenarios.spec.catalogue import chosen_service, drills
from scenarios.spec.cell import Cell
from scenarios.verdict.check import Verdict
from tests import processes
from tests.conftest import lab_for_a_while

DRILLS = ("lost-syn", "silent-client")
SERVICES = "echo/selectors,echo/blocking"


@pytest.mark.parametrize(
    ("service", "word", "others", "after"),
    [
        ("echo/selectors", "broken off", "served", "well"),
        ("echo/blocking", "blocked others", "served late", "well"),  # its idle time is 2 s in this drill
        ("echo/once", "broken off", "failed", "gone"),
    ],
)
def test_a_silent_client_keeps_the_next_waiting_where_the_architecture_says_so_and_nowhere_else(
    stage: Stage, tmp_path: Path, service: str, word: str, others: str, after: str
) -> None:
    drill = drills()["silent-client"]
    result = run(stage, Cell(drill, chosen_service(drill, service), "le-le"), tmp_path, beside=True)
    assert result.verdict is Verdict.PASS, result.sentence
    said = result.survival
    assert said is not None
    assert said.word == word
    assert said.others.partition(":")[0] == others
    assert said.after.partition(":")[0] == after
    assert said.is_as_promised, said.otherwise
    stored = json.loads((tmp_path / "result.json").read_text("utf-8"))
    assert stored["survival"]["word"] == word


@pytest.fixture
def matrix_lab() -> Iterator[Lab]:
    with lab_for_a_while(up=False) as lab:
        yield lab


def matrix(*words: str, lab: Lab) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "scenarios", "matrix", *words, "--lab", str(lab.number), "--jobs", "1"]
    return processes.start(argv)


def test_a_matrix_that_was_interrupted_goes_on_and_one_that_has_not_changed_is_not_run_again(matrix_lab: Lab) -> None:
    asked = (*DRILLS, "--service", SERVICES, "--pair", "le-le")
    known = {*run_folder.RUNS.glob("*")} if run_folder.RUNS.is_dir() else set()
    running = matrix(*asked, lab=matrix_lab)

    def of_this_run() -> list[Path]:
        own = [
            each
            for each in {*run_folder.RUNS.glob("*")} - known
            if not each.is_symlink() and (each / "asked.json").exists()
        ]
        return [each for folder in own for each in folder.glob("*/*/*/result.json")]

    wait_for(lambda: bool(of_this_run()), "the first cell", 120, every_s=0.05)
    os.killpg(running.pid, signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "RESUME=1" in said

    again = matrix("--resume", lab=matrix_lab)
    said, _ = again.communicate(timeout=180)
    assert again.returncode == 0, said
    folder = of_this_run()[0].parents[3]
    assert f"{folder.name} goes on: " in said
    assert " 0 of 4 cells were done" not in said
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    assert summary["verdicts"]["pass"] == summary["asked"] == 4
    assert {(each["drill"], each["service"]) for each in summary["cells"]} == {
        (drill, service) for drill in DRILLS for service in SERVICES.split(",")
    }

    nothing_left = matrix("--resume", lab=matrix_lab)
    said, _ = nothing_left.communicate(timeout=60)
    assert (nothing_left.returncode, "was not broken off" in said) == (64, True), said

    unchanged = matrix(*asked, "--changed", lab=matrix_lab)
    said, _ = unchanged.communicate(timeout=60)
    assert unchanged.returncode == 0, said
    assert "4 of 4 cells unchanged since last run" in said
    assert "4 pass of 4 in 0 s" in said
