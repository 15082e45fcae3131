"""The gallery's file: which failures and which clients `make gallery` runs, and the cures with their source.

services/gallery/gallery.yaml has the words that are written by hand. Nothing in it says what a client does: that is
read from the cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path

from scenarios.lab.valueclass import valueclass
from scenarios.spec.service import SERVICES
from scenarios.spec.strict_yaml import load
from scenarios.spec.units import Seconds

GALLERY = SERVICES / "gallery" / "gallery.yaml"


@valueclass
class Shown:
    """A client of the gallery: a program as it comes, and the same with the option that its manual recommends.

    Both are named as `make matrix SERVICE=` takes them, with the client: `gallery/nginx:curl`. `looked_up` says what of
    the source was read when the cure was written, and where; or that it was not looked up.
    """

    name: str
    as_it_comes: str
    cure: str
    source: str
    looked_up: str
    cured: str | None = None
    option: str = ""

    def __post_init__(self) -> None:
        for key in ("name", "as_it_comes", "cure", "source", "looked_up"):
            if not getattr(self, key).strip():
                raise ValueError(f"{key}: expected a string, got an empty one")
        if (self.cured is None) != (not self.option):
            raise ValueError("option: expected beside `cured`, and not without it")

    @property
    def programs(self) -> tuple[str, ...]:
        """Its columns."""
        return (self.as_it_comes,) if self.cured is None else (self.as_it_comes, self.cured)


@valueclass
class Gallery:
    """gallery.yaml. `failures` are drills by name, each with the row's title; `left_out` says what is not run, and why.

    `patience` is how long a call may take before it is said to hang.
    """

    patience: Seconds
    failures: Mapping[str, str]
    clients: tuple[Shown, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.patience > 0:
            raise ValueError("patience: expected more than 0s")
        for key in ("failures", "clients"):
            if not getattr(self, key):
                raise ValueError(f"{key}: expected one or more")
        for key, names in (("name", [each.name for each in self.clients]), ("program", [*self.programs])):
            if twice := next((each for each in names if names.count(each) > 1), None):
                raise ValueError(f"clients: the {key} {twice!r} is there twice")

    @property
    def programs(self) -> Iterator[str]:
        """Every column, in order."""
        return (program for client in self.clients for program in client.programs)


def load_gallery(path: Path = GALLERY) -> Gallery:
    """Read the gallery's file. Raise DeclarationError."""
    return load(path, Gallery)
