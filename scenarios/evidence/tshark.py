"""Reading captures, with tshark and our dissector, on the firewall: frames as frozen values.

This is the second opinion: nothing here, or in the dissector, has seen the services' code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from types import TracebackType
from typing import Any, Literal, Self

from scenarios.lab.errors import UsageError
from scenarios.lab.json_lines import Child
from scenarios.lab.lab import Lab
from scenarios.lab.process import LabProblem

DECODE = "/usr/local/lib/faultwire/decode"  # images/firewall/decode
PCAPNG = b"\x0a\x0d\x0d\x0a"  # the type of the block that every such file begins with
TSHARK_TIMEOUT_S = 120
READS_WITHIN_S = 5
# Sequence numbers as they are on the wire, so that the legs can be compared; checksums verified: damage is seen.
PREFERENCES = ("tcp.relative_sequence_numbers:FALSE", "tcp.check_checksum:TRUE", "ip.check_checksum:TRUE")
FIELDS = (
    "frame.number frame.time_epoch frame.len frame.protocols _ws.col.protocol _ws.col.info _ws.expert.message "
    "ip.src ip.dst ip.id ip.ttl ipv6.src ipv6.dst ipv6.hlim arp.src.proto_ipv4 arp.dst.proto_ipv4 "
    "tcp.srcport tcp.dstport tcp.seq tcp.ack tcp.flags tcp.window_size_value tcp.options tcp.payload "
    "tcp.checksum.status tcp.checksum.ffff udp.srcport udp.dstport udp.payload jsonmsg.summary "
    "jsonmsg.header.byteorder ip.frag_offset ip.flags.mf ipv6.fraghdr.offset ipv6.fraghdr.more"
).split()

FLAGS = {0x02: "SYN", 0x10: "ACK", 0x01: "FIN", 0x04: "RST", 0x08: "PSH", 0x20: "URG"}
Transport = Literal["tcp", "udp", "icmp", "arp", "other"]
# What tshark's line on an ICMP echo says that is of one leg only: hops left, and the frame of the other half.
ICMP_OF_A_LEG = re.compile(r", (?:ttl|hop limit)=\d+| \((?:(?:reply|request) in \d+|no response found!)\)")


Endpoint = tuple[str, int | None]  # an address, and a port where there is one


@dataclass(frozen=True, slots=True)
class Frame:
    """A captured frame that carries IP, or ARP where it was asked for.

    Times are in seconds since the epoch, with nanoseconds kept in `time_ns`.
    """

    number: int  # of the frame in its capture, from 1
    time_ns: int
    length: int  # of the frame, with its Ethernet header, in bytes
    transport: Transport
    source: str
    destination: str
    source_port: int | None
    destination_port: int | None
    identification: int | None  # of IPv4; a segment that is sent again has another
    ttl: int  # or hop limit
    flags: frozenset[str]  # of TCP, by name
    seq: int | None
    ack: int | None
    window: int | None
    options: str  # of TCP, in hexadecimal
    payload: bytes  # of TCP or UDP
    protocol: str  # the highest that tshark decodes, as in its column: TCP, DNS, HTTP, JSONMSG, …
    info: str  # tshark's own one line
    notes: tuple[str, ...]  # tshark's expert information: retransmissions, malformed messages, …
    messages: tuple[str, ...]  # a line for each message of ours that became whole in this frame
    byteorders: tuple[str, ...]  # the byteorder header of each of them
    checksum_good: bool
    marks: frozenset[str] = frozenset()  # the display filters, of those that were asked for, that keep it
    fragment: tuple[int, bool] | None = (
        None  # of a fragment: its offset in units of 8 bytes (RFC 791, 3.1), and whether more follow
    )
    # where a NAT's own address stands in the packet: who sent it, or whom it is for (scenarios/evidence/nat_frames.py)
    true_source: Endpoint | None = None
    true_destination: Endpoint | None = None

    @property
    def sender(self) -> Endpoint:
        """The address and the port that it comes from: behind a NAT, those that the NAT hides."""
        return self.true_source or (self.source, self.source_port)

    @property
    def receiver(self) -> Endpoint:
        """The address and the port that it is for: behind a NAT, those that the NAT hides."""
        return self.true_destination or (self.destination, self.destination_port)

    @property
    def crossing(self) -> tuple[object, ...]:
        """What stays the same while a packet crosses the firewall: all that is kept here but TTL, time and number.

        Of a fragment it is the place in its datagram: what else is known of one depends on which others came.
        """
        if self.fragment:
            return self.sender[0], self.receiver[0], self.identification, self.fragment, self.length
        return (
            *(self.transport, self.sender, self.receiver, self.identification),
            *(self.flags, self.seq, self.ack, self.window, self.options, self.payload),
            ICMP_OF_A_LEG.sub("", self.info) if self.transport in ("icmp", "arp", "other") else "",
        )


def _frame(layers: dict[str, list[str]], marked: Mapping[str, str]) -> Frame | None:
    def first(*names: str) -> str:
        return next((layers[name][0] for name in names if name in layers), "")

    def number(*names: str) -> int | None:
        return int(text, 0) if (text := first(*names)) else None

    protocols = first("frame.protocols").split(":")
    if not {"ip", "ipv6", "arp"} & set(protocols):
        return None
    transport: Transport = "arp" if "arp" in protocols else "other"
    if "icmp" in protocols or "icmpv6" in protocols:
        transport = "icmp"  # it quotes the packet that it is about, so its own name comes before tcp's and udp's
    elif "tcp" in protocols:
        transport = "tcp"
    elif "udp" in protocols:
        transport = "udp"
    seconds, _, fraction = first("frame.time_epoch").partition(".")
    bits = number("tcp.flags") or 0
    is_icmp = transport == "icmp"
    offset = number("ip.frag_offset", "ipv6.fraghdr.offset") or 0
    has_more = first("ip.flags.mf", "ipv6.fraghdr.more") in ("1", "True")
    return Frame(
        number=int(first("frame.number")),
        time_ns=int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0),
        length=int(first("frame.len")),
        transport=transport,
        source=intern(first("ip.src", "ipv6.src", "arp.src.proto_ipv4")),
        destination=intern(first("ip.dst", "ipv6.dst", "arp.dst.proto_ipv4")),
        source_port=None if is_icmp else number("tcp.srcport", "udp.srcport"),
        destination_port=None if is_icmp else number("tcp.dstport", "udp.dstport"),
        identification=number("ip.id"),
        ttl=number("ip.ttl", "ipv6.hlim") or 0,
        flags=frozenset(name for bit, name in FLAGS.items() if bits & bit and not is_icmp),
        seq=number("tcp.seq"),
        ack=number("tcp.ack"),
        window=number("tcp.window_size_value"),
        options=intern(first("tcp.options")),
        payload=bytes.fromhex(first("tcp.payload", "udp.payload").replace(":", "")),
        protocol=intern(first("_ws.col.protocol")),
        info=first("_ws.col.info"),
        notes=tuple(layers.get("_ws.expert.message", ())),
        messages=tuple(layers.get("jsonmsg.summary", ())),
        byteorders=tuple(layers.get("jsonmsg.header.byteorder", ())),
        # Linux writes a sum of 0 as 0xffff in every protocol, as UDP must; to a receiver they are one (RFC 1624, 3).
        checksum_good=first("tcp.checksum.status") != "0" or "tcp.checksum.ffff" in layers,
        marks=frozenset(mark for field, mark in marked.items() if field in layers),
        fragment=(offset, has_more) if offset or has_more else None,
    )


def _arguments(display_filter: str, marks: Sequence[str]) -> list[str]:
    """The command line of tshark, which reads a capture from its standard input, without the program's name."""
    return [
        *("-r", "-", "-Y", display_filter, "-T", "json"),
        *(word for preference in PREFERENCES for word in ("-o", preference)),
        *(word for field in FIELDS for word in ("-e", field)),
        *(word for mark in dict.fromkeys(marks) for word in ("-e", _mark_field(mark))),
    ]


