"""Source NAT, as at the edge of a network: the far side sees the firewall in the place of each host.

The mapping of a connection is made at its first packet and lives with its entry in connection tracking (nft(8), "NAT
statements"). Put a Nat in force before the connections that it is about begin.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from scenarios.faults.conntrack import PROTOCOLS, Event
from scenarios.faults.kernel_fault import TABLE, Chain, Standing, leg_of
from scenarios.lab.lab import Lab
from scenarios.spec.kernel_faults import Protocol

# Below the ports that Linux gives to its own connections (net.ipv4.ip_local_port_range), so that no host has one.
PORTS = ("10000-19999", "20000-29999")

REBIND = """
nft "$1"
delete -f ipv4 -n "$2"
delete -f ipv6 -n "$3"
"""
UNMAP = "conntrack -D -f ipv4 -n {ipv4} 2>&1 || true; conntrack -D -f ipv6 -n {ipv6} 2>&1 || true"


class Nat(Standing):
    """What goes from the `inside` leg's network to the `outside` leg's has the firewall's address there as its source.

    The source port stays, unless two hosts have the same one. Hits are the connections that were given a mapping: one
    for each TCP connection, each pair of UDP sockets, each ping. The undo ends every mapping.
    """

    needs = "NAT in the inet family of nf_tables (Linux 5.2, CONFIG_NFT_NAT)"

    def __init__(self, lab: Lab, name: str, inside: str = "client-leg", outside: str = "server-leg") -> None:
        super().__init__(lab, name)
        self.outside = leg_of(lab, name, outside)
        self._inside = lab.topology.networks[leg_of(lab, name, inside).network]
        self._behind = lab.topology.networks[self.outside.network]
        self.rebound = 0

    def rules(self, ports: str = "") -> list[str]:
        """The rules that make mappings, from a range of ports if one is given."""
        rules = []
        outside = {"ip": (self.outside.ipv4, self.outside.ipv4), "ip6": (self.outside.ipv6, f"[{self.outside.ipv6}]")}
        for ip, inside, behind in zip(outside, self._inside, self._behind, strict=True):
            from_to = f"{ip} saddr {inside} {ip} daddr {behind}"
            address, bracketed = outside[ip]
            if ports:
                rules.append(f"{from_to} meta l4proto {{ tcp, udp }} counter snat {ip} to {bracketed}:{ports}")
            rules.append(f"{from_to} counter snat {ip} to {address}")
        return rules

    def _chains(self) -> Sequence[Chain]:
        return [Chain(self.name, "postrouting priority srcnat", self.rules(), kind="nat")]

    def _change(self) -> Sequence[str]:
        unmap = UNMAP.format(ipv4=self.outside.ipv4, ipv6=self.outside.ipv6)
        return 'defer "$1"', unmap


class Rebind(Event):
    """Every mapping of a Nat is forgotten, and each connection gets another at its next packet, with another port.

    Hits are the mappings that were ended, of TCP those of connections that were not over. The far end knows of no
    connection with the new port, and answers a segment by a RST, which the mapping hands on to the near end. What the
    far end sends to the old port is for nobody but the firewall, which answers by a RST of its own. A datagram from the
    new port is one of another peer, whom the far end may answer all the same.
    """

    def __init__(self, lab: Lab, name: str, nat: Nat, protocols: Collection[Protocol] = PROTOCOLS) -> None:
        super().__init__(lab, name, protocols)
        self._nat = nat

    def _script(self) -> Sequence[str]:
        nat = self._nat
        ports = PORTS[nat.rebound % len(PORTS)]
        nat.rebound += 1
        chain = f"{TABLE} {nat.name}"
        rules = "\n".join(f"add rule {chain} {rule}" for rule in nat.rules(ports))
        return REBIND, f"flush chain {chain}\n{rules}\n", nat.outside.ipv4, nat.outside.ipv6
