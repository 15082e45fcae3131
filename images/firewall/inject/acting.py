"""What becomes of a packet that was picked, and goes on at once or not at all: a class an action, and the table of all.

What an action is, and what it owes, is said in holding_back.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from .declared import (
    Action,
    Alter,
    Corrupt,
    Cut,
    Delay,
    Drop,
    Duplicate,
    Hold,
    OtherPort,
    Refuse,
    Reorder,
    Split,
)
from .forging import Forging, Watching
from .forging_words import Forge, Watch
from .header_words import OfHeaders
from .headers import header_change
from .holding_back import UNTOUCHED, Acting, Delaying, Done, Duplicating, Holding, Queueing, Reordering
from .icmp_errors import ICMP_ERRORS
from .name_words import NameAnswer
from .names import answered_otherwise
from .packet import (
    ACK,
    CHECKSUM_AT,
    FIN,
    PSH,
    RST,
    SYN,
    TCP,
    UDP,
    URG,
    Packet,
    icmp_error,
    with_byte,
    with_payload,
    with_source_port,
)
from .path_words import Path
from .pathing import Travelling
from .queueing import Queue


class Dropping(Acting):
    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        return "dropped", []


class Corrupting(Acting):
    def __init__(self, declared: Corrupt, seed: int) -> None:
        super().__init__(seed)
        self._declared = declared

    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        # Two draws a packet, used or not, so that what is drawn for one does not depend on the packets before it.
        at, bit = self.random.random(), int(self.random.random() * 8)
        if self._declared.bit is not None:
            bit = self._declared.bit
        length = packet.length
        where = int(at * length) if self._declared.at is None else self._declared.at
        if not packet.is_whole or packet.protocol is None or (length and where >= length):
            return UNTOUCHED, [packet]
        if not length:
            place, what = packet.transport + CHECKSUM_AT[packet.protocol], f"bit {bit} of the checksum flipped"
        else:
            place, what = packet.payload + where, f"bit {bit} of byte {where} flipped"
        return what, [with_byte(packet, place, packet.data[place] ^ 1 << bit)]


class Altering(Acting):
    def __init__(self, declared: Alter, seed: int) -> None:
        super().__init__(seed)
        self._declared = declared

    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        if self._declared.of == "payload":
            offset = 0
        where = -1 if offset is None else self._declared.at - offset
        if not packet.is_whole or packet.protocol is None or not 0 <= where < packet.length:
            return UNTOUCHED, [packet]
        payload = bytearray(packet.data[packet.payload : packet.end])
        before, payload[where] = payload[where], self._declared.to
        what = f"byte {self._declared.at} altered from {before} to {self._declared.to}"
        return what, [with_payload(packet, bytes(payload), packet.original, packet.seq, packet.flags)]


def part(packet: Packet, start: int, stop: int, original: object) -> Packet:
    """The segment that carries only these bytes of the payload: SYN stays with the first, PSH and FIN with the last.

    The urgent pointer counts from the sequence number (RFC 9293, 3.1); a part that begins after it has none.
    """
    flags, seq = packet.flags, packet.seq
    if stop < packet.length:
        flags &= ~(PSH | FIN)
    payload = packet.data[packet.payload + start : packet.payload + stop]
    if start:
        seq = packet.payload_seq + start
        flags &= ~SYN
    if start and flags & URG:
        pointer_at = packet.transport + 18
        pointer = max(0, int.from_bytes(packet.data[pointer_at : pointer_at + 2], "big") - start)
        if not pointer:
            flags &= ~URG
        packet = with_byte(with_byte(packet, pointer_at, pointer >> 8), pointer_at + 1, pointer & 0xFF)
    return with_payload(packet, payload, original, seq, flags)


class Splitting(Acting):
    def __init__(self, declared: Split, seed: int) -> None:
        super().__init__(seed)
        self._size = declared.size

    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        if not packet.is_whole or packet.protocol != TCP or packet.length <= self._size:
            return UNTOUCHED, [packet]
        starts = range(0, packet.length, self._size)
        parts = [
            part(packet, start, min(start + self._size, packet.length), None if start else packet.original)
            for start in starts
        ]
        return f"split into {len(parts)}", parts


class Cutting(Acting):
    def __init__(self, declared: Cut, seed: int) -> None:
        super().__init__(seed)
        self._at, self._then = declared.at, declared.then

    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        if packet.is_whole and packet.protocol == UDP and packet.length > self._at:
            payload = packet.data[packet.payload : packet.payload + self._at]
            return f"cut to {self._at} bytes", [with_payload(packet, payload, packet.original)]
        if not packet.is_whole or packet.protocol != TCP or offset is None:
            return UNTOUCHED, [packet]
        left = self._at - offset
        carried = packet.length + bool(packet.flags & (FIN | RST))
        if left >= carried or not carried:  # a pure ACK carries nothing of the stream, wherever it is
            return UNTOUCHED, [packet]
        if left < 0 or (not left and self._then == "silence"):
            return "dropped behind the cut", []
        payload = packet.data[packet.payload : packet.payload + left]
        ended = packet.flags & ~(FIN | RST) | (FIN if self._then == "fin" else 0)
        cut = with_payload(packet, payload, packet.original, packet.seq, ended)
        if self._then != "rst":
            return f"cut to {left} bytes" + (" and a FIN" if ended & FIN else ""), [cut]
        reset = with_payload(packet, b"", None if left else packet.original, packet.payload_seq + left, RST | ACK)
        return f"cut to {left} bytes and a RST", [cut, reset] if left else [reset]


class TakingAnotherPort(Acting):
    def __init__(self, declared: OtherPort, seed: int) -> None:
        super().__init__(seed)
        self._port = declared.port

    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        if not packet.is_whole or packet.protocol != UDP:
            return UNTOUCHED, [packet]
        return f"sent on from port {self._port}", [with_source_port(packet, self._port)]


class Refusing(Acting):
    def __init__(self, declared: Refuse, seed: int) -> None:
        super().__init__(seed)
        self._by = declared.by

    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        try:
            told = icmp_error(packet, *ICMP_ERRORS[self._by])
        except ValueError:
            return UNTOUCHED, [packet]
        return f"refused by {self._by}", [told]


class ChangingHeaders(Acting):
    """What changes a header needs no memory."""

    def __init__(self, declared: OfHeaders, seed: int) -> None:
        super().__init__(seed)
        self._what, self._change = header_change(declared)

    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        changed = self._change(packet)
        return (UNTOUCHED, [packet]) if changed is None else (self._what, [changed])


class AnsweringOtherwise(Acting):
    def __init__(self, declared: NameAnswer, seed: int) -> None:
        super().__init__(seed)
        self._declared = declared

    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        made = answered_otherwise(packet, self._declared)
        return (UNTOUCHED, [packet]) if made is None else (self._declared.what, [made])


ACTINGS: dict[type[Action], Callable[[Any, int], Acting]] = {
    Drop: lambda _, seed: Dropping(seed),
    Hold: lambda _, seed: Holding(seed),
    Delay: Delaying,
    Duplicate: Duplicating,
    Reorder: Reordering,
    Corrupt: Corrupting,
    Alter: Altering,
    Split: Splitting,
    Cut: Cutting,
    OtherPort: TakingAnotherPort,
    Refuse: Refusing,
    NameAnswer: AnsweringOtherwise,
    Queue: Queueing,
    Watch: lambda _, seed: Watching(seed),
    Forge: Forging,
    Path: Travelling,
    **dict.fromkeys(get_args(OfHeaders), ChangingHeaders),
}


def acting(action: Action, seed: int) -> Acting:
    """What does this action."""
    return ACTINGS[type(action)](action, seed)
