"""SIGTERM and the pytest plugin, without an engine: a lab without machines, in processes of pytest of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from scenarios.lab.waiting import wait_for
from scenarios.library.sigterm import EndInOrder
from tests import processes
from tests.library.broken_off import ALONE, PLUGIN, PROGRAM

BEGINS_WITHIN_S = 60.0
ENDS_WITHIN_S = 90.0
CONFTEST = """
import pathlib

from scenarios.library import lab
from tests.library.without_lab import LabWithoutMachines


class Made(LabWithoutMachines):
    def __init__(self, *_, **__):
        super().__init__()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        super().__exit__(None, None, None)
        pathlib.Path("is-down").touch()


lab.Lab = Made
"""
HEAD = """
import os
import pathlib
import signal
import time


def wait():
    pathlib.Path("begun").write_text(str(os.getpid()))
    while True:
        time.sleep(0.01)


"""
WAITS = """
def test_waits(lab):
    lab._session.blocks.add(1, "the server", lambda: pathlib.Path("is-undone").touch())
    wait()


def test_never(lab):
    pathlib.Path("never").touch()
"""
SWALLOWS = """
def test_takes_it_for_its_own(lab):
    try:
        wait()
    except BaseException:
        pass


def test_never(lab):
    pathlib.Path("never").touch()
"""
CLEANS_UP = """
def test_cleans_up(lab):
    try:
        wait()
    finally:
        pathlib.Path("begun").rename("is-cleaning")
        time.sleep(1)
        pathlib.Path("is-clean").touch()
"""
NO_LAB = """
def test_waits():
    wait()
"""
AFTER_THE_LAB = """
def test_the_handler_is_there(lab):
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL


def test_it_is_taken_back(request):
    request.session._setupstate.teardown_exact(None)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
"""
ANOTHERS = """
def mine(*_):
    pathlib.Path("mine").touch()
    os._exit(7)


signal.signal(signal.SIGTERM, mine)


def test_waits(lab):
    wait()
"""
SIDE_BY_SIDE = """
import pytest


@pytest.fixture
def lab_of_one(request):
    if os.environ["PYTEST_XDIST_WORKER"] == "gw0":
        request.getfixturevalue("lab")
        try:
            wait()
        finally:
            time.sleep(1)
            pathlib.Path("is-clean").touch()
    while True:
        time.sleep(0.01)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_waits(lab_of_one, number):
    pathlib.Path("never").touch()
"""


def started(place: Path, text: str, *words: str) -> subprocess.Popen[str]:
    """A run of pytest whose test has begun to wait."""
    (place / "conftest.py").write_text(CONFTEST)
    (place / "test_it.py").write_text(HEAD + text)
    run = processes.start([sys.executable, "-c", PROGRAM, *PLUGIN, *(words or ALONE), "test_it.py"], cwd=place)
    wait_for(lambda: (place / "begun").exists() or run.poll() is not None, "the test to begin", BEGINS_WITHIN_S)
    return run


def ended(run: subprocess.Popen[str], *sent: signal.Signals) -> tuple[int, str]:
    """Send it signals, half a second apart; its status, and what it printed."""
    for number, each in enumerate(sent):
        if number:
            time.sleep(0.5)
        run.send_signal(each)
    printed, _ = run.communicate(timeout=ENDS_WITHIN_S)
    return run.returncode, printed


def there(place: Path, *names: str) -> list[bool]:
    return [(place / each).exists() for each in names]


def test_it_ends_pytest_in_order_with_status_143(tmp_path: Path) -> None:
    status, printed = ended(started(tmp_path, WAITS), signal.SIGTERM)
    assert status == 143, printed
    assert "ended by SIGTERM" in printed
    assert there(tmp_path, "is-undone", "is-down", "never") == [True, True, False], printed


def test_under_pdb_no_debugger_comes_up(tmp_path: Path) -> None:
    status, printed = ended(started(tmp_path, WAITS, *ALONE, "--pdb"), signal.SIGTERM)
    assert status == 143, printed
    assert "entering PDB" not in printed
    assert there(tmp_path, "is-undone", "is-down", "never") == [True, True, False], printed


def test_a_test_that_takes_it_for_its_own_is_the_last_one(tmp_path: Path) -> None:
    status, printed = ended(started(tmp_path, SWALLOWS), signal.SIGTERM)
    assert status == 143, printed
    assert "1 passed" in printed
    assert there(tmp_path, "is-down", "never") == [True, False], printed


@pytest.mark.parametrize(("first", "right"), [(signal.SIGTERM, 143), (signal.SIGINT, 2)])
def test_one_that_comes_while_pytest_is_ending_breaks_nothing_off(
    tmp_path: Path, first: signal.Signals, right: int
) -> None:
    status, printed = ended(started(tmp_path, CLEANS_UP), first, signal.SIGTERM)
    assert status == right, printed
    assert there(tmp_path, "is-clean", "is-down") == [True, True], printed


def test_without_a_lab_it_does_what_it_always_does(tmp_path: Path) -> None:
    status, printed = ended(started(tmp_path, NO_LAB), signal.SIGTERM)
    assert status == -signal.SIGTERM, printed


def test_behind_the_lab_it_is_as_it_was(tmp_path: Path) -> None:
    status, printed = ended(started(tmp_path, AFTER_THE_LAB))
    assert status == 0, printed


def test_the_handler_of_another_stays(tmp_path: Path) -> None:
    status, printed = ended(started(tmp_path, ANOTHERS), signal.SIGTERM)
    assert status == 7, printed
    assert there(tmp_path, "mine", "is-down") == [True, False]


def test_ctrl_c_at_two_test_processes_lets_the_one_with_a_lab_end_in_order(tmp_path: Path) -> None:
    run = started(tmp_path, SIDE_BY_SIDE, "-n", "2")
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    status, printed = ended(run)
    assert status == 2, printed
    assert "is ending already" not in printed
    assert there(tmp_path, "is-clean", "is-down", "never") == [True, True, False], printed


def test_of_two_test_processes_the_one_with_a_lab_ends_in_order(tmp_path: Path) -> None:
    status, printed = ended(started(tmp_path, SIDE_BY_SIDE, "-n", "2"), signal.SIGTERM)
    assert status == 143, printed
    assert "ended by SIGTERM" in printed
    assert there(tmp_path, "is-clean", "is-down", "never") == [True, True, False], printed


def test_of_two_test_processes_without_a_lab_it_does_what_it_always_does(tmp_path: Path) -> None:
    status, printed = ended(started(tmp_path, NO_LAB, "-n", "2"), signal.SIGTERM)
    assert status == -signal.SIGTERM, printed


def test_in_another_thread_no_handler_is_set(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("signal.signal works only in the main thread")

    problems: list[BaseException] = []

    def use() -> None:
        try:
            with EndInOrder(pytestconfig).in_force():
                pass
        except BaseException as problem:
            problems.append(problem)

    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(signal, "signal", refuse)
            thread = threading.Thread(target=use)
            thread.start()
            thread.join()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert problems == []
