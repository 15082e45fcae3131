"""Programs on the machines of a lab: one that ran to its end, and one that runs until it is stopped."""

from __future__ import annotations

import contextlib
import re
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass

from scenarios.waiting import DeadlinePassed, wait_for

STOP_WITHIN_S = 5
LISTENS_WITHIN_S = 30.0  # an emulated interpreter takes a second or two to start, beside others some times that
ENDED_AT_DEADLINE = 124  # as timeout(1) has it


class LabProblem(Exception):
    """The lab is not in the state that is needed; the message says what is wrong and what would help."""


class LabInUse(LabProblem):
    """Another run has the lab: to try again at once is of no use."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that ran to its end. Status 124: it was ended at its deadline (timeout(1))."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str
    duration_s: float
    started_s: float | None = None  # Unix time, where it is known

    @property
    def printed(self) -> str:
        """What it printed, standard output first, for a person."""
        return (self.stdout + self.stderr).strip() or "(nothing)"


class Running:
    """A program that runs on a machine of the lab until it is stopped. `signal` sends it a signal, by name."""

    def __init__(self, stream: subprocess.Popen[str], what: str, signal: Callable[[str], None]) -> None:
        self._stream = stream
        self._what = what
        self.signal = signal
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._stream.stdout is not None  # noqa: S101 (for mypy: it was opened as a pipe)
        for line in self._stream.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def ended(self) -> bool:
        return self._stream.poll() is not None

    def check_running(self, until: str) -> None:
        """Raise LabProblem, with what the program printed, when it has ended before `until` came about."""
        if self._stream.poll() is not None:
            self._reader.join(STOP_WITHIN_S)
            raise LabProblem(f"{self._what} ended (status {self._stream.returncode}) before {until}: {self.printed}")

    def wait_for_line(self, pattern: str, within_s: float = LISTENS_WITHIN_S) -> re.Match[str]:
        """The first line, from the start, in which the regular expression is found.

        Raises LabProblem with what the program did print, at the deadline or as soon as the program has ended.
        """

        def found() -> re.Match[str] | None:
            ended = self._stream.poll() is not None
            if ended:
                self._reader.join(STOP_WITHIN_S)
            for line in list(self.lines):
                if match := re.search(pattern, line):
                    return match
            if ended:
                self.check_running(f"it printed {pattern!r}")
            return None

        try:
            match = wait_for(found, f"a line with {pattern!r} from {self._what}", within_s, every_s=0.005)
        except DeadlinePassed as late:
            raise LabProblem(f"{late}; it printed: {self.printed}") from late
        assert match is not None  # noqa: S101 (wait_for returns true values only)
        return match

    @property
    def printed(self) -> str:
        """All that it printed so far, standard output and standard error together."""
        return "\n".join(self.lines) or "(nothing)"

    def stop(self) -> int:
        """End it with SIGTERM, after STOP_WITHIN_S seconds with SIGKILL; its exit status."""
        for signal in ("TERM", "KILL"):
            if self._stream.poll() is None:
                self.signal(signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._stream.wait(STOP_WITHIN_S)
                break
        self._reader.join(STOP_WITHIN_S)
        return self._stream.wait(STOP_WITHIN_S)
