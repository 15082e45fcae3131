"""Settings of a host's kernel, changed for a while: a host's network namespace has its own (sysctl(8)).

The journal has what was there before, for the next run to set it again (host_change.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from scenarios.faults import Unsupported
from scenarios.faults.host_change import HostChange, change_back
from scenarios.faults.kernel_fault import WITHIN_S
from scenarios.lab.errors import CommandFailed, LabProblem
from scenarios.lab.lab import Lab
from scenarios.spec.host_settings import PortRange

WERE = "the settings were, on"  # printed by the undo, with what to set again
CHANGE = f"""
host=$1
claim "the-settings-of-$host"
shift
defer "echo '{WERE}' $host: '$*'"
"""
# What an earlier connection left in TIME-WAIT holds its port for a minute: it is ended, so that all ports are free.
SET = """
for setting; do echo "${setting#*=}" >"/proc/sys/net/${setting%%=*}"; done
[ -z "$PORTS" ] || ss --kill --tcp --numeric state time-wait "$PORTS" >/dev/null
"""
READ = 'for place; do value=$(cat "/proc/sys/net/$place"); echo "$place=$value"; done'


class HostSettings(HostChange):
    """A host's kernel has these settings, `{place below /proc/sys/net: value}`.

    Hits are the settings that the kernel says it goes by, of those that were asked for.
    """

    needs = "these settings in each network namespace (Linux 5.15 has all of them)"

    def __init__(
        self, lab: Lab, name: str, host: str, asked: Mapping[str, str], ports: PortRange | None = None
    ) -> None:
        super().__init__(lab, name, host)
        self._host, self._asked = host, asked
        self._ports = f"( sport >= :{ports.first} and sport <= :{ports.last} )" if ports else ""
        self._before: Mapping[str, str] = {}

    def _change(self) -> Sequence[str]:
        return CHANGE, self._host, *_words(self._before)

    def __enter__(self) -> Self:
        self._before = self._read()
        return super().__enter__()

    def _make(self) -> None:
        _set(self._lab, self._host, self._asked, self._ports)

    def _unmake(self) -> None:
        _set(self._lab, self._host, self._before)

    def hits(self) -> int:
        if not self._is_changed:
            raise self._not_in_force(f"{self._host} has the settings that it had before")
        now = self._read()
        return sum(now[place] == value for place, value in self._asked.items())

    def _read(self) -> dict[str, str]:
        said = self._lab.run(self._host, ["sh", "-euc", READ, "sh", *self._asked], timeout_s=WITHIN_S)
        if said.status != 0:
            raise Unsupported(
                f"{self._host} lacks a setting that {self.name} changes: {said.printed}\nIt needs {self.needs}."
            )
        found = (line.partition("=") for line in said.stdout.splitlines())
        return {place: " ".join(value.split()) for place, _, value in found}


def _words(settings: Mapping[str, str]) -> list[str]:
    """`ipv4/ip_local_port_range=40000,40007`: a word each, for the journal."""
    return [f"{place}={value.replace(' ', ',')}" for place, value in settings.items()]


def set_again(lab: Lab, undone: str) -> None:
    """Give hosts the settings back that they had before, as what an undo printed says. Raises LabProblem."""

    def again(host: str, words: str) -> None:
        before = (word.partition("=") for word in words.split())
        _set(lab, host, {place: value.replace(",", " ") for place, _, value in before})

    change_back(lab, undone, f"{WERE} (.+): (.*)", again)


def _set(lab: Lab, host: str, settings: Mapping[str, str], ports: str = "") -> None:
    try:
        words = [f"{place}={value}" for place, value in settings.items()]
        lab.host_networks.run(host, SET, *words, environment={"PORTS": ports}, within_s=WITHIN_S)
    except CommandFailed as error:
        raise LabProblem(f"the settings of {host} could not be changed: {error}") from error
