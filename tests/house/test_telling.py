"""The tests themselves are not silent for ten seconds: a line says which of them run, and for how long."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.lab.topology import ROOT
from tests.telling import SILENT_FOR_S, SILENT_FOR_VARIABLE, Telling

SLOW = """
import time
from pathlib import Path

def test_slow():
    deadline = time.monotonic() + 60
    while "test_slow" not in Path({log!r}).read_text():
        assert time.monotonic() < deadline, "nobody said that this test runs"
        time.sleep(0.05)
"""
WITHOUT = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")  # to import Hypothesis takes as long as pytest does
CONFTEST = """
from tests import telling

def pytest_configure(config):
    telling.add_to(config)
"""


class Session:
    """A session of tests: what was said, and a clock that the test sets on."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.said: list[str] = []
        self.telling = Telling(self.said.append, lambda: self.now_s)

    def report(self, when: str, outcome: str = "passed") -> None:
        made = pytest.TestReport("a", ("a", 0, "a"), {}, outcome, None, when)  # type: ignore[arg-type]
        self.telling.pytest_runtest_logreport(made)


def test_after_eight_silent_seconds_the_tests_that_run_are_named_with_their_times() -> None:
    session = Session()
    session.telling.pytest_runtest_logstart("tests/a.py::test_long")
    session.now_s += SILENT_FOR_S - 2
    session.telling.pytest_runtest_logstart("tests/b.py::test_other")
    assert session.telling.look() == pytest.approx(2)
    assert session.said == []
    session.now_s += 2
    session.telling.look()
    assert session.said == ["… tests/a.py::test_long (8 s); tests/b.py::test_other (2 s)"]
    session.telling.pytest_runtest_logfinish("tests/a.py::test_long")
    session.now_s += SILENT_FOR_S
    session.telling.look()
    assert session.said[1:] == ["… tests/b.py::test_other (10 s)"]


def test_before_the_first_and_between_two_tests_it_says_so() -> None:
    session = Session()
    session.now_s += 9
    session.telling.look()
    session.telling.pytest_runtest_logstart("a")
    session.telling.pytest_runtest_logfinish("a")
    session.now_s += 9
    session.telling.look()
    assert session.said == ["… the tests are collected (9 s)", "… no test is running (9 s)"]


@pytest.mark.parametrize(
    ("when", "outcome", "breaks"),
    [("call", "passed", True), ("setup", "skipped", True), ("teardown", "failed", True), ("setup", "passed", False)],
)
def test_only_what_pytest_prints_a_letter_for_breaks_the_silence(when: str, outcome: str, breaks: bool) -> None:
    session = Session()
    session.now_s += 7
    session.report(when, outcome)
    session.now_s += 7
    session.telling.look()
    assert bool(session.said) is not breaks


@pytest.mark.parametrize("workers", [(), ("--numprocesses", "2")], ids=["one process", "two workers"])
def test_a_slow_test_is_named_while_it_runs(workers: tuple[str, ...], tmp_path: Path) -> None:
    """The slow test ends when it has been named."""
    log = tmp_path / "log"
    (tmp_path / "test_it.py").write_text(SLOW.format(log=str(log)), "utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST, "utf-8")
    with log.open("wb") as out:
        status = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *WITHOUT, "--rootdir", str(tmp_path), *workers, "."],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), SILENT_FOR_VARIABLE: "0.2"},
            stdout=out,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        ).returncode
    text = log.read_text("utf-8")
    assert status == 0, text
    assert re.search(r"^… test_it\.py::test_slow \(\d+ s\)$", text, re.MULTILINE)
    assert "1 passed" in text