# For a line a frame: the characters that part fields, and the values of one field. Neither is printed by a dissector.
_FIELD, _VALUE = "\x1f", "\x1e"


def live_arguments() -> list[str]:
    """The command line of a tshark that prints each frame of a capture on its standard input at once, as a line."""
    return [
        *("-l", "-r", "-", "-T", "fields", "-E", f"separator={_FIELD}", "-E", f"aggregator={_VALUE}"),
        *(word for preference in PREFERENCES for word in ("-o", preference)),
        *(word for field in FIELDS for word in ("-e", field)),
    ]


def live_frame(line: str) -> Frame | None:
    """The frame of a line that a tshark with `live_arguments` printed; None where it carries neither IP nor ARP.

    Raises ValueError for any other line.
    """
    values = line.split(_FIELD)
    if len(values) != len(FIELDS):
        raise ValueError(f"expected {len(FIELDS)} fields, got {len(values)} in {line[:200]!r}")
    return _frame({name: value.split(_VALUE) for name, value in zip(FIELDS, values, strict=True) if value}, {})


def _mark_field(mark: str) -> str:
    """A field that a frame has if the filter keeps it, and no other: -e takes any expression since Wireshark 4.4.

    Without the `&&` it would be a value, and one that is 0 is there too. It changes no truth: every frame has `frame`,
    and nothing binds less than `||`. (Parentheses would make a filter of `tcp) || (udp`.)
    """
    return f"{mark} && frame"


