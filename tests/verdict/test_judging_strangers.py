"""Verdicts about programs from elsewhere: what cannot be read of them is unproven, with a hint, and never red."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from scenarios.calls.call import PRINTED, Call
from scenarios.evidence.frame import Frame
from scenarios.evidence.record import Seen
from scenarios.evidence.shape import shape
from scenarios.evidence.stalls import Stall, Stalls
from scenarios.faults.catch import Caught
from scenarios.spec.catalogue import load_drill
from scenarios.spec.drill import Drill
from scenarios.spec.expectations import Expectation, Outcomes
from scenarios.spec.outcome import Outcome
from scenarios.verdict.check import Check, Verdict
from scenarios.verdict.judge import judged, judged_alone
from tests.verdict.test_behaviour import PORT, call, data, question, syn
from tests.verdict.test_judging import CLIENT, SERVER
from tests.verdict.test_judging_stalls import stall

TEXT = """\
drill: one
claim: A closed port refuses.
why: It does.
source: [RFC 9293]
tags: [reaching]
service: search/selectors
fits: [request]
script:
  - fault: {name: lose, drop: {first: 1, of: syn, from: client, to: server}}
  - call: {name: hello}
expect:
  - packets: {at: client-leg, where: tcp}
  - EXPECTED
control:
  - outcome: {call: hello, is: answered}
  - packets: {at: client-leg, where: syn, exactly: 1}
"""
REFUSED = "outcome: {call: hello, is: refused, errno: ECONNREFUSED}"
ONE = [syn(1, 100.0, 40000)]


def drill(folder: Path, expected: str) -> Drill:
    path = folder / "one.yaml"
    path.write_text(TEXT.replace("EXPECTED", expected))
    return load_drill(path)


def evidence(made: Call, frames: Sequence[Frame] = ONE, hits: int = 1) -> Seen:
    marked = [replace(each, marks=frozenset({"tcp", "syn"} if "SYN" in each.flags else {"tcp"})) for each in frames]
    return Seen(
        armed=True, port=PORT, addresses={"client": (CLIENT,), "server": (SERVER,)}, client_side=frozenset({CLIENT}),
        calls={"hello": [made]}, caught={"lose": Caught(hits)}, looks={}, logs={}, captures={},
        frames={"client-leg": marked, "server-leg": []}, events=(),
    )  # fmt: skip


def last(folder: Path, expected: str, armed: Seen) -> Check:
    return judged(drill(folder, expected), evidence(call()), armed)[1][-1]


def ask(number: int, at_s: float) -> Frame:
    """A segment of the client's, with a byte."""
    return replace(syn(number, at_s, 40000, 100), flags=frozenset({"ACK"}), payload=b"?")


def failed(outcome: Outcome = Outcome.FAILED, *, errno: str | None = None, status: int = 7) -> Call:
    return call(outcome, errno=errno, status=status)


