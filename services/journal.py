"""What a server writes of its connections: one line each, when it ends, on stderr.

Rule: a journal that cannot be written (its reader is gone, its disk full) does not take the service down.
"""

import sys
from contextlib import suppress
from dataclasses import dataclass

from .address import Address, address_words


@dataclass(slots=True)
class Entry:
    """One connection: its peer, when it began, and the bytes each way so far."""

    peer: Address
    began_s: float
    received: int = 0
    sent: int = 0

    def write(self, what: str, now_s: float) -> None:
        """`198.18.0.1 port 40000: finished; 143 bytes in, 148 bytes out, 0.002 s`"""
        took_s = now_s - self.began_s
        note(f"{address_words(self.peer)}: {what}; {self.received} bytes in, {self.sent} bytes out, {took_s:.3f} s")


def note(line: str) -> None:
    """One line of anything that the service has to tell. In one write: print() makes two, and threads mix them."""
    with suppress(OSError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
