"""This machine itself as the lab's client or server: one address on one network, and a route through the firewall.

A script on the machine `cables` (lab/own_address.py) gives both, and takes them back when its input ends: so they go
with this process, however it ends. What the machine's kernel lets in from the
lab's network meanwhile is answers, and the ports that were named; nothing else, at no other address of the machine.
Where something else came it is told at the end, for the ladder shows it as arrived.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import warnings
from collections.abc import Iterator, Sequence
from typing import Literal, get_args

from scenarios.lab.errors import LabProblem, UsageError
from scenarios.lab.json_lines import Child
from scenarios.lab.lab import Lab
from scenarios.lab.own_address import GIVE, REFUSED
from scenarios.lab.topology import ARCHITECTURES, NATIVE_IMAGE, Host, Topology
from scenarios.library.session import Session
from scenarios.library.words import is_whole
from scenarios.spec.cast import CLIENT_NET, SERVER_NET
from scenarios.spec.declaration_error import advice, quoted

Side = Literal["client", "server"]
NAME = "here"  # of this machine, in pictures
WITHIN_S = 10.0
MOST_NAMED = 5  # ports in a message


@contextlib.contextmanager
def playing(session: Session, side: Side, ports: Sequence[int]) -> Iterator[None]:
    """Let this machine play a side of the lab for the time of the `with` block."""
    if side not in get_args(Side):
        raise UsageError(f"lab.host: side: unknown side {quoted(str(side))}{advice(str(side), get_args(Side))}")
    if session.here is not None:
        raise UsageError("lab.host: this machine plays a side already; use one side at a time")
    if side in session.servers:
        how = session.blocks.how_to_close("use lab.host when its block has ended", session.servers[side])
        raise UsageError(f"lab.host: a server runs on the {side} already; {how}")
    if not isinstance(ports, Sequence) or not all(map(is_whole, ports)):
        raise UsageError(f"lab.host: ports: expected a sequence of numbers, as (4000,), got {ports!r}")
    for port in ports:
        if not 1 <= port <= 65535:
            raise UsageError(f"lab.host: ports: expected 1 to 65535, got {port}")
    host = host_of(session.stage.lab.topology, side)
    with giving_this_machine_an_address(session.stage.lab, host, ports):
        pair, family = session.pair, session.family
        session.here = host
        setattr(session.cast, side, host)
        try:
            yield
        finally:
            session.here = None
            session.play(pair, family)


def host_of(topology: Topology, side: Side) -> Host:
    """This machine, as a host of the lab."""
    network = CLIENT_NET if side == "client" else SERVER_NET
    end, promised, about = ARCHITECTURES[NATIVE_IMAGE]
    ipv4, ipv6 = topology.here[network]
    return Host(NAME, network, ipv4, ipv6, end, promised, about)


@contextlib.contextmanager
def giving_this_machine_an_address(lab: Lab, host: Host, ports: Sequence[int]) -> Iterator[None]:
    topology = lab.topology
    leg = next(each for each in topology.legs.values() if each.network == host.network)
    others = next(subnets for name, subnets in topology.networks.items() if name != host.network)
    lengths = [subnet.partition("/")[2] for subnet in topology.networks[host.network]]
    words = [f"fw{lab.number}-{host.network.removesuffix('-net')}", str(lab.number)]
    words += [f"{host.ipv4}/{lengths[0]}", leg.ipv4, others[0], f"{host.ipv6}/{lengths[1]}", leg.ipv6, others[1]]
    words += [str(ipaddress.ip_network(topology.networks[host.network][0]).broadcast_address)]
    stream = lab.open("cables", ["sh", "-euc", GIVE, "here", *words, *map(str, ports)], mark=False)
    child = Child(stream, f"the program that gives this machine an address in lab {lab.number}")
    try:
        child.ask({"give": True}, "give this machine an address", WITHIN_S)
        _check_is_here(host)
        try:
            yield
        except Exception as problem:
            with contextlib.suppress(LabProblem):  # what went wrong is what matters
                if refused := _refused(lab):
                    problem.add_note(refused)
            raise
        if refused := _refused(lab):
            warnings.warn(refused, stacklevel=2)
    finally:
        child.close(WITHIN_S)


def _refused(lab: Lab) -> str:
    """What this machine did not let in, in words; empty where nothing else came than what it lets in."""
    said = lab.run("cables", ["sh", "-euc", REFUSED, "here", str(lab.number)], timeout_s=WITHIN_S)
    found = sorted((protocol.upper(), int(port)) for protocol, _, port in map(str.split, said.stdout.splitlines()))
    if not found:
        return ""
    named = [f"{protocol} port {port}" for protocol, port in found]
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return (
        f"lab.host: not let in: what came from the lab, unasked, to {', '.join(named[:MOST_NAMED])}{more} of this "
        "machine. No fault did that, and the ladder shows it as arrived. Where your program waits at a port, name it: "
        f"lab.host(…, ports=({found[0][1]},))"
    )


def _check_is_here(host: Host) -> None:
    """Raise LabProblem unless the address is this process's machine's."""
    for family, address in ((socket.AF_INET, host.ipv4), (socket.AF_INET6, host.ipv6)):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((address, 0))
            except OSError as error:
                raise LabProblem(
                    f"the Docker Engine gave {address} to its own machine, and this process does not have it "
                    f"({error.strerror}): lab.host needs an engine on this machine that is not rootless, and that no "
                    "container or virtual machine holds; `docker info` says where it runs"
                ) from error
