"""IP packets: parsed within bounds, and written again with right lengths and checksums.

Sources: RFC 791 (IPv4), RFC 8200 (IPv6), RFC 9293 (TCP), RFC 768 (UDP), RFC 792 and RFC 4443 (ICMP), RFC 1071 (the
checksum). Whatever is not such a packet parses as None; nothing here raises on bytes from the network.
"""

from __future__ import annotations

import ipaddress
import struct

FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
FLAG_NAMES = {SYN: "SYN", FIN: "FIN", RST: "RST", PSH: "PSH", ACK: "ACK", URG: "URG"}
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
PROTOCOL_NAMES = {ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMPV6: "icmp"}
CHECKSUM_AT = {ICMP: 2, TCP: 16, UDP: 6, ICMPV6: 2}  # where in the transport header
SEQUENCES = 1 << 32
QUOTED = 576 - 28  # bytes of a packet that an error about it repeats: it has at most 576 in all (RFC 1812, 4.3.2.3)
UNSPECIFIED = bytes(4)  # the source of what the firewall itself says: its kernel puts the address of the leg there
EXTENSIONS_LIMIT = 8  # extension headers of an IPv6 packet

_IPV4 = struct.Struct("!BxHHHBBH4s4s")
_TCP = struct.Struct("!HHIIBB")
_UDP = struct.Struct("!HHH")
_PORTS = struct.Struct("!HH")
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _OPTIONS = 0, 43, 44, 51, 60
_MORE_FRAGMENTS, _FRAGMENT_OFFSET = 0x2000, 0x1FFF


Endpoint = tuple[bytes, int]  # an address, packed, and a port


class Packet:
    """One IP packet. `data` is never changed: what is altered is another packet.

    `original` is whatever its owner knows the packet by (here: the kernel's own), or None for one that was made here.
    `protocol` is None where there is no transport header to read: a later fragment, or a protocol not known here.
    """

    __slots__ = (
        *("data", "original", "is_changed", "source", "destination", "identification", "protocol", "transport"),
        *("source_port", "destination_port", "flags", "seq", "ack", "payload", "end", "is_whole", "inside"),
    )

    def __init__(self, data: bytes, original: object, source: bytes, destination: bytes, end: int) -> None:
        self.data = data
        self.original = original
        self.is_changed = False
        self.source = source
        self.destination = destination
        self.end = end  # of the IP packet, in data
        self.identification: int | None = None  # of IPv4
        self.protocol: int | None = None
        self.transport = end  # where the transport header begins
        self.payload = end  # where the transport's payload begins
        self.source_port = self.destination_port = self.flags = self.seq = self.ack = 0
        self.is_whole = True  # not a fragment, and none of its bytes is missing: it can be written anew
        self.inside: Endpoint | None = None  # whom it is for, where its destination is a NAT's own address, or virtual

    @property
    def receiver(self) -> Endpoint:
        """The address and the port that it is for: behind a NAT, those that the NAT will put there."""
        return self.inside or (self.destination, self.destination_port)

    @property
    def length(self) -> int:
        """Bytes of the transport's payload."""
        return self.end - self.payload

    @property
    def payload_seq(self) -> int:
        """The sequence number of the first byte of the payload: a SYN has one of its own before it."""
        return (self.seq + 1) % SEQUENCES if self.flags & SYN else self.seq

    @property
    def sequence_length(self) -> int:
        """How much of the sequence space it takes: its payload, and one each for SYN and FIN (RFC 9293, 3.4)."""
        return self.end - self.payload + bool(self.flags & SYN) + bool(self.flags & FIN)


def parse(data: bytes, original: object = None) -> Packet | None:
    """The packet in these bytes, or None when they are no IPv4 or IPv6 packet with a transport header that is sound."""
    version = data[0] >> 4 if data else 0
    if version == 4:
        return _parse_ipv4(data, original)
    return _parse_ipv6(data, original) if version == 6 else None


def _parse_ipv4(data: bytes, original: object) -> Packet | None:
    if len(data) < 20:
        return None
    first, total, identification, fragment, _, protocol, _, source, destination = _IPV4.unpack_from(data)
    transport = (first & 0x0F) * 4
    if transport < 20 or total < transport or len(data) < transport:
        return None
    packet = Packet(data, original, source, destination, total)
    packet.identification = identification
    packet.is_whole = not fragment & (_MORE_FRAGMENTS | _FRAGMENT_OFFSET) and total <= len(data)
    return packet if fragment & _FRAGMENT_OFFSET or _read_transport(packet, protocol, transport) else None


