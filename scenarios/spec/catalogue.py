"""The drills of the catalogue, read by name, and the services that fit them."""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scenarios.lab.errors import UsageError
from scenarios.lab.topology import ROOT
from scenarios.spec.declaration_error import DeclarationError, advice, quoted
from scenarios.spec.drill import Drill
from scenarios.spec.service import Named, Service, named, services
from scenarios.spec.strict_yaml import line_of, load

DRILLS = ROOT / "scenarios" / "drills"


def load_drill(path: Path, known: Mapping[str, Service] | None = None) -> Drill:
    """Read a drill, and check it against the services. Raises DeclarationError."""
    known = known if known is not None else services()
    found = load(path, Drill)
    if found.drill != path.stem:
        what = f"the file is {path.name}, and the drill calls itself {quoted(found.drill)}"
        raise DeclarationError(path, line_of(path, "drill"), what, "drill")
    try:
        chosen = named(found.service, found.client, known)
        if chosen.name != found.service:
            raise ValueError(f"expected one server of {found.service}, as {chosen.name}")
        if found.family not in chosen.service.families:
            raise ValueError(f"{found.service} does not speak {found.family}")
        if reason := found.cannot_run_with(chosen):
            raise ValueError(reason)
        for call in found.calls.values():
            if call.client is not None:
                named(found.service, call.client, known)
    except ValueError as error:
        raise DeclarationError(path, line_of(path, "service"), str(error), "service") from error
    object.__setattr__(found, "path", path)
    object.__setattr__(found, "text", path.read_text("utf-8"))
    return found


def drills(root: Path = DRILLS, known: Mapping[str, Service] | None = None) -> dict[str, Drill]:
    """Every drill by its name. Raises DeclarationError for the first file that is wrong."""
    known = known if known is not None else services()
    return {path.stem: load_drill(path, known) for path in sorted(root.glob("*.yaml"))}


def named_drills(names: Sequence[str], known: Mapping[str, Service]) -> list[Drill]:
    """The drills of these names or patterns, as `lost-*`; `all` are all; or files of drills, by a path with a `/`.

    Raises UsageError, with the nearest name. Other drills are not read: one that is being written stops nobody.
    """
    paths = {path.stem: path for path in sorted(DRILLS.glob("*.yaml"))}
    found: dict[str, Path] = {}
    for name in names:
        if "/" in name and (path := Path(name).resolve()).is_file():
            found[str(path)] = path
            continue
        matching = {each: path for each, path in paths.items() if name == "all" or fnmatch.fnmatchcase(each, name)}
        if not matching:
            raise UsageError(f"unknown drill {quoted(name)}{advice(name, paths)}")
        found |= matching
    return [load_drill(path, known) for path in found.values()]


def chosen_service(drill: Drill, service: str | None, known: Mapping[str, Service] | None = None) -> Named:
    """What the drill runs with: its own service, or another. Raises UsageError for one that it does not fit.

    The client is the service's own; a client of the service that it speaks as, where it has none or the drill knows
    more of the client than its protocol.
    """
    chosen = named(service or drill.service, drill.client if service in (None, drill.service) else None, known)
    lent = [each for each in chosen.service.callers(chosen.server_name) if each in chosen.service.borrowed]
    if lent and drill.knows_client:
        chosen = replace(chosen, client_name=drill.client or lent[0])
    if reason := drill.misfit(chosen):
        raise UsageError(f"{drill.drill} does not fit {chosen.name}: {reason}")
    return chosen


def fitting(drill: Drill, known: Mapping[str, Service]) -> list[Named]:
    """Every service that the drill can be run with, in the order of their names; the drill's own is among them."""
    found = []
    for name, service in known.items():
        for server in service.servers:
            with contextlib.suppress(UsageError):
                found.append(chosen_service(drill, f"{name}/{server}", known))
    return found
