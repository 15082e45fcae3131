"""The commands that only read files: list, explain, validate, schema. They need no engine."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.table import Table

from scenarios.cli import fits
from scenarios.cli.service_files import NO_SDK, known_services
from scenarios.lab.errors import LabProblem, UsageError
from scenarios.lab.markup import escape
from scenarios.lab.places import display_path, typed
from scenarios.report.console import EX_USAGE, console, marked
from scenarios.spec.catalogue import architectures, drill_files, drills, find_drills, load_drill
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.drill import Drill
from scenarios.spec.explain import explained
from scenarios.spec.json_schema import drill_schema, service_schema
from scenarios.spec.service import SERVICE_FILE, Service, read_service, services
from scenarios.spec.strict_yaml import line_of
from scenarios.spec.units import so_many
from scenarios.verdict.check import Verdict

TELLS, RUNS = typed("explain", "NAME=…", "…"), typed("run", "NAME=…", "…")


def list_drills(options: argparse.Namespace) -> int:
    """A line a drill, of those that have every word in their name, claim or tags; for a service, which of them fit."""
    console.stderr = options.json  # standard output is for the lines of JSON then
    known = known_services(options.service)
    found = [each for each in drills(known=known).values() if _has(each, options.words)]
    if options.service:
        clients = tuple(options.client.split(",")) if options.client else ()
        return fits.show(found, architectures(options.service.split(","), known, clients), known, as_json=options.json)
    if options.json:
        for each in found:
            document = {"drill": each.drill, "claim": each.claim, "why": each.why, "source": list(each.source)}
            document |= {"tags": list(each.tags), "service": each.service, "file": str(display_path(each.path))}
            console.emit(json.dumps(document) + "\n")
        return 0 if found else 1
    table = Table(box=None, pad_edge=False)
    for column in ("drill", "claim", "tags", "service"):
        table.add_column(column, no_wrap=column == "drill")
    for each in found:
        table.add_row(each.drill, escape(each.claim), " ".join(each.tags), each.service)
    console.print(table)
    console.print(f"{so_many(len(found), 'drill')}; `{TELLS}` tells one, `{RUNS}` runs it")
    return 0 if found else 1


def _has(drill: Drill, words: Sequence[str]) -> bool:
    text = " ".join([drill.drill, drill.claim, drill.service, *drill.tags]).lower()
    return all(word.lower() in text for word in words)


def explain(options: argparse.Namespace) -> int:
    for number, drill in enumerate(find_drills(options.names, known_services())):
        if number:
            console.print()
        for line in explained(drill):
            console.print(escape(line), style=None if line.startswith(" ") else "bold")
    return 0


def validate(options: argparse.Namespace) -> int:
    """Read every service and every drill (or the files given); every error, and then the count.

    A service.yaml, or its folder, is read as a service; any other file as a drill.
    """
    known = services()
    wrong = list(known.wrong.values())
    given = [Path(each) for each in options.files]
    folders = [path if path.is_dir() else path.parent for path in given if path.is_dir() or path.name == SERVICE_FILE]
    paths = [path for path in given if not path.is_dir() and path.name != SERVICE_FILE]
    services_given: Mapping[str, Service] = known
    if given:
        tried = [_service_or_error(folder, known) for folder in folders]
        services_given = {each.service: each for each in tried if isinstance(each, Service)}
        wrong = [each for each in tried if isinstance(each, DeclarationError)]
    else:
        paths = [*drill_files().values()]
    read: list[Drill] = []
    errors = {error.path: list(error.all) for error in wrong}
    for path in () if wrong and not given else paths:  # what a drill says of a service that is wrong cannot be judged
        try:
            read.append(load_drill(path, known))
        except DeclarationError as error:
            errors[path] = list(error.all)
    unread = _add_refused_filters(read, errors) + _add_refused_compositions(services_given, errors)
    for of_file in errors.values():
        for each in of_file:
            console.print(marked(Verdict.FAIL, str(each)), soft_wrap=True)
    if wrong and not given:
        console.print(f"{so_many(len(wrong), 'service')} with errors; no drill was read")
        return EX_USAGE
    services_read = so_many(len(folders) if given else len(known), "service")
    console.print(f"{services_read} and {so_many(len(paths), 'drill')} read; {len(errors)} wrong{unread}")
    return EX_USAGE if errors else 0


def _service_or_error(folder: Path, known: Mapping[str, Service]) -> Service | DeclarationError:
    try:
        return read_service(folder, known)
    except DeclarationError as error:
        return error


def _add_refused_compositions(read: Mapping[str, Service], errors: dict[Path, list[DeclarationError]]) -> str:
    """Have the compositions of these services read by Docker Compose, and add what no lab honours; why none was, for
    the last line. No engine is asked.
    """
    composed = [each for each in read.values() if each.compose]
    if not composed:
        return ""
    try:
        from scenarios.calls.compositions import plan_of
        from scenarios.lab.composition import compose_is_here
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "docker":
            raise
        return f"; compositions were not read: {NO_SDK}"
    if not compose_is_here():
        return "; compositions were not read: there is no `docker compose`"
    for service in composed:
        try:
            plan_of(service)
        except DeclarationError as error:
            for each in error.all:
                errors.setdefault(each.path, []).append(each)
        except UsageError as error:
            path = service.folder / SERVICE_FILE
            what = str(error).removeprefix(f"{path}: ")
            errors.setdefault(path, []).append(DeclarationError(path, line_of(path, what.partition(":")[0]), what))
    return ""


def _add_refused_filters(read: Sequence[Drill], errors: dict[Path, list[DeclarationError]]) -> str:
    """Have the display filters of these drills compiled, and add what is wrong; why none was, for the last line."""
    filters = list(dict.fromkeys(where for drill in read for where in drill.filters))
    if not filters:
        return ""
    try:
        from scenarios.evidence.display_filters import NoCompiler, refused
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "docker":
            raise
        return f"; display filters were not compiled: {NO_SDK}"
    try:
        wrong = refused(filters)
    except (NoCompiler, LabProblem) as why:
        return f"; display filters were not compiled: {why}"
    for drill in read:
        found = [
            DeclarationError(drill.path, line_of(drill.path, key), wrong[where], key)
            for key, where in drill.filters_by_key.items()
            if where in wrong
        ]
        if found:
            errors[drill.path] = found
    return ""


def print_schema(options: argparse.Namespace) -> int:
    schema = service_schema() if options.of == "service" else drill_schema()
    console.emit(json.dumps(schema, indent=2) + "\n")
    return 0


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands to the command line; `command` makes one."""
    sub = command(
        "list", list_drills, "the drills, or those that have every word in their name, claim or tags", in_lab=False
    )
    sub.add_argument("words", nargs="*", metavar="WORD")
    sub.add_argument("--service", metavar="S", help="which of them fit it, and why others do not: mine, mine/nginx")
    sub.add_argument("--client", metavar="C", help="with these of its clients: a,b; all")
    sub.add_argument("--json", action="store_true", help="a line of JSON for each drill, and nothing else")
    sub = command("explain", explain, "the claim of a drill, what it does to whom, and what must be seen", in_lab=False)
    sub.add_argument("names", nargs="+", metavar="NAME")
    sub = command("validate", validate, "read every drill and every service; no lab is needed", in_lab=False)
    sub.add_argument("files", nargs="*", metavar="FILE", help="(default: all of the catalogue)")
    sub = command(
        "schema", print_schema, "the JSON Schema of a drill file or a service.yaml, for editors", in_lab=False
    )
    sub.add_argument("of", nargs="?", choices=("drill", "service"), default="drill", help="(default %(default)s)")