def _parse_ipv6(data: bytes, original: object) -> Packet | None:
    if len(data) < 40:
        return None
    packet = Packet(data, original, data[8:24], data[24:40], 40 + int.from_bytes(data[4:6], "big"))
    packet.is_whole = packet.end <= len(data)
    following, at = data[6], 40
    for _ in range(EXTENSIONS_LIMIT):
        if following not in (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _OPTIONS):
            return packet if _read_transport(packet, following, at) else None
        if at + 8 > min(len(data), packet.end):
            return None
        if following == _FRAGMENT:
            packet.is_whole = False
            if int.from_bytes(data[at + 2 : at + 4], "big") & 0xFFF8:
                return packet
            size = 8
        else:
            size = (data[at + 1] + 2) * 4 if following == _AUTHENTICATION else (data[at + 1] + 1) * 8
        following, at = data[at], at + size
    return None


def _read_transport(packet: Packet, protocol: int, at: int) -> bool:
    """Fill in what the transport header says; False when it is not sound."""
    data = packet.data
    room = min(packet.end, len(data)) - at
    if protocol == TCP:
        if room < 20:
            return False
        ports = _TCP.unpack_from(data, at)
        packet.source_port, packet.destination_port, packet.seq, packet.ack, offset, packet.flags = ports
        packet.payload = at + (offset >> 4) * 4
        if packet.payload < at + 20 or packet.payload > at + room:
            return False
    elif protocol == UDP:
        if room < 8:
            return False
        packet.source_port, packet.destination_port, length = _UDP.unpack_from(data, at)
        packet.payload = at + 8
        if packet.is_whole and not 8 <= length <= packet.end - at:
            return False
    elif protocol in (ICMP, ICMPV6):
        if room < 8:
            return False
        packet.payload = at + 8
    else:
        return True
    packet.protocol = protocol
    packet.transport = at
    return True


def checksum(data: bytes) -> int:
    """The Internet checksum of RFC 1071.

    The ones' complement sum of 16-bit words is the whole, read as one number, modulo 2^16 - 1.
    """
    number = int.from_bytes(data, "big") << 8 * (len(data) % 2)
    return 0xFFFF - (number % 0xFFFF or 0xFFFF) if number else 0xFFFF


def transport_checksum(packet: Packet, data: bytes) -> int:
    """What the checksum should be in the transport header of `data`, which has its headers where `packet` has them."""
    assert packet.protocol is not None  # noqa: S101 (for mypy)
    at = packet.transport + CHECKSUM_AT[packet.protocol]
    summed = data[packet.transport : at] + b"\0\0" + data[at + 2 :]
    if packet.protocol != ICMP:  # the only one without a pseudo-header (RFC 9293, 3.1; RFC 8200, 8.1)
        summed += bytes(len(summed) % 2) + packet.source + packet.destination
        summed += struct.pack("!IxxxB", len(data) - packet.transport, packet.protocol)
    found = checksum(summed)
    return 0xFFFF if packet.protocol == UDP and not found else found  # RFC 768: 0 says that there is none


def _with_ipv4_checksum(data: bytearray) -> None:
    header = (data[0] & 0x0F) * 4
    data[10:12] = b"\0\0"
    data[10:12] = checksum(bytes(data[:header])).to_bytes(2, "big")


def _made(data: bytes, original: object, of: Packet) -> Packet:
    packet = parse(data, original)
    if packet is None:
        raise ValueError(f"made a packet that is none: {data.hex()}")
    packet.is_changed = True
    packet.inside = of.inside
    return packet


def made_from(packet: Packet, data: bytearray) -> Packet:
    """The packet with other bytes in its headers: the checksum of IPv4 is made right, all others are as they are."""
    if data[0] >> 4 == 4:
        _with_ipv4_checksum(data)
    return _made(bytes(data), packet.original, packet)


