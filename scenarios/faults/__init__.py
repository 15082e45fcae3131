"""Faults: what is done to the network, one kind a module. Each is applied, proven by a counter, and undone.

A fault is a context manager. While it is in force, `hits()` says how many packets it took hold of: a fault that has
none did not happen, whatever else was seen.
"""

from __future__ import annotations

from typing import Protocol, Self


class Fault(Protocol):
    """What every fault is. Leaving the `with` block undoes it, however it is left."""

    name: str

    def __enter__(self) -> Self:
        """Put it in force. Raises LabProblem, with the machine's own words, when the firewall refuses it."""

    def __exit__(self, *_: object) -> None:
        """Undo it. Done twice, it does nothing."""

    def hits(self) -> int:
        """How many packets it took hold of so far."""
