"""The result of a cell, as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from scenarios.evidence.record import Seen
from scenarios.lab.valueclass import valueclass
from scenarios.spec.cell import Cell
from scenarios.verdict.behaviour import Behaviour
from scenarios.verdict.check import Check, Verdict, only_stalled
from scenarios.verdict.survival import Survival


@valueclass
class Result:
    """What came of a cell. `control` and `checks` are what the verdict rests on; `seen` is the evidence, if any."""

    cell: Cell
    verdict: Verdict
    sentence: str
    control: Sequence[Check]
    checks: Sequence[Check]
    seen: Mapping[str, Seen]  # "control", "fault"
    folder: Path
    duration_s: float
    broke_off: bool  # a script did not run to its end: the stage may be broken
    # by role ("client", "server"): the host's name, and what it said that it is
    machines: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    did: Behaviour | None = None  # what the program did under the failure, whatever the verdict
    survival: Survival | None = None  # for the matrix: where others were asked too
    inputs: str = ""  # the digest of all that it rests on, for the matrix
    ran_on: Mapping[str, str] = field(default_factory=dict)  # kernel, engine, …: where that may not be this machine
    earlier_tries: Sequence[str] = ()  # the sentences of those that proved nothing, because something stood still

    @property
    def is_stalled(self) -> bool:
        """Whether it is unproven because something stood still, and for no other reason: once more may prove it."""
        return self.verdict is Verdict.UNPROVEN and only_stalled((*self.control, *self.checks))
