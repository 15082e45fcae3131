"""Who can play what in a drill: the roles of hosts and programs, and the legs of the firewall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeGuard, get_args

from scenarios.lab.topology import Family

# Who can play what: programs run on a caller's host; a host has a name and sockets; an address may be nobody's.
CallerRole = Literal["client", "server", "bystander", "other-server"]
HostRole = Literal["client", "server", "bystander", "other-server", "names", "web", "backend"]
AddressRole = Literal["client", "server", "bystander", "other-server", "names", "web", "backend", "nobody"]
Role = Literal["client", "server", "bystander", "other-server", "firewall", "names", "web", "backend", "nobody"]
# The others are behind the firewall's other leg. But a backend is whom a server in the middle asks: the firewall is
# between those two as well, and it has a leg of its own there.
CLIENT_SIDE: tuple[Role, ...] = ("client", "bystander")

LegName = Literal["client-leg", "server-leg", "backend-leg"]
SERVER = "server"  # what the program of the server's side is called, where a script speaks of programs


def is_host(name: str) -> TypeGuard[HostRole]:
    """Whether it is a role that a host has, and so has a name."""
    return name in get_args(HostRole)


def is_client_side(role: Role) -> bool:
    """Whether the role is played on the client's side of the firewall."""
    return role in CLIENT_SIDE


def leg_of(role: Role) -> LegName:
    """The leg of the firewall behind which a role is played."""
    return "client-leg" if role in CLIENT_SIDE else "backend-leg" if role == "backend" else "server-leg"


def check_crosses(one: Role, other: Role, key: str) -> None:
    """Raise ValueError unless the firewall stands between two roles: it sees no other packets."""
    if leg_of(one) == leg_of(other):
        side = [each for each in get_args(HostRole) if leg_of(each) != leg_of(one)]
        raise ValueError(
            f"{key}: packets between {one} and {other} do not cross the firewall; expected one of: {', '.join(side)}"
        )


def check_between(between: Sequence[Role]) -> None:
    """Raise ValueError unless these are two roles, and the firewall stands between them."""
    if len(between) != 2:
        raise ValueError(f"between: expected two roles, got {len(between)}")
    one, other = between
    check_crosses(one, other, "between")


def check_leg(at: LegName, from_: Role | None, to: Role | None) -> None:
    """Raise ValueError where packets between these roles, of which one may be anybody, do not cross the leg `at`."""
    ends = [each for each in (from_, to) if each is not None and each != "firewall"]
    legs = list(dict.fromkeys(map(leg_of, ends)))
    if len(legs) == 1 and legs[0] == "backend-leg":  # of the client's side alone hardly anybody speaks to a backend
        legs.append("server-leg")
    if len(legs) == 2 and at not in legs:
        who = " and ".join(ends if len(ends) == 2 else [*ends, "the server"])
        raise ValueError(f"at: packets between {who} do not cross the {at}; expected one of: {', '.join(legs)}")


def role_label(role: Role) -> str:
    """A role, for a person."""
    words = {"bystander": "a bystander", "other-server": "the other server", "names": "the name server"}
    return {**words, "nobody": "nobody"}.get(role, f"the {role}")


def family_label(family: Family) -> str:
    """A family of addresses, for a person."""
    return {"ipv4": "IPv4", "ipv6": "IPv6"}[family]


def addresses_label(whose: str, family: Family | None) -> str:
    """The address of one family, or all of a host's: `its IPv4 address`, `the addresses`."""
    return f"{whose} {family_label(family)} address" if family else f"{whose} addresses"


def program_label(who: str) -> str:
    found = {SERVER: "the server's program", "other-server": "the other server's program"}
    return found.get(who, f"the program of the call {who}")
