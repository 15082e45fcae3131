"""What other threads do is waited for, and a signal leaves nothing locked."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from scenarios.lab import signals
from scenarios.lab.build_output import side_by_side
from scenarios.lab.futures import is_any_left
from scenarios.lab.places import ROOT

IN_THE_MIDDLE = """
import os, signal, sys
from scenarios.lab import futures, signals
from scenarios.lab.build_output import side_by_side
def wait(*_):
    os.kill(os.getpid(), signal.SIGINT)
    print("the wait was whole", flush=True)
    return done
class done:
    not_done = ["one"]
signals.end_in_order()
futures.wait = wait
try:
    exec(sys.argv[1])
except KeyboardInterrupt:
    print("then it was interrupted")
"""


@pytest.mark.parametrize("call", ["futures.is_any_left([])", "side_by_side({})"])
def test_a_signal_does_not_come_within_the_wait(call: str) -> None:
    """It left the lock of a future taken, so that its worker never ended: such a run stood still for ever."""
    argv = [sys.executable, "-c", IN_THE_MIDDLE, call]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout == "the wait was whole\nthen it was interrupted\n", ran.stderr


def test_what_has_not_ended_is_left() -> None:
    may_end = threading.Event()
    with ThreadPoolExecutor() as pool:
        futures: list[Future[Any]] = [pool.submit(may_end.wait), pool.submit(int)]
        assert is_any_left(futures)
        may_end.set()
        while is_any_left(futures):
            pass
    assert not is_any_left([])


def test_another_thread_holds_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The main thread's own block stays in force, and what is due is raised there and nowhere else."""
    monkeypatch.setattr(signals._State, "is_held_back", True)
    monkeypatch.setattr(signals._State, "is_due", True)
    with ThreadPoolExecutor() as pool:
        pool.submit(side_by_side, {"nothing": lambda _: None}).result()
    assert signals._State.is_held_back
    assert signals._State.is_due
