"""How tshark is asked for frames, and how a frame is read from its fields. It starts nothing: tshark.py does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from sys import intern
from typing import Final

from scenarios.evidence.frame import FLAGS, Endpoint, Frame, Transport

# Checksums verified: damage is seen. A filter counts a stream's bytes from the SYN, as Wireshark does if nothing is
# said (`tcp.seq == 1` is the first); the fields that are read are those on the wire, so that the legs can be compared.
PREFERENCES = (
    "tcp.relative_sequence_numbers:TRUE",
    "tcp.check_checksum:TRUE",
    "udp.check_checksum:TRUE",
    "ip.check_checksum:TRUE",
)
FIELDS = (
    "frame.number frame.time_epoch frame.len frame.protocols _ws.col.protocol _ws.col.info _ws.expert.message "
    "ip.src ip.dst ip.id ip.ttl ipv6.src ipv6.dst ipv6.hlim arp.src.proto_ipv4 arp.dst.proto_ipv4 "
    "tcp.srcport tcp.dstport tcp.seq_raw tcp.ack_raw tcp.flags tcp.window_size_value tcp.options tcp.payload "
    "tcp.checksum.status tcp.checksum.ffff udp.srcport udp.dstport udp.payload jsonmsg.summary "
    "jsonmsg.header.byteorder ip.frag_offset ip.flags.mf ipv6.fraghdr.offset ipv6.fraghdr.more"
).split()


# Of a packet in a packet (what an ICMP error quotes; a tunnel, as VXLAN in UDP) the outer one is what crosses; its
# names come first.
TRANSPORTS: Final[Mapping[str, Transport]] = {
    "icmp": "icmp",
    "icmpv6": "icmp",
    "tcp": "tcp",
    "udp": "udp",
    "arp": "arp",
}
KEEP_ALIVE: Final = "TCP keep-alive segment"  # tshark's words
RETRANSMISSION: Final = "This frame is a (suspected) retransmission"
ADDRESSES: Final = {"ip": "ip.{}", "ipv6": "ipv6.{}", "arp": "arp.{}.proto_ipv4"}


def frame_of(layers: dict[str, list[str]], marked: Mapping[str, str]) -> Frame | None:
    def first(*names: str) -> str:
        return next((layers[name][0] for name in names if name in layers), "")

    def number(*names: str) -> int | None:
        return int(text, 0) if (text := first(*names)) else None

    protocols = first("frame.protocols").split(":")
    if not {"ip", "ipv6", "arp"} & set(protocols):
        return None
    network = next(each for each in protocols if each in ADDRESSES)
    transport: Transport = next((TRANSPORTS[each] for each in protocols if each in TRANSPORTS), "other")
    is_udp = transport == "udp"
    seconds, _, fraction = first("frame.time_epoch").partition(".")
    is_icmp, has_ports = transport == "icmp", transport in ("tcp", "udp")
    bits = 0 if is_icmp or is_udp else number("tcp.flags") or 0
    offset = number("ip.frag_offset", "ipv6.fraghdr.offset") or 0
    has_more = first("ip.flags.mf", "ipv6.fraghdr.more") in ("1", "True")
    return Frame(
        number=int(first("frame.number")),
        time_ns=int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0),
        length=int(first("frame.len")),
        transport=transport,
        source=intern(first(ADDRESSES[network].format("src"))),
        destination=intern(first(ADDRESSES[network].format("dst"))),
        source_port=number(f"{transport}.srcport") if has_ports else None,
        destination_port=number(f"{transport}.dstport") if has_ports else None,
        identification=number("ip.id") if network == "ip" else None,
        ttl=number("ip.ttl" if network == "ip" else "ipv6.hlim") or 0,
        flags=frozenset(name for bit, name in FLAGS.items() if bits & bit),
        seq=None if is_udp else number("tcp.seq_raw"),
        ack=None if is_udp else number("tcp.ack_raw"),
        window=None if is_udp else number("tcp.window_size_value"),
        options="" if is_udp else intern(first("tcp.options")),
        payload=bytes.fromhex(
            first(*(("udp.payload",) if is_udp else ("tcp.payload", "udp.payload"))).replace(":", "")
        ),
        protocol=intern(first("_ws.col.protocol")),
        info=first("_ws.col.info"),
        notes=tuple(_notes(layers)),
        messages=tuple(layers.get("jsonmsg.summary", ())),
        byteorders=tuple(layers.get("jsonmsg.header.byteorder", ())),
        # Linux writes a sum of 0 as 0xffff in every protocol, as UDP must; to a receiver they are one (RFC 1624, 3).
        checksum_good=is_udp or first("tcp.checksum.status") != "0" or "tcp.checksum.ffff" in layers,
        marks=frozenset(mark for field, mark in marked.items() if field in layers),
        fragment=(offset, has_more) if offset or has_more else None,
        quoted=_quoted(layers) if is_icmp and "tcp" in protocols else None,
    )


def _notes(layers: Mapping[str, list[str]]) -> Iterator[str]:
    """What tshark's expert says. A segment of one byte that comes again is a keep-alive to it; those of Linux have no
    byte, so here it is what a program wrote, sent again.
    """
    for note in layers.get("_ws.expert.message", ()):
        yield RETRANSMISSION if note == KEEP_ALIVE and "tcp.payload" in layers else note


def _quoted(layers: Mapping[str, list[str]]) -> tuple[Endpoint, Endpoint] | None:
    """The ends of the TCP segment that an ICMP error quotes (RFC 792, RFC 4443); None where its ports are cut off."""
    sources, destinations = (layers.get(f"ip.{end}") or layers.get(f"ipv6.{end}", []) for end in ("src", "dst"))
    ports = [layers.get(f"tcp.{end}port") for end in ("src", "dst")]
    if len(sources) < 2 or len(destinations) < 2 or not ports[0] or not ports[1]:
        return None
    return (intern(sources[1]), int(ports[0][0])), (intern(destinations[1]), int(ports[1][0]))


def arguments(display_filter: str, marks: Sequence[str]) -> list[str]:
    """The command line of tshark, which reads a capture from its standard input, without the program's name."""
    return [
        *("-r", "-", "-Y", display_filter, "-T", "json"),
        *(word for preference in PREFERENCES for word in ("-o", preference)),
        *(word for field in FIELDS for word in ("-e", field)),
        *(word for mark in dict.fromkeys(marks) for word in ("-e", mark_field(mark))),
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
    return frame_of({name: value.split(_VALUE) for name, value in zip(FIELDS, values, strict=True) if value}, {})


def mark_field(mark: str) -> str:
    """A field that a frame has if the filter keeps it, and no other: -e takes any expression since Wireshark 4.4.

    Without the `&&` it would be a value, and one that is 0 is there too. It changes no truth: every frame has `frame`,
    and nothing binds less than `||`. (Parentheses would make a filter of `tcp) || (udp`.)
    """
    return f"{mark} && frame"


KEPT = "ip || ipv6 || arp"  # of a capture, for the expectations
