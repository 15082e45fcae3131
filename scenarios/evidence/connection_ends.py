"""How the connections of one call ended, and what had told the client so: nothing, or a FIN, a RST or an ICMP error.

A connection that was ended from outside does not say that its program gave up with it: it may go on with another.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import field, replace

from scenarios.calls.call import Call
from scenarios.evidence.frame import Frame
from scenarios.evidence.record import Seen
from scenarios.evidence.tries import Tries
from scenarios.lab.valueclass import valueclass


@valueclass
class End:
    """The end of a connection, as its client saw it: Unix times, None where it did not come."""

    over_s: float | None = None  # the client closed it, or it was reset; None: it was open when the call ended
    told_s: float | None = None  # a FIN, a RST or an error came before the client had closed it
    # of the client, None of an ICMP error: which of them it is, and not how it ended
    port: int | None = field(default=None, compare=False)


def connection_ends(seen: Seen, call: Call, made: Tries, addresses: Collection[str]) -> list[End]:
    """Return the end of each of a call's connections; and one more of each ICMP error that ended no connect()."""
    ends: dict[object, End] = {}
    connected: set[object] = set()
    until_s = (call.started_s or 0.0) + (call.duration_s or 0.0)
    for each in seen.frames.get("client-leg", ()):
        flow: frozenset[object] = frozenset({each.sender, each.receiver})
        at_s = each.time_ns / 1e9
        if made.began_s is None or not made.began_s <= at_s <= until_s:
            continue
        if each.is_icmp_error and each.receiver[0] in addresses:
            quoted = frozenset(each.quoted or ())
            of_connect = quoted in ends and quoted not in connected
            ends[quoted if of_connect else each.number] = End(at_s, told_s=at_s)
        elif each.transport == "tcp" and _is_of(each, made, addresses):
            is_own = each.sender[0] in addresses
            connected |= set() if is_own else {flow}
            end = ends.setdefault(flow, End(port=each.source_port if is_own else each.destination_port))
            if end.over_s is None and each.flags & {"FIN", "RST"}:
                told_s = end.told_s if is_own or end.told_s else at_s
                ends[flow] = replace(end, over_s=at_s if is_own or "RST" in each.flags else None, told_s=told_s)
    return list(ends.values())


def _is_of(frame: Frame, made: Tries, addresses: Collection[str]) -> bool:
    return any(
        address in addresses and port in made.ports
        for address, port in ((frame.source, frame.source_port), (frame.destination, frame.destination_port))
    )
