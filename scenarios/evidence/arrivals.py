"""What came to the program of one call: bytes, whoever sent them, and from whatever port.

A service may answer from another port than its own (as of TFTP), so that no byte came is said only where none did. Not
every packet of a client crosses its leg: where it seems to have sent nothing, nobody knows what came.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Literal

from scenarios.calls.call import Call
from scenarios.evidence.frame import Frame
from scenarios.evidence.names_asked import NAMES, gives_nothing
from scenarios.evidence.record import Seen
from scenarios.evidence.tries import BEFORE_GUEST_S, BEFORE_S, tries

Arrival = Literal["some", "none", "unknown"]


def bytes_came(seen: Seen, call: Call, addresses: Collection[str]) -> int:
    """How many bytes came, in order and each once, to that port of the client to which the most did.

    Only ports that spoke to the service count. Over UDP each datagram is one of its own: no packet says that it came
    before.
    """
    ports = tries(seen, call, addresses).ports
    flows: dict[tuple[object, ...], list[Frame]] = {}
    for each in _meanwhile(seen, call):
        if each.receiver[0] in addresses and each.sender[0] not in addresses and each.receiver[1] in ports:
            flow = (each.transport, each.receiver, each.sender if each.transport == "tcp" else None)
            flows.setdefault(flow, []).append(each)
    return max((_in_order(each) for each in flows.values()), default=0)


def arrival(seen: Seen, call: Call, addresses: Collection[str]) -> Arrival:
    """Whether any byte came to this call's host in its time, as far as its packets can tell.

    The answers of a name server are no bytes of the service. One that asked for names alone, and was given no address,
    had nobody to be answered by. `unknown`: it was given one, or sent nothing at all that was captured; then an answer
    would not have been either.
    """
    sent = list(_meanwhile(seen, call))
    told = [each for each in sent if seen.port == NAMES or NAMES not in _ports(each)]
    to_client = (each for each in told if each.receiver[0] in addresses and each.sender[0] not in addresses)
    if any(each.payload or each.transport == "udp" for each in to_client):
        return "some"
    if any(each.sender[0] in addresses for each in told):
        return "none"
    of_names = [each for each in sent if NAMES in _ports(each)]
    answers = [each for each in of_names if each.payload and each.receiver[0] in addresses and each.sender[1] == NAMES]
    asked = any(each.sender[0] in addresses for each in of_names)
    return "none" if asked and all(gives_nothing(each) for each in answers) else "unknown"


def _ports(frame: Frame) -> tuple[int | None, int | None]:
    return frame.sender[1], frame.receiver[1]


def _meanwhile(seen: Seen, call: Call) -> Iterator[Frame]:
    """What was sent over TCP and UDP in the time of a call."""
    if call.started_s is None or call.duration_s is None:
        return
    from_s, until_s = call.started_s - BEFORE_GUEST_S, call.started_s + call.duration_s + BEFORE_S
    for each in seen.frames.get("client-leg", ()):
        if each.transport in ("tcp", "udp") and from_s <= each.time_ns / 1e9 <= until_s:
            yield each


def _in_order(frames: Sequence[Frame]) -> int:
    """How many bytes there are without a gap, from the first on."""
    if frames[0].transport == "udp":
        return sum(len(each.payload) for each in frames)
    first = next((each.seq + 1 for each in frames if "SYN" in each.flags and each.seq is not None), None)
    parts = [(each.seq, len(each.payload)) for each in frames if each.payload and each.seq is not None]
    if not parts:
        return 0
    first = parts[0][0] if first is None else first
    return _whole(((at - first) % 2**32, length) for at, length in parts)


def _whole(parts: Iterable[tuple[int, int]]) -> int:
    there = 0
    for at, length in sorted(parts):
        if at > there:
            break
        there = max(there, at + length)
    return there
