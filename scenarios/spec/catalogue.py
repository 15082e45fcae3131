"""The drills of the catalogue, read by name, and the services that fit them."""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scenarios.lab.errors import UsageError
from scenarios.lab.places import CODE, document
from scenarios.spec.comparison import problems_of_datagrams, with_another_end
from scenarios.spec.declaration_error import DeclarationError, advice, quoted
from scenarios.spec.drill import Drill
from scenarios.spec.program_ends import own_pairs
from scenarios.spec.project import OWN_FILE, name_taken, project
from scenarios.spec.service import Service, ServiceChoice, Services, resolve, services
from scenarios.spec.service_programs import KINDS
from scenarios.spec.strict_yaml import errors_of, line_of, load

DRILLS = CODE / "drills"
ALL = "all"
TOLD = 12  # names in a message


def load_drill(path: Path, known: Mapping[str, Service] | None = None) -> Drill:
    """Read a drill, and check it against the services. Raises DeclarationError."""
    known = known if known is not None else services()
    found = load(path, Drill)
    if found.drill != path.stem:
        what = f"the file is {path.name}, and the drill calls itself {quoted(found.drill)}"
        raise DeclarationError(path, line_of(path, "drill"), what, "drill")
    try:
        chosen = resolve(found.service, found.client, known)
        if chosen.name != found.service:
            raise ValueError(f"expected one server of {found.service}, as {chosen.name}")
        if found.family not in chosen.service.families:
            raise ValueError(f"{found.service} does not speak {found.family}")
        if reason := found.cannot_run_with(chosen):
            raise ValueError(reason)
        for call in found.calls.values():
            if call.client is not None:
                resolve(found.service, call.client, known)
    except ValueError as error:
        raise DeclarationError(path, line_of(path, "service"), str(error), "service") from error
    if problems := list(problems_of_datagrams(found.parts, chosen)):
        raise errors_of(path, problems)
    for number, step in enumerate(found.script, 1):
        for kind, fault in (("given", step.given), ("fault", step.fault)):
            if fault and fault.path:
                try:
                    fault.path.read_traces(path.parent)
                except ValueError as error:
                    raise errors_of(path, [f"script.{number}.{kind}.path.{error}"]) from error
    object.__setattr__(found, "path", path)
    object.__setattr__(found, "text", path.read_text("utf-8"))
    return found


def files_beside(drill: Drill) -> dict[str, str]:
    """What stands in the files that a drill names beside its own, by name: the traces of its paths."""
    faults = (fault for step in drill.script for fault in (step.given, step.fault) if fault and fault.path)
    return {name: text for fault in faults if fault.path for name, text in fault.path.files.items()}


def drill_files(*roots: Path) -> dict[str, Path]:
    """The files of the drills of these folders, by name; without a folder, the lab's and the caller's own.

    Raises DeclarationError where two have one name.
    """
    found: dict[str, Path] = {}
    for folder in dict.fromkeys(each.resolve() for each in roots or (DRILLS, *project().drills)):
        for path in sorted(folder.glob("*.yaml")):
            if other := found.get(path.stem):
                raise name_taken(path, f"drill {path.stem!r}", other, DRILLS)
            found[path.stem] = path
    return found


def drills(*roots: Path, known: Mapping[str, Service] | None = None) -> dict[str, Drill]:
    """Every drill of `drill_files` by its name. Raises DeclarationError for the first file that is wrong."""
    known = known if known is not None else services()
    read = {name: _unless_its_service_is_wrong(path, known) for name, path in drill_files(*roots).items()}
    return {name: drill for name, drill in read.items() if drill}


def _unless_its_service_is_wrong(path: Path, known: Mapping[str, Service]) -> Drill | None:
    """The drill; None where the file of its own service is wrong, of which is told elsewhere: it stops no other."""
    try:
        return load_drill(path, known)
    except DeclarationError as error:
        if isinstance(known, Services) and error in known.wrong.values():
            return None
        raise


def find_drills(names: Sequence[str], known: Mapping[str, Service]) -> list[Drill]:
    """The drills of these names or patterns, as `lost-*`; `all` are all; or files of drills, by a path with a `/`.

    Raises UsageError, with the nearest name. Other drills are not read: one that is being written stops nobody.
    """
    paths = drill_files()
    found: dict[str, Path] = {}
    by_name: set[Path] = set()
    for name in names:
        if "/" in name and (path := Path(name).resolve()).is_file():
            found[str(path)] = path
            by_name.add(path)
            continue
        matching = {each: path for each, path in paths.items() if name == "all" or fnmatch.fnmatchcase(each, name)}
        if not matching:
            raise UsageError(f"unknown drill {quoted(name)}{_where_it_may_be(name) or advice(name, paths, TOLD)}")
        found |= matching
        by_name |= {path for each, path in matching.items() if each == name}
    read = [
        load_drill(path, known) if path in by_name else _unless_its_service_is_wrong(path, known)
        for path in found.values()
    ]
    return [drill for drill in read if drill]


def _where_it_may_be(name: str) -> str:
    """What to type where a file of a drill of this name is beside the caller, and in no folder of the project's."""
    for path in (Path("drills", f"{name}.yaml"), Path(f"{name}.yaml"), Path(name)):
        if path.is_file():
            return f"; there is a file: ./{path} runs it, and a {OWN_FILE} makes its folder one of the project's drills"
    return ""


