"""The words of addresses and ports that the firewall puts in the place of others: source NAT, and a virtual address.

The kinds of a NAT are those that programs call them by; RFC 4787 has the behaviours that they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from scenarios.spec.declaration import declaration
from scenarios.spec.host_settings import PortRange
from scenarios.spec.kernel_faults import Protocol
from scenarios.spec.roles import HostRole, is_client_side, role_label

SYMMETRIC_LIMIT = 1000  # ports, each of which stands in the rule
NatKind = Literal["full-cone", "restricted-cone", "port-restricted-cone", "symmetric"]
Hairpin = Literal["external", "internal", "none"]
HAIRPIN_SAID: Mapping[Hairpin, str] = {
    "external": "back to {}, as from the firewall's own address (hairpin)",
    "internal": "back to {}, as from the client's own address (hairpin)",
    "none": "to {} from outside only; those of the client's side are dropped (no hairpin)",
}


@declaration
class Nat:
    """The firewall puts its own address in the place of the client side's (source NAT).

    `kind` is about UDP. A `port-restricted-cone` keeps a host's port for every peer, and lets a datagram in from an
    address and port that the host sent to; a `restricted-cone` from every port of such an address; a `full-cone` from
    everybody. A `symmetric` one takes another port for every address and port that the host sends to, the next of its
    range (10000-10999, or `ports`). `ports` are those that it has: when all are in use towards one server, a new
    connection to it is dropped.
    """

    kind: NatKind = "port-restricted-cone"
    ports: PortRange | None = None

    def __post_init__(self) -> None:
        if self.kind == "symmetric" and self.ports and self.ports.last - self.ports.first >= SYMMETRIC_LIMIT:
            raise ValueError(f"ports: expected at most {SYMMETRIC_LIMIT} for a symmetric NAT, got {self.ports}")

    @property
    def says(self) -> str:
        kind = "" if self.kind == "port-restricted-cone" else f", as a {self.kind} NAT"
        ports = f", with the ports {self.ports}" if self.ports else ""
        return f"the firewall translates the addresses of the client's side (source NAT){kind}{ports}"


@declaration
class Rebind:
    """The translation of every connection changes to another port; `nat` is the name of the NAT, a step before.

    `of`: only of those over TCP, or UDP; hits are the mappings that end.
    """

    nat: str
    of: Protocol | None = None

    @property
    def says(self) -> str:
        return f"the translations of {self.nat} change to other ports"


@declaration
class Vip:
    """The address of `nobody` is a virtual one: what comes there from the client's side goes to a host (DNAT).

    A conversation stays with the host that it began with, as connection tracking has it, also when another `vip` takes
    its place: the newest in force has the new ones. Hits are the conversations that it was given.

    Where the host is on the client's own side, as one whose public address is the NAT's, `hairpin` says what the
    firewall does with what comes from there: it sends it back with an `external` source, its own address on the far
    side, as RFC 4787, 6 and RFC 5382, 7.2 demand; with an `internal` one, the client's own; or it has `none`, and drops
    it: then hits are the packets.
    """

    to: HostRole
    hairpin: Hairpin | None = None

    def __post_init__(self) -> None:
        if self.to == "backend":
            raise ValueError("to: a virtual address leads to a host that clients call, and they call no backend")
        if is_client_side(self.to) and self.hairpin is None:
            raise ValueError(f"hairpin: expected {', '.join(HAIRPIN_SAID)}: {self.to} is on the client's own side")
        if self.hairpin is not None and not is_client_side(self.to):
            raise ValueError(f"hairpin: it is for a host of the client's own side, and {self.to} is on the other")

    @property
    def says(self) -> str:
        to = role_label(self.to)
        where = HAIRPIN_SAID[self.hairpin].format(to) if self.hairpin else f"to {to}"
        return f"the address of nobody is a virtual one, whose new conversations go {where}"
