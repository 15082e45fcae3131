"""A command run inside a container that runs already, to its end or its deadline: a client of a user's composition.

Its deadline is kept by timeout(1) inside the container, for whoever ends `docker exec` leaves the program running.
"""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import time
from collections.abc import Sequence
from typing import Final

from scenarios.lab.errors import LabProblem
from scenarios.lab.guest import LATE_S
from scenarios.lab.process import ENDED_AT_DEADLINE, STOP_WITHIN_S, BoundedOutput, Finished, attached
from scenarios.lab.sweep import MARK, sweeping

# A program may take SIGTERM, and end with a status of its own, which busybox's timeout(1) passes on.
TIMEOUT: Final = ("timeout", "-s", "KILL")
OF_TIMEOUT: Final = (ENDED_AT_DEADLINE, 137)
NOT_RUN: Final = 125  # of `docker exec`, and of timeout(1): the program was not begun


class InContainer:
    """One such command. `out` and `err` are what it prints, as it comes."""

    def __init__(self, container: str, argv: Sequence[str], timeout_s: float) -> None:
        self._container, self._argv, self._timeout_s = container, tuple(argv), timeout_s
        self._mark = f"{MARK}=call-{secrets.token_hex(4)}"
        self.out, self.err = BoundedOutput(), BoundedOutput()

    def run(self) -> Finished:
        """Run it to its end; status 124 at its deadline. Raises LabProblem when it could not be begun, or ended."""
        started_s, began_s = time.time(), time.monotonic()
        timeout = (*TIMEOUT, f"{self._timeout_s:g}")
        argv = ["docker", "exec", "--env", self._mark, self._container, *timeout, *self._argv]
        with attached(argv, self.out, self.err) as stream:
            try:
                status = stream.wait(self._timeout_s + LATE_S)
            except subprocess.TimeoutExpired:
                self.end()
                raise LabProblem(f"`{self._argv[0]}` in {self._container} did not end at its deadline") from None
            took_s = time.monotonic() - began_s
        if status == NOT_RUN or (status == 1 and not self.out.taken and "is not running" in self.err.text()):
            raise LabProblem(f"`{self._argv[0]}` could not be run in {self._container}: {self.err.text().strip()}")
        hung = status in OF_TIMEOUT and took_s >= self._timeout_s
        status = ENDED_AT_DEADLINE if hung else status
        dropped = self.out.dropped + self.err.dropped
        killed_s = started_s + self._timeout_s if hung else None  # timeout(1) began after `started_s`
        printed = self.out.text(), self.err.text()
        return Finished(
            self._argv, status, *printed, took_s, started_s, dropped, hung, is_start_exact=True, killed_s=killed_s
        )

    def end(self) -> None:
        """End the command at once, where it runs."""
        words = ["docker", "exec", self._container, *sweeping(self._mark)]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(words, capture_output=True, timeout=STOP_WITHIN_S, check=False)
