"""The network behind a program in the middle, and the firewall's leg on it: `middle` in a service.yaml.

    client ─ client-leg ─ firewall ─ server-leg ─ the program in the middle
    the program in the middle ─ server-leg ─ firewall ─ backend-leg ─ its backend

No other lab has them, so no other lab waits for them. They are made with the seats of the composition, bear its label,
and go with it. From then on the leg is one as the two others are: it has a file in /run/legs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from scenarios.lab.engine import LAB_LABEL
from scenarios.lab.sweep import COMPOSITION_LABEL, JOURNAL
from scenarios.lab.topology import Topology
from scenarios.lab.way_out import NO_DEFAULT_ROUTES, put_firewall_on, run_script

CABLES: Final = "backend-cables"  # as `cables` of compose.yaml, for the bridge of this network
# As images/firewall/entrypoint makes the others. Words: the leg's name, its address, the gateways of both families.
_MAKE: Final = f"""
set -eu
interface=$(ip -o -4 address show to "$2/32" | awk '{{print $2}}')
[ -n "$interface" ] || {{ echo "no interface of the firewall has $2, the address of $1" >&2; exit 1; }}
ip address delete "$2/${{3#*/}}" dev "$interface"
ip address add "$3" dev "$interface"
ip address add "$2/${{3#*/}}" dev "$interface"
ip address add "$4" dev "$interface" nodad
ethtool -K "$interface" tso off gso off gro off tx off rx off >/dev/null
{NO_DEFAULT_ROUTES}
echo "$interface" >"/run/legs/$1"
"""
# What a killed run has left in force there is undone while there is something to undo it on.
_UNMAKE: Final = f"""
interface=$(cat "/run/legs/$1" 2>/dev/null) || exit 0
for undo in $(ls -t {JOURNAL} 2>/dev/null | grep -v '[.]'); do
    if grep -qw -- "$interface" "{JOURNAL}/$undo" && sh -eu "{JOURNAL}/$undo"; then rm "{JOURNAL}/$undo"; fi
done
rm "/run/legs/$1"
"""


def backend_document(topology: Topology, cables: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The network's part of a compose file, and that of its cables; `cables` are the lab's, `name` the composition."""
    at = topology.backend
    labels = {LAB_LABEL: str(topology.lab), COMPOSITION_LABEL: name}
    program, *_ = cables["entrypoint"]
    made = {**cables, "entrypoint": [program, at.bridge], "labels": labels}
    return {"services": {CABLES: made}, "networks": {at.leg.network: {**at.network, "labels": labels}}}


def make_leg(topology: Topology) -> None:
    """Give the firewall its leg on the network of the backend, which is up. Raise LabProblem, CommandFailed."""
    at = topology.backend
    put_firewall_on(topology, at.leg.network, "its leg to the backend", **at.firewall)
    run_script(f"{topology.project}-firewall-1", _MAKE, *at.words.split())


def unmake_leg(topology: Topology) -> None:
    """Take the firewall's leg back, where it has it. Raise CommandFailed."""
    run_script(f"{topology.project}-firewall-1", _UNMAKE, topology.backend.leg.name)
