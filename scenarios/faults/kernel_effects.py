"""Which fault of a machine's kernel, or of the name server, an effect that a drill declares is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import get_args

from scenarios.faults import Fault
from scenarios.faults.capacity import Limit, Police, SynProxy
from scenarios.faults.conntrack import PROTOCOLS, Forget, Stateful
from scenarios.faults.dns_answer import Answer
from scenarios.faults.forged_neighbour import ForgedNeighbour
from scenarios.faults.host_addresses import NoAddress, SecondAddress
from scenarios.faults.host_settings import HostSettings
from scenarios.faults.icmp_mute import Mute
from scenarios.faults.idle_timeout import IdleTimeout
from scenarios.faults.link_down import LinkDown
from scenarios.faults.mtu import Mtu
from scenarios.faults.nat import Nat
from scenarios.faults.nft_rules import Refuse, Rules, Selection, Silence, SpendTtl
from scenarios.faults.no_neighbours import NoNeighbours
from scenarios.faults.no_querier import NoQuerier
from scenarios.faults.no_route import NoRoute
from scenarios.faults.one_network import OneNetwork
from scenarios.faults.rate_limit import Rate
from scenarios.faults.resolver import Resolver
from scenarios.faults.rogue_router import RogueRouter
from scenarios.faults.second_interface import SecondInterface
from scenarios.lab.earlier_connections import Connection
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Family
from scenarios.spec import (
    capacity_faults,
    host_addresses,
    host_settings,
    kernel_faults,
    mapping_faults,
    name_faults,
    neighbour_faults,
)
from scenarios.spec.cast import Cast
from scenarios.spec.kernel_faults import Protocol, Sees
from scenarios.spec.roles import LegName

SEEN: Mapping[Sees, LegName | None] = {"both": None, "client": "client-leg", "server": "server-leg"}


def of_kernel(name: str, effect: object, lab: Lab, cast: Cast, left: Collection[Connection] = ()) -> Fault:
    """A fault of a machine's kernel, or of the name server; it is not in force yet. `left`: as for `applied`."""
    match effect:
        case kernel_faults.Selected():
            return _rules(name, effect, lab, cast, left)
        case kernel_faults.NoRoute():
            return NoRoute(lab, name, cast.host(effect.to), effect.kind, left)
        case kernel_faults.Mute():
            return Mute(lab, name, *effect.errors)
        case kernel_faults.Mtu():
            return Mtu(lab, name, effect.at, effect.bytes)
        case kernel_faults.Rate():
            bursts = {"burst_bytes": effect.burst_bytes, "limit_bytes": effect.limit_bytes}
            return Rate(lab, name, effect.at, effect.bits_per_s, **bursts)
        case kernel_faults.Stateful():
            return Stateful(lab, name, effect.by, SEEN[effect.sees])
        case capacity_faults.Limit():
            return Limit(lab, name, effect.connections, effect.new_per_s, effect.by)
        case capacity_faults.Police():
            ends = cast.host(effect.from_), cast.host(effect.to)
            return Police(lab, name, *ends, effect.bits_per_s, effect.burst_bytes, effect.of)
        case capacity_faults.SynProxy():
            return SynProxy(lab, name, effect.mss)
        case kernel_faults.Forget():
            one, other = (cast.host(role) for role in effect.between)
            return Forget(lab, name, one, other, protocols(effect.of))
        case kernel_faults.IdleTimeout():
            return IdleTimeout(lab, name, float(effect.after), effect.by, effect.of)
        case mapping_faults.Nat():
            return Nat(lab, name, kind=effect.kind, ports=str(effect.ports or ""))
        case name_faults.Resolver():
            asked = effect.resolv_conf(cast.address(effect.server, effect.family))
            return Resolver(lab, name, cast.host(effect.who).name, asked)
        case neighbour_faults.NoNeighbours():
            return NoNeighbours(lab, name, effect.at)
        case neighbour_faults.ForgedNeighbour():
            return ForgedNeighbour(lab, name, cast.host(effect.of), cast.host(effect.taken_for), left)
        case neighbour_faults.RogueRouter():
            return RogueRouter(lab, name, effect.at)
        case neighbour_faults.NoQuerier():
            return NoQuerier(lab, name, effect.at)
        case neighbour_faults.OneNetwork():
            return OneNetwork(lab, name, *map(cast.host, effect.between))
        case kernel_faults.LinkDown():
            return LinkDown(lab, name, effect.at)
        case host_settings.HostSettings():
            return HostSettings(lab, name, cast.host(effect.who).name, effect.by_place, effect.ports)
        case host_addresses.SecondAddress():
            return SecondAddress(lab, name, cast.host(effect.who), families(effect.family))
        case host_addresses.SecondInterface():
            return SecondInterface(lab, name, cast.host(effect.who))
        case host_addresses.NoAddress():
            return NoAddress(lab, name, cast.host(effect.who), families(effect.family))
        case kernel_faults.Answer():
            addresses = [cast.address(role, family) for role in effect.gives for family in families(effect.family)]
            return Answer(lab, name, cast.host(effect.name_of).name, *addresses)
    raise LabProblem(f"{name}: unknown effect {type(effect).__name__}")


def families(family: Family | None) -> tuple[Family, ...]:
    found: tuple[Family, ...] = (family,) if family else get_args(Family)
    return found


def protocols(of: Protocol | None) -> tuple[Protocol, ...]:
    return (of,) if of else PROTOCOLS


def _rules(name: str, effect: kernel_faults.Selected, lab: Lab, cast: Cast, left: Collection[Connection]) -> Rules:
    source, destination = cast.host(effect.from_), cast.host(effect.to)
    selections = [Selection(source, destination, effect.of, effect.port, family=effect.family)]
    match effect:
        case kernel_faults.Silence():
            if effect.both_ways:
                selections.append(
                    Selection(destination, source, effect.of, source_port=effect.port, family=effect.family)
                )
            return Rules(lab, name, Silence(), *selections, left=left)
        case kernel_faults.Refuse():
            return Rules(lab, name, Refuse(effect.by_kernel), *selections, left=left)
    return Rules(lab, name, SpendTtl(), *selections, left=left)
