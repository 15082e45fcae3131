"""What a worker says of itself when it joins: its version, its machine, and how many labs it has.

A worker of another version gets no cells: the same drill could mean something else there. What it rests on is compared,
part by part, so that a person is told what differs. The kernel is not: it may differ, and the report says where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from scenarios.lab.valueclass import valueclass

KEY: Final = "faultwire"  # in what Dask's scheduler knows of a worker


@valueclass
class Card:
    """`rests_on` has a digest, or a version, of each thing that must be the same; `ran_on` is the machine's."""

    machine: str
    labs: int
    rests_on: Mapping[str, str]
    ran_on: Mapping[str, str]

    @classmethod
    def read(cls, stored: object) -> Card | None:
        """Return what a worker said; None where it is of something else, or of a version that says it otherwise."""
        if not isinstance(stored, Mapping):
            return None
        try:
            labs = int(stored["labs"])
            return cls(str(stored["machine"]), labs, _texts(stored["rests_on"]), _texts(stored["ran_on"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def as_plain(self) -> dict[str, Any]:
        return asdict(self)


def _texts(stored: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in stored.items()}


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """Return the names of what differs, in order; what only one of them has differs too."""
    return [name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)]
