"""The picture of one run of a script: packets, faults, calls and steps as rows of one time axis. Pure; draws nothing.

The axis: time runs down, and rows are in its order, evenly spaced, each with its true time. Where nothing happened for
PAUSE_NS or longer the axis is broken, and the break says for how long; a longer pause has a higher break.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from scenarios.evidence.ways import OF_CLIENT, PAST_SERVER, Way
from scenarios.lab.valueclass import valueclass
from scenarios.report.ladder_events import Bar, bars_of, calls, lanes, stall_events, stalls_of, steps, windows_of
from scenarios.report.packet_fates import Flows, Rung, endpoint, first, is_local, joined, roles_of
from scenarios.report.read_run import Frame, Packet, Packets
from scenarios.report.tshark_notes import marks

PAUSE_NS = 10_000_000
FIRST, LAST = 12_000, 3_000  # of a very long exchange, so many packets have rows; all of them are in the captures
FLAGS = ("SYN", "FIN", "RST", "PSH", "URG", "ACK")


Fate = Literal["crossed", "lost", "made", "altered", "cut", "piece", "taken", "local", "turned"]
Ends = tuple[str, ...]  # roles, from left to right; the firewall stands between each two of them


@valueclass
class LadderRow:
    """A packet on its rung."""

    left: int | None  # numbers of the frames on the two legs of its way, as they are drawn
    right: int | None
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
    way: Way = OF_CLIENT
    ttls: tuple[int | None, int | None] = (None, None)  # on the left leg of its way, and on the right one

    @property
    def legs(self) -> tuple[tuple[str, int | None], tuple[str, int | None]]:
        """The two legs as they are drawn, the left one first: name, and the number of the frame there."""
        return (self.way[0], self.left), (self.way[1], self.right)

    @property
    def of_backend(self) -> bool:
        """Whether it is drawn between the server in the middle and its backend."""
        return self.way[0] == "server-leg"

    @property
    def past_server(self) -> bool:
        """Whether it is drawn from the client to the backend, past the server in the middle."""
        return self.way == PAST_SERVER

    @property
    def first_leg(self) -> str:
        """The leg on which it was seen first, or alone."""
        on_its_way = self.legs if self.rightwards else self.legs[::-1]
        return next(leg for leg, number in on_its_way if number is not None)


@valueclass
class Row:
    """A line of the picture at its time; exactly one of packet, says and pause_s is there."""

    at_ms: float  # since the first packet of the exchange
    packet: LadderRow | None = None
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


@valueclass
class Picture:
    """All of one run."""

    rows: Sequence[Row]
    packets: int
    lanes: int
    windows: tuple[str, ...]  # the faults whose time is shaded
    roles: Mapping[str, str]  # of an address
    connections: Sequence[str]
    left_out: int = 0  # packets that have no row
    ends: Ends = ("client", "server")


def picture(run: Mapping[str, Any], kept: Packets | None) -> Picture:
    """The picture of one run of a script; `run` is its part of result.json, `kept` its packets, if there are any."""
    roles = roles_of(kept)
    flows = Flows()
    rungs = (
        [(first(each.packet).time_ns, _ladder_row(each, kept, roles, flows)) for each in joined(kept)] if kept else []
    )
    count = len(rungs)
    left_out = max(0, len(rungs) - FIRST - LAST)
    if left_out:
        rungs = rungs[:FIRST] + rungs[-LAST:]
    bars = bars_of(run)
    stalls = stalls_of(run)
    said = [*steps(run, bars), *calls(run), *stall_events(stalls)]
    windows = list(windows_of(run))
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
    ends: Ends = ("client", "server", "backend") if "backend" in roles.values() else ("client", "server")
    return Picture(
        rows, count, lanes, tuple(dict.fromkeys(name for name, _, _ in windows)), roles, flows.names, left_out, ends
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
                lanes=lanes(bars, last_ns + 1, at_ns - 1),
            )
        shaded = any(begins <= at_ns <= ends for _, begins, ends in windows)
        stalled = any(begins <= at_ns <= ends for begins, ends in stalls)
        yield replace(row, in_force=shaded, stalled=stalled, lanes=lanes(bars, at_ns, at_ns))
        last_ns = at_ns


# Packets


def _ladder_row(rung: Rung, kept: Packets, roles: Mapping[str, str], flows: Flows) -> LadderRow:
    packet = rung.packet
    frame = first(packet)
    way, rightwards = kept.way(packet)
    legs = packet.frames.get(way[0]), packet.frames.get(way[1])
    by_firewall, to_firewall = (roles.get(end) == "firewall" for end in (frame.source, frame.destination))
    local = is_local(frame)
    if None in legs and (local or by_firewall or to_firewall):  # to the firewall, unless it is the firewall that speaks
        rightwards = (legs[0] is not None) is not by_firewall
    if rung.turned:
        rightwards = rung.turned == "in"
    near, far = legs if rightwards else legs[::-1]
    fate: Fate = "crossed" if near and far else "lost" if near else "made"
    if None in legs and (local or (near and to_firewall)):
        fate = "local" if local else "taken"
    if rung.altered or rung.cut or rung.is_piece:
        fate = "altered" if rung.altered else "cut" if rung.cut else "piece"
    if rung.turned:
        fate = "turned"
    seen = [each for each in legs if each is not None]
    connection, numbers = flows.place(seen, rightwards) if frame.transport == "tcp" else (None, "")
    size = f"{frame.payload_bytes} byte{'s' * (frame.payload_bytes != 1)}" if frame.payload_bytes else ""
    flags = " ".join(name for name in FLAGS if name in frame.flags) or frame.protocol
    if not kept.backend_side and "backend" in (roles.get(frame.source), roles.get(frame.destination)):
        way, legs, rightwards = (way[1], way[0]), legs[::-1], not rightwards  # it stood on the client's side then
    return LadderRow(
        left=legs[0].number if legs[0] else None,
        right=legs[1].number if legs[1] else None,
        rightwards=rightwards,
        fate=fate,
        source=roles.get(frame.source, frame.source),
        destination=roles.get(frame.destination, frame.destination),
        flags=flags,
        numbers=numbers,
        size=size,
        carries=() if fate == "local" else tuple(_carries(packet)),
        about=frame.info if fate == "local" else "",
        marks=tuple(marks(rung)),
        details=_details(frame),
        crossing_us=abs(near.time_ns - far.time_ns) / 1e3 if near and far else None,
        connection=connection,
        way=way,
        ttls=(legs[0].ttl if legs[0] else None, legs[1].ttl if legs[1] else None),
    )


def _details(frame: Frame) -> str:
    ends = [endpoint(frame.source, frame.source_port), endpoint(frame.destination, frame.destination_port)]
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
    frames = [*packet.frames.values()]
    first = frames[0]
    messages = list(dict.fromkeys(message for frame in frames for message in frame.messages))
    if messages:
        yield from (f"✉ {message}" for message in messages)
    elif first.transport != "tcp" and first.protocol != "UDP":
        yield first.info
    elif first.payload and first.protocol not in ("TCP", "UDP"):
        yield f"{first.protocol}: {first.info}"
    elif first.payload:
        on_its_way = sorted(frames, key=lambda frame: frame.time_ns)
        yield " became ".join(dict.fromkeys(_bytes(each) for each in on_its_way))


def _bytes(frame: Frame) -> str:
    shown = bytes.fromhex(frame.payload)
    more = frame.payload_bytes - len(shown)
    return repr(shown)[1:] + (f" and {more} bytes more" if more else "")
