"""Which frames of a capture belong to connections of earlier scripts."""

from __future__ import annotations

from dataclasses import replace

from scenarios.dissect import Frame
from scenarios.stage import Flows

CLIENT, SERVER = "198.18.1.10", "198.18.1.138"


def frame(number: int, *flags: str, port: int = 40000, back: bool = False) -> Frame:
    ends = [(CLIENT, port), (SERVER, 7007)]
    (source, source_port), (destination, destination_port) = reversed(ends) if back else ends
    return Frame(
        number=number, time_ns=number, length=66, transport="tcp", source=source, destination=destination,
        source_port=source_port, destination_port=destination_port, identification=number, ttl=64,
        flags=frozenset(flags), seq=1, ack=0, window=500, options="", payload=b"", protocol="TCP", info="", notes=(),
        messages=(), byteorders=(), checksum_good=True, marks=frozenset(),
    )  # fmt: skip


def test_what_an_earlier_connection_still_sends_is_left_out_in_both_directions() -> None:
    flows = Flows()
    first = [frame(1, "SYN"), frame(2, "ACK", back=True)]
    assert flows.without(first) == first
    flows.remember(first)
    late = [frame(3, "FIN", "ACK"), frame(4, "RST", back=True)]
    new = [frame(5, "SYN", port=40001), frame(6, "ACK", port=40001, back=True)]
    assert flows.without([*late, *new]) == new


def test_a_port_that_is_used_anew_begins_a_new_connection() -> None:
    flows = Flows()
    flows.remember([frame(1, "SYN")])
    again = [frame(2, "SYN"), frame(3, "ACK")]
    assert flows.without(again) == again


def test_datagrams_belong_to_no_connection() -> None:
    flows = Flows()
    datagram = replace(frame(1), transport="udp")
    flows.remember([datagram])
    assert flows.without([datagram]) == [datagram]