@dataclass(frozen=True, slots=True)
class _Decoded:
    """How a tshark ended, and what it printed."""

    status: int
    out: str
    err: str

    def frames(self, lab: Lab, display_filter: str, marks: Sequence[str]) -> list[Frame]:
        if self.status != 0:
            check_filters(lab, [display_filter, *marks])  # for of a wrong mark tshark says little
            raise ValueError(f"tshark: {_words(self.err) or f'status {self.status}'}")
        marked = {_mark_field(mark): mark for mark in marks}
        found = (_frame(packet["_source"]["layers"], marked) for packet in _packets(self.out))
        return [frame for frame in found if frame is not None]


_BETWEEN = re.compile(r"[\s,\[\]]*")


def _packets(text: str) -> Iterator[dict[str, Any]]:
    """The packets of tshark's list, one by one: all of them at once would take some times the memory of the frames."""
    decoder = json.JSONDecoder()
    at = _BETWEEN.match(text).end()  # type: ignore[union-attr] # it matches everywhere
    while at < len(text):
        packet, at = decoder.raw_decode(text, at)
        yield packet
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr] # likewise


def _words(said: str) -> str:
    """What tshark said, without its name, and without what it says to root each time."""
    lines = (line.removeprefix("tshark: ") for line in said.splitlines() if "This could be dangerous" not in line)
    return "\n".join(lines).strip()


def frames(lab: Lab, pcapng: bytes, display_filter: str = "ip || ipv6", marks: Sequence[str] = ()) -> list[Frame]:
    """The frames of a capture that a Wireshark display filter keeps and that carry IP, in the order of the file.

    `marks` are more filters: each frame says in its own `marks` which of them keep it. Whoever reads many captures is
    quicker with a Dissector. Raises ValueError, with Wireshark's words, when it does not take the file or a filter.
    """
    _refuse(pcapng, [display_filter, *marks])
    argv = ["tshark", *_arguments(display_filter, marks)]
    status, out, err = lab.feed("firewall", argv, pcapng, TSHARK_TIMEOUT_S)
    decoded = _Decoded(status, out.decode("utf-8"), err)
    return decoded.frames(lab, display_filter, marks)


def check_filters(lab: Lab, filters: Sequence[str]) -> None:
    """Raise ValueError, with Wireshark's words, for the filters that it does not take; all in one start of it.

    sharkd is asked, for it compiles many filters in one process. It decodes nothing for us: as a decoder it lets
    filters on _ws.col.* keep nothing, cuts long fields short, and some columns make it crash (4.4.19).
    """
    _refuse(None, filters)
    _, out, err = lab.feed("firewall", COMPILER, compiler_input(filters), TSHARK_TIMEOUT_S)
    if wrong := compiler_refused(filters, out, err):
        raise UsageError("; ".join(wrong.values()))


