"""The counters of a host's kernel: /proc/net/snmp, netstat and snmp6 of its network namespace (proc(5), nstat(8))."""

from __future__ import annotations

from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.spec.kernel_counters import read_counters

READ = ("cat", "/proc/net/snmp", "/proc/net/netstat", "/proc/net/snmp6")
WITHIN_S = 5


def host_counters(lab: Lab, host: str) -> dict[str, int]:
    """All of them, by their names. Raises LabProblem where they cannot be read."""
    said = lab.run(host, READ, timeout_s=WITHIN_S)
    found = read_counters(said.stdout)
    if not found:
        raise LabProblem(f"the counters of {host} could not be read: {said.printed}")
    return found
