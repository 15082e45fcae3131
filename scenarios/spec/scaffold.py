"""A new service out of nothing: a folder with its service.yaml, a Dockerfile, and a tiny program that works at once.

What is written says in comments what to put in its place. Nothing that exists is touched.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from string import Template
from typing import Final

from scenarios.lab.errors import UsageError
from scenarios.lab.places import CODE
from scenarios.spec.declaration_error import advice
from scenarios.spec.project import project
from scenarios.spec.service import NAME, SERVICES, Service, load_service, services

TEMPLATES: Final = CODE / "spec" / "templates"
SPOKEN: Final = ("echo",)  # the protocols that the program of the templates speaks


def initiate(name: str, speaks: str | None = None, root: Path | None = None) -> Service:
    """Write the folder of a new service, and read it; it is the caller's from then on.

    With `speaks` it is a server for the lab's own clients of that service; else it brings a client too. Raises
    UsageError for a name that cannot be one, or is taken, and where the folder cannot be made.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"invalid name of a service {name!r}: expected lower-case letters, digits and underscores, a letter first"
        )
    if speaks is not None and speaks not in SPOKEN:
        known = services()
        if speaks.partition("/")[0] not in known:
            raise UsageError(f"unknown service {speaks!r}{advice(speaks, known)}")
        raise UsageError(
            f"`init` writes programs that speak {', '.join(SPOKEN)} only, got {speaks}: leave out --speaks, put your "
            f"own program in the place of the one that is written, and write `speaks: {speaks}` into its service.yaml"
        )
    folder = (root or project().services[0]) / name
    if folder.exists() or folder.with_suffix(".py").exists():
        raise UsageError(f"{folder} exists already, and stays as it is; take another name")
    if (SERVICES / name).exists():
        raise UsageError(f"the lab has a service {name!r} already; take another name")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}") from error
    try:
        described = "service.speaks.yaml" if speaks else "service.yaml"
        for template, written in ((described, "service.yaml"), ("Dockerfile", "Dockerfile"), ("program", "program")):
            text = (TEMPLATES / template).read_text(encoding="utf-8")
            path = folder / written
            path.write_text(Template(text).substitute(name=name, speaks=speaks or ""), encoding="utf-8")
        (folder / "program").chmod(0o755)
        return load_service(folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise UsageError(f"{folder} cannot be filled: {error.strerror}") from error
        raise
