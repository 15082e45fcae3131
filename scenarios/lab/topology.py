"""Who is where in a lab: the hosts, their addresses and byte orders, and the legs of the firewall.

Everything is read from compose.yaml, where it is said once. Knows no Docker: this works without an engine.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

import yaml

from scenarios.lab.cpus import CPUS
from scenarios.lab.places import DEFAULT_LAB as DEFAULT_LAB
from scenarios.lab.places import ROOT as ROOT
from scenarios.lab.valueclass import valueclass

Family = Literal["ipv4", "ipv6"]

COMPOSE_FILE = ROOT / "compose.yaml"
LAB_NUMBERS = range(256)  # the third byte of 198.18.<lab>.0/24
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, ten times as quick, where PyYAML has it


@valueclass
class Machine:
    """What a machine is, in the words of the machine itself: sys.byteorder, the bits of sys.maxsize with its sign, and
    uname(2)'s machine. Byte order and word size are two things that a result can tell apart.
    """

    byteorder: str
    bits: int
    cpu: str

    def __str__(self) -> str:
        return f"{self.byteorder}-endian, {self.bits} bits, {self.cpu}"


NATIVE_IMAGE = "faultwire/host"
# What a pair calls the machine of an image, what it is, and that for a person.
ARCHITECTURES: Mapping[str, tuple[str, Machine, str]] = {
    NATIVE_IMAGE: ("le", Machine("little", 64, "x86_64"), "native"),
    **{
        f"faultwire/host-{cpu.name}": (cpu.end, Machine("big", cpu.bits, cpu.machine), cpu.about)
        for cpu in CPUS.values()
    },
}
OPTIONAL_IMAGES = frozenset(f"faultwire/host-{cpu.name}" for cpu in CPUS.values() if cpu.optional)
# What serves by itself from the moment that it is up, and runs no program of ours.
STANDING_IMAGES = ("faultwire/names", "faultwire/web")
BACKEND_NET = "backend-net"  # of a program in the middle
NOBODY = "dead"  # the name in the zone of an address that nobody has


INTERFACE = "eth0"  # of a host: Docker's name for the first of a container, and a host has one


@valueclass
class Host:
    """An end host. `promised` is what its image promises; what it really is gets asserted on the host.

    A host with a `profile` (of Compose) is up only where the profile is asked for.
    """

    name: str
    network: str
    ipv4: str
    ipv6: str
    end: str
    promised: Machine
    machine: str  # for a person
    profile: str = ""

    @property
    def byteorder(self) -> str:
        """`little` or `big`."""
        return self.promised.byteorder

    @property
    def link_local(self) -> str:
        """An address for its own link alone (RFC 4291, 2.5.6), which it has while a drill gives it: `fe80::2:10`."""
        own = int(ipaddress.IPv6Address(self.ipv6))
        return str(ipaddress.IPv6Address(0xFE80 << 112 | (own >> 64 & 0xFFFF) << 16 | own & 0xFFFF))

    @property
    def addresses(self) -> tuple[str, str, str]:
        """All of its addresses: those of both families, and that of its link."""
        return self.ipv4, self.ipv6, self.link_local

    def address(self, family: Literal["ipv4", "ipv6"]) -> str:
        """Its address of one family."""
        return self.ipv4 if family == "ipv4" else self.ipv6


@valueclass
class Leg:
    """An interface of the firewall: its name in this program and the gateway addresses that it claims."""

    name: str
    network: str
    ipv4: str
    ipv6: str


@valueclass
class Backend:
    """The network behind a program in the middle: there only while a composition has such a program."""

    leg: Leg
    words: str  # the leg's line, as compose.yaml has those of the other legs in LEGS
    firewall: Mapping[str, str]  # the addresses by which the firewall is put on the network
    bridge: str
    network: Mapping[str, Any]  # as a compose file has it
    subnets: tuple[str, ...]


@valueclass
class Outside:
    """The firewall's network to the world, which is there only while a composition may leave the lab; IPv4 alone."""

    subnet: str
    machine: str  # the address of the machine itself, which routes on
    firewall: str
    gate: str  # that of the machine which translates addresses


