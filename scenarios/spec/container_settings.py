"""What a program of an image is given beside its command line: the image, an environment, files of its folder.

The service says it for all of its programs, and each server and each client can say more. Nothing of it is for the
lab's own programs, which run on the hosts themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import Final

from scenarios.lab.box import AUTHORITY_FOLDER, KEYS_FOLDER, PREFIX, TEMPORARY, USER
from scenarios.spec.command_line import PLACEHOLDERS_OF_GUESTS, problems_of_placeholders
from scenarios.spec.declaration import declaration
from scenarios.spec.declaration_error import DeclarationError, quoted

DOCKERFILE: Final = "Dockerfile"
SHORTEST_CREDENTIAL: Final = 8  # characters: one that is shorter would be hidden inside other words too
_IMAGE: Final = re.compile(r"[a-z0-9][a-z0-9._/:@-]*", re.IGNORECASE)
_OWN_DOCKERFILE: Final = re.compile(r"([a-z0-9][a-z0-9_-]*)\.Dockerfile")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORBIDDEN_IN_A_MOUNT: Final = re.compile(r'[,:"\n]')  # what the engine's own words are parted by
_NOT_OURS: Final = ("/proc", "/sys", "/dev", AUTHORITY_FOLDER, KEYS_FOLDER)


@declaration
class ContainerSettings:
    """What a program of an image is given, or all the programs of a service are.

    `image` is the name of an image that is on this machine, `dockerfile` a file `NAME.Dockerfile` of the folder.
    `environment` are variables; {host}, {port}, {bind}, {ca}, {cert} and {key} are filled in. `credentials` are
    variables too, whose values no evidence shows. `files` are files or folders of the service's folder, each with the
    place at which the program finds it; it cannot change them. `python`: it is in Python, and this is its folder, which
    stands beside this file, or (`/app`) in its image; it runs there on the lab's own Pythons, of every CPU.
    """

    image: str | None = None
    dockerfile: str | None = None
    python: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    def problems(self) -> Iterator[str]:
        """What is wrong with it, as far as that can be said without looking at the folder."""
        if self.image is not None and not _IMAGE.fullmatch(self.image):
            yield f"image: expected the name of an image, as in `docker images`, got {quoted(self.image)}"
        if self.dockerfile is not None:
            if not _OWN_DOCKERFILE.fullmatch(self.dockerfile):
                yield f"dockerfile: expected a file of this folder as curl.Dockerfile, got {quoted(self.dockerfile)}"
            if self.image is not None:
                yield "dockerfile: use either `dockerfile` or `image`"
        if self.python is not None and self.python.startswith("/"):
            yield from _problems_of_place("python", self.python)
        elif self.python is not None and (self.image or self.dockerfile):
            yield (
                f"python: {quoted(self.python)} is a folder beside this file, which needs no image; expected the place "
                "of a folder in that image, as /app, or no image"
            )
        for key in ("environment", "credentials"):
            yield from self._problems_of_variables(key)
        for name in self.credentials:
            if name in self.environment:
                yield f"credentials.{name}: `environment` has a variable of this name too"
            if name.startswith("DOCKER_"):
                yield f"credentials.{name}: variables that begin with DOCKER_ are the engine's own; use `environment`"
            if len(self.credentials[name]) < SHORTEST_CREDENTIAL:
                yield (
                    f"credentials.{name}: expected {SHORTEST_CREDENTIAL} characters or more, so that the value can be "
                    "hidden in what the programs print"
                )
        for name, place in self.files.items():
            yield from _problems_of_place(f"files.{name}", place)
        places = [str(PurePosixPath(place)) for place in self.files.values()]
        for place in sorted({place for place in places if places.count(place) > 1}):
            yield f"files: two of them have the place {quoted(place)}"

    def _problems_of_variables(self, key: str) -> Iterator[str]:
        given: Mapping[str, str] = getattr(self, key)
        for name, value in given.items():
            if not _VARIABLE.fullmatch(name):
                yield f"{key}: expected the name of a variable, as in MY_NAME, got {quoted(name)}"
            elif name.startswith(PREFIX):
                yield f"{key}.{name}: the variables that begin with {PREFIX} are the lab's own"
            elif key == "environment":
                yield from problems_of_placeholders(value, f"{key}.{name}", PLACEHOLDERS_OF_GUESTS)

    def problems_of_host_program(self) -> Iterator[str]:
        """What is said of it that only a program of an image can have."""
        for key in _OF_AN_IMAGE:
            if getattr(self, key, None):
                yield f"{key}: it is for programs of an image; ours run on the hosts, and keep the contract"

    def problems_of_files(self, folder: Path) -> Iterator[str]:
        """What is wrong with its files, as they are in the folder of the service now."""
        if self.dockerfile is not None and not (folder / self.dockerfile).is_file():
            yield f"dockerfile: no file {quoted(self.dockerfile)} stands beside this one"
        for name in self.files:
            if wrong := _wrong_file(folder, name):
                yield f"files.{name}: {wrong}"
        if self.python is not None and not self.python.startswith("/"):
            if wrong := _wrong_file(folder, self.python):
                yield f"python: {wrong}"
            elif not (folder / self.python).is_dir():
                yield f"python: expected a folder, as the program's own is; {quoted(self.python)} is a file"


_OF_AN_IMAGE: Final = ("environment", "credentials", "files", "setup", "teardown", "says", "exits", "contract")


def suffix_of(dockerfile: str) -> str:
    """`curl` of `curl.Dockerfile`."""
    return dockerfile.removesuffix(f".{DOCKERFILE}")


def check_dockerfile(path: Path) -> None:
    """Raise DeclarationError unless it begins as a Dockerfile does."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError as error:
        raise DeclarationError(path, None, error.strerror or str(error)) from error
    said = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not said:
        raise DeclarationError(path, 1, "the file is empty; it begins with `FROM faultwire/base`, or another image")
    number, first = next(((number, line) for number, line in said if not line.upper().startswith("ARG ")), said[0])
    if not first.upper().startswith("FROM "):
        raise DeclarationError(path, number, f"expected `FROM IMAGE` before all else, got {quoted(first)}")


def _problems_of_place(key: str, place: str) -> Iterator[str]:
    path = PurePosixPath(place)
    if not path.is_absolute() or ".." in path.parts:
        yield f"{key}: expected an absolute path, at which the program finds it, got {quoted(place)}"
    elif _FORBIDDEN_IN_A_MOUNT.search(place):
        yield f"{key}: expected a path without a comma, a colon or a quote, got {quoted(place)}"
    elif str(path) in ("/", TEMPORARY) or any(path.is_relative_to(each) for each in _NOT_OURS):
        yield f"{key}: nothing can be put at {place}: it is the lab's, or the container's own"


def _wrong_file(folder: Path, name: str) -> str:
    """Why this file of a folder cannot be given to a program; empty when it can."""
    if _FORBIDDEN_IN_A_MOUNT.search(name):
        return f"expected a name without a comma, a colon or a quote, got {quoted(name)}"
    try:
        path, root = (folder / name).resolve(), folder.resolve()
        if not path.is_relative_to(root) or Path(name).is_absolute():
            return f"expected a path inside this folder, got {quoted(name)}"
        state = path.stat()
    except FileNotFoundError:
        return f"no file or folder {quoted(name)} stands beside this one"
    except (OSError, RuntimeError) as error:
        return f"{quoted(name)}: {error}"
    everybody, owner = state.st_mode & 0o004, state.st_uid == USER and state.st_mode & 0o400
    if not everybody and not owner:
        return f"the program runs as user {USER}, who cannot read it; `chmod a+r {name}` lets everybody read it"
    return ""