READ = [
    # curl without -v prints none, and its status 7 is every failure to connect: by `exits`, refused
    (failed(), REFUSED, Verdict.UNPROVEN, "no errno was printed (exit status 7)"),
    (failed(Outcome.REFUSED), REFUSED, Verdict.UNPROVEN, "no errno was printed (exit status 7)"),
    (failed(Outcome.REFUSED), "outcome: {call: hello, is: unreachable}", Verdict.UNPROVEN, "no errno was printed"),
    (failed(Outcome.CRASHED, status=255), REFUSED, Verdict.UNPROVEN, "no errno was printed (exit status 255)"),
    # SO_RCVTIMEO (socket(7)), and a warning about a file
    (failed(errno="EAGAIN"), "outcome: {call: hello, is: timed out}", Verdict.UNPROVEN, "EAGAIN was printed"),
    (failed(errno="ENOENT"), REFUSED, Verdict.UNPROVEN, "ENOENT was printed, which does not tell how it ended"),
    (failed(errno="EMFILE"), REFUSED, Verdict.FAIL, ""),
    (failed(), "outcome: {call: hello, is: [answered, refused]}", Verdict.UNPROVEN, "no errno was printed"),
    (failed(Outcome.REFUSED, errno="ECONNREFUSED"), REFUSED, Verdict.PASS, ""),
    (failed(Outcome.RESET, errno="ECONNRESET"), REFUSED, Verdict.FAIL, ""),
    (failed(Outcome.CRASHED, status=139), REFUSED, Verdict.FAIL, ""),
    # it logged a refusal, and met SIGSEGV; or std::terminate() told of an exception, which Python ends with status 1
    (failed(Outcome.REFUSED, errno="ECONNREFUSED", status=139), REFUSED, Verdict.UNPROVEN, "and SIGSEGV ended it"),
    (failed(Outcome.REFUSED, errno="ECONNREFUSED", status=134), REFUSED, Verdict.PASS, ""),
    (failed(Outcome.REFUSED, errno="ECONNREFUSED", status=134), "outcome: {call: hello, is: crashed}",
     Verdict.PASS, ""),
    (call(Outcome.HUNG, status=124), REFUSED, Verdict.FAIL, ""),
    (call(), REFUSED, Verdict.FAIL, ""),
    (failed(), "outcome: {call: hello, is: answered}", Verdict.FAIL, ""),
    # dig prints "connection refused", and its `exits` say of status 9 that it timed out
    (failed(Outcome.TIMED_OUT, errno="ECONNREFUSED", status=9), REFUSED, Verdict.UNPROVEN, "it printed ECONNREFUSED"),
    (failed(Outcome.TIMED_OUT, errno="ECONNREFUSED", status=9), "outcome: {call: hello, is: timed out}",
     Verdict.UNPROVEN, "it printed ECONNREFUSED"),
    (failed(Outcome.TIMED_OUT, errno="ETIMEDOUT"), "outcome: {call: hello, is: timed out}", Verdict.PASS, ""),
    # the lab's own are ended by a signal where they hang
    (replace(call(Outcome.HUNG), guest=False, signal="SIGKILL"), "outcome: {call: hello, is: hung}", Verdict.PASS, ""),
    (replace(call(Outcome.HUNG), guest=False, signal="SIGKILL"), "outcome: {call: hello, is: crashed}",
     Verdict.FAIL, ""),
    (replace(failed(), guest=False), REFUSED, Verdict.FAIL, ""),  # one of ours always tells its errno
]  # fmt: skip


@pytest.mark.parametrize(("made", "expected", "holds", "hint"), READ)
def test_how_a_call_ended_that_its_program_did_not_tell_is_unproven(
    tmp_path: Path, made: Call, expected: str, holds: Verdict, hint: str
) -> None:
    found = last(tmp_path, expected, evidence(made))
    assert found.holds is holds
    assert hint in found.seen


SAID = [
    (failed(), "saw failed"),
    (replace(failed(), stderr="Traceback (most recent call last):\n  x\nEOFError: EOF when reading a line\n\n"),
     "saw failed; its last line: 'EOFError: EOF when reading a line'"),
    (replace(failed(), stdout="asks\ngives up\n"), "saw failed; its last line: 'gives up'"),
    (replace(failed(), stdout="later", stderr="\x1b[31mno\x1b[0m\x07 \x1b]0;title\x07way\r\n"),
     "saw failed; its last line: 'no way'"),
    (replace(failed(), stderr="x" * 200), f"saw failed; its last line: '{'x' * 200}'"),
    (replace(failed(), stderr="x" * 201), f"saw failed; its last line: '{'x' * 200}…'"),
    (replace(call(), stdout="well\n"), "saw answered (no byte came from the service)"),
]  # fmt: skip


@pytest.mark.parametrize(("made", "told"), SAID)
def test_a_control_that_fails_is_told_with_the_last_line_of_its_program(tmp_path: Path, made: Call, told: str) -> None:
    control = replace(evidence(made), armed=False)
    (outcome,) = (each for each in judged(drill(tmp_path, REFUSED), control, None)[0] if "outcome" in each.rule)
    assert outcome.sentence == f"control: outcome of hello: expected answered, {told}"


def test_with_the_failure_the_last_line_is_left_out(tmp_path: Path) -> None:
    said = replace(failed(Outcome.RESET, errno="ECONNRESET"), stderr="reset by peer")
    assert last(tmp_path, REFUSED, evidence(said)).seen == "reset (ECONNRESET)"


TWICE = [*ONE, syn(2, 100.1, 40001), syn(3, 100.2, 40002)]


