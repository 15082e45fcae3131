"""The places that the services of a user's composition have in a lab: a seat each, a host behind the firewall.

A seat is a container of the lab's own on the network of its side: with an address, a default route through the
firewall, the kernel's defaults on which the drills' claims rest, and the names of all the others. The user's container
lives in the seat's network, and has no more rights there than a guest. Asks no engine itself.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Final

from scenarios.lab.backend_leg import backend_document
from scenarios.lab.engine import IMAGE_LABEL, LAB_LABEL
from scenarios.lab.guest import GUEST_LABEL
from scenarios.lab.sweep import COMPOSITION_LABEL
from scenarios.lab.topology import ARCHITECTURES, BACKEND_NET, NATIVE_IMAGE, Family, Host, Topology, lab_document
from scenarios.lab.valueclass import valueclass
from scenarios.lab.way_out import gate_document

FIRST: Final = 32  # of the addresses of a network; the lab's own machines are below, and the firewall above
PROFILE: Final = "composition"  # so that no lab waits for the seats of one
SIDES: Final = {"client": "client-net", "server": "server-net", "backend": BACKEND_NET}
# Where the file of the user sets none. What a lab gives a guest, and half a processor more than most need.
MEMORY, PROCESSES, PROCESSORS = "512m", 512, 1.0
LOG: Final = {"driver": "json-file", "options": {"max-size": "1m", "max-file": "2"}}
RESOLVER: Final = ("dns", "dns_search", "dns_opt")
TAKEN_AWAY: Final = ("NET_RAW", "MKNOD", "AUDIT_WRITE", "SETFCAP")
TAG_DIGITS: Final = 12
_BUILT_FROM: Final = ("context", "dockerfile", "dockerfile_inline", "target")  # its folder is an absolute path here
# What a container that lives in another's network cannot have, or the lab says itself.
_OF_THE_SEAT: Final = frozenset(
    "ports expose networks network_mode hostname domainname dns dns_opt dns_search extra_hosts links mac_address "
    "container_name restart deploy profiles scale logging labels cap_add sysctls pull_policy annotations".split()
)


@valueclass
class Member:
    """One service of a composition: its name there, its machine in the lab, its side, and the names it is called by."""

    service: str
    machine: str
    side: str
    names: Sequence[str]


@valueclass
class Plan:
    """A composition as a lab starts it. `resolved` is what Docker Compose makes of the user's files."""

    name: str
    members: Sequence[Member]
    resolved: Mapping[str, Any]
    families: Sequence[Family]
    needs_timeout: Sequence[str] = field(default=())  # the services inside which clients are run
    outside: bool = False  # whether its services may reach the world

    @property
    def has_backend(self) -> bool:
        """Whether it has a program in the middle, and so a network and a leg behind it."""
        return any(each.side == "backend" for each in self.members)

    def member(self, service: str) -> Member:
        """One of them, by its name in the composition."""
        return next(each for each in self.members if each.service == service)


def hosts(plan: Plan, topology: Topology) -> dict[str, Host]:
    """The seats of a composition in a lab, by the names of their machines."""
    end, promised, about = ARCHITECTURES[NATIVE_IMAGE]
    found: dict[str, Host] = {}
    subnets = {**topology.networks, BACKEND_NET: topology.backend.subnets}
    for side, network in SIDES.items():
        ipv4, ipv6 = (ipaddress.ip_network(each) for each in subnets[network])
        for number, member in enumerate((each for each in plan.members if each.side == side), FIRST):
            four, six = str(ipv4[number]), str(ipv6[0x100 + number])
            found[member.machine] = Host(member.machine, network, four, six, end, promised, about, PROFILE)
    return found


def extended(topology: Topology, plan: Plan) -> Topology:
    """The topology of a lab with the seats of a composition, machines that serve by themselves, and with the network
    and the leg behind a program in the middle.
    """
    seats, behind = hosts(plan, topology), topology.backend
    more = {behind.leg.name: behind.leg} if plan.has_backend else {}
    return replace(
        topology,
        legs={**topology.legs, **more},
        networks={**topology.networks, **({BACKEND_NET: behind.subnets} if more else {})},
        standing={**topology.standing, **seats},
        machines={**topology.machines, **dict.fromkeys(seats, NATIVE_IMAGE)},
        profiles={**topology.profiles, **dict.fromkeys(seats, PROFILE)},
    )


