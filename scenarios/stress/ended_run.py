"""A run of drills as a process of its own, which tells its events and is ended."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final

from scenarios.lab.places import PACKAGE, WORK

ENDS_WITHIN_S: Final = 60.0  # after a signal

SETTLES_WITHIN_S: Final = 10.0  # what has been told to end

PRINTED_LIMIT: Final = 1 << 20  # characters that are kept of what a run printed


class Run:
    """A run as a process of its own. `told` has the lines of JSON that it printed so far."""

    def __init__(self, lab: int, drill: str, pair: str, seed: int, environment: Mapping[str, str]) -> None:
        words = ["run", drill, "--pair", pair, "--seed", str(seed), "--events", "--lab", str(lab)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", PACKAGE, *words],
            cwd=WORK,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            start_new_session=True,  # Ctrl-C comes to us alone; we end it
        )
        self.messages: list[dict[str, Any]] = []
        self._printed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._readers = [threading.Thread(target=each, daemon=True) for each in (self._read_lines, self._read_words)]
        for each in self._readers:
            each.start()

    def _read_lines(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 (for mypy: it was opened as a pipe)
        for line in self.process.stdout:
            try:
                self.messages.append(json.loads(line))
            except ValueError:  # half a line, of a process that was killed; or no JSON, which is told below
                self._printed.put(line)

    def _read_words(self) -> None:
        assert self.process.stderr is not None  # noqa: S101 (for mypy: it was opened as a pipe)
        kept = 0
        for line in self.process.stderr:
            if kept < PRINTED_LIMIT:
                self._printed.put(line)
                kept += len(line)

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    @property
    def events(self) -> list[dict[str, Any]]:
        return [each for each in self.messages if "event" in each]

    @property
    def folder(self) -> str | None:
        """The name of its folder in runs/; None before it has one."""
        return next((str(each["run"]) for each in self.messages if "run" in each), None)

    def in_force(self, names: frozenset[str]) -> bool:
        """Whether one of these faults is, by the last event."""
        return bool(self.messages and names & {*self.messages[-1].get("in_force", ())})

    def wait(self, within_s: float) -> int | None:
        """Wait for its end, and for all that it said; its status, or None when it does not end: it is killed then."""
        try:
            status: int | None = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            status = None
            self.kill()
        for each in self._readers:
            each.join(SETTLES_WITHIN_S)
        return status

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(ENDS_WITHIN_S)

    def end(self) -> None:
        """End it, if it goes on: in order, and if need be not."""
        if not self.over:
            self.process.terminate()
            if self.wait(ENDS_WITHIN_S) is None:
                self.kill()

    def printed(self) -> str:
        """What it said to a person."""
        lines = []
        with contextlib.suppress(queue.Empty):
            while True:
                lines.append(self._printed.get_nowait())
        return "".join(lines)
