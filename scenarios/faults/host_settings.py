"""What a host's kernel goes by, set to other values for a while: a host's network namespace has its own (sysctl(8)).

No host has the right to set them, so it is done by a short-lived container in the host's network, as the forgetting of
a path MTU is (mtu.py). What was there before stands in the firewall's journal before anything is changed, so that the
next run sets it again where this one is killed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from scenarios.faults import Unsupported
from scenarios.faults.kernel_fault import WITHIN_S, Standing
from scenarios.lab import engine
from scenarios.lab.errors import CommandFailed, LabProblem
from scenarios.lab.guest import GUEST_LABEL
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


class HostSettings(Standing):
    """A host's kernel has these settings, `{place below /proc/sys/net: value}`.

    Hits are the settings that the kernel says it goes by, of those that were asked for.
    """

    needs = "these settings in each network namespace (Linux 5.15 has all of them)"

    def __init__(
        self, lab: Lab, name: str, host: str, asked: Mapping[str, str], ports: PortRange | None = None
    ) -> None:
        super().__init__(lab, name)
        self._host, self._asked = host, asked
        self._ports = f"( sport >= :{ports.first} and sport <= :{ports.last} )" if ports else ""
        self._before: Mapping[str, str] | None = None

    def _change(self) -> Sequence[str]:
        return CHANGE, self._host, *_words(self._before or {})

    def __enter__(self) -> Self:
        self._before = self._read()
        super().__enter__()
        try:
            _set(self._lab, self._host, self._asked, self._ports)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            _set(self._lab, self._host, self._before)
        super().__exit__()  # only now: until it is set again, the journal must know of it
        self._before = None

    def hits(self) -> int:
        if self._before is None:
            raise self._not_in_force(f"{self._host} has the settings that it had before")
        now = self._read()
        return sum(now[place] == value for place, value in self._asked.items())

    def _read(self) -> dict[str, str]:
        said = self._lab.run(self._host, ["sh", "-euc", READ, "sh", *self._asked], timeout_s=WITHIN_S)
        if said.status != 0:
            raise Unsupported(f"{self._host} does not have all that {self.name} sets: {said.printed}\n{self.needs}")
        found = (line.partition("=") for line in said.stdout.splitlines())
        return {place: " ".join(value.split()) for place, _, value in found}


def _words(settings: Mapping[str, str]) -> list[str]:
    """`ipv4/ip_local_port_range=40000,40007`: a word each, for the journal."""
    return [f"{place}={value.replace(' ', ',')}" for place, value in settings.items()]


def set_again(lab: Lab, undone: str) -> None:
    """Give hosts the settings back that they had before, as what an undo printed says. Raises LabProblem."""
    told = re.findall(f"^{WERE} (.+): (.*)$", undone, re.MULTILINE)
    states = lab.states() if told else {}

    def again(of: tuple[str, str]) -> None:
        host, words = of
        before = (word.partition("=") for word in words.split())
        _set(lab, host, {place: value.replace(",", " ") for place, _, value in before})

    with ThreadPoolExecutor() as pool:
        list(pool.map(again, [of for of in told if states.get(of[0]) in ("running", "healthy")]))


def _set(lab: Lab, host: str, settings: Mapping[str, str], ports: str = "") -> None:
    try:
        engine.docker_command(
            *("run", "--rm", "--network", f"container:{lab.container(host)}", "--pull", "never"),
            *("--label", f"{engine.LAB_LABEL}={lab.number}", "--label", f"{GUEST_LABEL}={host}"),
            *("--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--security-opt", "no-new-privileges", "--read-only"),
            *("--security-opt", "systempaths=unconfined"),  # else /proc/sys is read-only
            *("--env", f"PORTS={ports}", "--entrypoint", "sh", "faultwire/firewall", "-euc", SET, "sh"),
            *(f"{place}={value}" for place, value in settings.items()),
            timeout_s=WITHIN_S,
        )
    except CommandFailed as error:
        raise LabProblem(f"the settings of {host} could not be changed: {error}") from error
