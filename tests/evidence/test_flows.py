"""Which frames of a capture belong to connections of earlier scripts."""

from __future__ import annotations

from dataclasses import replace

from scenarios.evidence.flows import Flows
from scenarios.evidence.frame import Frame

CLIENT, SERVER, FIREWALL = "198.18.1.10", "198.18.1.138", "198.18.1.190"


def frame(number: int, *flags: str, port: int = 40000, back: bool = False) -> Frame:
    ends = [(CLIENT, port), (SERVER, 7007)]
    (source, source_port), (destination, destination_port) = reversed(ends) if back else ends
    return Frame(
        number=number, time_ns=number, length=66, transport="tcp", source=source, destination=destination,
        source_port=source_port, destination_port=destination_port, identification=number, ttl=64,
        flags=frozenset(flags), seq=1, ack=0, window=500, options="", payload=b"", protocol="TCP", info="", notes=(),
        messages=(), byteorders=(), checksum_good=True, marks=frozenset(),
    )  # fmt: skip


def of_script(flows: Flows, *frames: Frame) -> list[Frame]:
    return flows.of_script({"client-leg": frames})["client-leg"]


def test_what_did_not_begin_in_the_capture_is_left_out_in_both_directions() -> None:
    flows = Flows([FIREWALL])
    late = [frame(3, "FIN", "ACK"), frame(4, "RST", back=True)]
    new = [frame(5, "SYN", port=40001), frame(6, "ACK", port=40001, back=True)]
    assert of_script(flows, *late, *new) == new


def test_it_may_begin_on_either_leg() -> None:
    syn, rest = frame(1, "SYN"), frame(2, "ACK", back=True)
    found = Flows([FIREWALL]).of_script({"client-leg": [syn], "server-leg": [rest]})
    assert found == {"client-leg": [syn], "server-leg": [rest]}


def test_a_port_that_is_used_anew_begins_a_new_connection() -> None:
    flows = Flows([FIREWALL])
    assert of_script(flows, frame(1, "SYN"))
    assert of_script(flows, frame(2, "FIN")) == []
    again = [replace(frame(3, "SYN"), seq=2), frame(4, "ACK")]
    assert of_script(flows, *again) == again


def test_a_syn_or_a_syn_ack_that_is_sent_again_begins_no_connection() -> None:
    """An end that stays half-open after its script, in a composition that goes on, repeats it after 15 and 31 s."""
    syn, syn_ack = frame(1, "SYN"), frame(2, "SYN", "ACK", back=True)
    flows = Flows([FIREWALL])
    assert of_script(flows, syn, syn_ack) == [syn, syn_ack]
    assert of_script(flows, syn_ack, frame(3, "RST")) == []
    assert of_script(flows, syn, syn_ack, frame(4, "ACK")) == []


def test_behind_a_nat_a_connection_goes_on_from_another_port_unless_an_earlier_capture_had_it() -> None:
    flows = Flows([FIREWALL])
    went_on = replace(frame(1, "ACK"), source=FIREWALL)
    assert of_script(flows, went_on) == [went_on]
    assert of_script(flows, went_on) == []


def test_what_an_earlier_script_left_is_old_behind_a_nat_too() -> None:
    """Its address is another on the far leg, so it seems to go on from a new port; who is behind that tells."""
    syn, old = frame(1, "SYN"), frame(2, "PSH", "ACK", port=39000)
    begun, again = (replace(each, source=FIREWALL, true_source=(CLIENT, each.source_port)) for each in (syn, old))
    rst = replace(frame(3, "RST", port=39000, back=True), destination=FIREWALL, true_destination=(CLIENT, 39000))
    told = replace(icmp_about(again, 4), destination=FIREWALL)
    moved = replace(frame(5, "ACK", port=10003), source=FIREWALL, true_source=(CLIENT, syn.source_port))
    found = Flows([FIREWALL]).of_script({"client-leg": [syn, old], "server-leg": [begun, again, rst, told, moved]})
    assert found == {"client-leg": [syn], "server-leg": [begun, moved]}


def test_datagrams_belong_to_no_connection() -> None:
    flows = Flows([FIREWALL])
    datagram = replace(frame(1), transport="udp")
    assert of_script(flows, datagram) == of_script(flows, datagram) == [datagram]


def icmp_about(quoted: Frame, number: int) -> Frame:
    """An ICMP error of the firewall to the one that sent this segment."""
    ends = (quoted.source, quoted.source_port), (quoted.destination, quoted.destination_port)
    bare = replace(frame(number), transport="icmp", source_port=None, destination_port=None, seq=None, ack=None)
    return replace(bare, source=FIREWALL, destination=quoted.source, quoted=ends)


def test_an_icmp_error_is_of_the_connection_that_it_quotes() -> None:
    old, new = frame(1, "FIN", "ACK"), frame(2, "SYN", port=40001)
    about_old, about_new = icmp_about(old, 3), icmp_about(new, 4)
    of_none = replace(about_old, quoted=None)  # an echo, or an error whose quotation was cut short
    assert of_script(Flows([FIREWALL]), old, new, about_old, about_new, of_none) == [new, about_new, of_none]


def test_an_icmp_error_about_what_goes_on_behind_a_nat_is_kept() -> None:
    flows = Flows([FIREWALL])
    about = icmp_about(replace(frame(1, "ACK"), source=FIREWALL), 2)
    assert of_script(flows, about) == [about]
