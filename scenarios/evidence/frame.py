"""A captured frame, as a frozen value."""

from __future__ import annotations

import re
from typing import Literal

from scenarios.lab.valueclass import valueclass

FLAGS = {0x02: "SYN", 0x10: "ACK", 0x01: "FIN", 0x04: "RST", 0x08: "PSH", 0x20: "URG"}
Transport = Literal["tcp", "udp", "icmp", "arp", "other"]
# What tshark's line on an ICMP echo says that is of one leg only: hops left, and the frame of the other half.
ICMP_OF_A_LEG = re.compile(r", (?:ttl|hop limit)=\d+| \((?:(?:reply|request) in \d+|no response found!)\)")
# What tshark's line on ICMP begins with where it is no error: RFC 792, RFC 4443 (Echo), RFC 4861 (Neighbor, …),
# Multicast Listener Discovery; and of a source quench, which Linux takes no notice of (RFC 6633).
ICMP_OF_NO_ERROR = re.compile(r"Echo |Neighbor |Router |Redirect\b|Multicast |Timestamp |Source quench")

Endpoint = tuple[str, int | None]  # an address, and a port where there is one


@valueclass
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
    quoted: tuple[Endpoint, Endpoint] | None = None  # of an ICMP error: the ends of the segment that it is about

    @property
    def sender(self) -> Endpoint:
        """The address and the port that it comes from: behind a NAT, those that the NAT hides."""
        return self.true_source or (self.source, self.source_port)

    @property
    def receiver(self) -> Endpoint:
        """The address and the port that it is for: behind a NAT, those that the NAT hides."""
        return self.true_destination or (self.destination, self.destination_port)

    @property
    def is_icmp_error(self) -> bool:
        """Whether it is an ICMP error, which a socket may be told; IPv6's neighbours find each other by ICMP too."""
        return self.transport == "icmp" and not ICMP_OF_NO_ERROR.match(self.info)

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

    def is_changed_into(self, other: Frame) -> bool:
        """Whether the other one is this segment with another header of TCP: options, sequence numbers, urgent or not.

        One of its two numbers is the same: a middlebox shifts the one on the way there and the other on the way back.
        Of what carries nothing only IPv4's identification tells, and Linux gives some of them none (0).
        """
        mine, its = ((each.sender, each.receiver, each.identification, each.payload) for each in (self, other))
        known = bool(self.identification) or bool(self.payload) or "SYN" in self.flags
        same = known and mine == its and self.flags - {"URG"} == other.flags - {"URG"}
        return same and self.transport == "tcp" == other.transport and (self.seq == other.seq or self.ack == other.ack)
