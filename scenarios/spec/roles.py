"""Who can play what in a drill: the roles of hosts and programs, and the legs of the firewall."""

from __future__ import annotations

from typing import Literal, TypeGuard, get_args

from scenarios.lab.topology import Family

# Who can play what: programs run on a caller's host; a host has a name and sockets; an address may be nobody's.
CallerRole = Literal["client", "server", "bystander", "other-server"]
HostRole = Literal["client", "server", "bystander", "other-server", "names", "web", "backend"]
AddressRole = Literal["client", "server", "bystander", "other-server", "names", "web", "backend", "nobody"]
Role = Literal["client", "server", "bystander", "other-server", "firewall", "names", "web", "backend", "nobody"]
# The others are behind the firewall's other leg. A backend is whom a server in the middle asks: the firewall is between
# those two as well, so it stands on the client's side again.
CLIENT_SIDE: tuple[Role, ...] = ("client", "bystander", "backend")

LegName = Literal["client-leg", "server-leg"]
SERVER = "server"  # what the program of the server's side is called, where a script speaks of programs


def is_host(name: str) -> TypeGuard[HostRole]:
    """Whether it is a role that a host has, and so has a name."""
    return name in get_args(HostRole)


def is_client_side(role: Role) -> bool:
    """Whether the role is played on the client's side of the firewall."""
    return role in CLIENT_SIDE


def check_crosses(one: Role, other: Role, key: str) -> None:
    """Raise ValueError unless the firewall stands between two roles: it sees no other packets."""
    if (one in CLIENT_SIDE) == (other in CLIENT_SIDE):
        side = [each for each in get_args(HostRole) if (each in CLIENT_SIDE) != (one in CLIENT_SIDE)]
        raise ValueError(
            f"{key}: packets between {one} and {other} do not cross the firewall; expected one of: {', '.join(side)}"
        )


def role_label(role: Role) -> str:
    """A role, for a person."""
    words = {"bystander": "a bystander", "other-server": "the other server", "names": "the name server"}
    return {**words, "nobody": "nobody"}.get(role, f"the {role}")


def family_label(family: Family) -> str:
    """A family of addresses, for a person."""
    return {"ipv4": "IPv4", "ipv6": "IPv6"}[family]


def program_label(who: str) -> str:
    found = {SERVER: "the server's program", "other-server": "the other server's program"}
    return found.get(who, f"the program of the call {who}")
