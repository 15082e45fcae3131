"""Asking the kernel whom a packet is for that came to a translated address: the question and its answer, as bytes.

A NAT makes a mapping for each connection and keeps it in the entry of connection tracking. The entry has two tuples:
the original one, as who began the connection sees it, and that of the replies. A packet to the NAT's own address is a
reply, for whom the original tuple begins with; one to a virtual address is an original, and replies come from whom it
is for.

Sources: netlink(7); linux/netfilter/nfnetlink_conntrack.h; RFC 5508 for ICMP.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from .packet import ICMP, ICMPV6, TCP, UDP, Endpoint, Packet, parse

NETLINK_NETFILTER = 12
_GET, _NEW = 0x0101, 0x0100  # of the subsystem of connection tracking, 1
_REQUEST = 1  # NLM_F_REQUEST: the answer is the entry, or an error
_NESTED = 0x8000
_ORIGINAL, _REPLY = 1, 2  # CTA_TUPLE_ORIG, CTA_TUPLE_REPLY
_IP, _PROTO = 1, 2  # within a tuple
_ADDRESSES = {4: (1, 2), 16: (3, 4)}  # CTA_IP_V4_SRC, …_DST; CTA_IP_V6_SRC, …_DST, by the length of an address
_NUMBER, _FROM_PORT, _TO_PORT = 1, 2, 3  # CTA_PROTO_NUM, …_SRC_PORT, …_DST_PORT
_ECHO = {ICMP: (4, 5, 6), ICMPV6: (7, 8, 9)}  # CTA_PROTO_ICMP_ID, …_TYPE, …_CODE
_ECHO_REPLY = {ICMP: 0, ICMPV6: 129}
_ECHO_REQUEST = {ICMP: 8, ICMPV6: 128}
_ERRORS = {ICMP: (3, 4, 5, 11, 12), ICMPV6: (1, 2, 3, 4)}
_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_FAMILY = {4: 2, 16: 10}  # AF_INET, AF_INET6


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            return
        yield kind & 0x3FFF, data[at + 4 : at + length]
        at += length + -length % 4


def _tuple(packet: Packet, echo: Mapping[int, int]) -> tuple[bytes, bytes, bytes] | None:
    """The addresses and the protocol's part of the tuple that a packet is of; None where it is of none.

    `echo` is the type of an ICMP echo that goes this way.

    An ICMP error is of the connection whose packet it quotes, and which went the other way.
    """
    number = packet.protocol
    if number is None:
        return None
    kind = packet.data[packet.transport]
    if number in _ERRORS and kind in _ERRORS[number]:
        quoted = parse(bytes(packet.data[packet.payload : packet.end]))
        if quoted is None or quoted.protocol not in (TCP, UDP):
            return None
        ports = quoted.destination_port, quoted.source_port
        return quoted.destination, quoted.source, _ports(quoted.protocol, *ports)
    if number in (TCP, UDP):
        return packet.source, packet.destination, _ports(number, packet.source_port, packet.destination_port)
    if number in _ECHO and kind == echo[number]:
        of_id, of_type, of_code = _ECHO[number]
        identifier = packet.data[packet.transport + 4 : packet.transport + 6]
        parts = (of_id, identifier), (of_type, bytes([kind])), (of_code, b"\0")
        return packet.source, packet.destination, _protocol(number, *parts)
    return None


def _protocol(number: int, *parts: tuple[int, bytes]) -> bytes:
    return b"".join(_attribute(*each) for each in ((_NUMBER, bytes([number])), *parts))


def _ports(number: int, source: int, destination: int) -> bytes:
    parts = ((_FROM_PORT, source), (_TO_PORT, destination))
    return _protocol(number, *((kind, port.to_bytes(2, "big")) for kind, port in parts))


def question(packet: Packet, *, original: bool = False) -> bytes | None:
    """The message that asks for the entry of which this packet is a reply, or an original; None: it can be of none."""
    found = _tuple(packet, _ECHO_REQUEST if original else _ECHO_REPLY)
    if found is None:
        return None
    source, destination, protocol = found
    addresses = zip(_ADDRESSES[len(source)], (source, destination), strict=True)
    ip = b"".join(_attribute(*each) for each in addresses)
    both = _attribute(_NESTED | _IP, ip) + _attribute(_NESTED | _PROTO, protocol)
    body = struct.pack("=BBH", _FAMILY[len(source)], 0, 0)
    body += _attribute(_NESTED | (_ORIGINAL if original else _REPLY), both)
    return _HEADER.pack(_HEADER.size + len(body), _GET, _REQUEST, 0, 0) + body


def answered(answer: bytes, packet: Packet, *, original: bool = False) -> Endpoint | None:
    """Whom the packet is for, says the kernel's answer: of a reply who opened the connection, as the inside sees it, of
    an original who replies. None: there is no such entry, or nothing is translated.
    """
    if len(answer) < _HEADER.size + 4 or _HEADER.unpack_from(answer)[1] != _NEW:
        return None  # ENOENT
    length = _HEADER.unpack_from(answer)[0]
    for kind, value in _attributes(answer[_HEADER.size + 4 : length]):
        if kind == (_REPLY if original else _ORIGINAL):
            parts = dict(_attributes(value))
            address = dict(_attributes(parts.get(_IP, b""))).get(_ADDRESSES[len(packet.source)][0])
            port = int.from_bytes(dict(_attributes(parts.get(_PROTO, b""))).get(_FROM_PORT, b""), "big")
            plain = (packet.destination, packet.destination_port) if original else (packet.source, packet.source_port)
            return (address, port) if address is not None and (address, port) != plain else None
    return None