@pytest.mark.parametrize(
    ("expected", "armed"),
    [
        ("hits: {fault: lose, exactly: 1}", evidence(call(), TWICE, hits=3)),
        ("packets: {at: client-leg, where: syn, exactly: 1}", evidence(call(), TWICE)),
        (REFUSED, evidence(call(), TWICE)),  # it was let in at its third try
    ],
)
def test_a_count_of_one_try_is_unproven_where_a_program_tried_again(tmp_path: Path, expected: str, armed: Seen) -> None:
    found = last(tmp_path, expected, armed)
    assert found.holds is Verdict.UNPROVEN
    assert "its program tried 3 times, and 1 without the failure; the claim is of one try" in found.seen
    assert "connects: again" not in found.seen  # the drill is for it all the same, whatever its client says
    ours = replace(armed, calls={"hello": [replace(call(), guest=False)]})
    assert last(tmp_path, expected, ours).holds is Verdict.FAIL


def test_the_line_connects_again_is_told_where_it_changes_something(tmp_path: Path) -> None:
    of = replace(drill(tmp_path, "hits: {fault: lose, exactly: 1}"), fits=("connects-once",))
    armed = evidence(call(), TWICE, hits=3)
    assert "write `connects: again`" in judged(of, evidence(call()), armed)[1][-1].seen
    found = judged(of, evidence(call()), replace(armed, connects_again=True))[1][-1]
    assert found.holds is Verdict.UNPROVEN
    assert "write" not in found.seen


@pytest.mark.parametrize(
    ("fits", "service", "holds"),
    [
        ((), "search/selectors", Verdict.FAIL),
        (("mine/*",), "mine/it", Verdict.FAIL),
        (("*/*",), "mine/it", Verdict.UNPROVEN),
        ((), "mine/it", Verdict.UNPROVEN),  # it speaks as the service that the drill names
        (("request",), "search/selectors", Verdict.UNPROVEN),
    ],
)
def test_what_a_drill_claims_of_a_service_that_it_names_is_meant_as_it_is_written(
    tmp_path: Path, fits: tuple[str, ...], service: str, holds: Verdict
) -> None:
    """How often a client asks is a claim like any other: `exactly: 2`, and the capture has three."""
    claim = "outcome: {call: hello, is: answered}\n  - packets: {at: client-leg, where: syn, exactly: 2}"
    of = replace(drill(tmp_path, claim), fits=fits)
    armed = replace(evidence(call(), TWICE), service=service)
    assert judged(of, evidence(call()), armed)[1][-1].holds is holds


def test_a_count_of_one_question_over_udp_is_unproven_where_a_program_asked_again(tmp_path: Path) -> None:
    asked = [question(number, 100 + number / 10, 50000) for number in range(3)]
    of = drill(tmp_path, "hits: {fault: lose, exactly: 1}")
    armed = evidence(call(), asked, hits=3)
    assert judged(of, evidence(call(), asked[:1]), armed)[1][-1].holds is Verdict.UNPROVEN
    assert judged(of, evidence(call(), asked), armed)[1][-1].holds is Verdict.FAIL  # it asks so without the failure too


def test_a_duration_begins_with_the_first_packet_and_not_with_the_start_of_a_program(tmp_path: Path) -> None:
    """requests takes 1.84 s to be imported, on a busy machine, before it sends its SYN."""
    slow = call(started_s=96.0, duration_s=4.2)  # its SYN is at 100 s
    assert last(tmp_path, "duration: {call: hello, is: 0s to 3s}", evidence(slow)).seen == "0.200s"
    assert last(tmp_path, "duration: {call: hello, is: 3s to 5s}", evidence(slow)).holds is Verdict.FAIL
    warm = replace(slow, warm=True)
    assert last(tmp_path, "duration: {call: hello, is: 3s to 5s}", evidence(warm)).holds is Verdict.PASS
    found = last(tmp_path, "duration: {call: hello, is: 0s to 3s}", evidence(slow, []))
    assert found.holds is Verdict.UNPROVEN
    assert found.seen.startswith("it sent no packet")


def test_a_control_that_shows_another_conversation_says_which_line_to_write(tmp_path: Path) -> None:
    asks = [replace(syn(2 + n, 100.1 + n / 10, 40000, 100 + n), flags=frozenset({"ACK"}), payload=b"?") for n in (0, 2)]
    frames = [*ONE, asks[0], data(3, 100.2, 40000, 5), asks[1], data(4, 100.4, 40000, 6)]
    control = evidence(call(), [*frames, syn(9, 100.0, 40000, 8)])
    checks, _ = judged(drill(tmp_path, REFUSED), control, None)
    assert "1 connection, the client speaks first, 2 exchanges" in checks[-1].seen
    assert ": write `conversation: exchanges` in service.yaml" in checks[-1].seen


