"""What a packet holds: bytes, or a regular expression, in one payload or across the segments of a stream.

Of each stream the last bytes are remembered, so that what is cut by a segment's end is found, in the segment that ends
it. What comes in another order is found where the bytes before it came first, and so is what is sent again.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .packet import SEQUENCES, Packet

HOLDS_LIMIT = 256  # characters of what is looked for
REMEMBERED = 8192  # bytes of a stream
PLACES = 16  # in a stream, for segments that come in another order
WITH_PAYLOAD = ("any", "syn-with-data", "data", "fin", "udp", "dns-query", "dns-answer")  # kinds

Finder = Callable[[bytes, int], bool]  # whether it is in these bytes, and ends behind so many of them


def check_pattern(pattern: str) -> None:
    """Raise ValueError unless it is a regular expression for bytes, and finds nothing in none."""
    try:
        found = re.compile(pattern.encode()).search(b"")
    except re.error as error:
        raise ValueError(f"matches is a regular expression for bytes, not {pattern!r}: {error}") from error
    if found:
        raise ValueError(f"matches is an expression that needs a byte, and {pattern!r} is found in everything")


def check_content(holds: str | None, matches: str | None, across: str, of: str) -> None:
    """Raise ValueError, which begins with the key, where packets of this kind cannot be picked by this."""
    if holds is not None and matches is not None:
        raise ValueError("a pick has either holds or matches, not both")
    for key, sought in (("holds", holds), ("matches", matches)):
        if sought is not None and not 0 < len(sought) <= HOLDS_LIMIT:
            raise ValueError(f"{key} is 1 to {HOLDS_LIMIT} characters, not {len(sought)}")
        if sought is not None and of not in WITH_PAYLOAD:
            raise ValueError(f"{key} is of what has a payload, and {of} has none")
    if matches is not None:
        check_pattern(matches)
    if across == "stream" and holds is None and matches is None:
        raise ValueError("across is for holds or matches: neither is here")
    if across == "stream" and of not in ("any", "data"):
        raise ValueError(f"across is of a stream, and {of} is none")


def finder(holds: str | None, matches: str | None) -> Finder:
    """What finds one of the two."""
    pattern = re.compile(re.escape((holds or "").encode()) if matches is None else matches.encode(), re.DOTALL)

    def found(data: bytes, behind: int) -> bool:
        return any(match.end() > behind for match in pattern.finditer(data))

    return found


class Stream:
    """The last of one direction of a connection: what is known before each of some sequence numbers."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, bytes] = {}  # by the sequence number behind it

    def before(self, packet: Packet) -> bytes:
        """The bytes before this segment's, as far as they are known; its own are remembered."""
        seq, payload = packet.payload_seq, packet.data[packet.payload : packet.end]
        known = self._known.get(seq)
        if known is None:  # it may be cut in another place than when it was sent before
            backs = (((end - seq) % SEQUENCES, data) for end, data in reversed(self._known.items()))
            known = next((data[: len(data) - back] for back, data in backs if back <= len(data)), b"")
        end = (seq + len(payload)) % SEQUENCES
        self._known.pop(end, None)
        self._known[end] = (known + payload)[-REMEMBERED:]
        if len(self._known) > PLACES:
            del self._known[next(iter(self._known))]
        return known
