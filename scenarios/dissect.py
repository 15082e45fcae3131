"""Reading captures, with tshark and our dissector, on the firewall: frames as frozen values.

This is the second opinion: nothing here, or in the dissector, has seen the services' code.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scenarios.lab import Lab

TSHARK_TIMEOUT_S = 120
# Sequence numbers as they are on the wire, so that the legs can be compared; checksums verified: damage is seen.
PREFERENCES = ("tcp.relative_sequence_numbers:FALSE", "tcp.check_checksum:TRUE", "ip.check_checksum:TRUE")
FIELDS = (
    "frame.number frame.time_epoch frame.len frame.protocols _ws.col.protocol _ws.col.info _ws.expert.message "
    "ip.src ip.dst ip.id ip.ttl ipv6.src ipv6.dst ipv6.hlim "
    "tcp.stream tcp.srcport tcp.dstport tcp.seq tcp.ack tcp.flags tcp.len tcp.window_size_value tcp.options "
    "tcp.payload tcp.checksum.status udp.stream udp.srcport udp.dstport udp.payload "
    "icmp.type icmp.code icmpv6.type icmpv6.code jsonmsg.summary jsonmsg.header.byteorder jsonmsg.malformed.reason"
).split()

FLAGS = {0x02: "SYN", 0x10: "ACK", 0x01: "FIN", 0x04: "RST", 0x08: "PSH", 0x20: "URG"}
Transport = Literal["tcp", "udp", "icmp", "other"]


@dataclass(frozen=True, slots=True)
class Frame:
    """A captured frame that carries IP. Times are in seconds since the epoch, with nanoseconds kept in `time_ns`."""

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

    @property
    def crossing(self) -> tuple[object, ...]:
        """What stays the same while a packet crosses the firewall: all that is kept here but TTL, time and number."""
        return (
            *(
                self.transport,
                self.source,
                self.source_port,
                self.destination,
                self.destination_port,
                self.identification,
            ),
            *(self.flags, self.seq, self.ack, self.window, self.options, self.payload),
            self.info if self.transport in ("icmp", "other") else "",
        )


def _frame(layers: dict[str, list[str]]) -> Frame | None:
    def first(*names: str) -> str:
        return next((layers[name][0] for name in names if name in layers), "")

    def number(*names: str) -> int | None:
        return int(text, 0) if (text := first(*names)) else None

    protocols = first("frame.protocols").split(":")
    if "ip" not in protocols and "ipv6" not in protocols:
        return None
    transport: Transport = "other"
    if "icmp" in protocols or "icmpv6" in protocols:
        transport = "icmp"  # it quotes the packet that it is about, so its own name comes before tcp's and udp's
    elif "tcp" in protocols:
        transport = "tcp"
    elif "udp" in protocols:
        transport = "udp"
    seconds, _, fraction = first("frame.time_epoch").partition(".")
    bits = number("tcp.flags") or 0
    is_icmp = transport == "icmp"
    return Frame(
        number=int(first("frame.number")),
        time_ns=int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0),
        length=int(first("frame.len")),
        transport=transport,
        source=first("ip.src", "ipv6.src"),
        destination=first("ip.dst", "ipv6.dst"),
        source_port=None if is_icmp else number("tcp.srcport", "udp.srcport"),
        destination_port=None if is_icmp else number("tcp.dstport", "udp.dstport"),
        identification=number("ip.id"),
        ttl=number("ip.ttl", "ipv6.hlim") or 0,
        flags=frozenset(name for bit, name in FLAGS.items() if bits & bit and not is_icmp),
        seq=number("tcp.seq"),
        ack=number("tcp.ack"),
        window=number("tcp.window_size_value"),
        options=first("tcp.options"),
        payload=bytes.fromhex(first("tcp.payload", "udp.payload").replace(":", "")),
        protocol=first("_ws.col.protocol"),
        info=first("_ws.col.info"),
        notes=tuple(layers.get("_ws.expert.message", ())),
        messages=tuple(layers.get("jsonmsg.summary", ())),
        byteorders=tuple(layers.get("jsonmsg.header.byteorder", ())),
        checksum_good=first("tcp.checksum.status") != "0",
    )


def frames(lab: Lab, pcapng: bytes, display_filter: str = "ip || ipv6") -> list[Frame]:
    """The frames of a capture that a Wireshark display filter keeps and that carry IP, in the order of the file.

    Raises ValueError, with tshark's words, when tshark does not take the file or the filter.
    """
    argv: Sequence[str] = [
        *("tshark", "-r", "-", "-Y", display_filter, "-T", "json"),
        *(word for preference in PREFERENCES for word in ("-o", preference)),
        *(word for field in FIELDS for word in ("-e", field)),
    ]
    stream = lab.open("firewall", argv)
    try:
        out, err = stream.communicate(pcapng, timeout=TSHARK_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        stream.kill()
        raise
    if stream.returncode != 0:
        raise ValueError(f"tshark: {err.decode('utf-8', 'replace').strip()}")
    packets = json.loads(out or b"[]")
    return [frame for packet in packets if (frame := _frame(packet["_source"]["layers"])) is not None]


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
