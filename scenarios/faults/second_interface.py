"""A second interface of a host, on a network of its own: a pair of interfaces (veth(4)), the other the firewall's.

It goes with either end, so the journal speaks of the firewall's alone. The networks are in 198.19.0.0/16, the other
half of what is kept for measurements (RFC 2544), and in the lab's own IPv6 prefix.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from scenarios.faults.host_change import HostChange
from scenarios.faults.kernel_fault import WITHIN_S
from scenarios.lab.errors import CommandFailed, LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Host, Leg

SECOND, OF_HOST = "second", "lan1"  # what the firewall calls its end, and the host its own
CHANGE = f"""
claim the-{SECOND}-interface
defer "[ ! -e /sys/class/net/{SECOND} ] || ip link del {SECOND}"
"""
# No duplicate address detection: a tentative address cannot be bound yet.
UP = """
for address; do
    case $address in *:*) ip address add "$address" dev {name} nodad ;; *) ip address add "$address" dev {name} ;; esac
done
ip link set {name} up
"""
# The container that does this is in the PID namespace of the firewall, whose process 1 says into which network; to read
# that of another's process takes CAP_SYS_PTRACE (ptrace(2)).
MAKE = f"""
ip link add {OF_HOST} type veth peer name {SECOND}
ip link set {SECOND} netns 1
echo 0 >/proc/sys/net/ipv6/conf/{OF_HOST}/disable_ipv6
{UP.format(name=OF_HOST)}"""


class SecondInterface(HostChange):
    """A host has `lan1` too. Hits are the interfaces that it got: one."""

    needs = "pairs of interfaces (CONFIG_VETH)"

    def __init__(self, lab: Lab, name: str, host: Host) -> None:
        super().__init__(lab, name, host.name)
        self._host = host

    def _with_prefixes(self, has: Host | Leg) -> list[str]:
        """The addresses on the second network: `198.19.1.10/26`, and that of IPv6."""
        subnets = map(ipaddress.ip_network, self._lab.topology.networks[self._host.network])
        return [
            f"{beside(address)}/{subnet.prefixlen}"
            for address, subnet in zip((has.ipv4, has.ipv6), subnets, strict=True)
        ]

    def _change(self) -> Sequence[str]:
        return (CHANGE,)

    def _make(self) -> None:
        lab, host = self._lab, self._host
        leg = next(each for each in lab.topology.legs.values() if each.network == host.network)
        of_firewall = ("--pid", f"container:{lab.container('firewall')}", "--cap-add", "SYS_PTRACE")
        try:
            addresses = self._with_prefixes(host)
            lab.host_networks.run(host.name, MAKE, *addresses, options=of_firewall, within_s=WITHIN_S)
        except CommandFailed as error:
            raise LabProblem(f"{host.name} could not be given a second interface: {error}") from error
        said = self._run(["sh", "-euc", UP.format(name=SECOND), "sh", *self._with_prefixes(leg)])
        if said.status != 0:
            raise LabProblem(f"the firewall's end of a second interface of {host.name} is not up: {said.printed}")

    def _unmake(self) -> None:
        """The journal has it."""

    def hits(self) -> int:
        return int(self._run(["test", "-e", f"/sys/class/net/{SECOND}"]).status == 0)


def beside(address: str) -> str:
    """The address that the second network has in place of one of the lab's: 198.18.1.10 is 198.19.1.10 there."""
    own = ipaddress.ip_address(address)
    return str(own + (1 << 16 if own.version == 4 else 0x10 << 64))
