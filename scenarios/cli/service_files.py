"""The services, as a command needs them: one whose file is wrong is told of, once, and stops no other."""

from __future__ import annotations

import re

from scenarios.lab.places import either, typed
from scenarios.report.console import warn
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.service import Services, services

NO_SDK = f"there is no Python package `docker`; `{either('make setup', 'pip install faultwire')}` installs it"


def known_services(asked: str | None = None) -> Services:
    """Every service that is right; `warn` tells of the others, but for those that are `asked` for: they are an error,
    which is told where they are looked up.
    """
    found = services()
    wanted = {re.split("[/:]", each)[0] for each in (asked or "").split(",")}
    for name, error in found.wrong.items():
        if name not in wanted:
            warn(
                f"{error_lines(error)}\n  so the service {name} is left out; `{typed('validate')}` reads its file again"
            )
    return found


def error_lines(error: DeclarationError) -> str:
    """Every error of a file, a line each."""
    return "\n".join(str(each) for each in error.all)