def chosen_service(drill: Drill, service: str | None, known: Mapping[str, Service] | None = None) -> ServiceChoice:
    """What the drill runs with: its own service, or another. Raises UsageError for one that it does not fit."""
    chosen, misfit = choose(drill, service, known)
    if misfit:
        raise UsageError(f"{drill.drill} does not fit {chosen.label}: {misfit}")
    return chosen


def choose(drill: Drill, service: str | None, known: Mapping[str, Service] | None = None) -> tuple[ServiceChoice, str]:
    """What the drill would run with, and why it cannot; that is empty when it can. Raises UsageError for another name.

    The client is the service's own, and of those the one that the drill names, where there is such a one; a client of
    the service that it speaks as, where it has none, where the drill knows more of the client than its protocol, and
    where the drill is for a kind of which its own is not. Which of those clients, says the drill.
    """
    chosen = resolve(service or drill.service, drill.client if service in (None, drill.service) else None, known)
    callers = chosen.service.callers(chosen.server_name)
    lent = [each for each in callers if each in chosen.service.borrowed]
    if not chosen.client_is_explicit and drill.client in callers and drill.client not in lent:
        chosen = replace(chosen, client_name=drill.client)
    if lent and not chosen.client_is_explicit and _asks_for_lent(drill, chosen, lent):
        chosen = replace(chosen, client_name=drill.client or lent[0])
    if drill.client and drill.control_with and drill.control_with.client and not chosen.client_is_explicit:
        # what differs is the client, so the run is with the drill's own, whichever server that calls
        if drill.client not in chosen.service.callers(chosen.server_name):
            return chosen, f"it compares two clients, and {chosen.name} has no client {drill.client}"
        chosen = replace(chosen, client_name=drill.client)
    misfit = drill.misfit(chosen) or _knows_another_client(drill, chosen) or _runs_on_one_pair(drill, chosen)
    return chosen, misfit or next(problems_of_datagrams(drill.parts, chosen), "")


def _asks_for_lent(drill: Drill, chosen: ServiceChoice, lent: Sequence[str]) -> bool:
    """Whether a drill needs another client than the usual one: one of those that the service has from another."""
    if drill.knows_client:
        return True
    if drill.client not in lent or not drill.fits_service(chosen.service.speaks or ""):
        return False
    kinds = {*drill.fits} & {*KINDS}
    return chosen.client_name in lent or bool(kinds and not chosen.kinds & kinds)


def _runs_on_one_pair(drill: Drill, chosen: ServiceChoice) -> str:
    """Why a drill that compares machines has nothing to compare with a service; empty when it has."""
    if drill.control_with is None or drill.control_with.pair is None:
        return ""
    if with_another_end(own_pairs(chosen), drill.control_with):
        return ""
    page = document("docs/cpus.md")
    return f"it compares with {drill.control_with.says}, and {chosen.label} runs on no other machine ({page})"


def _knows_another_client(drill: Drill, chosen: ServiceChoice) -> str:
    """Why a drill cannot be run with a client that was asked for, of a service that its file names; empty when it can.

    Of other services `Drill.misfit` looks at the client, asked for or not.
    """
    usual = drill.client or chosen.service.callers(chosen.server_name)[0]
    if (
        chosen.client_is_explicit
        and drill.knows_client
        and drill.fits_service(chosen.name)
        and chosen.client_name != usual
    ):
        return f"it relies on more than the client's protocol; expected the client {usual}, got {chosen.client_name}"
    return ""


def architectures(asked: Sequence[str], known: Mapping[str, Service], clients: Sequence[str] = ()) -> list[str]:
    """What is asked for, each by its label: `mine` is all of its servers, `mine/nginx` one; with `clients` each of them
    with these (`all`: with all of its own), where they can call it. Raises UsageError for one that calls none of them.
    """
    found: list[str] = []
    for each in asked:
        service, _, server = each.partition("/")
        if service in known and not server:
            found += [f"{service}/{name}" for name in known[service].servers]
        else:
            found.append(each)
    found = list(dict.fromkeys(found))
    return _with_clients(found, clients, known) if clients else found


def _with_clients(found: Sequence[str], clients: Sequence[str], known: Mapping[str, Service]) -> list[str]:
    paired: list[str] = []
    unused = {client: "" for client in clients if client != ALL}
    for label in found:
        chosen = resolve(label, known=known)
        if chosen.client_is_explicit:
            raise UsageError(f"{label} names a client already, and another one is asked for: {', '.join(clients)}")
        callers = chosen.service.callers(chosen.server_name)
        paired += [f"{label}:{client}" for client in callers if client in clients or ALL in clients]
        for client in set(unused) - set(callers):
            unused[client] = unused[client] or _no_caller(chosen, client, known)
        for client in callers:
            unused.pop(client, None)
    if unused:
        raise UsageError("; ".join(unused.values()))
    return paired


def _no_caller(chosen: ServiceChoice, client: str, known: Mapping[str, Service]) -> str:
    try:
        resolve(chosen.name, client, known)
    except UsageError as error:
        return str(error)
    return ""


def fitting(drill: Drill, known: Mapping[str, Service]) -> list[ServiceChoice]:
    """Every service that the drill can be run with, in the order of their names; the drill's own is among them."""
    found = []
    for name, service in known.items():
        for server in service.servers:
            with contextlib.suppress(UsageError):
                found.append(chosen_service(drill, f"{name}/{server}", known))
    return found
