"""The counters of the kernels that a drill asks for: read before its script and after it, and by how much each rose."""

from __future__ import annotations

from collections.abc import Mapping

from scenarios.evidence.host_counters import host_counters
from scenarios.lab.errors import DeadlinePassed, LabProblem
from scenarios.run.script_run import ScriptRun
from scenarios.spec.roles import HostRole, Role


class Counting:
    """Of no drill that asks for no counters is anything read."""

    def __init__(self, run: ScriptRun) -> None:
        drill = run.drill
        asked = {each.counters.on: None for each in (*drill.expect, *drill.control, *drill.premise) if each.counters}
        self._run, self._roles = run, tuple(asked)
        self._before: dict[HostRole, Mapping[str, int]] = {}
        self.risen: dict[Role, Mapping[str, int]] = {}

    def begin(self) -> None:
        """Read them; what cannot be read is noted, and is not counted."""
        self._before = {role: found for role in self._roles if (found := self._read(role))}

    def end(self) -> None:
        """Read them again. A counter that was not there before was 0."""
        for role, before in self._before.items():
            if found := self._read(role):
                self.risen[role] = {name: count - before.get(name, 0) for name, count in found.items()}

    def _read(self, role: HostRole) -> Mapping[str, int]:
        try:
            return host_counters(self._run.stage.lab, self._run.cast.host(role).name)
        except (LabProblem, DeadlinePassed) as problem:
            self._run.note(str(problem))
            return {}
