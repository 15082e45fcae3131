"""A session of the library without machines: what is put in force in it is noted, and no more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from scenarios.evidence.stalls import Stalls
from scenarios.faults.catch import Caught
from scenarios.lab.topology import topology
from scenarios.library import faulting
from scenarios.library.lab import Lab
from scenarios.library.session import Session
from scenarios.run.session import Stage
from scenarios.spec.fault import Fault


class Made:
    """A fault in force, as far as the library sees it."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log, self.hits = name, log, 0
        log.append(f"{name} is in force")

    def read_hits(self) -> Caught:
        return Caught(self.hits)

    def end(self, known: Caught | None = None) -> Caught:
        self.log.append(f"{self.name} is undone")
        return known or Caught(self.hits)

    def count_held(self) -> int:
        return 0


class _Stage(SimpleNamespace):
    @property
    def disturbed(self) -> bool:
        """Of no packets: nobody has sent one."""
        return False

    @disturbed.setter
    def disturbed(self, _: bool) -> None:
        pass


class LabWithoutMachines(Lab):
    """A lab that is up, without machines. `made` are its faults by name; `log` is what was done."""

    def __init__(self) -> None:
        super().__init__(1)
        self.made: dict[str, Made] = {}
        self.log: list[str] = []
        metering = SimpleNamespace(
            begin=lambda **_: None, wait=lambda: None, stop=lambda **_: None, end=lambda *_: Stalls()
        )
        machines = SimpleNamespace(topology=topology(1), number=1, profiles=(), guests={})
        stage = _Stage(lab=machines, metering=metering, injector=None)
        self._open = Session(cast("Stage", stage), "le-le", "ipv4", 1)

    def apply(self, fault: Fault, *_: Any) -> Made:
        self.made[fault.name] = Made(fault.name, self.log)
        return self.made[fault.name]


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> LabWithoutMachines:
    made = LabWithoutMachines()
    monkeypatch.setattr(faulting, "applied", made.apply)
    return made
