"""What became of each packet at the firewall: crossed, lost, altered, cut, joined."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from scenarios.evidence.ways import OF_CLIENT, Way
from scenarios.lab.valueclass import valueclass
from scenarios.report.read_run import Frame, Packet, Packets


def first(packet: Packet) -> Frame:
    """The packet as it was seen first."""
    return min(packet.frames.values(), key=lambda frame: frame.time_ns)


def roles_of(kept: Packets | None) -> dict[str, str]:
    roles: dict[str, str] = {}
    for role, addresses in kept.addresses.items() if kept else ():
        for address in addresses:
            roles.setdefault(address, role)
    return roles


def is_local(frame: Frame) -> bool:
    """Whether it is of one link by its nature: the firewall passes on no such packet."""
    if frame.transport == "arp":
        return True
    if re.search(r"^(Router|Neighbor) (Solicitation|Advertisement)|Multicast Listener", frame.info):
        return True
    try:
        ends = [ip_address(address) for address in (frame.source, frame.destination)]
    except ValueError:
        return True
    return any(
        end.is_link_local or end.is_multicast or end.is_unspecified or str(end) == "255.255.255.255" for end in ends
    )


@dataclass(slots=True)
class Flows:
    """The TCP connections so far: their numbers, and where the sequence numbers of each direction begin."""

    names: list[str] = field(default_factory=list)
    _numbers: dict[frozenset[tuple[str, int | None]], int] = field(default_factory=dict)
    _began: dict[tuple[int, bool], int] = field(default_factory=dict)

    def place(self, frames: Sequence[Frame], from_client: bool) -> tuple[int, str]:
        """Of a segment, as each leg saw it: its connection, counted from 1, and its sequence and acknowledgement
        numbers, relative as Wireshark has them.

        A direction begins at its SYN; without one, at the first segment that was seen. Where the addresses of the legs
        differ (NAT) both are of one connection.
        """
        frame = min(frames, key=lambda frame: frame.time_ns)
        keys = [
            frozenset({(each.source, each.source_port), (each.destination, each.destination_port)}) for each in frames
        ]
        known = next((self._numbers[key] for key in keys if key in self._numbers), None)
        began = self._began
        opens = "SYN" in frame.flags and "ACK" not in frame.flags
        if known is None or (opens and began.get((known, from_client)) != frame.seq):
            ends = endpoint(frame.source, frame.source_port), endpoint(frame.destination, frame.destination_port)
            self.names.append(" to ".join(ends))
            known = len(self.names)
        self._numbers |= dict.fromkeys(keys, known)
        if (known, from_client) not in began:
            began[known, from_client] = frame.seq or 0
        said = f"seq {((frame.seq or 0) - began[known, from_client]) % 2**32}"
        if "ACK" in frame.flags:
            if (known, not from_client) not in began:
                began[known, not from_client] = ((frame.ack or 0) - 1) % 2**32
            said += f" ack {((frame.ack or 0) - began[known, not from_client]) % 2**32}"
        return known, said


def endpoint(address: str, port: int | None) -> str:
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@valueclass
class Rung:
    """A packet, and what the firewall made of it, where the two legs did not see the same."""

    packet: Packet
    altered: str = ""
    cut: int = 0  # into so many segments, which follow
    is_piece: bool = False
    turned: str = ""  # `in` and `out`: both halves of its way are on the client's leg (hairpin)


def joined(kept: Packets) -> list[Rung]:
    """The packets, in order of time, where what the firewall altered is one packet again.

    What ended at the firewall and what began there belong together when they have the same flags and numbers and the
    same length: other addresses (NAT), or other bytes (damage). Or when segments that began there carry, one after the
    other, just the bytes of one that ended there.
    """
    ended: dict[tuple[object, ...], list[Frame]] = {}
    begun: list[Frame] = []
    headings: dict[int, tuple[Way, bool]] = {}  # by the identity of the frame
    for each in kept.packets:
        frame, (way, rightwards) = first(each), kept.way(each)
        headings[id(frame)] = way, rightwards
        if len(each.frames) > 1:
            continue
        if way[0 if rightwards else 1] in each.frames:
            ended.setdefault(_same(frame, (way, rightwards)), []).append(frame)
        else:
            begun.append(frame)
    far_of: dict[int, Frame] = {}  # by the identity of the frame that ended
    for far in begun:
        before = [near for near in ended.get(_same(far, headings[id(far)]), ()) if near.time_ns <= far.time_ns]
        if before and id(before[-1]) not in far_of:
            far_of[id(before[-1])] = far
    taken = {id(far) for far in far_of.values()}
    pieces_of: dict[int, int] = {}
    starts: dict[tuple[object, ...], list[Frame]] = {}
    for far in begun:
        if id(far) not in taken and far.transport == "tcp" and far.payload_bytes:
            starts.setdefault((*_flow(far), far.seq), []).append(far)
    for near in (each for frames in ended.values() for each in frames):
        pieces = _pieces(near, starts) if near.payload_bytes and id(near) not in far_of else []
        if len(pieces) > 1:
            pieces_of[id(near)] = len(pieces)
            taken |= {id(far) for far in pieces}
    is_piece = taken - {id(far) for far in far_of.values()}
    turned = _turned(kept)
    rungs = []
    for each in kept.packets:
        frame = first(each)
        if id(frame) in turned:
            rungs.append(Rung(each, turned=turned[id(frame)]))
        elif across := far_of.get(id(frame)):
            way, rightwards = headings[id(frame)]
            legs = (frame, across) if rightwards else (across, frame)
            rungs.append(Rung(Packet.across(way, *legs), altered=_difference(frame, across)))
        elif id(frame) in is_piece:
            rungs.append(Rung(each, is_piece=True))
        elif id(frame) not in taken:
            translated = _translation(each, *headings[id(frame)])
            rungs.append(Rung(each, cut=pieces_of.get(id(frame), 0), altered=translated))
    return rungs


def _turned(kept: Packets) -> dict[int, str]:
    """Of packets that the firewall sent back by the leg they came by, the frames, by their identity: `in` or `out`.

    Such a packet comes for an address beyond the firewall, or its own, and leaves for a host of the client's side.
    """
    beyond = {address for role in ("nobody", "firewall") for address in kept.addresses.get(role, ())}
    found: dict[int, str] = {}
    came: dict[tuple[object, ...], Frame] = {}
    for each in kept.packets:
        frame = each.client_leg
        if frame is None or each.server_leg is not None:
            continue
        key = (frame.identification, *_same(frame, (OF_CLIENT, True)))
        if frame.destination in beyond and frame.source in kept.client_side - beyond:
            came[key] = frame
        elif key in came and frame.destination in kept.client_side - beyond:
            found |= {id(came.pop(key)): "in", id(frame): "out"}
    return found


def _translation(packet: Packet, way: Way, rightwards: bool) -> str:
    """What a NAT altered of a packet that is on both legs: its addresses or ports; empty where it altered none."""
    left, right = (packet.frames.get(leg) for leg in way)
    if left is None or right is None or _flow(left) == _flow(right):
        return ""
    return _difference(left, right) if rightwards else _difference(right, left)


def _same(frame: Frame, heading: tuple[Way, bool]) -> tuple[object, ...]:
    """What the firewall does not alter, where it alters a packet; ICMP and ARP are what they say."""
    told = frame.info if frame.transport not in ("tcp", "udp") else frame.identification
    numbers = (frame.seq, frame.ack) if frame.transport == "tcp" else (told,)
    return (heading, frame.transport, frame.flags, *numbers, frame.payload_bytes)


def _flow(frame: Frame) -> tuple[object, ...]:
    return frame.source, frame.source_port, frame.destination, frame.destination_port


def _pieces(near: Frame, starts: Mapping[tuple[object, ...], Sequence[Frame]]) -> list[Frame]:
    """The segments that carry the bytes of this one, in order; empty when they do not carry just these."""
    found: list[Frame] = []
    at, end = near.seq or 0, (near.seq or 0) + near.payload_bytes
    while at < end:
        nexts = [far for far in starts.get((*_flow(near), at % 2**32), ()) if far.time_ns >= near.time_ns]
        if not nexts:
            return []
        found.append(nexts[0])
        at += nexts[0].payload_bytes
    return found if at == end else []


def _difference(near: Frame, far: Frame) -> str:
    before, after = _flow(near), _flow(far)
    if before[:2] != after[:2]:
        return f"from {endpoint(near.source, near.source_port)} becomes {endpoint(far.source, far.source_port)}"
    if before[2:] != after[2:]:
        ends = [endpoint(each.destination, each.destination_port) for each in (near, far)]
        return f"to {ends[0]} becomes {ends[1]}"
    if near.payload != far.payload or near.checksum_good != far.checksum_good:
        return "its bytes are altered"
    return "its header is altered"
