"""The ways across the firewall: between which two of its legs a packet goes. Each has a left leg and a right one, as a
ladder draws them.

    client ─ client-leg │ server-leg ─ server ─ server-leg │ backend-leg ─ backend
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from scenarios.spec.roles import LegName

Way = tuple[LegName, LegName]
OF_CLIENT: Final[Way] = ("client-leg", "server-leg")
OF_BACKEND: Final[Way] = ("server-leg", "backend-leg")
PAST_SERVER: Final[Way] = ("client-leg", "backend-leg")  # a client and a backend that speak to each other themselves


def way_of(source: str, destination: str, at: LegName, clients: Container[str], backends: Container[str]) -> Way:
    """The way of a packet with these addresses that was seen on the leg `at`, which is one of the two.

    `clients` and `backends` are the addresses of those sides; all others are of the server's.
    """
    ends = source, destination
    if any(each in backends for each in ends):
        way = PAST_SERVER if any(each in clients for each in ends) else OF_BACKEND
        if at in way:
            return way
    return OF_BACKEND if at == "backend-leg" else OF_CLIENT  # of this link alone, or with somebody else's address


def goes_right(source: str, way: Way, clients: Container[str], backends: Container[str]) -> bool:
    """Whether a packet from this address goes from the left leg of its way to the right one."""
    return source in clients if way == OF_CLIENT else source not in backends
