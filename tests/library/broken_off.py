"""Runs of pytest with the plugin that are broken off by a signal, and what is left of them."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

from scenarios.lab.errors import DeadlinePassed
from scenarios.lab.lab import Lab
from scenarios.lab.topology import ROOT
from scenarios.lab.waiting import wait_for
from scenarios.stress import remains
from tests import processes

MARK = "FAULTWIRE_BROKEN_OFF"
SETTLES_WITHIN_S = 20.0
PROGRAM = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import pytest; sys.exit(pytest.main(sys.argv[1:]))"
# Without Hypothesis's plugin: to import it is a third of the start of each of these many processes.
PLUGIN = ("-p", "scenarios.library.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-q")
ALONE = ("-p", "no:xdist")


class Runs:
    """Runs of pytest in a folder, on a lab that is up. `note` says what there is before, and `left_over` what since."""

    def __init__(self, lab: Lab, place: Path) -> None:
        self.lab, self.place = lab, place
        self._temporary = place / "temporary"
        self._temporary.mkdir()
        self._value = secrets.token_hex(8)
        self._before: list[str] = []

    def started(self, file: str, *words: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", PROGRAM, *PLUGIN, *(words or ALONE), f"--faultwire-lab={self.lab.number}", file]
        environment = {**os.environ, MARK: self._value, "TMPDIR": str(self._temporary)}
        return processes.start(argv, cwd=self.place, env=environment)

    def whole(self, file: str) -> str:
        """Run the tests of a file to their end; what was printed."""
        return self.started(file).communicate(timeout=180)[0]

    def note(self) -> None:
        """Know what there is now."""
        self._before = remains.of_lab(self.lab)

    def left_over(self) -> list[str]:
        """What is left of runs that are over, when it has had some time to end."""
        if (now := remains.of_lab(self.lab)) and _images(now) != _images(self._before):
            self._before = now  # somebody else built an image meanwhile, so the run made machines of the new one
        found: list[str] = []

        def nothing() -> bool:
            found[:] = [f"left: process {each}" for each in remains.processes_with(f"{MARK}={self._value}")]
            found.extend(f"left: {each.name}" for each in self._temporary.iterdir())
            found.extend(remains.differences(self._before, remains.of_lab(self.lab)))
            return not found

        with contextlib.suppress(DeadlinePassed):
            wait_for(nothing, "nothing to be left", SETTLES_WITHIN_S, every_s=1)
        return found


def _images(told: list[str]) -> set[tuple[str, ...]]:
    """Which image each container is of, of those that a lab always has."""
    found = (re.match(r"container (\S+) \S+ of (\S+),", each) for each in told if "-guest-" not in each)
    return {each.groups() for each in found if each}
