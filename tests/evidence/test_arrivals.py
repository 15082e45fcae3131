"""What came to the program of one call, as the packets of the client's leg show it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scenarios.evidence.arrivals import arrival, bytes_came
from scenarios.evidence.frame import Frame
from tests.verdict.test_asking_names import dns
from tests.verdict.test_behaviour import PORT, call, data, evidence, question, syn
from tests.verdict.test_judging import CLIENT, SERVER

ASKED = [syn(1, 100.0, 40000)]
ACCEPTED = replace(data(2, 100.01, 40000, 0), flags=frozenset({"SYN", "ACK"}), payload=b"")


def came(*frames: Frame) -> int:
    return bytes_came(evidence(call(), [*ASKED, *frames]), call(), (CLIENT,))


def is_quiet(*frames: Frame) -> bool:
    return arrived(*ASKED, *frames) == "none"


def arrived(*frames: Frame) -> str:
    return arrival(evidence(call(), frames, silent=True), call(), (CLIENT,))


def answer(number: int, at_s: float, port: int = PORT) -> Frame:
    back = replace(question(number, at_s, 0), source=SERVER, destination=CLIENT, source_port=port)
    return replace(back, destination_port=50000, payload=b"well")


def test_bytes_are_counted_once_and_only_without_a_gap() -> None:
    one, two, three = (data(2 + n, 100.1 + n / 10, 40000, n) for n in (1, 2, 3))
    assert came(ACCEPTED, one, two, two) == 2
    assert came(ACCEPTED, two, three) == 0, "the first is missing"
    assert came(ACCEPTED, one, three) == 1
    assert came(ACCEPTED, three, two, one) == 3


def test_of_several_connections_the_one_to_which_the_most_came_counts() -> None:
    assert came(data(2, 100.1, 40000, 1), syn(3, 100.2, 40001), data(4, 100.3, 40001, 1)) == 1


def test_a_service_that_answers_from_another_port_has_answered() -> None:
    asked = question(2, 100.1, 50000)
    assert came(asked, answer(3, 100.2, port=41234)) == 4
    assert not is_quiet(asked, answer(3, 100.2, port=41234))


def test_no_byte_came_where_only_tcp_itself_the_names_and_icmp_spoke() -> None:
    error = replace(answer(2, 100.1), transport="icmp")
    assert is_quiet(ACCEPTED, answer(3, 100.2, port=53), error)
    assert not is_quiet(data(2, 100.1, 40000, 1))


def test_where_nothing_was_captured_nobody_knows_what_came() -> None:
    assert arrival(replace(evidence(call(), []), frames={}), call(), (CLIENT,)) == "unknown"
    assert arrival(evidence(call(), ASKED, silent=True), call(started_s=None), (CLIENT,)) == "unknown"
    assert arrived() == "unknown"


@pytest.mark.parametrize(
    ("answers", "tcp", "comes"),
    [
        (["NXDOMAIN"], False, "none"),
        (["SERVFAIL"], False, "none"),
        (["empty"], True, "none"),
        ([], False, "none"),
        (["NXDOMAIN", "address"], False, "unknown"),
        (["address"], True, "unknown"),
    ],
)
def test_where_names_alone_were_asked_for_no_byte_came_if_none_had_an_address(
    answers: list[str], tcp: bool, comes: str
) -> None:
    """What one that was given an address sends then, no capture shows: nor its answer."""
    asked = [(0.0, "> 1 A server"), *((0.1, f"< 1 A server {each}") for each in answers)]
    assert arrived(*dns(*asked, tcp=tcp)) == comes


def test_an_answer_about_a_name_that_cannot_be_read_may_have_had_an_address() -> None:
    torn = [replace(each, payload=each.payload[:14]) for each in dns((0.1, "< 1 A server NXDOMAIN"), first=2)]
    assert arrived(*dns((0.0, "> 1 A server")), *torn) == "unknown"
