"""The shape of a conversation, from the packets of one leg."""

from __future__ import annotations

from dataclasses import replace

from scenarios.evidence.shape import shape
from tests.verdict.test_asking_again import TRANSFER, captured, going_on
from tests.verdict.test_behaviour import PORT
from tests.verdict.test_judging import CLIENT


def test_a_transfer_from_another_port_is_of_the_conversation() -> None:
    found = shape(going_on(*TRANSFER), (CLIENT,), PORT)
    assert found is not None
    assert found.words == "1 source port, 2 questions answered"
    found = shape(captured(*TRANSFER), (CLIENT,), PORT)
    assert found is not None
    assert found.words == "1 source port, 2 questions answered"


def test_what_the_service_says_to_another_host_is_of_another_conversation() -> None:
    other = "198.18.1.11"
    others = [
        replace(each, source=other) if each.source == CLIENT else replace(each, destination=other)
        for each in captured(*TRANSFER)
    ]
    found = shape([*captured(*TRANSFER), *others], (CLIENT,), PORT)
    assert found is not None
    assert found.words == "1 source port, 2 questions answered"
