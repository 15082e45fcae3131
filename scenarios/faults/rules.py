"""Faults that the firewall's kernel makes by itself, at its own speed: silence, refusals, resets, a spent TTL.

They are nftables rules in one table of ours, `inet faultwire`: a base chain for each fault, made and deleted in one
transaction (nft(8)). No table that is not ours is touched, and deleting ours undoes all, a dead run's faults too.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

from scenarios.lab import Lab
from scenarios.programs import LabProblem
from scenarios.topology import Host

TABLE = "inet faultwire"
NFT_WITHIN_S = 10
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")

Kind = Literal["any", "tcp", "udp", "icmp", "syn", "syn-ack", "established"]
# What the packet must be, as nftables says it; sets of TCP flags as RFC 9293, 3.1 names them.
MATCHES: dict[Kind, str] = {
    "any": "",
    "tcp": "meta l4proto tcp",
    "udp": "meta l4proto udp",
    "icmp": "meta l4proto { icmp, ipv6-icmp }",
    "syn": "tcp flags & (syn | ack | rst | fin) == syn",
    "syn-ack": "tcp flags & (syn | ack | rst | fin) == (syn | ack)",
    "established": "tcp flags & syn == 0",
}
Refusal = Literal[
    "net-unreachable", "host-unreachable", "prot-unreachable", "port-unreachable", "admin-prohibited", "tcp-reset"
]
# IPv4's code (RFC 792, RFC 1812 5.2.7.1) beside the code of ICMPv6 that says the same (RFC 4443, 3.1).
REFUSALS: dict[Refusal, tuple[str, str]] = {
    "net-unreachable": ("icmp type net-unreachable", "icmpv6 type no-route"),
    "host-unreachable": ("icmp type host-unreachable", "icmpv6 type addr-unreachable"),
    "prot-unreachable": ("icmp type prot-unreachable", "icmpv6 type reject-route"),
    "port-unreachable": ("icmp type port-unreachable", "icmpv6 type port-unreachable"),
    "admin-prohibited": ("icmp type admin-prohibited", "icmpv6 type admin-prohibited"),
    "tcp-reset": ("tcp reset", "tcp reset"),
}


@dataclass(frozen=True, slots=True)
class Silence:
    """Packets are dropped without a word."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Packets are dropped, and their sender is told, by ICMP or by a TCP reset that the firewall makes."""

    by: Refusal


@dataclass(frozen=True, slots=True)
class SpendTtl:
    """Packets arrive with a TTL of 1, so that the firewall answers "time exceeded" (RFC 792; RFC 4443, 3.3)."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which packets: from one host to another, of a kind, and (for TCP and UDP) to a port."""

    source: Host
    destination: Host
    kind: Kind = "any"
    port: int | None = None  # of the destination

    def matches(self) -> tuple[str, str]:
        """The nftables expressions, for IPv4 and for IPv6."""
        port = f"th dport {self.port} " if self.port is not None else ""
        rest = f"{MATCHES[self.kind]} {port}".strip()
        return (
            f"ip saddr {self.source.ipv4} ip daddr {self.destination.ipv4} {rest}".strip(),
            f"ip6 saddr {self.source.ipv6} ip6 daddr {self.destination.ipv6} {rest}".strip(),
        )


class Rules:
    """One fault made of rules: an effect, on the packets of one or more selections."""

    def __init__(self, lab: Lab, name: str, effect: Silence | Refuse | SpendTtl, *selections: Selection) -> None:
        if not NAME.fullmatch(name):
            raise ValueError(f"a fault's name is small letters, digits and hyphens, not {name!r}")
        if (
            isinstance(effect, Refuse)
            and effect.by == "tcp-reset"
            and any(each.kind in ("udp", "icmp") for each in selections)
        ):
            raise ValueError(f"{name}: a TCP reset answers TCP only")
        self.name = name
        self._lab = lab
        self._effect = effect
        self._selections = selections

    def transaction(self) -> str:
        """What nft is given, in one transaction, to put the fault in force."""
        hook = "forward priority 0" if not isinstance(self._effect, SpendTtl) else "prerouting priority -150"
        lines = [f"add table {TABLE}", f"add chain {TABLE} {self.name} {{ type filter hook {hook}; policy accept; }}"]
        for selection in self._selections:
            for match, effect in zip(selection.matches(), self._effects(selection), strict=True):
                lines.append(f"add rule {TABLE} {self.name} {match} counter {effect}")
        return "\n".join(lines) + "\n"

    def _effects(self, selection: Selection) -> tuple[str, str]:
        if isinstance(self._effect, Silence):
            return "drop", "drop"
        if isinstance(self._effect, SpendTtl):
            return "ip ttl set 1", "ip6 hoplimit set 1"
        ipv4, ipv6 = REFUSALS[self._effect.by]
        # nft wants to be told that a reset answers TCP
        only = "" if selection.kind not in ("any",) or self._effect.by != "tcp-reset" else "meta l4proto tcp "
        return f"{only}reject with {ipv4}", f"{only}reject with {ipv6}"

    def __enter__(self) -> Rules:
        _nft(self._lab, self.transaction(), f"the fault {self.name}")
        return self

    def __exit__(self, *_: object) -> None:
        # `destroy` does not mind a chain that is gone (Linux 6.3); `add` before `delete` says the same on every kernel.
        chain = f"{TABLE} {self.name}"
        _nft(self._lab, f"add table {TABLE}\nadd chain {chain}\nflush chain {chain}\ndelete chain {chain}\n", "its end")

    def hits(self) -> int:
        said = self._lab.run(
            "firewall", ["nft", "--json", "list", "chain", *TABLE.split(), self.name], timeout_s=NFT_WITHIN_S
        )
        if said.status != 0:
            raise LabProblem(f"the fault {self.name} is not in force: {said.printed}")
        rules = [each["rule"] for each in json.loads(said.stdout)["nftables"] if "rule" in each]
        return sum(part["counter"]["packets"] for rule in rules for part in rule["expr"] if "counter" in part)


def _nft(lab: Lab, transaction: str, what: str) -> None:
    said = lab.run("firewall", ["nft", transaction], timeout_s=NFT_WITHIN_S)
    if said.status != 0:
        raise LabProblem(f"the firewall refused {what}: {said.printed}\n{transaction}")


def remove_all(lab: Lab) -> None:
    """Undo every fault of this kind, a dead run's too: our table goes."""
    _nft(lab, f"add table {TABLE}\ndelete table {TABLE}\n", "the end of all faults")
