"""Which packets a fault names: the nth, the first n, the one that carries byte n, a seeded share, or every one.

A connection is known by its ports, for the addresses are the pick's own. What must be remembered of one is remembered
from its SYN on; of a connection whose SYN did not come by here nothing is known, and `unplaced` counts its segments.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .content import Stream, finder
from .declared import Kind, Pick
from .headers import has_ecn, has_option
from .name_words import OF_NAMES
from .names import is_about
from .packet import ACK, FIN, ICMP, ICMPV6, PROTOCOL_NAMES, RST, SEQUENCES, SYN, TCP, UDP, Packet

CONNECTIONS_LIMIT = 4096  # remembered by one fault; the oldest is forgotten first
PICKED_LIMIT = 256  # segments remembered of one connection, to know them when they are sent again
HALF = SEQUENCES // 2
Flow = tuple[str, int, int]  # "tcp" or "udp", the port that a packet comes from, and the port that it is for

_CONTROL = SYN | ACK | FIN | RST
OF_KIND: dict[Kind, Callable[[Packet], bool]] = {
    "any": lambda packet: True,  # noqa: ARG005
    "syn": lambda packet: packet.protocol == TCP and packet.flags & _CONTROL == SYN,
    "syn-with-data": lambda packet: (
        packet.protocol == TCP and packet.flags & _CONTROL == SYN and packet.end > packet.payload
    ),
    "syn-ack": lambda packet: packet.protocol == TCP and packet.flags & _CONTROL == SYN | ACK,
    "ack": lambda packet: packet.protocol == TCP and packet.flags & _CONTROL == ACK and not packet.length,
    "handshake-ack": lambda packet: packet.protocol == TCP and packet.flags & _CONTROL == ACK and not packet.length,
    "data": lambda packet: packet.protocol == TCP and packet.end > packet.payload,
    "fin": lambda packet: packet.protocol == TCP and bool(packet.flags & FIN),
    "rst": lambda packet: packet.protocol == TCP and bool(packet.flags & RST),
    "udp": lambda packet: packet.protocol == UDP,
    "dns-query": lambda packet: packet.protocol == UDP,
    "dns-answer": lambda packet: packet.protocol == UDP,
    "icmp": lambda packet: packet.protocol in (ICMP, ICMPV6),
    "ecn": has_ecn,
}


@dataclass(slots=True)
class Connection:
    """What is remembered of one direction of a connection."""

    isn: int | None = None  # the initial sequence number, when the SYN was seen
    handshake_ack: int | None = None  # the acknowledgement number of the handshake's third packet, when it was seen
    was_picked: bool = False
    picked: list[tuple[int, int]] = field(default_factory=list)  # sequence number and length of each
    stream: Stream = field(default_factory=Stream)

    def stream_offset(self, packet: Packet) -> int | None:
        """Where in the stream, from 0, the payload begins; None when not known. Negative is before the first byte."""
        if self.isn is None:
            return None
        offset = (packet.payload_seq - self.isn - 1) % SEQUENCES
        return offset if offset < HALF else offset - SEQUENCES

    def remember(self, packet: Packet) -> None:
        self.was_picked = True
        if len(self.picked) < PICKED_LIMIT:
            self.picked.append((packet.seq, packet.sequence_length))

    def is_again(self, packet: Packet) -> bool:
        """Whether it carries any of what was picked before."""
        for seq, length in self.picked:
            distance = (packet.seq - seq) % SEQUENCES
            if distance < length or SEQUENCES - distance < packet.sequence_length:
                return True
        return False


def addresses(pick: Pick) -> tuple[bytes, bytes]:
    """The two addresses of a pick, packed. Raises ValueError when they are not addresses of one family."""
    ends = pick.from_, pick.to, pick.behind, pick.virtual
    one, other, *translated = (ipaddress.ip_address(each) for each in ends if each)
    for each in (other, *translated):
        if one.version != each.version:
            raise ValueError(f"{one} and {each} are not of one family")
    return one.packed, other.packed


class Picker:
    """The state of one pick: counts, connections and the seeded draws.

    Packets of the `earlier` connections, which were there before the script began, are none of its: they are neither
    picked nor counted. One whose ports are used anew, which its SYN shows, is earlier no more.
    """

    def __init__(self, pick: Pick, seed: int, *, needs_stream: bool, earlier: Iterable[Flow] = ()) -> None:
        self.pick = pick
        self._earlier = set(earlier)
        self._source, self._destination = addresses(pick)
        self._from_port, self._to_port = pick.out_of_port, pick.at_port
        self._is_of_kind = OF_KIND[pick.of]
        self._random = random.Random(seed)  # noqa: S311 (that it can be foretold is what it is for)
        self._finds = finder(pick.holds, pick.matches) if pick.holds or pick.matches else None
        self._across = pick.across == "stream"
        self._tracks = self._across or needs_stream or pick.byte is not None or pick.again or pick.of == "handshake-ack"
        self._connections: dict[int, Connection] = {}
        self._name = (pick.name or "").rstrip(".").lower()
        self._is_answer = pick.of == "dns-answer" if pick.of in OF_NAMES else None
        self.seen = 0
        self.picked = 0
        self.unplaced = 0

    def concerns(self, packet: Packet) -> bool:
        """Whether the packet goes the pick's way: to a virtual address by that very address too, whoever gets it."""
        address, port = packet.receiver
        return (
            packet.source == self._source
            and self._destination in (address, packet.destination)
            and (self._to_port is None or port == self._to_port)
            and (self._from_port is None or packet.source_port == self._from_port)
            and not (self._earlier and self._is_earlier(packet))
        )

    def _is_earlier(self, packet: Packet) -> bool:
        flow = PROTOCOL_NAMES.get(packet.protocol or 0, ""), packet.source_port, packet.receiver[1]
        if packet.protocol == TCP and packet.flags & SYN:
            self._earlier.discard(flow)
        return flow in self._earlier

    def connection(self, packet: Packet) -> Connection | None:
        """What is known of the packet's connection; None where nothing has to be, or it is not TCP."""
        if not self._tracks or packet.protocol != TCP:
            return None
        key = packet.source_port << 16 | packet.receiver[1]
        known = self._connections.get(key)
        is_new = known is None or (packet.flags & SYN and known.isn != packet.seq)  # else it is the same SYN again
        if known is None or is_new:
            if len(self._connections) >= CONNECTIONS_LIMIT:
                del self._connections[next(iter(self._connections))]
            self._connections.pop(key, None)
            known = self._connections[key] = Connection(packet.seq if packet.flags & SYN else None)
        return known

    def picks(self, packet: Packet, connection: Connection | None) -> bool:
        """Whether this packet, which goes the pick's way, is picked. To be asked once for each packet, in order."""
        pick = self.pick
        if not self._is_of_kind(packet):
            return False
        if pick.with_option is not None and not has_option(packet, pick.with_option):
            return False
        if self._is_answer is not None and not is_about(
            packet, answer=self._is_answer, name=self._name, of_type=pick.type_
        ):
            return False
        if pick.of == "handshake-ack" and not (connection and self._ends_handshake(packet, connection)):
            return False
        if self._finds and not self._has_content(packet, connection):
            return False
        self.seen += 1
        if pick.nth is not None:
            is_picked = self.seen == pick.nth
        elif pick.first is not None:
            is_picked = self.seen <= pick.first
        elif pick.percent is not None:
            is_picked = self._random.random() * 100 < pick.percent
        elif pick.byte is not None:
            is_picked = connection is not None and not connection.was_picked and self._carries(packet, connection)
        else:
            is_picked = True
        if pick.again and connection:
            if is_picked:
                connection.remember(packet)
            elif pick.byte is not None:
                is_picked = self._carries(packet, connection)
            elif pick.of == "handshake-ack":
                is_picked = connection.was_picked
            else:
                is_picked = connection.is_again(packet)
        elif is_picked and connection:
            connection.was_picked = True
        self.picked += is_picked
        return is_picked

    def _has_content(self, packet: Packet, connection: Connection | None) -> bool:
        if packet.end <= packet.payload or packet.protocol not in (TCP, UDP):
            return False
        assert self._finds is not None  # noqa: S101 (whoever asks has seen to it)
        before = connection.stream.before(packet) if self._across and connection else b""
        return self._finds(before + packet.data[packet.payload : packet.end], len(before))

    def _carries(self, packet: Packet, connection: Connection) -> bool:
        assert self.pick.byte is not None  # noqa: S101 (for mypy)
        if packet.protocol != TCP or not packet.length:
            return False
        offset = connection.stream_offset(packet)
        if offset is None:
            self.unplaced += 1
            return False
        return offset <= self.pick.byte < offset + packet.length

    def _ends_handshake(self, packet: Packet, connection: Connection) -> bool:
        """Whether it is the first pure ACK after the SYN, or that one sent again (RFC 9293, 3.5)."""
        if connection.isn is None:
            self.unplaced += 1
            return False
        if packet.seq != (connection.isn + 1) % SEQUENCES:
            return False
        if connection.handshake_ack is None:
            connection.handshake_ack = packet.ack
        return packet.ack == connection.handshake_ack


def needs_syn(pick: Pick, *, needs_stream: bool) -> bool:
    """Whether the SYN of the same direction must be seen too, though it is not of the kind.

    `needs_stream`: the action counts bytes from it, or it tells a new connection from an earlier one.
    """
    return pick.of not in ("any", "ecn", "syn", "syn-with-data", "syn-ack") and (
        needs_stream or pick.byte is not None or pick.of == "handshake-ack"
    )
