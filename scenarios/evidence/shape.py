"""The shape of a conversation, as the packets of a leg show it: connections, who speaks first, how many turns.

A drill for `request` rests on one connection, one question and one answer, a segment each. Whether a program is of that
kind is said in its service.yaml; this is what the packets say.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable

from scenarios.evidence.frame import Frame
from scenarios.evidence.service_end import ServiceEnd
from scenarios.lab.valueclass import valueclass
from scenarios.spec.units import so_many


@valueclass
class Shape:
    """What all conversations of a client with a port were like. `segments` is the most that a turn took."""

    transport: str
    connections: int  # over UDP: source ports
    server_first: bool
    crossed: bool  # both ends spoke before they had heard the other: who was first is chance
    exchanges: int  # turns of the client that were followed by one of the server
    segments: int
    closed_by: str  # `client`, `server`; empty: by nobody, or not over TCP

    @property
    def conversation(self) -> str:
        """The word for it in service.yaml; that a client waits for more, `stays`, no packet shows."""
        if self.crossed:
            return "other"
        if self.server_first:
            return "greeting"
        if self.connections == 1 and self.exchanges > 1:
            return "exchanges"
        return "request" if (self.connections, self.exchanges, self.segments) == (1, 1, 1) else "other"

    @property
    def provided(self) -> str:
        """On what that word rests besides, `, if …`: who spoke second may not have waited, but have been slower.

        Both ends of SSH and of HTTP/2 speak at once (RFC 4253, 4.2; RFC 9113, 3.4). A kernel acknowledges the first
        words before its program has read them, so that later ones look like their answer.
        """
        waits = {"greeting": ("client", "server"), "exchanges": ("server", "client")}.get(self.conversation)
        return f", if the {waits[0]} waits for the {waits[1]}'s first words" if waits else ""

    @property
    def words(self) -> str:
        """`1 connection, the client speaks first, 2 exchanges, the client closes first`."""
        if self.transport == "udp":
            return f"{so_many(self.connections, 'source port')}, {so_many(self.exchanges, 'question')} answered"
        parts = [so_many(self.connections, "connection")]
        first = "neither end waits for the other" if self.crossed else "the server speaks first"
        parts.append(first if self.crossed or self.server_first else "the client speaks first")
        parts.append(so_many(self.exchanges, "exchange"))
        if self.segments > 1:
            parts.append(f"up to {self.segments} segments a turn")
        parts.append(f"the {self.closed_by} closes first" if self.closed_by else "it stays connected")
        return ", ".join(parts)


def shape(frames: Iterable[Frame], clients: Collection[str], port: int) -> Shape | None:
    """Return the shape of what clients at these addresses had with a port; None where nothing was said."""
    flows: dict[tuple[object, ...], list[tuple[bool, Frame]]] = {}
    captured = [each for each in frames if {each.sender[0], each.receiver[0]} & {*clients}]
    service = ServiceEnd.shown_by(captured, clients, port)
    for each in captured:
        from_client = service.is_to(each)
        if each.transport in ("tcp", "udp") and (from_client or service.is_from(each)):
            client, other = (each.sender, each.receiver) if from_client else (each.receiver, each.sender)
            flows.setdefault((each.transport, client, other[0]), []).append((from_client, each))
    turns = {flow: _turns(said) for flow, said in flows.items()}
    spoken = [each for each in turns.values() if each]
    if not spoken:
        return None
    ends = (by_client for said in flows.values() for by_client, each in said if each.flags & {"FIN", "RST"})
    ended = next(ends, None)
    return Shape(
        transport=str(next(iter(flows))[0]),
        connections=len(flows),
        server_first=any(not each[0][0] for each in spoken),
        crossed=any(_has_crossed(said) for said in flows.values()),
        exchanges=sum(one[0] and not two[0] for each in spoken for one, two in itertools.pairwise(each)),
        segments=max(count for each in spoken for _, count in each),
        closed_by="" if ended is None else "client" if ended else "server",
    )


def _has_crossed(said: Iterable[tuple[bool, Frame]]) -> bool:
    """Whether the first words of either end acknowledge none of the other's, as of HTTP/2 (RFC 9113, section 3.4)."""
    first: dict[bool, Frame] = {}
    for from_client, each in said:
        if each.transport == "tcp" and each.payload:
            first.setdefault(from_client, each)
    return len(first) == 2 and all(first[end].ack == first[not end].seq for end in first)


def _turns(said: Iterable[tuple[bool, Frame]]) -> list[tuple[bool, int]]:
    """Whose each turn was, and how many segments it took; what was sent again is left out."""
    known: set[tuple[object, ...]] = set()
    found: list[tuple[bool, int]] = []
    for from_client, each in said:
        content = (from_client, each.seq if each.transport == "tcp" else each.number)
        if not each.payload or content in known:
            continue
        known.add(content)
        before = found.pop() if found and found[-1][0] == from_client else (from_client, 0)
        found.append((from_client, before[1] + 1))
    return found
