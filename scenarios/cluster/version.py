"""The versions of what a result rests on: head and workers must have the same."""

from __future__ import annotations

import functools

from scenarios.lab.places import CODE, PACKAGE
from scenarios.run import fingerprint
from scenarios.version import VERSION


@functools.cache
def rests_on() -> dict[str, str]:
    """Return the version, and a digest of each part: compose.yaml, code, services, images, drills."""
    return {
        **fingerprint.parts_of_lab(),
        "drills": fingerprint.of_folder(CODE / "drills"),
        "scenarios/cluster": fingerprint.of_folder(CODE / "cluster"),
        "version": f"{PACKAGE} {VERSION}",
    }
