"""What the faults of a host have in common: no host has the right to change its own network, so a container does it.

It runs in the host's network (`scenarios/lab/host_network.py`). What is changed stands in the firewall's journal before
it is done, so that the next run undoes it where this one is killed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from scenarios.faults.kernel_fault import Standing
from scenarios.lab import engine
from scenarios.lab.errors import LabProblem
from scenarios.lab.guest import GUEST_LABEL
from scenarios.lab.lab import Lab
from scenarios.lab.or_undo import OrUndo

RUNS = ("running", "healthy")  # of the states of a machine: its network is as it was left


class HostChange(Standing):
    """A fault for which a host is changed too: behind the journal's entry, and changed back before that is gone."""

    def __init__(self, lab: Lab, name: str, *hosts: str) -> None:
        super().__init__(lab, name)
        self._changed_hosts = hosts
        self._is_changed = False

    def _make(self) -> None:
        """Change the host."""
        raise NotImplementedError

    def _unmake(self) -> None:
        """Change the host back. Done for a change that was made in part, too."""
        raise NotImplementedError

    def _unmake_if_it_runs(self) -> None:
        """Change the host back. Raise what keeps that from being done, unless none of the hosts runs."""
        try:
            self._unmake()
        except LabProblem:
            states = self._lab.states()
            if any(states.get(each) in RUNS for each in self._changed_hosts):
                raise

    def __enter__(self) -> Self:
        super().__enter__()
        self._is_changed = True
        with OrUndo(self.__exit__):
            self._make()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_changed:
            self._unmake_if_it_runs()
        super().__exit__()  # only now: until the host is as it was, the journal must know of it
        self._is_changed = False


def label(lab: Lab, host: str) -> list[str]:
    """The options of `docker run` by which what a dead run left on a host is found."""
    return ["--label", f"{engine.LAB_LABEL}={lab.number}", "--label", f"{GUEST_LABEL}={host}"]


def change_back(lab: Lab, undone: str, told: str, change: Callable[..., None]) -> None:
    """Change hosts back, all at once, by the lines of what undoes printed; a host that does not run needs nothing.

    `told` is the regular expression of such a line. `change` is given its groups, the first of which is the host.
    """
    found = dict.fromkeys(match.groups() for match in re.finditer(f"^{told}$", undone, re.MULTILINE))
    states = lab.states() if found else {}
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda of: change(*of), [of for of in found if states.get(of[0]) in RUNS]))
