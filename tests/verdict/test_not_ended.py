"""What is said of a program that the lab had to end: its answer may have been there all the while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from scenarios.calls.call import PRINTED, Call
from scenarios.evidence.frame import Frame
from scenarios.evidence.starts import starts_s
from scenarios.report.advice import advice
from scenarios.spec.drill import Drill
from scenarios.spec.outcome import Outcome
from scenarios.spec.units import Seconds
from scenarios.verdict.behaviour import Behaviour, behaviour_of
from tests.verdict.test_behaviour import ANSWERED, DRILL, ONE, PORT, call, data, evidence, fin, question, syn
from tests.verdict.test_judging import CLIENT, SERVER

HUNG = call(Outcome.HUNG, status=124, duration_s=11.0, conflict=PRINTED)  # 9 s from its first packet on
OPEN, NO_SOCKET = "udp UNCONN 0 0 198.18.1.10:50000 198.18.1.138:65432\n", "udp UNCONN 0 0 0.0.0.0:68 0.0.0.0:*\n"


def told(frames: Sequence[Frame], control: Sequence[Frame], waiting: str = "", **changes: object) -> Behaviour:
    made = replace(HUNG, **changes)  # type: ignore[arg-type]
    found = behaviour_of(DRILL, evidence(call(), control), evidence(made, frames, waiting=waiting))
    assert found
    return found


def answer(number: int, at_s: float, what: bytes = b"hello") -> Frame:
    back = replace(question(number, at_s, 0), source=SERVER, destination=CLIENT, source_port=PORT, payload=what)
    return replace(back, destination_port=50000)


ASKS = [question(1, 100.0, 50000), answer(2, 100.01)]
AGAIN = [question(1, 100.0, 50000), question(2, 101.0, 50000), answer(3, 101.01)]


def test_one_that_had_its_answer_and_ran_on_does_not_hang() -> None:
    """It asks each second, prints the answer, closes its socket, and tidies up for 8 s where it had to ask twice."""
    found = told(AGAIN, ASKS)
    assert (found.word, found.kind) == ("answered after 1 retry, not ended after 9 s", "not ended")
    assert found.retries == 1
    assert "`timeout 3`" in advice(found)
    assert told([*ONE, *ANSWERED[1:2]], ANSWERED).word == "answered, not ended after 9 s"


@pytest.mark.parametrize(("waiting", "word"), [
    (NO_SOCKET, "answered after 1 retry, not ended after 9 s"),
    (OPEN, "not done (printed what it should, not ended after 9 s)"),
    ("", "not done (printed what it should, not ended after 9 s)"),  # nobody looked
])  # fmt: skip
def test_over_udp_less_than_usual_is_an_answer_where_its_socket_is_closed(waiting: str, word: str) -> None:
    """QUIC's server sends anew what was lost, and what it acknowledges differs from run to run."""
    usual = [*ASKS, answer(3, 100.02)]
    assert told(AGAIN, usual, waiting).word == word


def test_words_that_it_begins_with_are_no_answer() -> None:
    """`prints` fits a banner: the packets show that no byte came, or less than without the failure."""
    assert told(ONE, ANSWERED).word == "hung (still waiting after 9 s)"
    assert told([question(1, 100.0, 50000)], ASKS, OPEN).kind == "hung"
    whole = [*ANSWERED[:2], data(3, 100.31, 40000, 2), fin(4, 100.32, 40000)]
    assert told(ANSWERED[:2], whole).kind == "hung", "it waits for the rest, on a connection that is open"
    tries = [*ANSWERED, syn(4, 108.5, 40001), data(5, 108.6, 40001, 1)]
    assert told(tries, whole).kind == "still trying"


def test_one_that_printed_nothing_of_it_waits_as_before() -> None:
    assert told(ANSWERED[:2], ANSWERED, conflict="").kind == "hung"


def test_what_a_call_that_was_answered_says_first_is_not_said_before_one_that_had_not_ended() -> None:
    seen = replace(evidence(HUNG, AGAIN), calls={"hello": [HUNG, call(started_s=200.0)]})
    found = behaviour_of(DRILL, evidence(call(), ASKS), seen)
    assert found
    assert found.kind == "not ended"


@pytest.mark.parametrize(("started_s", "warm", "word"), [
    (97.0, False, "not done (began after 3.0 s, had 3.0 s)"),  # its own clock of 4 s could not go off
    (99.0, False, "hung (still waiting after 5 s)"),
    (97.0, True, "hung (still waiting after 3 s)"),  # it waited before it sent
])  # fmt: skip
def test_one_that_began_so_late_that_its_wait_was_cut_short_does_not_hang(
    started_s: float, warm: bool, word: str
) -> None:
    made = replace(HUNG, conflict="", started_s=started_s, duration_s=6.0, warm=warm)
    assert told_within_6_s(made) == word


def test_one_whose_wait_was_cut_short_has_no_mark_for_hanging() -> None:
    made = replace(HUNG, conflict="", started_s=97.0, duration_s=6.0)
    found = behaviour_of(within_6_s(), evidence(call(), ONE), evidence(made, ONE))
    assert found
    assert found.kind == "not done"


def test_the_start_of_a_call_is_the_time_to_its_first_packet_in_the_control() -> None:
    assert starts_s(evidence(call(started_s=97.0, duration_s=6.0), ONE), DRILL) == {"hello": pytest.approx(3.0)}
    assert starts_s(evidence(call(started_s=97.0, duration_s=6.0, warm=True), ONE), DRILL) == {"hello": 0.0}


def test_one_that_had_its_time_hangs_however_long_it_took_to_start() -> None:
    """The lab has added the start, as the control showed it."""
    made = replace(HUNG, conflict="", started_s=96.0, duration_s=10.0)
    assert told_within_6_s(made) == "hung (still waiting after 6 s)"


def within_6_s() -> Drill:
    steps = tuple(
        replace(each, call=replace(each.call, within=Seconds(6))) if each.call else each for each in DRILL.script
    )
    return replace(DRILL, script=steps)


def told_within_6_s(made: Call) -> str:
    found = behaviour_of(within_6_s(), evidence(call(), ONE), evidence(made, ONE))
    assert found
    return found.word
