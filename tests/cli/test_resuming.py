"""The line that a run which was broken off prints goes on with it, as it was asked for: which cells, on which labs."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from scenarios.cli import workforce
from scenarios.cli.gallery import GALLERY
from scenarios.cli.grade import GRADE
from scenarios.cli.main import main, parser
from scenarios.cli.matrix import MATRIX
from scenarios.evidence import run_folder
from scenarios.lab import places
from scenarios.lab.places import ROOT
from scenarios.report import read_run
from scenarios.spec.cell import Cell
from tests.run.faking import FakeLab, Stage, faked

OF_WHERE = ("lab", "labs", "jobs", "cluster", "keys", "keep", "keep_runs")
COMMANDS = {each.name: each for each in (MATRIX, GALLERY, GRADE)}


def where(words: Sequence[str]) -> dict[str, object]:
    """Where the cells of a command line are run, and which runs are kept."""
    options = parser(words[0]).parse_args(words)
    return {key: getattr(options, key) for key in OF_WHERE if hasattr(options, key)}


def printed(words: Sequence[str]) -> list[str]:
    """What is to be typed to go on with such a run, in words."""
    options: argparse.Namespace = parser(words[0]).parse_args(words)
    return shlex.split(COMMANDS[words[0]].goes_on(options))


@pytest.mark.parametrize(
    "words",
    [
        ("matrix", "--lab", "33", "--jobs", "1", "--keep-runs", "20"),
        ("matrix", "--labs", "3,4", "--keep", "--keep-runs", "14d"),
        ("matrix", "--cluster", "tcp://head:8786", "--keys", "my keys"),
        ("matrix", "--cluster", "local:3"),
        ("matrix",),
        ("gallery", "--lab", "33", "--jobs", "1"),
        ("gallery",),
        ("grade", "class", "--labs", "3,4"),
        ("grade", "class", "--lab", "33", "--jobs", "2", "--keep"),
    ],
)
def test_the_line_says_where_it_was_run(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "IS_INSTALLED", True)
    program, verb, resume, *rest = printed(words)
    assert (program, verb, resume) == ("faultwire", words[0], "--resume")
    assert where([verb, resume, *rest]) == where(words)


@pytest.mark.parametrize(
    "words",
    [
        ("matrix", "--lab", "33", "--jobs", "1", "--keep-runs", "20"),
        ("matrix", "--labs", "3,4"),
        ("gallery", "--lab", "33", "--jobs", "2"),
        ("grade", "class", "--labs", "3,4", "--keep-runs", "14d"),
    ],
)
def test_make_hands_it_on(words: tuple[str, ...]) -> None:
    command = printed(words)
    shown = subprocess.run([*command, "--dry-run"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    (line,) = re.findall(rf"-m scenarios ({words[0]} .*)", shown.stdout)
    given = shlex.split(line)
    assert "--resume" in given
    assert where(given) == where(words)


def test_a_matrix_that_was_broken_off_goes_on_by_the_line_as_it_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(places, "IS_INSTALLED", True)
    monkeypatch.setattr(run_folder, "RUNS", tmp_path)
    monkeypatch.setattr(run_folder, "take", lambda _: None)  # which lasts as long as the process
    asked = ["any-lost-*", "--service", "echo/select", "--client", "chunks", "--pair", "le-le", "--seed", "7"]
    on: list[tuple[int, int]] = []

    def breaks_off(_: Stage, __: Cell, ___: bool) -> None:
        raise KeyboardInterrupt

    with faked(tmp_path, breaks_off):
        assert main(["matrix", *asked, "--patience", "20s", "--lab", "33", "--jobs", "1"]) == 130
    (told,) = re.findall(r"`(faultwire matrix --resume[^`]*)` runs the rest", " ".join(capsys.readouterr().out.split()))
    with faked(tmp_path) as labs, monkeypatch.context() as patched:

        def prepares(number: int, jobs: int, *_: object) -> list[FakeLab]:
            on.append((number, jobs))
            return labs

        patched.setattr(workforce, "prepare", prepares)
        main(shlex.split(told)[1:])
    assert on == [(33, 1)]
    lines = read_run.run(max(tmp_path.glob("2*"))).lines
    assert len(lines) > 1
    assert {(each.service, each.pair, each.seed) for each in lines} == {("echo/select:chunks", "le-le", 7)}
