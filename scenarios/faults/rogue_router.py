"""A router advertisement that nobody should believe (RFC 6104): images/firewall/advertise sends it.

The hosts of the lab take advertisements, as Linux does where it does not forward. That the router is not there any more
is told the same way, which the journal has before anything is sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.faults.kernel_fault import OF_DEVICES, Chain, Standing, leg_of
from scenarios.lab.lab import Lab

ADVERTISE = "/usr/local/lib/faultwire/advertise"
ETHERNET = "02:00:00:00:0b:ad"  # of the router, as the program has it
LIFETIME_S = 1800
CHANGE = f"""
interface=$(cat "/run/legs/$1")
claim "the-routers-of-$1"
defer "{ADVERTISE} $interface 0"
{ADVERTISE} "$interface" {LIFETIME_S}
"""


class RogueRouter(Standing):
    """Hosts behind a leg send IPv6 to a router that is not there. Hits are what comes to the leg in the flood."""

    needs = "nf_tables with the `netdev` family (Linux 4.2, CONFIG_NF_TABLES_NETDEV)"

    def __init__(self, lab: Lab, name: str, leg: str) -> None:
        super().__init__(lab, name)
        self._leg = leg_of(lab, name, leg)

    def _chains(self) -> Sequence[Chain]:
        hook = f'ingress device "<{self._leg.name}>" priority 0'
        return [Chain(self.name, hook, (f"ether daddr {ETHERNET} counter",), table=OF_DEVICES)]

    def _change(self) -> Sequence[str]:
        return CHANGE, self._leg.name
