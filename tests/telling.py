"""While tests print nothing a line says which of them run, and for how long: a plugin of pytest, for the main process.

With pytest-xdist the tests run in workers, whose beginnings and ends pytest passes on to the main process.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

import pytest

SILENT_FOR_S = 8.0  # the rule is 10 s, and a busy machine may wake us late
SILENT_FOR_VARIABLE = "FAULTWIRE_TESTS_SILENT_FOR_S"  # for the tests of this

Clock = Callable[[], float]


class Telling:
    """Which tests run. `say` prints a line; it is called by `look`, from a thread of its own."""

    def __init__(self, say: Callable[[str], None], clock: Clock = time.monotonic, silent_for_s: float = SILENT_FOR_S):
        self._say, self._clock, self._silent_for_s = say, clock, silent_for_s
        self._idle_since_s = self._spoke_s = clock()
        self._running: dict[str, float] = {}  # since when, by the test's name
        self._done = 0
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._look_again_and_again, name="telling", daemon=True)

    def pytest_sessionstart(self) -> None:
        self._thread.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        with self._lock:
            self._running[nodeid] = self._clock()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:  # for these pytest prints a letter
            self._spoke_s = self._clock()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        with self._lock:
            self._running.pop(nodeid, None)
            self._done += 1
            self._idle_since_s = self._clock()

    def pytest_unconfigure(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> float:
        """Say what runs, if nothing was printed for so long; the seconds until it may be time again."""
        now_s = self._clock()
        if now_s - self._spoke_s >= self._silent_for_s:
            self._say(self._words(now_s))
            self._spoke_s = now_s
        return max(0.01, self._spoke_s + self._silent_for_s - now_s)

    def _words(self, now_s: float) -> str:
        with self._lock:
            running = sorted((since_s, name) for name, since_s in self._running.items())
        if not running:
            what = "the tests are collected" if self._done == 0 else "no test is running"
            return f"… {what} ({now_s - self._idle_since_s:.0f} s)"
        return "… " + "; ".join(f"{name} ({now_s - since_s:.0f} s)" for since_s, name in running)

    def _look_again_and_again(self) -> None:
        rest_s = self._silent_for_s
        while not self._over.wait(rest_s):
            rest_s = self.look()


def add_to(config: pytest.Config) -> None:
    """Have this tell, unless pytest runs as a worker, whose main process does."""
    if hasattr(config, "workerinput"):
        return
    # A descriptor of its own: while a test runs in this process pytest takes what is written to standard output for it.
    out = os.dup(sys.stdout.fileno())

    def say(line: str) -> None:
        os.write(out, f"\n{line}\n".encode())

    silent_for_s = float(os.environ.get(SILENT_FOR_VARIABLE, SILENT_FOR_S))
    config.pluginmanager.register(Telling(say, silent_for_s=silent_for_s), "telling")
    config.add_cleanup(lambda: os.close(out))
