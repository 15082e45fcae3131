"""A smaller MTU behind one leg of the firewall, which path MTU discovery must find (RFC 1191, RFC 8201).

It is the MTU of the leg's routes, not of its interface: a veth interface of Linux throws away, without a word, what
comes in and is larger than its own MTU, which would be a second fault, in the other direction (`is_skb_forwardable`
in net/core/dev.c). So only what the firewall sends out of this leg is limited.

A host that was told of a path MTU keeps it for ten minutes (net.ipv4.route.mtu_expires), whatever became of the fault.
So the undo makes the hosts that may have been told forget it, and the next run begins as the first did.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from scenarios.faults.icmp_mute import ERRORS, PRIORITY
from scenarios.faults.kernel_fault import PREFIX, TABLE, WITHIN_S, Chain, Standing, leg_of
from scenarios.lab.errors import CommandFailed, LabProblem
from scenarios.lab.lab import Lab
from scenarios.spec.kernel_faults import check_mtu

TOLD = "told of a path MTU behind"  # printed by the undo when there was somebody to tell

# `lock`: without it, IPv6 before Linux 5.13 does not look at a route's MTU when it forwards. A counter that shows no
# packet means that nobody was told.
CHANGE = f"""
leg=$1 mtu=$2
interface=$(cat "/run/legs/$leg")
claim "the-mtu-of-$leg"
change() {{ # the family, and the subnet behind the leg
    route=$(ip "$1" route show exact "$2" dev "$interface")
    [ -n "$route" ] || {{ echo "there is no route to $2 by $leg" >&2; exit 1; }}
    defer "ip $1 route replace $route dev $interface"
    ip "$1" route replace $route dev "$interface" mtu lock "$mtu"
}}
change -4 "$3"
change -6 "$4"
defer "nft list chain {TABLE} {PREFIX}$name | grep -q 'packets [1-9]' && echo '{TOLD}' $leg || true"
"""
# In the place of each default route comes the same one, which knows of no exceptions; never is there none.
FORGET = """
route=$(ip -4 route show default)
ip -4 route append $route metric 4000
ip -4 route delete $route
ip -4 route append $route
ip -4 route delete $route metric 4000
ip -6 route flush cache
"""


class Mtu(Standing):
    """What the firewall sends out of a leg has at most `mtu` bytes; hits are its errors that say "too big".

    They are counted whether or not a Mute keeps them from being sent. IPv4 packets without DF are fragmented.
    """

    def __init__(self, lab: Lab, name: str, leg: str, mtu: int) -> None:
        super().__init__(lab, name)
        check_mtu(mtu)
        self._leg = leg_of(lab, name, leg)
        self._mtu = mtu

    def _chains(self) -> Sequence[Chain]:
        ipv4, ipv6 = ERRORS["too-big"]
        rules = [f"{ipv4} icmp mtu {self._mtu} counter", f"{ipv6} icmpv6 mtu {self._mtu} counter"]
        return [Chain(self.name, f"output priority {PRIORITY - 10}", rules)]

    def _change(self) -> Sequence[str]:
        subnets = self._lab.topology.networks[self._leg.network]
        return CHANGE, self._leg.name, str(self._mtu), *subnets

    def _undone(self, printed: str) -> None:
        forget_path_mtus(self._lab, printed)


def forget_path_mtus(lab: Lab, undone: str) -> None:
    """Make the hosts forget the path MTUs that they were told of, as what the undo printed says. Raises LabProblem."""
    told = re.findall(f"^{TOLD} (.+)$", undone, re.MULTILINE)
    states = lab.states() if told else {}
    for leg in told:
        network = lab.topology.legs[leg].network if leg in lab.topology.legs else ""  # of a composition that has gone
        hosts = [name for name, host in lab.topology.places.items() if host.network != network]
        hosts = [name for name in hosts if states.get(name) == "running"]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: _forget(lab, host), hosts))


def _forget(lab: Lab, host: str) -> None:
    try:
        lab.host_networks.run(host, FORGET, within_s=WITHIN_S)
    except CommandFailed as error:
        raise LabProblem(f"{host} still has the path MTU that a fault told it: {error}") from error
