"""Faults: what is done to the network and to programs, one kind a module; applied, proven by a counter, undone.

It must not know what is expected of a fault: it imports no evidence and no verdict.

A fault is a context manager. While it is in force, `hits()` says how many packets it took hold of, or, of a fault that
is an event, how many things it did: a fault that has none did not happen, whatever else was seen.
"""

from __future__ import annotations

from typing import Protocol, Self

from scenarios.lab.errors import LabProblem


class Unsupported(LabProblem):
    """The kernel cannot make this fault, which was tried; the message has its words, and what would be needed."""


class Fault(Protocol):
    """What every fault is. Leaving the `with` block undoes it, however it is left."""

    name: str

    def __enter__(self) -> Self:
        """Put it in force. Raises LabProblem, with the machine's own words, when it is refused.

        The problem is Unsupported where the kernel lacks something that the fault is made of.
        """

    def __exit__(self, *_: object) -> None:
        """Undo it. Done twice, it does nothing. Raises LabProblem when it could not be undone."""

    def hits(self) -> int:
        """How many packets it took hold of so far, or how many things it did. Raises LabProblem once it is undone."""
