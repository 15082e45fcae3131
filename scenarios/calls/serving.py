"""A server started on a host for one call, and the call, as a person makes it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from scenarios.calls import contract, port_holders
from scenarios.lab.errors import DeadlinePassed, LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.process import LISTENS_WITHIN_S, Finished, Running
from scenarios.lab.topology import Family, Host
from scenarios.lab.waiting import wait_for
from scenarios.spec.service import Named
from scenarios.spec.service_programs import words


def listens(lab: Lab, chosen: Named, host: Host) -> bool:
    """Whether a socket of this host listens on the service's port."""
    kind = "--tcp" if chosen.transport == "tcp" else "--udp"
    sockets = lab.run(host.name, ["ss", "-Hln", kind, f"sport = :{chosen.port}"], timeout_s=5).stdout
    return bool(sockets.strip())


@contextlib.contextmanager
def serving(lab: Lab, chosen: Named, host: Host, family: Family) -> Iterator[Running | None]:
    """The server of a service, listening on a host for the time of the `with` block; None where it always runs.

    Raises LabProblem, with what the server printed, when it does not come to listen.
    """
    if chosen.server.run is None:
        yield None
        return
    address = host.address(family)
    argv = words(chosen.server.run, bind=address, host=address, port=chosen.port)
    told = contract.environment("server", address, chosen.port)
    if chosen.server.ready is None:
        port_holders.check_free(lab, host.name, chosen)  # else that one would be taken for ours
    with lab.running(host.name, argv, chosen.service.image, told) as program:
        try:
            if chosen.server.ready is not None:
                program.wait_for_line(chosen.server.ready)
            else:
                wait_for_socket(lab, chosen, host, program)
        except LabProblem as problem:
            program.stop()  # so that it is not found itself
            raise port_holders.explained(lab, host.name, chosen, problem) from problem
        yield program


def wait_for_socket(lab: Lab, chosen: Named, host: Host, program: Running) -> None:
    """Wait until the server listens. Raises LabProblem, with what it printed, at the deadline or when it has ended."""

    def there() -> bool:
        program.check_running("it listened")
        return listens(lab, chosen, host)

    try:
        wait_for(there, f"{chosen.name} to listen on port {chosen.port}", LISTENS_WITHIN_S)
    except DeadlinePassed as late:
        raise LabProblem(f"{late}; it printed: {program.printed}") from late


def call(lab: Lab, chosen: Named, client: Host, server: Host, family: Family) -> Finished:
    """Run the client of a service on a host, to its end or its deadline."""
    address = server.address(family)
    argv = words(chosen.client.run, bind=address, host=address, port=chosen.port)
    if chosen.image:
        told = contract.environment("client", address, chosen.port, chosen.client.timeout_s)
        return lab.run_guest(client.name, chosen.image, argv, timeout_s=chosen.client.timeout_s, environment=told)
    return lab.run(client.name, argv, timeout_s=chosen.client.timeout_s)
