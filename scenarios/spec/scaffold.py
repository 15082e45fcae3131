"""A new service out of nothing: a folder with its service.yaml, a Dockerfile, and a tiny program that works at once.

What is written says in comments what to put in its place. Nothing that exists is touched.
"""

from __future__ import annotations

import contextlib
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
    UsageError for a name that cannot be one, or is taken.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"a service's name is lower-case letters, digits and underscores, first a letter, and {name!r} is none"
        )
    if speaks is not None and speaks not in SPOKEN:
        known = services()
        if speaks.partition("/")[0] not in known:
            raise UsageError(f"unknown service {speaks!r}{advice(speaks, known)}")
        raise UsageError(
            f"the program that would be written speaks {', '.join(SPOKEN)} only, and not {speaks}: initiate the "
            f"service without --speaks, put your own program in its place, and write `speaks: {speaks}` into its "
            "service.yaml"
        )
    folder = (root or project().services[0]) / name
    if folder.exists() or folder.with_suffix(".py").exists():
        raise UsageError(f"{folder} exists already, and stays as it is; take another name")
    if (SERVICES / name).exists():
        raise UsageError(f"the lab has a service {name!r} already; take another name")
    folder.mkdir(parents=True)
    try:
        described = "service.speaks.yaml" if speaks else "service.yaml"
        for template, written in ((described, "service.yaml"), ("Dockerfile", "Dockerfile"), ("program", "program")):
            text = (TEMPLATES / template).read_text(encoding="utf-8")
            path = folder / written
            path.write_text(Template(text).substitute(name=name, speaks=speaks or ""), encoding="utf-8")
        (folder / "program").chmod(0o755)
        return load_service(folder)
    except BaseException:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
        raise
