"""Programs in Python: their folder, and the image in which they run on the lab's own Pythons.

The folder stands beside service.yaml, and is mounted; or an image has it, and it is copied to them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from scenarios.spec.container_settings import ContainerSettings

if TYPE_CHECKING:
    from scenarios.spec.service import Service

PYTHON_IMAGE: Final = "faultwire/python"  # and with `-CPU` that of another CPU
PYTHON_FOLDER: Final = "/program"  # where a program in Python finds its folder, and begins


def python_of(service: Service, program: ContainerSettings) -> str | None:
    """The folder of a program in Python; None where it is none.

    A program with an image of its own is none, unless it says so itself.
    """
    own = program.python is not None or program.image or program.dockerfile
    return program.python if own else service.python


def python_image(source: str | None, folder: str) -> str:
    """The image in which a program in Python runs on this machine: the lab's Python, with a folder of another image."""
    if source is None:
        return PYTHON_IMAGE
    return f"faultwire/python-of-{_words(source)}-{_words(folder)}"


def _words(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def python_programs(service: Service) -> Mapping[str, tuple[str, str]]:
    """The images of programs in Python whose folder is another image's: by the image, that one and the folder."""
    found = {}
    clients = [client for name, client in service.clients.items() if name not in service.borrowed]
    for program in (*service.servers.values(), *clients):
        folder, source = python_of(service, program), service.brought_image(program)
        if folder is not None and source is not None:
            found[python_image(source, folder)] = source, folder
    return found


def folder_to_mount(service: Service, program: ContainerSettings) -> Mapping[str, str]:
    """The folder of a program in Python that stands beside service.yaml, with its place."""
    folder = python_of(service, program)
    return {} if folder is None or folder.startswith("/") else {folder: PYTHON_FOLDER}


def begins_in(service: Service, program: ContainerSettings) -> str:
    """The folder in which a program begins: of one in Python its own; empty where that is its image's affair."""
    folder = python_of(service, program)
    return "" if folder is None else folder if folder.startswith("/") else PYTHON_FOLDER


def wrong_python(service: Service, program: ContainerSettings) -> str:
    """What is wrong with the folder of a program in Python, beside the image that it has; empty where nothing is."""
    folder, image = python_of(service, program), service.brought_image(program)
    if folder is None or folder.startswith("/") == (image is not None):
        return ""
    if image is None:
        return f"{folder} is a folder of an image, and no `image` is named; name one, or a folder beside this file"
    return f"{folder} is a folder beside this file, and the program has an image too; use one of them"