def with_payload(packet: Packet, payload: bytes, original: object, seq: int = 0, flags: int = 0) -> Packet:
    """The packet with this payload (and, of TCP, this sequence number and these flags), lengths and checksums right.

    A UDP packet over IPv4 that had no checksum still has none. Raises ValueError for a packet that is not whole.
    """
    if not packet.is_whole or packet.protocol is None:
        raise ValueError("a packet that is not whole, or of another protocol, cannot be written anew")
    data = bytearray(packet.data[: packet.payload] + payload)
    if data[0] >> 4 == 4:
        data[2:4] = len(data).to_bytes(2, "big")
        _with_ipv4_checksum(data)
    else:
        data[4:6] = (len(data) - 40).to_bytes(2, "big")
    header = packet.transport
    if packet.protocol == TCP:
        data[header + 4 : header + 8] = (seq % SEQUENCES).to_bytes(4, "big")
        data[header + 13] = flags
    elif packet.protocol == UDP:
        data[header + 4 : header + 6] = (len(data) - header).to_bytes(2, "big")
    at = header + CHECKSUM_AT[packet.protocol]
    if packet.protocol != UDP or packet.identification is None or any(data[at : at + 2]):
        data[at : at + 2] = transport_checksum(packet, bytes(data)).to_bytes(2, "big")
    return _made(bytes(data), original, packet)


def with_byte(packet: Packet, at: int, value: int) -> Packet:
    """The packet with another byte at this place of its data, and all else, checksums included, as it was."""
    data = bytearray(packet.data)
    data[at] = value
    return _made(bytes(data), packet.original, packet)


def with_source_port(packet: Packet, port: int) -> Packet:
    """The UDP packet as if it came from another port, with a right checksum if it had one."""
    data = bytearray(packet.data[: packet.end])
    data[packet.transport : packet.transport + 2] = port.to_bytes(2, "big")
    moved = _made(bytes(data), packet.original, packet)
    return with_payload(moved, bytes(data[packet.payload :]), packet.original)


def icmp_error(packet: Packet, kind: int, code: int) -> Packet:
    """An ICMP error of this type and code about an IPv4 packet, for its sender (RFC 792), from UNSPECIFIED.

    Raises ValueError where none may be made: over IPv6, about ICMP, and about a later fragment (RFC 1122, 3.2.2).
    """
    if packet.identification is None or packet.protocol in (None, ICMP):
        raise ValueError("no ICMP error is made about such a packet")
    message = struct.pack("!BBHI", kind, code, 0, 0) + packet.data[: min(packet.end, QUOTED)]
    message = message[:2] + checksum(message).to_bytes(2, "big") + message[4:]
    control = 0xC0  # the precedence "internetwork control" (RFC 1812, 4.3.2.5)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, control, 20 + len(message), 0, 0, 64, ICMP, 0, UNSPECIFIED, packet.source)
    data = bytearray(head + message)
    _with_ipv4_checksum(data)
    return _made(bytes(data), None, packet)


def copy(packet: Packet) -> Packet:
    """The same packet once more, made here."""
    return _made(packet.data, None, packet)


def as_it_came(packet: Packet) -> bytes:
    """The bytes of the IP packet alone: a link may have filled the frame up behind it."""
    return bytes(packet.data[: packet.end])


def describe(packet: Packet) -> dict[str, object]:
    """What a person, or a capture, knows the packet by. All values are JSON's."""
    flags = [name for bit, name in FLAG_NAMES.items() if packet.flags & bit]
    described: dict[str, object] = {
        "protocol": PROTOCOL_NAMES.get(packet.protocol or 0, "other"),
        "from": str(ipaddress.ip_address(packet.source)),
        "to": str(ipaddress.ip_address(packet.destination)),
        "from_port": packet.source_port,
        "to_port": packet.destination_port,
        "id": packet.identification,
        "length": packet.length,
        "head": packet.data[packet.payload : min(packet.end, packet.payload + 16)].hex(),
    }
    if packet.protocol == TCP:
        described |= {"flags": flags, "seq": packet.seq, "ack": packet.ack}
    elif packet.protocol in (ICMP, ICMPV6):
        kind, code = packet.data[packet.transport : packet.transport + 2]
        described |= {"type": kind, "code": code}
        described |= {"number": int.from_bytes(packet.data[packet.transport + 6 : packet.transport + 8], "big")}
    return described
