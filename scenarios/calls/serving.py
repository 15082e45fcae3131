"""A server started on a host for one call, and the call, as a person makes it."""

from __future__ import annotations

import contextlib
import ipaddress
import time
from collections.abc import Iterator, Sequence

from scenarios.calls import boxes, on_cpus, port_holders
from scenarios.lab.errors import DeadlinePassed, LabProblem, NotReady
from scenarios.lab.lab import Lab
from scenarios.lab.process import LISTENS_WITHIN_S, Finished, Running
from scenarios.lab.topology import Family, Host
from scenarios.lab.waiting import Meanwhile, nothing, wait_for
from scenarios.spec.service import ServiceChoice

LOOPBACK_WITHIN_S = 2.0  # so long a server may take from its first socket to the one that others reach


class OutOfReach(LabProblem):
    """A server listens where no other host reaches it: it is told so, and not started once more."""


def addresses(lab: Lab, chosen: ServiceChoice, host: Host, port: int) -> list[str]:
    """Where a socket of this host listens on a port, as ss(8) has it: `*` is all, `0.0.0.0`, `[::]` are of a family."""
    kind = "--tcp" if chosen.transport == "tcp" else "--udp"
    sockets = lab.run(host.name, ["ss", "-Hln", kind, f"sport = :{port}"], timeout_s=5).stdout
    return [line.split()[3].rpartition(":")[0] for line in sockets.splitlines() if line.strip()]


def listens(lab: Lab, chosen: ServiceChoice, host: Host) -> bool:
    """Whether a socket of this host listens on each port of the server."""
    return all(addresses(lab, chosen, host, port) for port in chosen.service.ports_of(chosen.server_name))


def _read(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address as ss(8) prints it: `127.0.0.1%lo`, `[::1]`; `[::ffff:127.0.0.1]` is one of IPv4. None for `*`."""
    with contextlib.suppress(ValueError):
        found = ipaddress.ip_address(address.partition("%")[0].strip("[]"))
        return getattr(found, "ipv4_mapped", None) or found
    return None


@contextlib.contextmanager
def serving(lab: Lab, chosen: ServiceChoice, host: Host, family: Family) -> Iterator[Running | None]:
    """The server of a service, listening on a host for the time of the `with` block; None where it always runs.

    Raises LabProblem, with what the server printed, when it does not come to listen.
    """
    if chosen.server.run is None:
        yield None
        return
    address = host.address(family)
    argv, box = boxes.server_words(chosen, chosen.server.run, host, address), boxes.of_server(chosen, host, address)
    if box:
        box, argv = on_cpus.placed(chosen, "server", host.end, box, argv)
    if chosen.server.ready is None:
        port_holders.check_free(lab, host.name, chosen)  # else that one would be taken for ours
    with lab.running(host.name, argv, box) as program:
        try:
            wait_until_it_listens(lab, chosen, host, program, family)
        except LabProblem as problem:
            program.stop()  # so that it is not found itself
            raise port_holders.explained(lab, host.name, chosen, problem) from problem
        yield program


def wait_until_it_listens(
    lab: Lab,
    chosen: ServiceChoice,
    host: Host,
    program: Running,
    family: Family | None,
    meanwhile: Meanwhile = nothing,
) -> None:
    """Wait until the server says so, or its sockets are there; `meanwhile` as in lab/waiting.py.

    Raises LabProblem, with what it printed, at the deadline or when it has ended; and for a program of an image that
    listens where no other host can reach it, or none over this family.
    """
    within_s = float(chosen.server.starts_within)
    if chosen.server.ready is None:
        wait_for_socket(lab, chosen, host, program, within_s, meanwhile)
    else:
        program.wait_for_line(chosen.server.ready, within_s, meanwhile)
    if chosen.server_image:
        check_reachable(lab, chosen, host, family, meanwhile)


def wait_for_socket(
    lab: Lab,
    chosen: ServiceChoice,
    host: Host,
    program: Running,
    within_s: float = LISTENS_WITHIN_S,
    meanwhile: Meanwhile = nothing,
) -> None:
    """Wait until the server listens. Raises LabProblem, with what it printed, at the deadline or when it has ended."""

    def there() -> bool:
        program.check_running("it listened")
        return listens(lab, chosen, host)

    ports = " and ".join(map(str, chosen.service.ports_of(chosen.server_name)))
    try:
        wait_for(there, f"{chosen.name} listens on port {ports}", within_s, meanwhile=meanwhile)
    except DeadlinePassed as late:
        raise NotReady(f"{late}; it printed: {program.printed}") from late


def check_reachable(
    lab: Lab, chosen: ServiceChoice, host: Host, family: Family | None, meanwhile: Meanwhile = nothing
) -> None:
    """Raise OutOfReach when no other host reaches the server, over this family if one is given, and still not after a
    while: it listens on the loopback interface alone, or on addresses of the other family.
    """
    for port in chosen.service.ports_of(chosen.server_name):
        found = addresses(lab, chosen, host, port)
        until_s = time.monotonic() + LOOPBACK_WITHIN_S
        while found and (wrong := _why_out_of_reach(found, family, has_bind=chosen.server.in_ is None)):
            if time.monotonic() > until_s:
                on = " and ".join(dict.fromkeys(found))
                raise OutOfReach(f"{chosen.name} listens on {on} alone, port {port}: {wrong}")
            meanwhile()
            found = addresses(lab, chosen, host, port)


def _why_out_of_reach(found: Sequence[str], family: Family | None, *, has_bind: bool = True) -> str:
    """What is wrong with these addresses, as ss(8) prints them; empty where another host can reach one of them.

    `has_bind`: it is told where to listen, as no service of a composition is.
    """
    read = [_read(each) for each in found]
    reached = [each for each in read if each is None or not each.is_loopback]
    if not reached:
        place = f"{{bind}}, which is in its environment as {boxes.BIND} too, or on " if has_bind else ""
        what = "that is the loopback interface, where no other host reaches it"
        return f"{what}; have it listen on {place}every address (0.0.0.0 or ::)"
    versions = {each.version if each else None for each in reached}
    if family == "ipv4" and versions == {6}:
        own = "`families: [ipv4]` has {bind} be 0.0.0.0; or " if has_bind else ""
        return (
            "over IPv4 nobody reaches it there; `families: [ipv6]` says that it speaks no other. Where a program makes "
            f"its socket for `::` one of IPv6 alone (ipv6(7), IPV6_V6ONLY), as Python's asyncio does, {own}let it "
            "listen on both"
        )
    if family == "ipv6" and versions == {4}:
        return "over IPv6 nobody reaches it there; `families: [ipv4]` says that it speaks no other"
    return ""


def call(lab: Lab, chosen: ServiceChoice, client: Host, server: Host, family: Family) -> Finished:
    """Run the client of a service on a host, to its end or its deadline."""
    address, within_s = server.address(family), chosen.client.timeout_s
    argv = boxes.client_words(chosen.client.run, address, chosen.port)
    box = boxes.of_client(chosen.service, chosen.client_name, address, chosen.port, within_s)
    if box:
        box, argv = on_cpus.placed(chosen, "client", client.end, box, argv)
        return lab.run_guest(client.name, box, argv, timeout_s=within_s)
    return lab.run(client.name, argv, timeout_s=within_s)