def seats_document(plan: Plan, topology: Topology) -> dict[str, Any]:
    """The compose file of the seats: each is made as the hosts of the lab are."""
    places = hosts(plan, topology)
    named = [*_addresses(plan, places)]
    services: dict[str, Any] = {}
    document = lab_document(topology.lab)
    of_lab = document["services"]
    for member in plan.members:
        host, given = places[member.machine], plan.resolved["services"][member.service]
        like = dict(of_lab["client"])
        like.pop("volumes", None)
        if plan.outside:  # names of the world: by the resolvers of the user's file, else by those of this machine
            like = {key: value for key, value in like.items() if key not in RESOLVER}
            like |= {key: given[key] for key in RESOLVER if given.get(key)}
        networks: dict[str, Any] = {host.network: {"ipv4_address": host.ipv4, "ipv6_address": host.ipv6}}
        own = {key: value for key, value in (given.get("sysctls") or {}).items() if key.startswith("net.")}
        services[member.machine] = like | {
            "hostname": given.get("hostname") or member.service,
            "networks": networks,
            "extra_hosts": [*named, *(given.get("extra_hosts") or () if plan.outside else ())],
            "sysctls": {**like["sysctls"], **own},
            "labels": _labels(topology.lab, member),
        }
    project = topology.project
    joined: dict[str, Any] = {each: {"external": True, "name": f"{project}_{each}"} for each in document["networks"]}
    more = [backend_document(topology, of_lab["cables"], plan.name)] if plan.has_backend else []
    more += [gate_document(topology, of_lab["client"], plan.name)] if plan.outside else []
    for each in more:
        services, joined = services | each["services"], joined | each["networks"]
    return {"services": services, "networks": joined}


def _addresses(plan: Plan, places: Mapping[str, Host]) -> Iterator[str]:
    for member in plan.members:
        for name in dict.fromkeys((*member.names, member.machine)):
            for family in plan.families:
                yield f"{name}={places[member.machine].address(family)}"


def _labels(lab: int, member: Member) -> dict[str, str]:
    """With these a container is swept as a guest of its seat, and its stalls count as the seat's."""
    return {LAB_LABEL: str(lab), GUEST_LABEL: member.machine, COMPOSITION_LABEL: member.service}


def programs_document(plan: Plan, topology: Topology) -> dict[str, Any]:
    """The compose file of the user's containers: as the user has them, but in their seats, and bounded."""
    resolved, lab = plan.resolved, topology.lab
    services = {}
    for member in plan.members:
        given = resolved["services"][member.service]
        kept = {key: value for key, value in given.items() if key not in _OF_THE_SEAT}
        limits = ((given.get("deploy") or {}).get("resources") or {}).get("limits") or {}
        bounds = {
            "mem_limit": limits.get("memory") or MEMORY,
            "pids_limit": limits.get("pids") or PROCESSES,
            "cpus": limits.get("cpus") or PROCESSORS,
        }
        services[member.service] = kept | {
            **{key: given.get(key) or bound for key, bound in bounds.items()},
            **(_built(plan, member.service, given["build"]) if given.get("build") else {}),
            "network_mode": f"container:{topology.project}-{member.machine}-1",
            "restart": "no",
            "pull_policy": "never",
            "logging": LOG,
            "labels": _labels(lab, member),
            "cap_drop": sorted({*TAKEN_AWAY, *(given.get("cap_drop") or ())}),
            "security_opt": sorted({"no-new-privileges:true", *(given.get("security_opt") or ())}),
            "volumes": [_volume(each) for each in given.get("volumes") or ()],
        }
    labels = {LAB_LABEL: str(lab), COMPOSITION_LABEL: plan.name}
    volumes = {name: {"labels": labels} for name in resolved.get("volumes") or {}}
    kept = {key: resolved[key] for key in ("secrets", "configs") if resolved.get(key)}
    return {"services": services, "volumes": volumes, **kept}


def _built(plan: Plan, service: str, build: Mapping[str, Any]) -> dict[str, Any]:
    """What the lab says of an image that it builds: a name, and a label by which it goes with all others of the lab."""
    label = f"composition-{plan.name}-{service}"
    labels = {**(build.get("labels") or {}), IMAGE_LABEL: label}
    return {"image": image_of(plan, service), "build": {**build, "labels": labels}}


def image_of(plan: Plan, service: str) -> str:
    """The image of a service: its own by name, or the one that the lab builds for it.

    The tag is of what it is built from: another repository on the same engine, whose composition and service are called
    so too, would have its own image stand behind the name while a run here goes on. The arguments of the build are left
    out, for one may be the time of day, and each image with a tag stays.
    """
    given = plan.resolved["services"][service]
    if not (build := given.get("build")):
        return str(given["image"])
    place = json.dumps([build.get(key) for key in _BUILT_FROM])
    return f"faultwire/composition-{plan.name}-{service}:{hashlib.sha256(place.encode()).hexdigest()[:TAG_DIGITS]}"


def _volume(volume: Mapping[str, Any]) -> dict[str, Any]:
    """A volume as the user has it; what is the user's own cannot be changed."""
    return {**volume, "read_only": True} if volume.get("type") == "bind" else dict(volume)
