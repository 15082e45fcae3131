"""Faults that the firewall's kernel makes by itself, at its own speed: silence, refusals, resets, a spent TTL.

They are nftables rules on selections of packets, one base chain for each fault (kernel_fault.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import get_args

from scenarios.faults.conntrack import leaving
from scenarios.faults.kernel_fault import OF_DEVICES, Chain, Standing
from scenarios.lab.earlier_connections import Connection
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Family, Host, Topology
from scenarios.lab.valueclass import valueclass
from scenarios.spec.kernel_faults import KernelRefusal, Kind, check_refusal, check_selected_port

FAMILIES: tuple[Family, ...] = get_args(Family)
# What the packet must be, as nftables says it; sets of TCP flags as RFC 9293, 3.1 names them.
MATCHES: dict[Kind, str] = {
    "any": "",
    "tcp": "meta l4proto tcp",
    "udp": "meta l4proto udp",
    "icmp": "meta l4proto { icmp, ipv6-icmp }",
    "syn": "tcp flags & (syn | ack | rst | fin) == syn",
    "syn-ack": "tcp flags & (syn | ack | rst | fin) == (syn | ack)",
    "established": "tcp flags & syn == 0",
    "data": "meta l4proto tcp @ih,0,8 >= 0",  # there is a first byte behind the header, of whatever value
    "fin": "tcp flags & fin == fin",
    "rst": "tcp flags & rst == rst",
}
FRAGMENTS: dict[Kind, Mapping[Family, str]] = {
    "fragment": {"ipv4": "ip frag-off & 0x3fff != 0", "ipv6": "exthdr frag exists"},
    "later-fragment": {"ipv4": "ip frag-off & 0x1fff != 0", "ipv6": "frag frag-off != 0"},
}
NOWHERE = "nowhere"  # a link of the firewall (images/firewall/entrypoint): what is sent there is gone
# IPv4's code (RFC 792, RFC 1812 5.2.7.1) beside the code of ICMPv6 that says the same (RFC 4443, 3.1; RFC 7915, 4.2).
REFUSALS: dict[KernelRefusal, Mapping[Family, str]] = {
    "net-unreachable": {"ipv4": "icmp type net-unreachable", "ipv6": "icmpv6 type no-route"},
    "host-unreachable": {"ipv4": "icmp type host-unreachable", "ipv6": "icmpv6 type addr-unreachable"},
    "prot-unreachable": {"ipv4": "icmp type prot-unreachable", "ipv6": "icmpv6 type reject-route"},
    "port-unreachable": {"ipv4": "icmp type port-unreachable", "ipv6": "icmpv6 type port-unreachable"},
    "net-prohibited": {"ipv4": "icmp type net-prohibited", "ipv6": "icmpv6 type admin-prohibited"},
    "host-prohibited": {"ipv4": "icmp type host-prohibited", "ipv6": "icmpv6 type admin-prohibited"},
    "admin-prohibited": {"ipv4": "icmp type admin-prohibited", "ipv6": "icmpv6 type admin-prohibited"},
    "tcp-reset": {"ipv4": "tcp reset", "ipv6": "tcp reset"},
}


@valueclass
class Silence:
    """Packets are dropped without a word."""


@valueclass
class Refuse:
    """Packets are dropped, and their sender is told, by ICMP or by a TCP reset that the firewall makes."""

    by: KernelRefusal


@valueclass
class SpendTtl:
    """Packets arrive with a TTL of 1, so that the firewall answers "time exceeded" (RFC 792; RFC 4443, 3.3)."""


@valueclass
class Side:
    """Every host of one of the lab's networks; its addresses are the network's subnets."""

    network: str
    ipv4: str
    ipv6: str

    @classmethod
    def of(cls, topology: Topology, network: str) -> Side:
        """The side of a network, by the network's name."""
        ipv4, ipv6 = topology.networks[network]
        return cls(network, ipv4, ipv6)


@valueclass
class Selection:
    """Which packets: from one host, or any of a side, to another, of a kind, and (for TCP and UDP) between ports."""

    source: Host | Side
    destination: Host | Side
    kind: Kind = "any"
    port: int | None = None  # of the destination
    source_port: int | None = None
    family: Family | None = None  # both

    def __post_init__(self) -> None:
        for port in (self.port, self.source_port):
            check_selected_port(self.kind, port)

    def matches(self) -> Mapping[Family, str]:
        """The nftables expressions, for each family that it takes in."""
        found: dict[Family, str] = {}
        for family in [self.family] if self.family else FAMILIES:
            ip = "ip" if family == "ipv4" else "ip6"
            words = [f"{ip} saddr {getattr(self.source, family)} {ip} daddr {getattr(self.destination, family)}"]
            words.append(FRAGMENTS[self.kind][family] if self.kind in FRAGMENTS else MATCHES[self.kind])
            if self.source_port is not None:
                words.append(f"th sport {self.source_port}")
            if self.port is not None:
                words.append(f"th dport {self.port}")
            found[family] = " ".join(word for word in words if word)
        return found


