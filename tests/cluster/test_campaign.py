"""A run on the workers of a cluster: processes of this machine, whose labs are made up and whose cells do nothing."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scenarios.cli.main import main
from scenarios.cli.workforce import MOST_CELLS, check_count
from scenarios.cluster import joining
from scenarios.evidence import run_folder
from scenarios.lab.waiting import wait_for
from tests.cluster.faking import (
    CELL_S,
    ENGINE_LOST_AT,
    KILLED_BY,
    KILLED_ONCE_BY,
    NO_LAB_AT,
    VERSION,
    faked_cluster,
    forked_command,
    started_command,
)
from tests.run.faking import faked
from tests.services.forking import Forked

DRILLS = ("lost-*", "reordered-segments")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for runs, and workers without an engine."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setattr(run_folder, "RUNS", tmp_path / "runs")
    with faked_cluster(tmp_path / "logs"):
        yield tmp_path / "runs"


def newest(runs: Path) -> Path:
    return max(each for each in runs.iterdir() if run_folder.NAME.fullmatch(each.name))


def summary(runs: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((newest(runs) / "summary.json").read_text("utf-8"))
    return found


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_run_on_workers_leaves_what_a_run_on_one_machine_does(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with faked(place):
        assert main(["run", *DRILLS]) == 0
    here, whole = newest(place), summary(place)
    with faked_cluster(tmp_path / "logs", started_command):
        assert main(["run", *DRILLS, "--cluster", "local:2"]) == 0
    there = newest(place)
    assert there != here
    assert files(there) == files(here)
    apart = summary(place)

    def told(of: dict[str, Any]) -> dict[str, Any]:
        return {each["folder"]: {**each, "duration_s": 0} for each in of["cells"]}

    assert told(apart) == told(whole)
    assert (apart["asked"], apart["verdicts"]) == (whole["asked"], whole["verdicts"])
    assert apart["versions"]["machines"] == "local-1, local-2"
    assert "local-1" in (there / "index.html").read_text("utf-8")
    assert "is run once more" not in capsys.readouterr().out


def test_more_cells_than_a_head_has_memory_for_are_refused_before_anything_begins(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *DRILLS, "--pair", "le-le", "--repeat", "10000", "--cluster", "local:2"]) == 64
    told = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "60,000 cells are asked for, and the head of a cluster takes 30,000" in told
    assert "--shard 1/2 to --shard 2/2" in told
    assert not place.exists()
    check_count(MOST_CELLS)


def test_a_cell_whose_worker_is_lost_runs_once_more_and_one_that_is_lost_twice_is_unproven(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Four workers: one cell has its worker killed each time, another the first time only."""
    twice, once = "lost-reply · search/selectors · be-le", "lost-syn · search/selectors · le-le"
    monkeypatch.setenv(KILLED_BY, twice)
    monkeypatch.setenv(KILLED_ONCE_BY, f"{once}|{tmp_path / 'killed'}")
    assert main(["run", *DRILLS, "--cluster", "local:4"]) == 2
    said = capsys.readouterr().out
    stored = summary(place)
    assert (stored["asked"], stored["run"]) == (12, 12)
    assert {each: count for each, count in stored["verdicts"].items() if count} == {"pass": 11, "unproven": 1}
    (lost,) = [each for each in stored["cells"] if each["verdict"] == "unproven"]
    assert f"{lost['drill']} · {lost['service']} · {lost['pair']}" == twice
    named = re.search(r"two machines were lost while they ran it: (local-\d), then (local-\d)$", lost["sentence"])
    assert named, lost["sentence"]
    assert named[1] != named[2]
    told = re.sub(r"\s+", " ", said)
    for each in (twice, once):  # one that is handed to a machine just when that ends is lost as well, and told
        assert told.count(f"was lost while it ran {each}, which runs once more") == 1
    assert f"was lost while it ran {once}, which runs once more" in told
    assert (newest(place) / lost["folder"] / "index.html").is_file()
    assert lost["sentence"] in (newest(place) / "junit.xml").read_text("utf-8")


def test_a_cell_whose_lab_went_with_its_engine_is_run_elsewhere(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worker is well, and its engine is killed by the first cell: that is no verdict of a cell."""
    monkeypatch.setenv(ENGINE_LOST_AT, "local-1")
    assert main(["run", *DRILLS, "--cluster", "local:2"]) == 0
    stored = summary(place)
    assert (stored["run"], stored["verdicts"]["pass"]) == (12, 12)
    told = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert told.count("local-1 was lost while it ran") == 1
    assert "which runs once more" in told
    assert re.search(
        r"local-1 \([^)]*\): lab 1 cannot be used: the engine was killed; this worker gets no more cells", told
    ), told


@contextlib.contextmanager
def process(log: Path, *words: str, **environment: str) -> Iterator[Forked]:
    """A command with made-up labs, as a process of its own that writes into a file."""
    with log.open("wb") as out:
        started = forked_command(words, out, environment)
    try:
        yield started
    finally:
        started.kill()
        started.wait(60)


def listening(log: Path) -> str:
    """The address of a scheduler, when it listens."""
    found = wait_for(lambda: re.search(r"listens at (\S+)", log.read_text("utf-8")), "a scheduler", 60)
    assert found
    return str(found[1])


def test_when_the_scheduler_is_lost_what_had_been_run_is_told_and_a_worker_that_may_not_run_cells_runs_none(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three workers: of another version, without a lab to be had, and well. The scheduler is killed in mid-run."""
    with contextlib.ExitStack() as stack:
        scheduler = stack.enter_context(process(tmp_path / "scheduler", "cluster", "scheduler", "tcp://127.0.0.1:0"))
        address = listening(tmp_path / "scheduler")
        for name, environment in (
            ("other", {VERSION: "of yesterday"}),
            ("without", {NO_LAB_AT: "without"}),
            ("well", {CELL_S: "0.5"}),
        ):
            words = ["worker", address, "--name", name]
            stack.enter_context(process(tmp_path / name, *words, **environment))
        for name in ("other", "without", "well"):
            wait_for(lambda: "has joined" in (tmp_path / name).read_text("utf-8"), name, 60)  # noqa: B023

        def killed() -> None:
            wait_for(lambda: len([*place.glob("2*/*/*/*/result.json")]) >= 3, "three results", 60)
            scheduler.kill()

        killing = threading.Thread(target=killed)
        killing.start()
        assert main(["run", *DRILLS, "--cluster", address]) == 69
        killing.join()
        wait_for(
            lambda: "of this worker are free again" in (tmp_path / "well").read_text("utf-8"),
            "the end of the worker",
            60,
        )
    told = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert re.search(
        r"other \(tcp://[\d.:]+\) is of another version: services differs; this worker gets no more cells", told
    ), told
    assert re.search(
        r"without \(tcp://[\d.:]+\): lab 1 cannot be used: no address is free; this worker gets no more cells", told
    ), told
    assert f"the scheduler {address} does not answer any more" in told
    stored = summary(place)
    done = stored["run"]
    assert 3 <= done < 12
    assert f"{done} of 12 were run; all faults are undone; not run: " in told
    assert f'tests="{done}"' in (newest(place) / "junit.xml").read_text("utf-8")
    assert {
        json.loads(each.read_text("utf-8"))["versions"]["machine"] for each in place.glob("2*/*/*/*/result.json")
    } == {"well"}


def test_a_cluster_that_nobody_answers_for_is_told_and_nothing_is_begun(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "ANSWERS_WITHIN_S", 0.5)
    assert main(["run", "lost-syn", "--cluster", "tcp://127.0.0.1:9"]) == 69
    assert "no scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().out
    assert not place.exists()
