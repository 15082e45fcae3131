"""The big-endian CPUs of the lab, read from images/bigendian/cpus.toml, where each is said once.

Knows no image, no host and no Docker: only what a CPU is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Final

from scenarios.lab.places import ROOT
from scenarios.lab.valueclass import valueclass

TABLE: Final = ROOT / "images" / "bigendian" / "cpus.toml"


@valueclass
class Cpu:
    """A line of the table; the comments there say what each key is. `bits`: of a pointer; `aligned`: bytes."""

    name: str
    about: str
    triplet: str
    libc: str
    emulator: str
    bits: int
    elf: int
    machine: str
    openssl: str
    end: str
    go: bool = False
    optional: bool = False
    aligned: int = 8

    @property
    def compilers(self) -> tuple[str, ...]:
        """Debian's packages that compile C and C++ for it."""
        return f"gcc-{self.triplet}", f"g++-{self.triplet}", f"libc6-dev-{self.libc}-cross"


def _read() -> Mapping[str, Cpu]:
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {name: Cpu(name, **line) for name, line in table.items()}


CPUS: Final[Mapping[str, Cpu]] = _read()  # by name, in the table's order