def test_no_line_is_advised_for_two_calls_of_one_exchange_each_and_for_a_wrong_answer(tmp_path: Path) -> None:
    """A client that packs its numbers as they lie in memory: the answer is wrong, and the conversation is right."""
    made = [call(Outcome.WRONG_ANSWER), replace(call(Outcome.WRONG_ANSWER), started_s=110.0)]
    frames = [
        each
        for at_s, port in ((100.0, 40000), (110.0, 40001))
        for each in (syn(1, at_s, port), replace(ask(2, at_s + 0.1), source_port=port), data(3, at_s + 0.2, port, 5))
    ]
    of = drill(tmp_path, REFUSED)

    def told(calls: Sequence[Call], sent: Sequence[Frame]) -> list[str]:
        checks, _ = judged(of, replace(evidence(made[0], sent), calls={"hello": calls}), None)
        return [each.seen for each in checks if "in service.yaml" in each.seen]

    assert told([replace(each, outcome=Outcome.ANSWERED) for each in made], frames) == []
    twice = [replace(each, number=each.number + 3, seq=(each.seq or 0) + 1) for each in frames[1:3]]
    assert told(made, [*frames[:3], *twice, *frames[3:]]) == []
    asked_again = told([replace(each, outcome=Outcome.ANSWERED) for each in made], [*frames[:3], *twice, *frames[3:]])
    assert all("1 connection, the client speaks first, 2 exchanges" in each for each in asked_again)
    assert asked_again


def test_the_shape_of_a_conversation_is_told_from_its_packets() -> None:
    ask = replace(syn(2, 100.1, 40000, 100), flags=frozenset({"ACK"}), payload=b"?")
    close = replace(syn(9, 100.9, 40000, 101), flags=frozenset({"FIN", "ACK"}))
    answer = data(3, 100.2, 40000, 5)

    def word(*frames: Frame) -> tuple[str, str]:
        found = shape([*ONE, *frames], {CLIENT}, PORT)
        assert found
        return found.conversation, found.words

    assert word(ask, answer, close) == (
        "request", "1 connection, the client speaks first, 1 exchange, the client closes first"
    )  # fmt: skip
    assert word(ask, replace(ask, number=8), answer)[0] == "request"  # sent again, not said again
    assert word(answer, ask)[0] == "greeting"
    assert word(ask, answer, replace(answer, seq=6)) == (
        "other", "1 connection, the client speaks first, 1 exchange, up to 2 segments a turn, it stays connected"
    )  # fmt: skip
    assert word(ask, answer, replace(ask, seq=101), replace(answer, seq=6))[0] == "exchanges"
    assert word(ask, answer, syn(5, 101, 40001), replace(ask, source_port=40001))[0] == "other"
    assert shape(ONE, {CLIENT}, PORT) is None
    preface, settings = (
        replace(ask, ack=answer.seq),
        replace(answer, ack=ask.seq),
    )  # of HTTP/2: neither has heard the other
    for both in ([preface, settings], [settings, preface]):
        assert word(*both)[0] == "other"
        assert "1 connection, neither end waits for the other" in word(*both)[1]


HUNG_UP = replace(data(2, 100.1, 40000, 1), flags=frozenset({"FIN", "ACK"}), payload=b"")
RST = replace(data(3, 100.2, 40000, 2), flags=frozenset({"RST"}), payload=b"")


@pytest.mark.parametrize(
    ("expected", "without", "with_reset"),
    [
        ("outcome: {call: hello, is: reset, errno: ECONNRESET}", Verdict.UNPROVEN, Verdict.PASS),
        ("outcome: {call: hello, is: broken off}", Verdict.UNPROVEN, Verdict.FAIL),
        ("outcome: {call: hello, is: answered}", Verdict.FAIL, Verdict.FAIL),
    ],
)
def test_words_of_a_reset_that_no_packet_tells_prove_nothing(
    tmp_path: Path, expected: str, without: Verdict, with_reset: Verdict
) -> None:
    """As Node prints them where the server closes in order before it has answered."""
    made = failed(Outcome.RESET, errno="ECONNRESET")
    found = last(tmp_path, expected, evidence(made, [*ONE, HUNG_UP]))
    assert found.holds is without
    assert ("no packet told it so" in found.seen) is (without is Verdict.UNPROVEN)
    assert last(tmp_path, expected, evidence(made, [*ONE, HUNG_UP, RST])).holds is with_reset


