"""Which frames are of the lab, where its services may reach the world too."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Collection, Mapping, Sequence

from scenarios.evidence.frame import Frame


def within(frames: Mapping[str, Sequence[Frame]], networks: Collection[str]) -> dict[str, list[Frame]]:
    """Of the frames of each leg those of which neither end is out in the world; `networks` are those of the lab.

    A group, a link-local address and an unspecified one are of the link, and so of the lab.
    """
    known = [ipaddress.ip_network(each) for each in networks]

    @functools.cache
    def is_inside(address: str) -> bool:
        if not address:  # ARP for another protocol
            return True
        found = ipaddress.ip_address(address)
        of_link = found.is_multicast or found.is_link_local or found.is_unspecified or address == "255.255.255.255"
        return of_link or any(found in each for each in known)

    return {
        leg: [each for each in of_leg if is_inside(each.source) and is_inside(each.destination)]
        for leg, of_leg in frames.items()
    }
