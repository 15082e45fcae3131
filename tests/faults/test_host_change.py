"""A fault that cannot be put in force leaves nothing behind, unless the host may still be as the fault made it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from scenarios.faults.host_addresses import NoAddress, SecondAddress
from scenarios.faults.host_change import HostChange
from scenarios.faults.host_settings import HostSettings
from scenarios.faults.kernel_fault import APPLY, UNDO
from scenarios.faults.resolver import Resolver
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.process import Finished
from scenarios.lab.topology import topology


class Machines:
    """A lab whose firewall does what it is told, and whose hosts cannot be changed; `journal` is the firewall's."""

    number = 1

    def __init__(self, states: Mapping[str, str]) -> None:
        self.topology = topology(1)
        self.journal: list[str] = []
        self.host_networks = SimpleNamespace(run=self.change)
        self._states = states

    def states(self) -> Mapping[str, str]:
        return self._states

    def change(self, host: str, *_: str, **__: object) -> None:
        raise LabProblem(f"the lab has no machine {host!r}")

    def container(self, machine: str) -> str:
        raise LabProblem(f"the lab has no machine {machine!r}")

    def run(self, machine: str, argv: Sequence[str], **_: object) -> Finished:
        status = 0
        if machine == "firewall" and argv[2].startswith(APPLY):
            status = int(argv[4] in self.journal)
            self.journal += [] if status else [argv[4]]
        elif machine == "firewall" and argv[2] == UNDO and argv[4] in self.journal:
            self.journal.remove(argv[4])
        return Finished(tuple(argv), status, "\n", "a fault of that name is in force" if status else "", 0.0)


def _faults(machines: Machines) -> list[HostChange]:
    lab, there = cast("Lab", machines), machines.topology.hosts
    here = dataclasses.replace(there["client"], name="here")
    server = dataclasses.replace(there["server"], name="here")
    return [
        NoAddress(lab, "gone", here, ["ipv4"]),
        SecondAddress(lab, "second", server, ["ipv4"]),
        HostSettings(lab, "set", "here", {}),
        Resolver(lab, "asks", "here", "nameserver 198.18.255.1\n"),
    ]


def test_of_a_host_that_does_not_run_nothing_is_left() -> None:
    machines = Machines({"client": "running"})
    for fault in _faults(machines):
        for _ in range(2):
            with pytest.raises(LabProblem, match="the lab has no machine 'here'"):
                fault.__enter__()
        assert machines.journal == [], fault.name
        fault.__exit__()


def test_the_journal_knows_of_a_host_that_runs_and_could_not_be_changed_back() -> None:
    machines = Machines({"here": "healthy"})
    for fault in _faults(machines):
        with pytest.raises(LabProblem, match="the lab has no machine 'here'"):
            fault.__enter__()
        assert fault.name in machines.journal