def test_a_duration_does_not_begin_with_what_an_earlier_connection_still_sends(tmp_path: Path) -> None:
    still_sent = replace(syn(9, 98.1, 39999), flags=frozenset({"FIN", "ACK"}))
    expected = "duration: {call: hello, is: 0s to 1s}"
    assert last(tmp_path, expected, evidence(call(), [still_sent, *ONE])).seen == "0.500s"


@pytest.mark.parametrize(("band", "holds"), [("1s to 3s", Verdict.UNPROVEN), ("0s to 9s", Verdict.PASS)])
def test_a_duration_is_not_measured_from_what_may_be_of_another_call(tmp_path: Path, band: str, holds: Verdict) -> None:
    """Two guests of one host: the first packet is at 98.5 s, and one of them starts until 100 s."""
    armed = evidence(call(), [syn(1, 98.5, 40001), syn(2, 100.0, 40000)])
    armed = replace(armed, calls={**armed.calls, "other": [call(started_s=98.1)]})
    found = last(tmp_path, f"duration: {{call: hello, is: {band}}}", armed)
    assert found.holds is holds
    assert ("no packet says whose it is" in found.seen) is (holds is Verdict.UNPROVEN)


REFUSALS = partial(Outcomes, call="hello", is_="refused")
UNREAD, READ_RIGHT, ANSWERED = failed(), failed(Outcome.REFUSED, errno="ECONNREFUSED"), call()


@pytest.mark.parametrize(
    ("count", "made", "holds"),
    [
        (REFUSALS(exactly=1), [READ_RIGHT, ANSWERED], Verdict.PASS),
        (REFUSALS(exactly=1), [READ_RIGHT, UNREAD], Verdict.UNPROVEN),  # two may have been refused
        (REFUSALS(at_most=1), [READ_RIGHT, UNREAD], Verdict.UNPROVEN),
        (REFUSALS(at_least=1), [READ_RIGHT, UNREAD], Verdict.PASS),
        (REFUSALS(at_least=2), [READ_RIGHT, UNREAD, ANSWERED], Verdict.UNPROVEN),
        (REFUSALS(at_least=3), [READ_RIGHT, UNREAD, ANSWERED], Verdict.FAIL),
    ],
)
def test_of_calls_that_are_counted_those_that_were_not_read_may_be_of_either_kind(
    tmp_path: Path, count: Outcomes, made: Sequence[Call], holds: Verdict
) -> None:
    seen = replace(evidence(call()), calls={"hello": made})
    assert judged_alone(Expectation(outcome=count), seen, drill(tmp_path, REFUSED)).holds is holds


def test_a_count_of_one_try_is_unproven_where_a_program_in_the_middle_asked_its_backend_again(tmp_path: Path) -> None:
    backend = "198.18.1.202"
    asked = [replace(syn(n, 100 + n / 10, 50000 + n), source=SERVER, destination=backend) for n in (1, 2)]
    of = drill(tmp_path, "packets: {at: server-leg, where: syn, exactly: 7}")

    def run(count: int, **changes: object) -> Seen:
        seen = replace(evidence(call()), backend_side=frozenset({backend}), **changes)  # type: ignore[arg-type]
        return replace(seen, frames={**seen.frames, "server-leg": asked[:count]})

    found = judged(of, run(1), run(2))[1][-1]
    assert found.holds is Verdict.UNPROVEN
    assert "the program in the middle asked its backend 2 times, and 1 without the failure" in found.seen
    assert judged(of, run(2), run(2))[1][-1].holds is Verdict.FAIL
    assert judged(of, run(1), run(2, calls={"hello": [call(guest=False)]}))[1][-1].holds is Verdict.FAIL
    of_client = drill(tmp_path, "packets: {at: client-leg, where: syn, exactly: 7}")
    assert judged(of_client, run(1), run(2))[1][-1].holds is Verdict.FAIL


@pytest.mark.parametrize(
    ("stderr", "holds"),
    [
        ("198.18.1.138: Connection refused\n2001:db8::1: Network is unreachable", Verdict.UNPROVEN),
        ("2001:db8::1: Network is unreachable", Verdict.FAIL),
    ],
)
def test_of_two_addresses_the_one_is_refused_and_the_other_unreachable(
    tmp_path: Path, stderr: str, holds: Verdict
) -> None:
    made = replace(failed(Outcome.UNREACHABLE, errno="ENETUNREACH", status=1), stderr=stderr)
    assert last(tmp_path, REFUSED, evidence(made)).holds is holds