class Rules(Standing):
    """One fault made of rules: an effect, on the packets of one or more selections. Hits are the packets selected.

    The packets of the connections that are `left` of earlier scripts pass, and are no hits.
    """

    def __init__(
        self,
        lab: Lab,
        name: str,
        effect: Silence | Refuse | SpendTtl,
        *selections: Selection,
        left: Collection[Connection] = (),
    ) -> None:
        super().__init__(lab, name)
        kinds = {each.kind for each in selections}
        if isinstance(effect, Refuse):
            for kind in kinds:
                check_refusal(effect.by, kind)
        if kinds & set(FRAGMENTS) and (kinds - set(FRAGMENTS) or not isinstance(effect, Silence)):
            raise ValueError(
                f"{name}: fragments can only be dropped, and apart from other packets; use a silence of fragments alone"
            )
        self._effect = effect
        self._selections = selections
        self._left = left
        if "data" in kinds:
            self.needs = "nf_tables with payload expressions on the inner header (Linux 5.16)"
        if "later-fragment" in kinds:
            self.needs = "the egress hook of nf_tables (Linux 5.16, CONFIG_NETFILTER_EGRESS, CONFIG_NFT_FWD_NETDEV)"

    def _chains(self) -> Sequence[Chain]:
        if any(each.kind == "later-fragment" for each in self._selections):
            return self._of_later_fragments()
        hook = "forward priority 0"
        if isinstance(self._effect, SpendTtl):
            hook = "prerouting priority -50"  # a NAT has put the hidden address back by then, at -100
        is_of_fragments = any(each.kind in FRAGMENTS for each in self._selections)
        if is_of_fragments:  # which have no ports, but for the first
            hook = "prerouting priority -450"  # at -400 connection tracking puts them together again
        passing, sets = ([], []) if is_of_fragments else leaving(self.name, self._left)
        rules = [f"{match} counter {self._words(*of)}" for match, of in self._matches(self._selections)]
        return [Chain(self.name, hook, [*passing, *rules], sets)]

    @staticmethod
    def _matches(selections: Sequence[Selection]) -> Iterator[tuple[str, tuple[Selection, Family]]]:
        for selection in selections:
            for family, match in selection.matches().items():
                yield match, (selection, family)

    def _of_later_fragments(self) -> Sequence[Chain]:
        """Where a datagram leaves the firewall it is in fragments again, which is where a filter without a memory is
        to be found: connection tracking, which wants all of them, has been passed, and the first one goes on.

        A drop there would end the sending of the datagram, and what follows would not be counted (ip_do_fragment in
        net/ipv4/ip_output.c). So they are sent into a link that leads nowhere.
        Behind a NAT later fragments of the client's side are not recognized.
        """
        rules = [f'{match} counter fwd to "{NOWHERE}"' for match, _ in self._matches(self._selections)]
        legs = ", ".join(f'"<{leg}>"' for leg in self._lab.topology.legs)
        return [Chain(self.name, f"egress devices = {{ {legs} }} priority 0", rules, table=OF_DEVICES)]

    def _words(self, selection: Selection, family: Family) -> str:
        if isinstance(self._effect, Silence):
            return "drop"
        if isinstance(self._effect, SpendTtl):
            return "ip ttl set 1" if family == "ipv4" else "ip6 hoplimit set 1"
        # nft wants to be told that a reset answers TCP
        only = "" if selection.kind not in ("any",) or self._effect.by != "tcp-reset" else "meta l4proto tcp "
        return f"{only}reject with {REFUSALS[self._effect.by][family]}"


def partition(lab: Lab, name: str, one: Host | Side, other: Host | Side, *, both_ways: bool = True) -> Rules:
    """Nothing from `one` comes to `other` any more, nor the other way unless it is said; hits are the packets dropped.

    Raises ValueError for two of one network, whose packets the firewall does not see.
    """
    if one.network == other.network:
        raise ValueError(
            f"{name}: packets between two hosts of {one.network} do not cross the firewall; use hosts of two networks"
        )
    ways = [Selection(one, other), Selection(other, one)]
    return Rules(lab, name, Silence(), *ways[: 2 if both_ways else 1])
