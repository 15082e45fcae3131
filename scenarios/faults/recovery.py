"""Undo the faults that a killed run left in force: the next run does it first."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from scenarios.faults.host_addresses import addresses_again
from scenarios.faults.host_settings import set_again
from scenarios.faults.kernel_fault import OF_DEVICES, TABLE, WITHIN_S
from scenarios.faults.mtu import forget_path_mtus
from scenarios.faults.resolver import written_again
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.own_address import TAKE
from scenarios.lab.sweep import JOURNAL

# The newest journal first. What cannot be undone keeps its journal, and the others are undone all the same.
JOURNALS = f"""
status=0
for undo in $(ls -t {JOURNAL} 2>/dev/null | grep -v '[.]'); do
    echo "fault: $undo"
    if sh -eu "{JOURNAL}/$undo"; then rm "{JOURNAL}/$undo"; else status=1; fi
done
[ "$status" != 0 ] || rm -rf {JOURNAL}
"""
FIREWALL = f"""{JOURNALS}
nft 'add table {TABLE}; delete table {TABLE}' || status=1
[ -z "$(nft list tables netdev)" ] || nft 'add table {OF_DEVICES}; delete table {OF_DEVICES}' || status=1
conntrack -F >/dev/null 2>&1 || status=1
exit $status
"""
NAMES = f"{JOURNALS}exit $status\n"


@contextlib.contextmanager
def held_without_faults(lab: Lab) -> Iterator[None]:
    """Hold the lab alone, with none of a dead run's faults in force. Raises LabProblem as held() and remove_all()."""
    with lab.hold_alone():
        remove_all(lab)
        yield


def remove_all(lab: Lab) -> list[str]:
    """Undo every fault that is in force, and have the firewall forget every connection; the names of the faults found.

    A machine that does not run has none. It may be done at any time, and again, while nothing uses the lab. Raises
    LabProblem with what could not be undone, after all that could be.
    """
    scripts = {"firewall": FIREWALL, "names": NAMES, "cables": TAKE}

    def run(machine: str) -> str:
        argv = ["sh", "-c", scripts[machine], "sh", str(lab.number)]
        said = lab.run(machine, argv, timeout_s=WITHIN_S)
        if said.status != 0:
            raise LabProblem(f"an earlier run's faults could not all be undone on the {machine}: {said.printed}")
        return said.stdout

    with ThreadPoolExecutor() as pool:
        states = lab.states()
        undone = list(pool.map(run, [each for each in scripts if states.get(each) in ("running", "healthy")]))
    forget_path_mtus(lab, "".join(undone))
    set_again(lab, "".join(undone))
    addresses_again(lab, "".join(undone))
    written_again(lab, "".join(undone))
    found = [
        line.removeprefix("fault: ") for said in undone for line in said.splitlines() if line.startswith("fault: ")
    ]
    return list(dict.fromkeys(found))
