"""The links of a lab's machines: how often each lost or got its carrier, as the kernel counts."""

from __future__ import annotations

from collections.abc import Mapping

from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab

# The kernel's sysfs-class-net: `carrier_changes` rises when a link goes down and when it comes up. The firewall has
# other links too, some of which come and go: only the legs that it always has are read.
READS = """
cd /sys/class/net
for link in $(cat /run/legs/client-leg /run/legs/server-leg 2>/dev/null || echo eth*); do
    read -r changes <"$link/carrier_changes"
    echo "$link $changes"
done
"""


def carrier_changes(lab: Lab, machine: str) -> Mapping[str, int]:
    """How often each network interface of a machine lost or got its carrier, by its name. Raise LabProblem."""
    ran = lab.run(machine, ["sh", "-euc", READS], timeout_s=10)
    if ran.status != 0:
        raise LabProblem(f"the links of {machine} cannot be read: {ran.printed}")
    return {name: int(count) for name, count in (line.split() for line in ran.stdout.splitlines())}


def changes(machine: str, before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """What became of the links that were there before, in words: `eth0 of client lost or got its carrier 2 times`."""
    found = []
    for link, count in before.items():
        if link not in after:
            found.append(f"{link} of {machine} is gone")
        elif times := after[link] - count:
            found.append(f"{link} of {machine} lost or got its carrier {times} time{'' if times == 1 else 's'}")
    return found
