"""The compositions of services: read by Docker Compose, checked by what a lab can do, their images made ready."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scenarios.lab import composition, engine, images
from scenarios.lab.errors import CommandFailed, UsageError
from scenarios.lab.heartbeat import under_way
from scenarios.lab.seats import Member, Plan, extended, image_of
from scenarios.lab.topology import Topology, topology
from scenarios.spec.compose_rules import aloud, check_resolved, names_of, sides
from scenarios.spec.composition import SIDES, machine_name
from scenarios.spec.declaration_error import advice, quoted
from scenarios.spec.service import SERVICE_FILE, Service

_STAND = {"client": "on the client's side", "server": "on the server's side"}
_WITH_A_MIDDLE = {
    **_STAND,
    "server": "in the middle, the firewall on both of its ways:",
    "backend": "behind the middle, on a network of their own:",
}
_PLANS: dict[str, Plan] = {}  # by the folder of the service: a composition is read once in a run


def plan_of(service: Service) -> Plan:
    """How a lab starts the composition of a service. Raises UsageError for a file that Docker Compose does not take,
    and DeclarationError for what no lab honours.
    """
    key = str(service.folder)
    if key not in _PLANS:
        _PLANS[key] = _read(service)
    return _PLANS[key]


def _read(service: Service) -> Plan:
    files, here = service.compose_files(service.folder), service.folder / SERVICE_FILE
    try:
        resolved = composition.resolved(files)
    except CommandFailed as error:
        raise UsageError(f"{here}: compose: Docker Compose refuses it: {error}") from error
    check_resolved(resolved, files)
    for key in SIDES:
        for name in getattr(service, key):
            if name not in resolved["services"]:
                raise UsageError(f"{here}: {key}: {_missing(name, resolved['services'], files)}")
    members = tuple(
        Member(name, machine_name(service.service, name), side, tuple(names_of(name, resolved)))
        for name, side in sides(resolved, service.client_side, service.server_side, service.middle).items()
    )
    inside = tuple(dict.fromkeys(each.in_ for each in service.clients.values() if each.in_))
    return Plan(service.service, members, resolved, service.families, inside, service.outside)


def _missing(name: str, there: Mapping[str, object], files: Sequence[Path]) -> str:
    """What is said of a service that is not in what Docker Compose made of the files: one of a profile may be."""
    whole: Mapping[str, Any] = {}
    with contextlib.suppress(CommandFailed):  # an older one takes `*` for a profile's name, and finds nothing
        whole = composition.resolved(files, profiles="*")["services"]
    if not (of_it := (whole.get(name) or {}).get("profiles")):
        return f"the composition has no service {quoted(name)}{advice(name, there)}"
    active = ",".join(filter(None, [os.environ.get("COMPOSE_PROFILES"), of_it[0]]))
    which = " or ".join(map(quoted, of_it))
    what = f"the service {quoted(name)} is in the profile {which}, which is not active"
    return f"{what}; COMPOSE_PROFILES={active} before the command makes it so"


def with_seats(lab: Topology, service: Service) -> Topology:
    """The topology of a lab, with the machines of a service's composition where it has one."""
    return extended(topology(lab.lab), plan_of(service)) if service.compose else lab


def ready(services: Iterable[Service], say: Callable[[str], None]) -> None:
    """Have the compositions of these services read, and their images here. Raises UsageError, DeclarationError."""
    for service in {each.service: each for each in services if each.compose}.values():
        plan = plan_of(service)
        with under_way(f"the images of the composition {service.service} are built") as task:
            try:
                composition.build(plan, topology(), task.is_at)
            except CommandFailed as error:
                raise UsageError(f"{service.folder / SERVICE_FILE}: compose: {error}") from error
        images.prune()  # what a service was before it was built anew
        if missing := composition.missing_images(plan):
            raise UsageError(
                f"{service.folder / SERVICE_FILE}: compose: these images are not here: {', '.join(missing)}; "
                f"`docker compose --file {service.compose_files(service.folder)[0]} pull` gets them"
            )
        for side, where in (_WITH_A_MIDDLE if plan.has_backend else _STAND).items():
            there = ", ".join(each.service for each in plan.members if each.side == side)
            say(f"{service.service}: {where} {there or 'no service'}")
        if service.outside:
            say(f"{service.service}: all of its services may reach the world, over IPv4 (`outside: true`)")
        for line in aloud(plan.resolved):
            say(f"{service.service}: {line}")


@functools.cache
def images_of(service_folder: str) -> tuple[str, ...]:
    """The ids of the images of a composition that was made ready: what its results depend on."""
    plan = _PLANS[service_folder]
    return tuple(engine.image_id(image_of(plan, each.service)) or "" for each in plan.members)