COMPILER = ("sharkd", "-")


def compiler_input(filters: Sequence[str]) -> bytes:
    """What sharkd is asked on its standard input, to compile display filters."""
    asked = [
        {"jsonrpc": "2.0", "id": number, "method": "check", "params": {"filter": each}}
        for number, each in enumerate(filters, start=1)
    ]
    return "".join(f"{json.dumps(each)}\n" for each in asked).encode()


def compiler_refused(filters: Sequence[str], out: bytes, err: str) -> dict[str, str]:
    """The filters that sharkd refused, with what is wrong. Raises LabProblem when it did not answer for each."""
    answers = [json.loads(line) for line in out.splitlines() if line.startswith(b"{")]
    if [answer.get("id") for answer in answers] != list(range(1, len(filters) + 1)):
        raise LabProblem(f"sharkd answered {len(answers)} of {len(filters)} questions: {err}")
    return {
        each: f"invalid display filter {each!r}: {answer['error']['message'].removeprefix('Filter invalid - ')}"
        for each, answer in zip(filters, answers, strict=True)
        if "error" in answer
    }


def _refuse(pcapng: bytes | None, filters: Sequence[str]) -> None:
    """What Wireshark takes, and should not have been given. Raises ValueError."""
    if pcapng is not None and not pcapng.startswith(PCAPNG):  # tshark finds some format for almost everything
        raise ValueError(f"no pcapng file: it begins with {pcapng[:8]!r}")
    for each in filters:
        if not each.strip():
            raise UsageError("invalid display filter: it is empty")
        if "time_delta_displayed" in each:
            raise UsageError(f"{each!r}: what is displayed depends on the filter itself; there is frame.time_delta")


class Dissector:
    """Reads captures for the time of the `with` block, as `frames` does, with a tshark that has started before.

    `prepare` as soon as the filters are known: the decoder then starts while other things are done. Threads may share
    one. Raises LabProblem when the firewall does not run.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        advice = {"no such file": "`make images` brings the images up to date"}
        self._child = Child(lab.open("firewall", [DECODE]), "the decoder on the firewall", advice=advice)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.close()

    def prepare(self, display_filter: str = "ip || ipv6", marks: Sequence[str] = ()) -> None:
        """Have a decoder started for captures that will be read with exactly these filters, in this order."""
        self._child.say({"prepare": _arguments(display_filter, marks)}, READS_WITHIN_S)

    def frames(self, pcapng: bytes, display_filter: str = "ip || ipv6", marks: Sequence[str] = ()) -> list[Frame]:
        """As the function `frames`. Raises LabProblem too, when the decoder ended or does not answer in time."""
        _refuse(pcapng, [display_filter, *marks])
        asked = {"decode": _arguments(display_filter, marks)}
        answer = self._child.ask(asked, "read a capture", TSHARK_TIMEOUT_S + READS_WITHIN_S, pcapng)
        decoded = _Decoded(answer["status"], answer.content.decode("utf-8"), answer["said"])
        del answer  # whose content is as large
        return decoded.frames(self._lab, display_filter, marks)

    def check_filters(self, filters: Sequence[str]) -> None:
        """As the function."""
        check_filters(self._lab, filters)


def stream_bytes(segments: Sequence[Frame]) -> bytes:
    """The bytes that one direction of one TCP connection carried, put together by sequence number (RFC 9293, 3.4).

    The direction begins at its SYN. Bytes beyond a hole in the capture are left out; what was sent again counts once.
    """
    syn = next((segment for segment in segments if "SYN" in segment.flags), None)
    if syn is None or syn.seq is None:
        return b""
    start = syn.seq + 1
    whole = bytearray()
    for segment in sorted(segments, key=lambda segment: ((segment.seq or 0) - start) % 2**32):
        if segment.payload and segment.seq is not None:
            offset = (segment.seq - start) % 2**32
            if offset > len(whole):
                break
            whole[offset : offset + len(segment.payload)] = segment.payload
    return bytes(whole)
