"""Frames behind a NAT: the sender or receiver of each, where the NAT's own address stands in its place.

It is told from the packets alone: a NAT changes an address and a port, and what else crosses with them tells which
frame of the one leg is which of the other. Knows no lab.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from scenarios.evidence.frame import Endpoint, Frame


def _unchanged_by_nat(frame: Frame, peer: Endpoint, of_peer: bool) -> tuple[object, ...]:
    """What a NAT leaves as it was. `peer` is the end of the frame that it does not hide, with the address where that is
    the same on both legs.
    """
    port = None if frame.transport == "icmp" else peer[1]
    what = frame.flags, frame.seq, frame.ack, frame.options, frame.payload, frame.fragment
    return (frame.transport, peer[0] if of_peer else "", port, frame.identification, *what)


def behind_translations(
    frames: Mapping[str, list[Frame]], nat: Collection[str], virtual: Collection[str]
) -> dict[str, list[Frame]]:
    """The frames of both legs with their true ends, where the client's side is behind a NAT that has the addresses
    `nat`, or hosts of the server's side are behind the `virtual` ones. Empty: behind none.
    """
    found = dict(frames)
    if nat:
        found["server-leg"] = with_true_ends(found["client-leg"], found["server-leg"], nat, peers_stay=not virtual)
    if virtual:
        found["client-leg"] = with_true_ends(found["server-leg"], found["client-leg"], virtual)
    return found


def with_true_ends(
    inside: Sequence[Frame], outside: Sequence[Frame], nat: Collection[str], *, peers_stay: bool = True
) -> list[Frame]:
    """The frames of the outside leg, those that are to or from the NAT's addresses with the end that it hides.

    `inside` are the frames of the leg of the hidden hosts. A frame that is on the outside leg alone (it was lost, or
    made on the way) is of the host whose conversation it belongs to; a RST may be the NAT's own, and stays its own.
    The far ends have the same addresses on both legs where `peers_stay`: they are behind no virtual one.
    """
    sent: dict[tuple[object, ...], list[Frame]] = defaultdict(list)
    received: dict[tuple[object, ...], list[Frame]] = defaultdict(list)
    for frame in inside:
        sent[_unchanged_by_nat(frame, frame.receiver, peers_stay)].append(frame)
        received[_unchanged_by_nat(frame, frame.sender, peers_stay)].append(frame)

    def twin(frame: Frame) -> Endpoint | None:
        """The hidden end, from the same packet on the inside leg: the nearest in time, one of the same port first."""
        if is_from_nat(frame):
            same = sent[_unchanged_by_nat(frame, _far(frame), peers_stay)]
            found = [each for each in same if each.time_ns <= frame.time_ns]
            ends = [((each.source, each.source_port), each.time_ns) for each in found]
        else:
            same = received[_unchanged_by_nat(frame, _far(frame), peers_stay)]
            found = [each for each in same if each.time_ns >= frame.time_ns]
            ends = [((each.destination, each.destination_port), -each.time_ns) for each in found]
        own = frame.source_port if is_from_nat(frame) else frame.destination_port
        ends = [(end, at) for end, at in ends if end[0] not in nat]
        return max(ends, key=lambda each: (each[0][1] == own, each[1]))[0] if ends else None

    def is_from_nat(frame: Frame) -> bool:
        return frame.source in nat

    def _far(frame: Frame) -> Endpoint:
        if is_from_nat(frame):
            return frame.destination, frame.destination_port
        return frame.source, frame.source_port

    def conversation(frame: Frame) -> tuple[object, ...]:
        near = (frame.source, frame.source_port) if is_from_nat(frame) else (frame.destination, frame.destination_port)
        return (frame.transport, near, _far(frame))

    translated = [frame for frame in outside if (frame.source in nat) is not (frame.destination in nat)]
    twins = {frame.number: end for frame in translated if (end := twin(frame))}
    hidden = {conversation(frame): twins[frame.number] for frame in translated if frame.number in twins}

    def true_ends(frame: Frame) -> Frame:
        end = twins.get(frame.number)
        if end is None and not (is_from_nat(frame) and "RST" in frame.flags):
            end = hidden.get(conversation(frame))
        if end is None:
            return frame
        return replace(frame, true_source=end) if is_from_nat(frame) else replace(frame, true_destination=end)

    known = {frame.number: true_ends(frame) for frame in translated}
    return [known.get(frame.number, frame) for frame in outside]
