"""A lab as the library gives it, which the tests of a module share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from scenarios.library import Lab
from tests.conftest import free_lab


@contextlib.contextmanager
def lab_of_library() -> Iterator[Lab]:
    """A free lab that is up for the time of the `with` block, and taken down after it."""
    machines = free_lab()
    try:
        with Lab(machines.number) as lab:
            yield lab
    finally:
        machines.down()
