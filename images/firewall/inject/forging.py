"""Packets that nobody sent, made from one that was seen: resets for its ends, ICMP errors about it."""

from __future__ import annotations

import struct

from .forging_words import FORGED_ICMP, Forge
from .holding_back import UNTOUCHED, Acting, Done
from .packet import (
    ACK,
    RST,
    SEQUENCES,
    TCP,
    Packet,
    checksum,
    icmp_error,
    made_from,
    parse,
    transport_checksum,
)

_SEQ_AT = 4  # in the header of TCP
_HOPS = 64


def forged(declared: Forge, packet: Packet) -> list[Packet]:
    """The packets; none where such a packet cannot be answered so (a later fragment, ICMP over IPv6)."""
    if declared.what != "rst":
        return _errors(declared, packet)
    if packet.protocol != TCP or not packet.is_whole:
        return []
    seq, ack = packet.ack + declared.off_by, packet.seq + packet.sequence_length
    back = _reset(packet.destination, packet.destination_port, packet.source, packet.source_port, seq, ack)
    seq, ack = packet.seq + packet.sequence_length + declared.off_by, packet.ack
    on = _reset(packet.source, packet.source_port, packet.destination, packet.destination_port, seq, ack)
    on.inside = packet.inside
    return {"sender": [back], "receiver": [on], "both": [back, on]}[declared.towards]


def _errors(declared: Forge, packet: Packet) -> list[Packet]:
    about = packet
    if packet.protocol == TCP and declared.off_by:
        data, at = bytearray(packet.data), packet.transport + _SEQ_AT
        data[at : at + 4] = ((packet.seq + declared.off_by) % SEQUENCES).to_bytes(4, "big")
        about = made_from(packet, data)
    try:
        error = icmp_error(about, 3, FORGED_ICMP[declared.what])
    except ValueError:
        return []
    data = bytearray(error.data)
    data[12:16] = packet.destination
    return [made_from(error, data)]


def _reset(source: bytes, source_port: int, destination: bytes, port: int, seq: int, ack: int) -> Packet:
    """A RST with nothing else in it, and a right checksum (RFC 9293, 3.1)."""
    segment = struct.pack("!HHIIBBHHH", source_port, port, seq % SEQUENCES, ack % SEQUENCES, 5 << 4, RST | ACK, 0, 0, 0)
    if len(source) == 4:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), 0, 0x4000, _HOPS, TCP, 0, source, destination)
        head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    else:
        head = struct.pack("!IHBB16s16s", 6 << 28, len(segment), TCP, _HOPS, source, destination)
    data = bytearray(head + segment)
    packet = parse(bytes(data))
    assert packet is not None  # noqa: S101 (it was made here)
    at = packet.transport + 16
    data[at : at + 2] = transport_checksum(packet, bytes(data)).to_bytes(2, "big")
    made = parse(bytes(data))
    assert made is not None  # noqa: S101 (it was made here)
    made.is_changed = True
    return made


class Watching(Acting):
    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        return "seen", [packet]


class Forging(Acting):
    def __init__(self, declared: Forge, seed: int) -> None:
        super().__init__(seed)
        self._declared = declared

    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        made = forged(self._declared, packet)
        return f"{len(made)} forged: {self._declared.what}" if made else UNTOUCHED, [packet, *made]
