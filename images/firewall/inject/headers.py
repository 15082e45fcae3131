"""Headers of a packet, changed where they stand: no header becomes longer or shorter, and checksums are right again.

A checksum that was wrong before stays wrong: what an earlier fault damaged is not mended here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .header_words import (
    OPTION_KINDS,
    ClampMss,
    Field,
    OfHeaders,
    Option,
    Rewrite,
    ShiftAcknowledgement,
    ShiftSequence,
    Strip,
)
from .packet import ACK, CHECKSUM_AT, SEQUENCES, TCP, URG, Packet, made_from, transport_checksum

END, NOP = 0, 1
_SACK = OPTION_KINDS["sack"]
VALUES: dict[Option, int] = {"mss": 2, "window-scale": 1}  # bytes of the number that an option holds


def options(packet: Packet) -> Iterator[tuple[int, int, int]]:
    """The options of a TCP header, as far as they are sound: the kind, and where in `data` each begins and ends."""
    if packet.protocol != TCP:
        return
    at = packet.transport + 20
    while at < packet.payload:
        kind = packet.data[at]
        if kind == END:
            return
        length = 1 if kind == NOP else packet.data[at + 1] if at + 1 < packet.payload else 0
        if at + length > packet.payload or (kind != NOP and length < 2):
            return
        yield kind, at, at + length
        at += length


def has_option(packet: Packet, option: Option) -> bool:
    """Whether its TCP header has this option."""
    return any(kind == OPTION_KINDS[option] for kind, _, _ in options(packet))


def has_ecn(packet: Packet) -> bool:
    """Whether the IP header says that it is ECN-capable, or met congestion (RFC 3168, 5)."""
    data = packet.data
    return bool(data[1] & 3 if data[0] >> 4 == 4 else data[1] >> 4 & 3)


def _changed(packet: Packet, data: bytearray) -> Packet:
    """The packet with this data, of the same length. Its transport's checksum is right if it was right before."""
    if packet.protocol in CHECKSUM_AT and packet.is_whole:
        at = packet.transport + CHECKSUM_AT[packet.protocol]
        end = packet.end
        had = packet.data[at : at + 2]
        if had == transport_checksum(packet, packet.data[:end]).to_bytes(2, "big"):
            data[at : at + 2] = transport_checksum(packet, bytes(data[:end])).to_bytes(2, "big")
    return made_from(packet, data)


def without_option(packet: Packet, option: Option) -> Packet | None:
    """The packet with NOPs in the place of an option; None where it has none, or is no whole packet of TCP."""
    data = bytearray(packet.data)
    for kind, start, end in options(packet) if packet.is_whole else ():
        if kind == OPTION_KINDS[option]:
            data[start:end] = bytes([NOP]) * (end - start)
    return _changed(packet, data) if data != packet.data else None


def with_option_value(packet: Packet, option: Option, value: int, *, only_lower: bool = False) -> Packet | None:
    """The packet with another number in an option; None where it has no such option, or nothing would change."""
    data, size = bytearray(packet.data), VALUES[option]
    for kind, start, end in options(packet) if packet.is_whole else ():
        if kind == OPTION_KINDS[option] and end - start == 2 + size:
            had = int.from_bytes(data[start + 2 : end], "big")
            if not only_lower or had > value:
                data[start + 2 : end] = value.to_bytes(size, "big")
    return _changed(packet, data) if data != packet.data else None


def with_field(packet: Packet, field: Field, value: int) -> Packet | None:
    """The packet with another value in a header's field; None where it has none, or it has that value already."""
    if field == "mss" or field == "window-scale":
        return with_option_value(packet, field, value)
    data = bytearray(packet.data)
    is_ipv4 = data[0] >> 4 == 4
    if field == "urgent":
        if packet.protocol != TCP or not packet.is_whole:
            return None
        flags_at, pointer_at = packet.transport + 13, packet.transport + 18
        data[flags_at] = data[flags_at] | URG if value else data[flags_at] & ~URG
        data[pointer_at : pointer_at + 2] = value.to_bytes(2, "big")
    elif field == "ttl":
        data[8 if is_ipv4 else 7] = value
    else:  # the traffic class: of IPv6 it lies across two bytes, behind the version
        traffic = data[1] if is_ipv4 else (data[0] & 0x0F) << 4 | data[1] >> 4
        traffic = traffic & 0xFC | value if field == "ecn" else traffic & 0x03 | value << 2
        if is_ipv4:
            data[1] = traffic
        else:
            data[0], data[1] = data[0] & 0xF0 | traffic >> 4, (traffic & 0x0F) << 4 | data[1] & 0x0F
    return _changed(packet, data) if data != packet.data else None


def _add(data: bytearray, at: int, by: int) -> None:
    number = int.from_bytes(data[at : at + 4], "big")
    data[at : at + 4] = ((number + by) % SEQUENCES).to_bytes(4, "big")


def with_sequence_shifted(packet: Packet, by: int) -> Packet | None:
    """The segment with a sequence number that is `by` higher; None where it is no whole packet of TCP."""
    if packet.protocol != TCP or not packet.is_whole:
        return None
    data = bytearray(packet.data)
    _add(data, packet.transport + 4, by)
    return _changed(packet, data)


def with_acknowledgement_shifted(packet: Packet, by: int, *, sack: bool) -> Packet | None:
    """The segment that acknowledges `by` less, with `sack` in SACK blocks too; None where it acknowledges nothing."""
    if packet.protocol != TCP or not packet.is_whole or not packet.flags & ACK:
        return None
    data = bytearray(packet.data)
    _add(data, packet.transport + 8, -by)
    for kind, start, end in options(packet) if sack else ():
        if kind == _SACK:
            for at in range(start + 2, end - 3, 4):
                _add(data, at, -by)
    return _changed(packet, data)


Change = Callable[[Packet], Packet | None]


def header_change(declared: OfHeaders) -> tuple[str, Change]:
    """What is done, in some words, and what does it: it gives None where there is nothing to do."""
    match declared:
        case Strip(option):
            return f"{option} taken away", lambda packet: without_option(packet, option)
        case Rewrite(field, to):
            return f"{field} made {to}", lambda packet: with_field(packet, field, to)
        case ClampMss(most):
            return f"MSS clamped to {most}", lambda packet: with_option_value(packet, "mss", most, only_lower=True)
        case ShiftSequence(by):
            return f"sequence number {by} higher", lambda packet: with_sequence_shifted(packet, by)
        case ShiftAcknowledgement(by, sack):
            return f"acknowledges {by} less", lambda packet: with_acknowledgement_shifted(packet, by, sack=sack)
