"""Two hosts on one network: the firewall is a bridge between them, and stays the router of all others.

What one of them sends to the other, and what it sends to all, comes to a bridge of the firewall's own (ip-link(8), type
bridge) by a pair of interfaces for each leg, and leaves by the other leg. So both legs show it, the firewall's rules
and the injector take hold of it (br_netfilter), and whoever is not one of the two has no part in it. Each of the two
gets a route by which the other is on its own link, and a link-local address.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from scenarios.faults.host_addresses import PROTOCOL, WERE, as_it_was, change_addresses
from scenarios.faults.host_change import HostChange
from scenarios.faults.kernel_fault import OF_DEVICES, Chain, Standing
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.or_undo import OrUndo
from scenarios.lab.topology import Host

BRIDGE = "one-network"
TO_ALL = "ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00"  # broadcast and multicast (IEEE 802)
UNKNOWN = "00:00:00:00:00:00"  # the Ethernet address of a host that was not asked yet
BEHIND = 100  # what other rules of a leg's device drop is not handed on
LINKS = f"""
up() {{ # it has no address, and says nothing of its own
    ip link set "$1" addrgenmode none
    ip link set "$1" up
}}
claim {BRIDGE}
defer "ip link del {BRIDGE}"
ip link add {BRIDGE} type bridge nf_call_iptables 1 nf_call_ip6tables 1 mcast_snooping 0
for leg; do
    defer "ip link del from-$leg"
    ip link add "from-$leg" type veth peer name "port-$leg"
    ip link set "port-$leg" master {BRIDGE}
    up "port-$leg"
    up "from-$leg"
done
up {BRIDGE}
"""
ETHERNET = """
for address; do
    ping -n -c 1 -W 2 "$address" >/dev/null || { echo "$address does not answer"; exit 1; }
    ip neigh show to "$address" | sed -n 's/.*lladdr \\([0-9a-f:]*\\).*/\\1/p' | grep .
done
"""
CHANGES = f"""
for host; do
    claim "the-addresses-of-$host"
    defer "echo '{WERE}' $host"
done
"""
# No duplicate address detection, as for a second address; and a longer prefix than that of the link-local address which
# the kernel gave the host, for which it is chosen (RFC 6724, 5, rule 8).
NEIGHBOUR = f"""
ip -6 address replace {{own}}/128 nodad dev "$interface"
for address in {{ipv4}} {{ipv6}}; do
    ip neigh flush to "$address"
    ip route replace "$address" dev "$interface" proto {PROTOCOL}
done
ip neigh flush to {{link_local}}
"""


class _Bridge(Standing):
    """The bridge and, for each leg, a pair of interfaces: what is sent into `from-LEG` enters it by its port."""

    needs = "a bridge whose frames come before the firewall's rules (CONFIG_BRIDGE_NETFILTER)"

    def _change(self) -> Sequence[str]:
        return LINKS, *map(_short, self._lab.topology.legs)


def _short(leg: str) -> str:
    return leg.removesuffix("-leg")  # the name of an interface has 15 letters at most


class OneNetwork(HostChange):
    """Two hosts are neighbours. Hits are the frames that the first sent to the other."""

    needs = "nf_tables that hands frames to another device (CONFIG_NFT_FWD_NETDEV, CONFIG_NFT_DUP_NETDEV)"

    def __init__(self, lab: Lab, name: str, one: Host, other: Host) -> None:
        super().__init__(lab, name, one.name, other.name)
        self._others = {one: other, other: one}
        self._ethernet = dict.fromkeys(self._others, UNKNOWN)
        self._bridge = _Bridge(lab, f"{name[:24]}-bridge")

    def __enter__(self) -> Self:
        self._bridge.__enter__()
        with OrUndo(self._bridge.__exit__):
            found = self._run(["sh", "-euc", ETHERNET, "sh", *(each.ipv4 for each in self._others)])
            if found.status != 0:
                raise LabProblem(f"the fault {self.name}: where its hosts are is not known: {found.printed}")
            self._ethernet = dict(zip(self._others, found.stdout.split(), strict=True))
            return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._bridge.__exit__()

    def _chains(self) -> Sequence[Chain]:
        return [chain for host in self._others for chain in self._of_leg(host)]

    def _of_leg(self, host: Host) -> Sequence[Chain]:
        """From the leg of a host into the bridge, and out of the bridge by that leg."""
        leg = next(each.name for each in self._lab.topology.legs.values() if each.network == host.network)
        inside = f"from-{_short(leg)}"
        own, other = self._ethernet[host], self._ethernet[self._others[host]]
        entering = [
            f'ether saddr {own} ether daddr {other} counter fwd to "{inside}"',
            f'ether saddr {own} {TO_ALL} dup to "{inside}"',
        ]
        leaving = f'ether saddr {other} fwd to "<{leg}>"'  # and not what the bridge itself has to say
        is_first = host is next(iter(self._others))
        name = self.name if is_first else f"{self.name}-back"
        return [
            Chain(name, f'ingress device "<{leg}>" priority {BEHIND}', entering, table=OF_DEVICES),
            Chain(f"{name}-out", f'ingress device "{inside}" priority 0', [leaving], table=OF_DEVICES),
        ]

    def _change(self) -> Sequence[str]:
        return CHANGES, *(each.name for each in self._others)

    def _make(self) -> None:
        def become_neighbour(host: Host) -> None:
            other = self._others[host]
            said = {"own": host.link_local, "ipv4": other.ipv4, "ipv6": other.ipv6, "link_local": other.link_local}
            change_addresses(self._lab, host, NEIGHBOUR.format(**said))

        self._on_each(become_neighbour)

    def _unmake(self) -> None:
        self._on_each(lambda host: change_addresses(self._lab, host, as_it_was(self._lab.topology, host)))

    def _on_each(self, change: Callable[[Host], None]) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(change, self._others))
