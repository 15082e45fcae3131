"""A host with another resolv.conf(5) for a while: which name server its programs ask, and how.

The engine makes that file and has it mounted, and no host may write it. So it is written by a short-lived container
that has the same file mounted: in its place, for the mount is of the file. What was there before stands in the
firewall's journal before anything is changed, so that the next run writes it again where this one is killed.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Self

from scenarios.faults.host_change import HostChange, change_back, label
from scenarios.faults.kernel_fault import WITHIN_S
from scenarios.lab import engine
from scenarios.lab.errors import CommandFailed, LabProblem
from scenarios.lab.lab import Lab

WAS = "the resolver was, on"  # printed by the undo, with the file in base64
PLACE = "/etc/resolv.conf"
CHANGE = f"""
claim "the-resolver-of-$1"
defer "echo '{WAS}' $1: $2"
"""
WRITE = 'echo "$1" | base64 -d >/resolv.conf'


class Resolver(HostChange):
    """A host has this resolv.conf. Hits are 1 while it stands there."""

    def __init__(self, lab: Lab, name: str, host: str, asked: str) -> None:
        super().__init__(lab, name, host)
        self._host, self._asked = host, asked
        self._before = ""

    def _change(self) -> Sequence[str]:
        return CHANGE, self._host, _coded(self._before)

    def __enter__(self) -> Self:
        self._before = self._read()
        return super().__enter__()

    def _make(self) -> None:
        _write(self._lab, self._host, _coded(self._asked))

    def _unmake(self) -> None:
        _write(self._lab, self._host, _coded(self._before))

    def hits(self) -> int:
        if not self._is_changed:
            raise self._not_in_force(f"{self._host} asks for names as it did before")
        return int(self._read() == self._asked)

    def _read(self) -> str:
        said = self._lab.run(self._host, ["cat", PLACE], timeout_s=WITHIN_S)
        if said.status != 0:
            raise LabProblem(f"{PLACE} of {self._host} cannot be read: {said.printed}")
        return said.stdout


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def written_again(lab: Lab, undone: str) -> None:
    """Give hosts back the file that they had before, as what an undo printed says. Raises LabProblem."""
    change_back(lab, undone, f"{WAS} (.+): (\\S*)", lambda host, coded: _write(lab, host, coded))


def _write(lab: Lab, host: str, coded: str) -> None:
    try:
        found = engine.docker_command(
            "inspect", "--format", "{{.ResolvConfPath}}", lab.container(host), timeout_s=WITHIN_S
        )
        engine.docker_command(
            *("run", "--rm", "--network", "none", "--pull", "never", "--user", "0:0", *label(lab, host)),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"),
            *("--volume", f"{found.strip()}:/resolv.conf", "--entrypoint", "sh", "faultwire/firewall"),
            *("-euc", WRITE, "sh", coded),
            timeout_s=WITHIN_S,
        )
    except CommandFailed as error:
        raise LabProblem(f"the resolver of {host} could not be set: {error}") from error