def test_one_that_printed_its_answer_and_did_not_end_was_neither_answered_nor_did_it_hang(tmp_path: Path) -> None:
    """In the control too: the line says how it can be made to end."""
    made = call(Outcome.HUNG, status=124, duration_s=8.0, conflict=PRINTED)
    came = [*ONE, data(2, 100.1, 40000, 8)]
    for word, frames, holds in (
        ("answered", came, Verdict.UNPROVEN),
        ("hung", came, Verdict.UNPROVEN),
        ("answered", ONE, Verdict.FAIL),  # it prints that before it asks
        ("hung", ONE, Verdict.PASS),
    ):
        outcome = drill(tmp_path, f"outcome: {{call: hello, is: {word}}}")
        checked = judged_alone(outcome.expect[1], evidence(made, frames), outcome)
        assert checked.holds is holds, word
        assert ("`timeout 3` before its `run`, with `status: 124`" in checked.seen) is (holds is Verdict.UNPROVEN)


@pytest.mark.parametrize("word", ["answered", "hung"])
def test_a_program_that_stood_still_for_long_is_not_told_to_end_it_is_tried_again(tmp_path: Path, word: str) -> None:
    """It ends by itself where it has a processor; a short stall is no reason, and then the line of advice helps."""
    made = call(Outcome.HUNG, status=124, duration_s=8.0, conflict=PRINTED)  # from 98.0 s on
    came = evidence(made, [*ONE, data(2, 100.1, 40000, 8)])
    outcome = drill(tmp_path, f"outcome: {{call: hello, is: {word}}}")

    def checked(*found: Stall) -> Check:
        held_up = replace(came, stalls=Stalls(found, in_play=("client", "server")))
        return judged_alone(outcome.expect[1], held_up, outcome)

    starved = stall(98.5, 101.9, "client", "starved", program="python")
    late = checked(starved)
    assert (late.holds, "timeout 3" in late.seen) == (Verdict.UNPROVEN, False)
    assert late.stalled.startswith("python on client waited for a processor for 3.40 s")
    for other in (stall(98.5, 98.7, "client", "starved"), stall(90, 97, "client", "starved")):
        assert "`timeout 3` before its `run`" in checked(other).seen


def test_no_byte_of_the_service_is_no_wrong_answer(tmp_path: Path) -> None:
    """And an answered call says so too: it is fair of syslog, whose datagrams nobody answers."""
    came = [*ONE, data(2, 100.1, 40000, 8)]
    for made, word, frames, holds, told in (
        (call(), "answered", ONE, Verdict.PASS, "answered (no byte came from the service)"),
        (call(), "answered", came, Verdict.PASS, "answered"),
        (call(Outcome.WRONG_ANSWER), "answered", ONE, Verdict.FAIL, "exit status 0 (no byte came from the service)"),
        (call(Outcome.WRONG_ANSWER), "wrong answer", ONE, Verdict.UNPROVEN, "exit status 0 (no byte came from the"),
        (call(Outcome.WRONG_ANSWER), "wrong answer", came, Verdict.PASS, "wrong answer"),
    ):
        outcome = drill(tmp_path, f"outcome: {{call: hello, is: {word}}}")
        checked = judged_alone(outcome.expect[1], evidence(made, frames), outcome)
        assert checked.holds is holds, told
        assert checked.seen.startswith(told)
        assert (checked.seen == told) is (holds is not Verdict.UNPROVEN)


def test_of_one_none_of_whose_packets_was_seen_no_wrong_answer_is_said(tmp_path: Path) -> None:
    """Its parent ends at once, and its child asks: the control says what is known, and no claim rests on the rest."""
    unseen = "exit status 0 without what `prints` wants (nothing that it sent to the service was seen)"
    for word, holds in (("answered", Verdict.FAIL), ("wrong answer", Verdict.UNPROVEN)):
        outcome = drill(tmp_path, f"outcome: {{call: hello, is: {word}}}")
        checked = judged_alone(outcome.expect[1], evidence(call(Outcome.WRONG_ANSWER), []), outcome)
        assert checked.holds is holds
        assert checked.seen.startswith(unseen)
        assert (checked.seen == unseen) is (holds is Verdict.FAIL)
    answered = drill(tmp_path, "outcome: {call: hello, is: answered}")
    assert judged_alone(answered.expect[1], evidence(call(), []), answered).seen == "answered"
