"""The way out of a lab, for a composition whose services may reach the world: `outside: true` in its service.yaml.

    a service ─ its leg ─ firewall ─ outside ─ gate ─ the machine ─ the world

The firewall stays the only router between the sides. It gets one network more and a default route, and no address
translation: to track connections would change what crosses its legs, fragments for one. So the gate translates, a
machine of its own on that network. It forwards what the two sides send to the world, and the answers; nothing begins
out there. The gate and the network are made with the seats of the composition, and bear its label.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from typing import Any, Final

from docker.errors import APIError, NotFound
from docker.models.networks import Network

from scenarios.lab import engine
from scenarios.lab.engine import LAB_LABEL
from scenarios.lab.errors import LabProblem
from scenarios.lab.sweep import COMPOSITION_LABEL
from scenarios.lab.topology import Topology

GATE: Final = "outside"  # its machine and its network; no seat is called so, for a seat's name has a hyphen
WITHIN_S: Final = 30
# Words: the firewall, then the networks of the sides.
_TRANSLATE: Final = """
set -eu
firewall=$1
shift
sides=
for side in "$@"; do
    ip -4 route add "$side" via "$firewall"
    sides="$sides $side,"
done
nft -f - <<RULES
table ip way_out {
    chain forward {
        type filter hook forward priority filter; policy drop
        ct state established,related accept
        ip saddr {$sides } ip daddr != {$sides $firewall } accept
    }
    chain output {
        type filter hook output priority filter
        icmp type redirect drop
    }
    chain postrouting {
        type nat hook postrouting priority srcnat
        ip saddr {$sides } masquerade
    }
}
RULES
"""
_OPEN: Final = """
interface=$(ip -o -4 address show to "$1/32" | awk '{print $2}')
[ -n "$interface" ] || { echo "no interface of the firewall has $1" >&2; exit 1; }
ip -4 route replace default via "$2" dev "$interface"
"""
# Docker makes a default route of a leg's gateway again, as at the start of the firewall (images/firewall/entrypoint).
NO_DEFAULT_ROUTES: Final = "ip -4 route flush exact default; ip -6 route flush exact default"


def _sides(topology: Topology) -> list[str]:
    """The IPv4 networks of the sides."""
    return [ipv4 for ipv4, _ in topology.networks.values()]


def gate_document(topology: Topology, like: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The gate's part of a compose file, and its network's; `like` is a host of the lab, `name` the composition."""
    at = topology.outside
    labels = {LAB_LABEL: str(topology.lab), COMPOSITION_LABEL: name}
    taken = ("dns", "dns_search", "dns_opt", "sysctls", "volumes", "networks")
    gate = {key: value for key, value in like.items() if key not in taken} | {
        "image": topology.machines["firewall"],
        "entrypoint": ["sleep", "infinity"],
        "hostname": GATE,
        "cap_add": ["NET_ADMIN"],
        "sysctls": {"net.ipv4.ip_forward": 1},
        "networks": {GATE: {"ipv4_address": at.gate}},
        "labels": labels,
    }
    network = {
        "labels": labels,
        "driver_opts": {"com.docker.network.bridge.name": f"fw{topology.lab}-{GATE}"},
        "ipam": {"config": [{"subnet": at.subnet, "gateway": at.machine}]},
    }
    return {"services": {GATE: gate}, "networks": {GATE: network}}


def open_way(topology: Topology) -> None:
    """Let the firewall route to the world, by the gate, which is up. Raise LabProblem, CommandFailed."""
    at, project = topology.outside, topology.project
    run_script(f"{project}-{GATE}-1", _TRANSLATE, at.firewall, *_sides(topology))
    put_firewall_on(topology, GATE, "the way out", ipv4_address=at.firewall)
    run_script(f"{project}-firewall-1", _OPEN, at.firewall, at.gate)


def put_firewall_on(
    topology: Topology, network: str, what: str, ipv4_address: str, ipv6_address: str | None = None
) -> None:
    """Connect the firewall with a network that a composition brought up. Raise LabProblem."""
    try:
        with engine.request(f"give the firewall {what}"):
            found = engine.client().networks.get(f"{topology.project}_{network}")
            firewall = f"{topology.project}-firewall-1"
            found.connect(firewall, ipv4_address=ipv4_address, ipv6_address=ipv6_address)
    except APIError as problem:
        raise LabProblem(f"the firewall of lab {topology.lab} did not get {what}: {problem.explanation}") from problem


def close_way(topology: Topology, networks: Collection[Network]) -> None:
    """Take the firewall off these networks, those of a composition that goes, so that they can be removed."""
    firewall = f"{topology.project}-firewall-1"
    for network in networks:
        with contextlib.suppress(NotFound, APIError), engine.request(f"take the firewall off {network.name}"):
            network.disconnect(firewall, force=True)
            run_script(firewall, NO_DEFAULT_ROUTES)


def run_script(container: str, script: str, *words: str) -> None:
    """Run a script in a container of the lab. Raise CommandFailed."""
    engine.docker_command("exec", container, "sh", "-c", script, "script", *words, timeout_s=WITHIN_S)
