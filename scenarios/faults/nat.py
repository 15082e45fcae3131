"""Source NAT, as at the edge of a network: the far side sees the firewall in the place of each host.

The mapping of a connection is made at its first packet and lives with its entry in connection tracking (nft(8), "NAT
statements"). Put a Nat in force before the connections that it is about begin.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from scenarios.faults.conntrack import PROTOCOLS, Event
from scenarios.faults.kernel_fault import PREFIX, TABLE, Chain, Standing, leg_of
from scenarios.lab.lab import Lab
from scenarios.spec.kernel_faults import Protocol
from scenarios.spec.mapping_faults import NatKind

# Below the ports that Linux gives to its own connections (net.ipv4.ip_local_port_range), so that no host has one.
PORTS = ("10000-19999", "20000-29999")
SYMMETRIC = range(10000, 11000)  # the ports of a symmetric NAT, in their order

REBIND = """
nft "$1"
delete -f ipv4 -n "$2"
delete -f ipv6 -n "$3"
"""
# What is left of earlier conversations over UDP would go on untranslated, where one comes from the same port again.
UNTRANSLATED = (
    "conntrack -D -f ipv4 -p udp >/dev/null 2>&1 || true; conntrack -D -f ipv6 -p udp >/dev/null 2>&1 || true\n"
)
UNMAP = "conntrack -D -f ipv4 -n {ipv4} 2>&1 || true; conntrack -D -f ipv6 -n {ipv6} 2>&1 || true"


class Nat(Standing):
    """What goes from the `inside` leg's network to the `outside` leg's has the firewall's address there as its source.

    The source port stays, unless two hosts have the same one. Hits are the connections that were given a mapping: one
    for each TCP connection, each pair of UDP sockets, each ping. The undo ends every mapping.

    `kind` is about UDP, and `ports` (`10000-10007`) are those that it has (spec/mapping_faults.py). What no port is
    left for is dropped by connection tracking, which finds two connections in one; it is a hit all the same.
    """

    needs = "NAT in the inet family of nf_tables (Linux 5.2, CONFIG_NFT_NAT)"

    def __init__(
        self,
        lab: Lab,
        name: str,
        inside: str = "client-leg",
        outside: str = "server-leg",
        kind: NatKind = "port-restricted-cone",
        ports: str = "",
    ) -> None:
        super().__init__(lab, name)
        self._kind, self._ports = kind, ports
        self.outside = leg_of(lab, name, outside)
        self._inside = lab.topology.networks[leg_of(lab, name, inside).network]
        self._behind = lab.topology.networks[self.outside.network]
        self.rebound = 0

    def _ways(self) -> Iterator[tuple[str, str, str, str]]:
        """For each family: its word, what packets from the inside match, the NAT's address, and that before a port."""
        outside = {"ip": (self.outside.ipv4, self.outside.ipv4), "ip6": (self.outside.ipv6, f"[{self.outside.ipv6}]")}
        for ip, inside, behind in zip(outside, self._inside, self._behind, strict=True):
            yield ip, f"{ip} saddr {inside} {ip} daddr {behind}", *outside[ip]

    def rules(self, ports: str = "") -> list[str]:
        """The rules that make mappings, from a range of ports if one is given."""
        rules = []
        ports = ports or self._ports
        for ip, from_to, address, bracketed in self._ways():
            if self._kind == "symmetric":
                first, _, last = ports.partition("-")
                own = range(int(first), int(last) + 1) if ports else SYMMETRIC
                each = ", ".join(f"{number} : {port}" for number, port in enumerate(own))
                next_port = f"numgen inc mod {len(own)} map {{ {each} }}"
                rules.append(f"{from_to} meta l4proto udp counter snat {ip} to {bracketed}:{next_port}")
            if ports:
                rules.append(f"{from_to} meta l4proto {{ tcp, udp }} counter snat {ip} to {bracketed}:{ports}")
            rules.append(f"{from_to} counter snat {ip} to {address}")
        return rules

    @property
    def memories(self) -> list[str]:
        """What a cone remembers of its mappings: the names of its maps."""
        return [name for name, _ in self._cone()[2]]

    def _chains(self) -> Sequence[Chain]:
        mapping = Chain(self.name, "postrouting priority srcnat", self.rules(), kind="nat")
        noting, letting_in, memories = self._cone()
        if not memories:
            return [mapping]
        return [
            Chain(f"{self.name}_out", "postrouting priority 110", noting, memories),
            Chain(f"{self.name}_in", "prerouting priority dstnat", letting_in, kind="nat"),
            mapping,
        ]

    def _cone(self) -> tuple[list[str], list[str], list[tuple[str, str]]]:
        """Rules that note a mapping when it is made, those that let datagrams in by one, and where the notes are."""
        noting: list[str] = []
        letting_in: list[str] = []
        memories: list[tuple[str, str]] = []
        if self._kind not in ("full-cone", "restricted-cone"):
            return noting, letting_in, memories
        types = ("ipv4_addr", "ipv6_addr")
        for (ip, _, address, _), of, behind in zip(self._ways(), types, self._behind, strict=True):
            cone = f"{self.name}_{ip}_cone"
            peer, of_peer = ("", "") if self._kind == "full-cone" else (f"{ip} daddr . ", f"{of} . ")
            inner = f"ct original {ip} saddr . ct original proto-src"
            out = f"{ip} saddr {address} {ip} daddr {behind} meta l4proto udp"
            noting.append(f"{out} update @{cone} {{ {peer}udp sport timeout 1d : {inner} }}")
            key = f"{of_peer}inet_service : {of} . inet_service"
            memories.append((cone, f"type {key}; size 65535; flags dynamic, timeout;"))
            asked = f"{peer.replace('daddr', 'saddr')}udp dport"
            letting_in.append(f"{ip} daddr {address} dnat {ip} to {asked} map @{cone}")
        return noting, letting_in, memories

    def _change(self) -> Sequence[str]:
        unmap = UNMAP.format(ipv4=self.outside.ipv4, ipv6=self.outside.ipv6)
        return f'{UNTRANSLATED}defer "$1"', unmap


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
        chain = f"{TABLE} {PREFIX}{nat.name}"
        rules = "\n".join(f"add rule {chain} {rule}" for rule in nat.rules(ports))
        forgotten = "".join(f"flush map {TABLE} {each}\n" for each in nat.memories)
        return REBIND, f"flush chain {chain}\n{rules}\n{forgotten}", nat.outside.ipv4, nat.outside.ipv6
