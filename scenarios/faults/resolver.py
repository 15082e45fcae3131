"""Whom the programs of a host ask for names, and how: its resolv.conf(5), another one for a while.

The engine makes that file and has it mounted, and no host may write it. So it is written by a short-lived container
that has the same file mounted: in its place, for the mount is of the file. What was there before stands in the
firewall's journal before anything is changed, so that the next run writes it again where this one is killed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from scenarios.faults.kernel_fault import WITHIN_S, Standing
from scenarios.lab import engine
from scenarios.lab.errors import CommandFailed, LabProblem
from scenarios.lab.guest import GUEST_LABEL
from scenarios.lab.lab import Lab

WAS = "the resolver was, on"  # printed by the undo, with the file in base64
PLACE = "/etc/resolv.conf"
CHANGE = f"""
claim "the-resolver-of-$1"
defer "echo '{WAS}' $1: $2"
"""
WRITE = 'echo "$1" | base64 -d >/resolv.conf'


class Resolver(Standing):
    """A host has this resolv.conf. Hits are 1 while it stands there."""

    def __init__(self, lab: Lab, name: str, host: str, asked: str) -> None:
        super().__init__(lab, name)
        self._host, self._asked = host, asked
        self._before: str | None = None

    def _change(self) -> Sequence[str]:
        return CHANGE, self._host, _coded(self._before or "")

    def __enter__(self) -> Self:
        self._before = self._read()
        super().__enter__()
        try:
            _write(self._lab, self._host, _coded(self._asked))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            _write(self._lab, self._host, _coded(self._before))
        super().__exit__()  # only now: until it is written again, the journal must know of it
        self._before = None

    def hits(self) -> int:
        if self._before is None:
            raise self._not_in_force(f"{self._host} asks for names as it did before")
        return int(self._read() == self._asked)

    def _read(self) -> str:
        said = self._lab.run(self._host, ["cat", PLACE], timeout_s=WITHIN_S)
        if said.status != 0:
            raise LabProblem(f"{self._host} has no {PLACE} that could be read: {said.printed}")
        return said.stdout


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def written_again(lab: Lab, undone: str) -> None:
    """Give hosts back the file that they had before, as what an undo printed says. Raises LabProblem."""
    told = re.findall(f"^{WAS} (.+): (\\S*)$", undone, re.MULTILINE)
    states = lab.states() if told else {}
    with ThreadPoolExecutor() as pool:
        running = [of for of in told if states.get(of[0]) in ("running", "healthy")]
        list(pool.map(lambda of: _write(lab, *of), running))


def _write(lab: Lab, host: str, coded: str) -> None:
    try:
        found = engine.docker_command(
            "inspect", "--format", "{{.ResolvConfPath}}", lab.container(host), timeout_s=WITHIN_S
        )
        engine.docker_command(
            *("run", "--rm", "--network", "none", "--pull", "never", "--user", "0:0"),
            *("--label", f"{engine.LAB_LABEL}={lab.number}", "--label", f"{GUEST_LABEL}={host}"),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"),
            *("--volume", f"{found.strip()}:/resolv.conf", "--entrypoint", "sh", "faultwire/firewall"),
            *("-euc", WRITE, "sh", coded),
            timeout_s=WITHIN_S,
        )
    except CommandFailed as error:
        raise LabProblem(f"the resolver of {host} could not be set: {error}") from error
