"""The submissions of a class: each folder of a folder, with a service.yaml. One that cannot be run is reported, and
does not stop the others.

A submission goes by its folder's name, whatever its service calls itself, since a class gets one template. In the lab
it is `by_anna`, so that it is neither a service of the lab nor another submission.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scenarios.lab.errors import UsageError
from scenarios.lab.valueclass import valueclass
from scenarios.spec.declaration_error import DeclarationError, advice
from scenarios.spec.service import SERVICE_FILE, Service, Services, read_service


@valueclass
class Submission:
    """A folder. `reason` says why it cannot be run; it is empty where it can, and `service` is there then."""

    name: str
    folder: Path
    service: Service | None = None
    reason: str = ""

    def without(self, reason: str) -> Submission:
        """Return it as one that cannot be run."""
        return replace(self, service=None, reason=reason)


def find(folder: Path, known: Mapping[str, Service], only: Sequence[str] = ()) -> list[Submission]:
    """Read every submission in a folder, or those of these names. Raise UsageError where there is none of them."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; expected one with a folder for each submission")
    folders = {each.name: each for each in sorted(folder.iterdir()) if each.is_dir() and not each.name.startswith(".")}
    if unknown := [each for each in only if each not in folders]:
        raise UsageError(f"{folder} has no submission {unknown[0]!r}{advice(unknown[0], folders)}")
    if not folders:
        raise UsageError(f"{folder} has no folder in it; expected one for each submission, with its {SERVICE_FILE}")
    taken: set[str] = set()
    return [
        _read(path, known, _service_name(name, taken)) for name, path in folders.items() if not only or name in only
    ]


def _service_name(name: str, taken: set[str]) -> str:
    """The name of its service in the lab, which no other submission has."""
    plain = "by_" + (re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:20] or "one")
    found, number = plain, 1
    while found in taken:
        number += 1
        found = f"{plain}_{number}"
    taken.add(found)
    return found


def _read(folder: Path, known: Mapping[str, Service], called: str) -> Submission:
    found = Submission(folder.name, folder)
    if not (folder / SERVICE_FILE).is_file():
        return found.without(f"there is no {SERVICE_FILE} in it")
    try:
        service = read_service(folder, known, called)
    except DeclarationError as error:
        more = f" (and {len(error.all) - 1} more)" if len(error.all) > 1 else ""
        return found.without(f"{error.all[0]}{more}")
    except (OSError, UnicodeError, RecursionError) as error:
        return found.without(f"{SERVICE_FILE} cannot be read: {error}")
    if service.compose:
        return found.without("it brings a composition of its own, which is not graded")
    return replace(found, service=service)


def beside(known: Services, submissions: Sequence[Submission]) -> Services:
    """Return the services that are known, and those of the submissions."""
    found = Services()
    found.update(known)
    found.update({each.service.service: each.service for each in submissions if each.service})
    return found


def ready(
    submissions: Sequence[Submission], make: Callable[[Service], None], failures: tuple[type[Exception], ...]
) -> list[Submission]:
    """Have each made ready to run; return them, those for which `make` raised one of these failures with its words."""
    found = []
    for each in submissions:
        if each.service:
            try:
                make(each.service)
            except failures as problem:
                found.append(each.without(_last_lines(str(problem))))
                continue
        found.append(each)
    return found


def _last_lines(text: str, count: int = 3, characters: int = 400) -> str:
    """The last lines of a failure's words, which may be a whole build's."""
    return " | ".join(line.strip() for line in text.strip().splitlines()[-count:])[-characters:]
