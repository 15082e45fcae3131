"""A router advertisement that nobody should believe (RFC 6104): images/firewall/advertise sends it.

The hosts of the lab take advertisements, as Linux does where it does not forward. That the router is not there any more
is told the same way, which the journal has before anything is sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.faults.kernel_fault import OnDevice

ADVERTISE = "/usr/local/lib/faultwire/advertise"
ETHERNET = "02:00:00:00:0b:ad"  # of the router, as the program has it
LIFETIME_S = 1800
CHANGE = f"""
interface=$(cat "/run/legs/$1")
claim "the-routers-of-$1"
defer "{ADVERTISE} $interface 0"
{ADVERTISE} "$interface" {LIFETIME_S}
"""


class RogueRouter(OnDevice):
    """Hosts behind a leg send IPv6 to a router that is not there. Hits are what comes to the leg in the flood."""

    rules = (f"ether daddr {ETHERNET} counter",)

    def _change(self) -> Sequence[str]:
        return CHANGE, self._leg.name