@valueclass
class Topology:
    lab: int
    project: str
    hosts: Mapping[str, Host]  # on which services are started and called
    standing: Mapping[str, Host]  # the name server, the web server
    legs: Mapping[str, Leg]
    machines: Mapping[str, str]  # every service of compose.yaml, the end hosts among them, with its image
    profiles: Mapping[str, str]  # the machines that are up only where their profile is asked for, with that profile
    networks: Mapping[str, tuple[str, ...]]  # name to subnets
    here: Mapping[str, tuple[str, str]]  # this machine's own addresses, by network, while it plays a side itself
    outside: Outside
    backend: Backend  # its leg and its network are among the others while it is there
    nobody: tuple[str, str]  # an address of the server's network that no machine has, of IPv4 and of IPv6

    @property
    def places(self) -> Mapping[str, Host]:
        """Every machine that has an address of its own, but the firewall."""
        return {**self.hosts, **self.standing}

    @property
    def usual_profiles(self) -> tuple[str, ...]:
        """The profiles whose images `make images` builds without being asked for a CPU."""
        usual = (profile for name, profile in self.profiles.items() if self.machines[name] not in OPTIONAL_IMAGES)
        return tuple(dict.fromkeys(usual))

    @property
    def usual_hosts(self) -> Mapping[str, Host]:
        """The hosts that every lab has, and those of the usual profiles."""
        there = ("", *self.usual_profiles)
        return {name: host for name, host in self.hosts.items() if host.profile in there}

    def machines_of(self, profiles: Collection[str] = ()) -> tuple[str, ...]:
        """The machines that are up where these profiles are asked for, by name."""
        return tuple(name for name in self.machines if self.profiles.get(name, "") in ("", *profiles))


def lab_document(lab: int) -> dict[str, Any]:
    """The compose.yaml of a lab, as it is written there, with the lab's number in it."""
    # Compose's own interpolation, of the one variable that the file has.
    text = re.sub(r"\$\{LAB:-\d+\}", str(lab), COMPOSE_FILE.read_text(encoding="utf-8"))
    document: dict[str, Any] = yaml.load(text, _LOADER)  # noqa: S506 (both are safe loaders)
    return document


def _host(name: str, service: dict[str, Any], end: str, promised: Machine, machine: str) -> Host:
    ((network, addresses),) = service["networks"].items()
    profile = service.get("profiles", [""])[0]
    return Host(name, network, addresses["ipv4_address"], addresses["ipv6_address"], end, promised, machine, profile)


def _leg(words: str, network: str) -> Leg:
    name, _, gateway, gateway6 = words.split()
    return Leg(name, network, gateway.split("/")[0], gateway6.split("/")[0])


def _subnets(network: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(pool["subnet"] for pool in network["ipam"]["config"])


@functools.cache
def topology(lab: int = DEFAULT_LAB) -> Topology:
    """The topology of a lab by its number. Raises ValueError for a number that is not in LAB_NUMBERS."""
    if lab not in LAB_NUMBERS:
        raise ValueError(f"a lab's number is {LAB_NUMBERS[0]} to {LAB_NUMBERS[-1]}, not {lab}")
    document = lab_document(lab)
    hosts, standing = {}, {}
    for name, service in document["services"].items():
        if service["image"] in ARCHITECTURES:
            hosts[name] = _host(name, service, *ARCHITECTURES[service["image"]])
        elif service["image"] in STANDING_IMAGES:
            standing[name] = _host(name, service, *ARCHITECTURES[NATIVE_IMAGE])
    firewall = document["services"]["firewall"]
    network_of = {at["ipv4_address"]: network for network, at in firewall["networks"].items()}
    legs = {}
    for line in firewall["environment"]["LEGS"].splitlines():
        leg = _leg(line, network_of[line.split()[1]])
        legs[leg.name] = leg
    subnets = {name: _subnets(network) for name, network in document["networks"].items()}
    words, network = document["x-backend"]["leg"], document["x-backend"]["network"]
    made = document["x-backend"]["firewall"], document["x-backend"]["bridge"], network, _subnets(network)
    backend = Backend(_leg(words, BACKEND_NET), words, *made)
    zone = [str(word) for word in document["services"]["names"]["command"]]
    at = zone.index(NOBODY)
    nobody = zone[at + 1], zone[at + 2]
    machines = {name: service["image"] for name, service in document["services"].items()}
    profiles = {name: host.profile for name, host in hosts.items() if host.profile}
    here = {network: (str(ipv4), str(ipv6)) for network, (ipv4, ipv6) in document["x-here"].items()}
    outside = Outside(**document["x-outside"])
    own = hosts, standing, legs, machines, profiles, subnets, here, outside, backend, nobody
    return Topology(lab, document["name"], *own)
