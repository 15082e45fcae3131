"""The picture of one run of a script: packets, faults, calls and steps as rows of one time axis. Pure; draws nothing.

The axis: time runs down, and rows are in its order, evenly spaced, each with its true time. Where nothing happened for
PAUSE_NS or longer the axis is broken, and the break says for how long; it is the higher the longer that was.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any, Literal

from scenarios.evidence.stalls import Stall
from scenarios.report.read_run import Frame, Packet, Packets

PAUSE_NS = 10_000_000
STALLS = 200  # the longest have rows; all that were kept are in result.json
LANES = 6  # bars of calls side by side; calls beyond have their rows, and no bar
FIRST, LAST = 12_000, 3_000  # of a very long exchange, so many packets have rows; all of them are in the captures
FLAGS = ("SYN", "FIN", "RST", "PSH", "URG", "ACK")
IN_FORCE, HEAL = " is in force", "heal "

# What tshark's expert says of a segment, in a word; what it says of every segment of its kind is left out.
WORDS = (
    (re.compile(r"\bspurious retransmission", re.I), "spurious retransmission"),
    (re.compile(r"\bfast retransmission", re.I), "fast retransmission"),
    (re.compile(r"\bretransmission", re.I), "retransmission"),
    (re.compile(r"\bduplicate ack", re.I), "duplicate ACK"),
    (re.compile(r"\bout-of-order", re.I), "out of order"),
    (re.compile(r"previous segment\(s\) not captured", re.I), "a segment before it is missing"),
    (re.compile(r"acked segment that wasn't captured", re.I), "acknowledges what is missing"),
    (re.compile(r"\bzero window probe ack|ack to a tcp zero window probe", re.I), "answers a window probe"),
    (re.compile(r"zero window probe", re.I), "zero window probe"),
    (re.compile(r"zero window segment|tcp zero window", re.I), "zero window"),
    (re.compile(r"window update", re.I), "window update"),
    (re.compile(r"window is completely full|tcp window specified by the receiver", re.I), "fills the window"),
    (re.compile(r"ack to a tcp keep-alive|keep-alive ack", re.I), "answers a keep-alive"),
    (re.compile(r"keep-alive", re.I), "keep-alive"),
    (re.compile(r"bad checksum", re.I), "bad checksum"),
    (re.compile(r"same ports as an earlier session", re.I), "ports used again"),
    (re.compile(r"d-sack", re.I), "D-SACK"),
    (re.compile(r"partial acknowledgement", re.I), "partial ACK"),
)
PLAIN = re.compile(
    r"connection (establish (request|acknowledge)|finish|reset)|this frame (initiates|undergoes) the connection"
    r"|no response seen|time to live|HTTP/1",
    re.I,
)

Fate = Literal["crossed", "lost", "made", "altered", "cut", "piece", "taken", "local"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A packet on its rung."""

    client_leg: int | None  # numbers of the frames
    server_leg: int | None
    rightwards: bool
    fate: Fate
    source: str
    destination: str
    flags: str  # `PSH ACK`, or the protocol
    numbers: str  # `seq 1 ack 1`, relative to the connection
    size: str  # `143 bytes`
    about: str  # of a packet of one link only: what it says, in tshark's words
    carries: tuple[str, ...]
    marks: tuple[str, ...]  # `retransmission`
    details: str  # for whoever asks: ports, windows, lengths
    crossing_us: float | None
    connection: int | None  # counted from 1, in the order in which they begin


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the picture at its time; exactly one of packet, says and pause_s is there."""

    at_ms: float  # since the first packet of the exchange
    packet: Drawn | None = None
    says: str = ""
    kind: str = ""  # of what is said: step, fault, heal, call, ended, stall
    tone: str = ""
    pause_s: float | None = None
    in_force: bool = False  # while a fault is
    stalled: bool = False  # while something of the lab, or the machine, stood still
    lanes: tuple[str, ...] = ()  # of each bar beside: "", "begins", "on", "ends"; with the call's tone

    @property
    def height_em(self) -> float:
        """Of a pause: the logarithm of its time, in ems."""
        return round(1.4 + 0.9 * max(0.0, math.log10((self.pause_s or 0) * 1e9 / PAUSE_NS)), 2)


@dataclass(frozen=True, slots=True)
class Bar:
    """A call beside the ladder."""

    name: str
    begins_ns: int
    ends_ns: int
    tone: str
    lane: int | None


@dataclass(frozen=True, slots=True)
class Picture:
    """All of one run."""

    rows: Sequence[Row]
    packets: int
    lanes: int
    windows: tuple[str, ...]  # the faults whose time is shaded
    roles: Mapping[str, str]  # of an address
    connections: Sequence[str]
    left_out: int = 0  # packets that have no row


def picture(run: Mapping[str, Any], kept: Packets | None) -> Picture:
    """The picture of one run of a script; `run` is its part of result.json, `kept` its packets, if there are any."""
    roles = _roles(kept)
    flows = _Flows()
    rungs = [(_first(each.packet).time_ns, _drawn(each, kept, roles, flows)) for each in _joined(kept)] if kept else []
    count = len(rungs)
    left_out = max(0, len(rungs) - FIRST - LAST)
    if left_out:
        rungs = rungs[:FIRST] + rungs[-LAST:]
    bars = _bars(run)
    stalls = _stalls(run)
    said = [*_steps(run, bars), *_calls(run), *_stalls_said(stalls)]
    windows = list(_windows(run))
    zero_ns = next((at_ns for at_ns, each in rungs if each.fate != "local"), None)
    if zero_ns is None:
        zero_ns = min([at_ns for at_ns, *_ in said] + [at_ns for at_ns, _ in rungs], default=0)
    items: list[tuple[int, int, Row]] = [
        (at_ns, 0, Row((at_ns - zero_ns) / 1e6, says=says, kind=kind, tone=tone)) for at_ns, says, kind, tone in said
    ]
    items += [(at_ns, 1, Row((at_ns - zero_ns) / 1e6, packet=each)) for at_ns, each in rungs]
    items.sort(key=lambda item: item[:2])
    rows = list(_rows(items, bars, windows, [(each.began_ns, each.ended_ns) for each in stalls]))
    lanes = max((bar.lane + 1 for bar in bars if bar.lane is not None), default=0)
    return Picture(
        rows, count, lanes, tuple(dict.fromkeys(name for name, _, _ in windows)), roles, flows.names, left_out
    )


def _rows(
    items: Sequence[tuple[int, int, Row]],
    bars: Sequence[Bar],
    windows: Sequence[tuple[str, int, int]],
    stalls: Sequence[tuple[int, int]],
) -> Iterator[Row]:
    last_ns: int | None = None
    for at_ns, _, row in items:
        if last_ns is not None and at_ns - last_ns >= PAUSE_NS:
            shaded = any(begins <= last_ns and at_ns <= ends for _, begins, ends in windows)
            yield Row(
                (last_ns - at_ns) / 1e6 + row.at_ms,
                pause_s=(at_ns - last_ns) / 1e9,
                in_force=shaded,
                stalled=any(begins <= last_ns and at_ns <= ends for begins, ends in stalls),
                lanes=_lanes(bars, last_ns + 1, at_ns - 1),
            )
        shaded = any(begins <= at_ns <= ends for _, begins, ends in windows)
        stalled = any(begins <= at_ns <= ends for begins, ends in stalls)
        yield replace(row, in_force=shaded, stalled=stalled, lanes=_lanes(bars, at_ns, at_ns))
        last_ns = at_ns


def _lanes(bars: Sequence[Bar], from_ns: int, to_ns: int) -> tuple[str, ...]:
    """What stands in each lane between two moments."""
    found: dict[int, str] = {}
    for bar in bars:
        if bar.lane is None or bar.ends_ns < from_ns or bar.begins_ns > to_ns:
            continue
        begins, ends = from_ns <= bar.begins_ns <= to_ns, from_ns <= bar.ends_ns <= to_ns
        where = "only" if begins and ends else "begins" if begins else "ends" if ends else "on"
        found[bar.lane] = f"{where} {bar.tone}"
    count = max((bar.lane + 1 for bar in bars if bar.lane is not None), default=0)
    return tuple(found.get(lane, "") for lane in range(count))


# What is said beside the packets


def tone_of(outcome: str) -> str:
    """How an outcome is coloured: an answer, or no answer."""
    return "answered" if outcome == "answered" else "unanswered"


def _bars(run: Mapping[str, Any]) -> list[Bar]:
    spans = []
    for name, made in run["calls"].items():
        for each in made:
            call = each["call"]
            if call["started_s"] is not None and call["duration_s"] is not None:
                begins_ns = round(call["started_s"] * 1e9)
                ends_ns = begins_ns + round(call["duration_s"] * 1e9)
                spans.append((begins_ns, ends_ns, name, tone_of(call["outcome"])))
    free_ns: list[int] = []  # of each lane, when its last bar ends
    bars = []
    for begins_ns, ends_ns, name, tone in sorted(spans):
        lane = next((number for number, until_ns in enumerate(free_ns) if until_ns < begins_ns), None)
        if lane is None and len(free_ns) < LANES:
            lane = len(free_ns)
            free_ns.append(0)
        if lane is not None:
            free_ns[lane] = ends_ns
        bars.append(Bar(name, begins_ns, ends_ns, tone, lane))
    return bars


def _calls(run: Mapping[str, Any]) -> Iterator[tuple[int, str, str, str]]:
    for name, made in run["calls"].items():
        for number, each in enumerate(made, start=1):
            call, which = each["call"], f"{name} {number} of {len(made)}" if len(made) > 1 else name
            if call["started_s"] is None or call["duration_s"] is None:
                continue
            tone, begins_ns = tone_of(call["outcome"]), round(call["started_s"] * 1e9)
            yield begins_ns, f"{which}: the program begins on {call['host']}", "call", tone
            ends_ns = begins_ns + round(call["duration_s"] * 1e9)
            yield ends_ns, f"{which}: {each['ended']} after {seconds(call['duration_s'])}", "ended", tone


def _steps(run: Mapping[str, Any], bars: Sequence[Bar]) -> Iterator[tuple[int, str, str, str]]:
    timed = {bar.name for bar in bars}
    faults = {name for name, _, _ in _windows(run)}
    whole = {name for name, made in run["calls"].items() if name in timed and all(c["call"]["started_s"] for c in made)}
    for event in run["events"]:
        what = event["what"]
        if any(what.startswith(f"{name} ended: ") for name in whole):
            continue  # the call's own record says it, with the time at which the program itself ended
        kind = "step"
        if what.removesuffix(IN_FORCE) in faults or what.removeprefix(HEAL) in faults:  # and not what is given
            kind = "heal" if what.startswith(HEAL) else "fault"
        yield event["at_ns"], what, kind, ""


def _stalls(run: Mapping[str, Any]) -> list[Stall]:
    """The longest of the stalls, in order of time; a run of an earlier version has none."""
    found = [Stall(**each) for each in run.get("stalls", {}).get("found", ())]
    longest = sorted(found, key=lambda each: -each.length_s)[:STALLS]
    return sorted(longest, key=lambda each: each.began_ns)


def _stalls_said(stalls: Sequence[Stall]) -> Iterator[tuple[int, str, str, str]]:
    for each in stalls:
        yield each.began_ns, each.how_long, "stall", ""
        yield each.ended_ns, f"{each.who} goes on", "stall", ""


def _windows(run: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    """The time in which each fault was in force: from its event to its heal, or to the end of the run.

    A program that stands in the place of another is in force from its step on. What is given is no fault.
    """
    begun: dict[str, int] = {}
    last_ns = max((event["at_ns"] for event in run["events"]), default=0)
    for event in run["events"]:
        at_ns, what = event["at_ns"], event["what"]
        if named := re.match(r"fault ([a-z][a-z0-9-]*): ", what):
            begun[named[1]] = at_ns
        elif what.removesuffix(IN_FORCE) in begun:
            begun[what.removesuffix(IN_FORCE)] = at_ns
        elif what.startswith(HEAL) and (name := what.removeprefix(HEAL)) in begun:
            yield name, begun.pop(name), at_ns
    for name, at_ns in begun.items():
        yield name, at_ns, last_ns + 3_600_000_000_000


def seconds(value: float) -> str:
    """`7 min 57 s`, `1.033 s`, `17.4 ms`, `20 µs`."""
    if value >= 60:
        return f"{int(value // 60)} min {value % 60:.0f} s"
    return f"{value:.3f} s" if value >= 1 else f"{value * 1e3:.1f} ms" if value >= 1e-3 else f"{value * 1e6:.0f} µs"


# Packets


def _first(packet: Packet) -> Frame:
    """The packet as it was seen first."""
    frames = [each for each in (packet.client_leg, packet.server_leg) if each is not None]
    return min(frames, key=lambda frame: frame.time_ns)


def _roles(kept: Packets | None) -> dict[str, str]:
    roles: dict[str, str] = {}
    for role, addresses in kept.addresses.items() if kept else ():
        for address in addresses:
            roles.setdefault(address, role)
    return roles


def _is_local(frame: Frame) -> bool:
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
class _Flows:
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
            ends = _spoken(frame.source, frame.source_port), _spoken(frame.destination, frame.destination_port)
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


def _spoken(address: str, port: int | None) -> str:
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _drawn(rung: _Rung, kept: Packets, roles: Mapping[str, str], flows: _Flows) -> Drawn:
    packet = rung.packet
    frame = _first(packet)
    legs = packet.client_leg, packet.server_leg
    by_firewall, to_firewall = (roles.get(end) == "firewall" for end in (frame.source, frame.destination))
    local = _is_local(frame)
    from_client = frame.source in kept.client_side
    if None in legs and (local or by_firewall or to_firewall):  # to the firewall, unless it is the firewall that speaks
        from_client = (packet.client_leg is not None) is not by_firewall
    near, far = legs if from_client else legs[::-1]
    fate: Fate = "crossed" if near and far else "lost" if near else "made"
    if None in legs and (local or (near and to_firewall)):
        fate = "local" if local else "taken"
    if rung.altered or rung.cut or rung.is_piece:
        fate = "altered" if rung.altered else "cut" if rung.cut else "piece"
    seen = [each for each in legs if each is not None]
    connection, numbers = flows.place(seen, from_client) if frame.transport == "tcp" else (None, "")
    size = f"{frame.payload_bytes} byte{'s' * (frame.payload_bytes != 1)}" if frame.payload_bytes else ""
    flags = " ".join(name for name in FLAGS if name in frame.flags) or frame.protocol
    return Drawn(
        client_leg=packet.client_leg.number if packet.client_leg else None,
        server_leg=packet.server_leg.number if packet.server_leg else None,
        rightwards=from_client,
        fate=fate,
        source=roles.get(frame.source, frame.source),
        destination=roles.get(frame.destination, frame.destination),
        flags=flags,
        numbers=numbers,
        size=size,
        carries=() if fate == "local" else tuple(_carries(packet)),
        about=frame.info if fate == "local" else "",
        marks=tuple(_marks(rung)),
        details=_details(frame),
        crossing_us=abs(near.time_ns - far.time_ns) / 1e3 if near and far else None,
        connection=connection,
    )


def _details(frame: Frame) -> str:
    ends = [_spoken(frame.source, frame.source_port), _spoken(frame.destination, frame.destination_port)]
    said = [f"{ends[0]} → {ends[1]}", f"{frame.length} bytes on the wire", f"TTL {frame.ttl}"]
    if frame.seq is not None:
        said.append(f"sequence number {frame.seq} on the wire")
    if frame.window is not None:
        said.append(f"window {frame.window}")
    return ", ".join(said)


def _carries(packet: Packet) -> Iterator[str]:
    """What the packet carries: our messages, what tshark makes of another protocol, or its first bytes.

    A message counts where it became whole, which may be on one leg only.
    """
    frames = [each for each in (packet.client_leg, packet.server_leg) if each]
    first = frames[0]
    messages = list(dict.fromkeys(message for frame in frames for message in frame.messages))
    if messages:
        yield from (f"✉ {message}" for message in messages)
    elif first.transport != "tcp" and first.protocol != "UDP":
        yield first.info
    elif first.payload and first.protocol not in ("TCP", "UDP"):
        yield f"{first.protocol}: {first.info}"
    elif first.payload:
        shown = bytes.fromhex(first.payload)
        more = first.payload_bytes - len(shown)
        yield repr(shown)[1:] + (f" and {more} bytes more" if more else "")


def _marks(rung: _Rung) -> Iterator[str]:
    """What tshark finds notable, in a word each, and what the firewall altered."""
    frames = [each for each in (rung.packet.client_leg, rung.packet.server_leg) if each]
    found: dict[str, None] = {}
    if rung.altered:
        found.setdefault(rung.altered)
    if rung.cut:
        found.setdefault(f"cut into {rung.cut} segments")
    for note in (note for frame in frames for note in frame.notes):
        word = next((word for pattern, word in WORDS if pattern.search(note)), None)
        if word is None and not PLAIN.search(note):
            word = note
        if word is not None:
            found.setdefault(word)
    if any(not frame.checksum_good for frame in frames):
        found.setdefault("bad checksum")
    if any("RST" in frame.flags for frame in frames):
        found.setdefault("reset")
    yield from found


@dataclass(frozen=True, slots=True)
class _Rung:
    """A packet, and what the firewall made of it, where the two legs did not see the same."""

    packet: Packet
    altered: str = ""
    cut: int = 0  # into so many segments, which follow
    is_piece: bool = False


def _joined(kept: Packets) -> list[_Rung]:
    """The packets, in order of time, where what the firewall altered is one packet again.

    What ended at the firewall and what began there belong together when they have the same flags and numbers and the
    same length: other addresses (NAT), or other bytes (damage). Or when segments that began there carry, one after the
    other, just the bytes of one that ended there.
    """

    def from_client(frame: Frame) -> bool:
        return frame.source in kept.client_side

    alone = [each for each in kept.packets if None in (each.client_leg, each.server_leg)]
    ended: dict[tuple[object, ...], list[Frame]] = {}
    begun: list[Frame] = []
    for each in alone:
        frame = _first(each)
        if from_client(frame) is (each.client_leg is not None):
            ended.setdefault(_same(frame, from_client(frame)), []).append(frame)
        else:
            begun.append(frame)
    far_of: dict[int, Frame] = {}  # by the identity of the frame that ended
    for far in begun:
        before = [near for near in ended.get(_same(far, from_client(far)), ()) if near.time_ns <= far.time_ns]
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
    rungs = []
    for each in kept.packets:
        frame = _first(each)
        if across := far_of.get(id(frame)):
            legs = (frame, across) if from_client(frame) else (across, frame)
            rungs.append(_Rung(Packet(*legs), altered=_difference(frame, across)))
        elif id(frame) in is_piece:
            rungs.append(_Rung(each, is_piece=True))
        elif id(frame) not in taken:
            translated = _translation(each, is_from_client=from_client(frame))
            rungs.append(_Rung(each, cut=pieces_of.get(id(frame), 0), altered=translated))
    return rungs


def _translation(packet: Packet, *, is_from_client: bool) -> str:
    """What a NAT altered of a packet that is on both legs: its addresses or ports; empty where it altered none."""
    near, far = packet.client_leg, packet.server_leg
    if near is None or far is None or _flow(near) == _flow(far):
        return ""
    return _difference(near, far) if is_from_client else _difference(far, near)


def _same(frame: Frame, from_client: bool) -> tuple[object, ...]:
    """What the firewall does not alter, where it alters a packet; ICMP and ARP are what they say."""
    told = frame.info if frame.transport not in ("tcp", "udp") else frame.identification
    numbers = (frame.seq, frame.ack) if frame.transport == "tcp" else (told,)
    return (from_client, frame.transport, frame.flags, *numbers, frame.payload_bytes)


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
        return f"from {_spoken(near.source, near.source_port)} becomes {_spoken(far.source, far.source_port)}"
    if before[2:] != after[2:]:
        ends = [_spoken(each.destination, each.destination_port) for each in (near, far)]
        return f"to {ends[0]} becomes {ends[1]}"
    if near.payload != far.payload or near.checksum_good != far.checksum_good:
        return "its bytes are altered"
    return "its header is altered"
