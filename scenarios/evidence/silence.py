"""How long a client had been in silence when it gave up: nothing new was sent or came any more.

What a kernel sends again, acknowledges or probes is nothing new (RFC 9293, 3.8.1, 3.8.4, 3.8.6.1).
"""

from __future__ import annotations

from collections.abc import Collection

from scenarios.calls.call import Call
from scenarios.evidence.asked_again import HALF
from scenarios.evidence.frame import Frame
from scenarios.evidence.record import Seen
from scenarios.evidence.tries import Tries


def silence_s(seen: Seen, call: Call, made: Tries, addresses: Collection[str]) -> float | None:
    """Seconds from the last new thing to the closing of the last connection, or, where the packets show none, to the
    end of the program. None: it sent nothing, or its times are not known.
    """
    if made.began_s is None or call.started_s is None or call.duration_s is None:
        return None
    until_s = made.closed_s or call.started_s + call.duration_s
    last_s = made.began_s
    sent_until: dict[object, int] = {}  # the sequence numbers behind what each end of a connection sent
    for each in seen.frames.get("client-leg", ()):
        at_s = each.time_ns / 1e9
        is_of_call = {each.sender[0], each.receiver[0]} & {*addresses}
        if is_of_call and made.began_s <= at_s < until_s and _is_new(each, sent_until):
            last_s = at_s
    return until_s - last_s


def _is_new(frame: Frame, sent_until: dict[object, int]) -> bool:
    if frame.transport != "tcp":
        return True
    length = len(frame.payload) + len(frame.flags & {"SYN", "FIN"})
    behind = ((frame.seq or 0) + length) % 2**32
    flow = (frame.sender, frame.receiver)
    is_new = length > 0 and (flow not in sent_until or 0 < (behind - sent_until[flow]) % 2**32 < HALF)
    if is_new:
        sent_until[flow] = behind
    return is_new
