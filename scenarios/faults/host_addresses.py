"""The addresses of a host, changed while it runs: a second one that it gets, and its own that it loses (ip-address(8)).

The journal has the host's name alone (host_change.py): what a host should have stands in compose.yaml, and the next run
gives it that again.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from scenarios.faults.host_change import HostChange, change_back
from scenarios.faults.kernel_fault import WITHIN_S
from scenarios.lab.errors import CommandFailed, LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Family, Host, Topology

WERE = "the addresses were changed, on"  # printed by the undo, with the host
# Of the routes that a fault makes (ip-route(8)): no other program has the number, so they are found again by it.
PROTOCOL = 177
# The firewall may know nobody, or somebody else, at an address that changes its owner: it has to ask again.
CHANGE = f"""
host=$1
claim "the-addresses-of-$host"
shift
defer "echo '{WERE}' $host"
for address; do
    defer "ip neigh flush to $address"
    ip neigh flush to "$address"
done
"""
# A second one has another name. No duplicate address detection: a tentative address cannot be bound yet.
INTERFACE = "interface=$(ip -o link show | sed -n 's/^[0-9]*: \\(eth[0-9]*\\)@.*/\\1/p')\n"
GET = 'ip address replace {address} {how} dev "$interface"\n'
LOSE = '[ -z "$(ip -o address show to {bare})" ] || ip address del {address} dev "$interface"\n'
HAS = 'for address; do [ -z "$(ip -o address show to "$address")" ] || echo "$address"; done'


class _Addresses(HostChange):
    """A host whose addresses are others for a while; `addresses` are those that it gets, or loses."""

    def __init__(self, lab: Lab, name: str, host: Host, addresses: Sequence[str]) -> None:
        super().__init__(lab, name, host.name)
        self._host, self._addresses = host, addresses

    def _script(self) -> str:
        """What is done to the host."""
        raise NotImplementedError

    def _change(self) -> Sequence[str]:
        return CHANGE, self._host.name, *self._addresses

    def _make(self) -> None:
        change_addresses(self._lab, self._host, self._script())

    def _unmake(self) -> None:
        change_addresses(self._lab, self._host, as_it_was(self._lab.topology, self._host))

    def hits(self) -> int:
        if not self._is_changed:
            raise self._not_in_force(f"{self._host.name} has the addresses that it had before")
        said = self._lab.run(self._host.name, ["sh", "-euc", HAS, "sh", *self._addresses], timeout_s=WITHIN_S)
        if said.status != 0:
            raise LabProblem(f"the addresses of {self._host.name} could not be read: {said.printed}")
        return self._counted(set(said.stdout.split()))

    def _counted(self, there: set[str]) -> int:
        """How many addresses are as the fault has them; `there` are those, of its own, that the host has."""
        raise NotImplementedError


class SecondAddress(_Addresses):
    """A host has the address of nobody too. Hits are the addresses that it got."""

    def __init__(self, lab: Lab, name: str, host: Host, families: Sequence[Family]) -> None:
        found = dict(zip(("ipv4", "ipv6"), lab.topology.nobody, strict=True))
        super().__init__(lab, name, host, [found[family] for family in families])

    def _script(self) -> str:
        return "".join(_gets(self._lab.topology, self._host, each) for each in self._addresses)

    def _counted(self, there: set[str]) -> int:
        return len(there)


class NoAddress(_Addresses):
    """A host has not its own address. Hits are the addresses that are gone."""

    def __init__(self, lab: Lab, name: str, host: Host, families: Sequence[Family]) -> None:
        super().__init__(lab, name, host, [host.address(family) for family in families])

    def _script(self) -> str:
        return "".join(_loses(self._lab.topology, self._host, each) for each in self._addresses)

    def _counted(self, there: set[str]) -> int:
        return len(self._addresses) - len(there)


def _with_prefix(topology: Topology, host: Host, address: str) -> str:
    """An address with the length of the prefix of the host's network, `198.18.1.138/26`; empty if it is of another."""
    subnets = (ipaddress.ip_network(each) for each in topology.networks[host.network])
    found = (f"{address}/{each.prefixlen}" for each in subnets if ipaddress.ip_address(address) in each)
    return next(found, "")


def _gets(topology: Topology, host: Host, address: str) -> str:
    how = "nodad" if ":" in address else "broadcast +"
    return GET.format(address=_with_prefix(topology, host, address), how=how)


def _loses(topology: Topology, host: Host, address: str) -> str:
    return LOSE.format(bare=address, address=_with_prefix(topology, host, address))


def as_it_was(topology: Topology, host: Host) -> str:
    """The script that gives a host the addresses and the default routes that compose.yaml says, and no others."""
    leg = next(each for each in topology.legs.values() if each.network == host.network)
    nobody = [each for each in topology.nobody if _with_prefix(topology, host, each)]
    lines = [_loses(topology, host, each) for each in nobody]
    lines += [f"ip {family} route flush proto {PROTOCOL}\n" for family in ("-4", "-6")]
    lines.append(LOSE.format(bare=host.link_local, address=f"{host.link_local}/128"))
    lines += [_gets(topology, host, each) for each in (host.ipv4, host.ipv6)]
    for family, gateway in (("-4", leg.ipv4), ("-6", leg.ipv6)):
        lines.append(f'ip {family} route replace default via {gateway} dev "$interface"\n')
    return "".join(lines)


def addresses_again(lab: Lab, undone: str) -> None:
    """Give hosts the addresses back that they had before, as what an undo printed says. Raises LabProblem."""
    there = lab.topology.places

    def change(name: str) -> None:
        change_addresses(lab, there[name], as_it_was(lab.topology, there[name]))

    change_back(lab, undone, f"{WERE} (.+)", change)


def change_addresses(lab: Lab, host: Host, script: str) -> None:
    """Run a script in the network of a host, where `$interface` is its interface. Raise LabProblem."""
    try:
        lab.host_networks.run(host.name, INTERFACE + script, within_s=WITHIN_S)
    except CommandFailed as error:
        raise LabProblem(f"the addresses of {host.name} could not be changed: {error}") from error
