"""Programs on the hosts of a lab that say `listening` when they do, for the time of a `with` block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from scenarios.lab.lab import Lab
from scenarios.lab.process import Running


@contextmanager
def listening(lab: Lab, argv: Sequence[str], on: str = "server") -> Iterator[Running]:
    """Start a program on a host, and wait until it listens."""
    with lab.running(on, argv) as service:
        service.wait_for_line("listening")
        yield service
