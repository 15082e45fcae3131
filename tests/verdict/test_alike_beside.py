"""Conversations held against those of a control on another machine: what differs fails; what may be meant does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scenarios.evidence.record import Seen
from scenarios.lab.topology import ROOT
from scenarios.spec.catalogue import load_drill
from scenarios.spec.drill import Drill
from scenarios.spec.expectations import Alike, Expectation
from scenarios.spec.may_differ import ByteRange, MayDiffer
from scenarios.spec.outcome import Outcome
from scenarios.verdict.check import Check, Verdict, combine
from scenarios.verdict.judge import judged
from tests.evidence.test_conversation import HOSTS, PORT, array, frames
from tests.verdict.test_judging import call, run_with

DRILL = load_drill(ROOT / "scenarios" / "drills" / "any-same-bytes.yaml")
LITTLE, BIG = ("client", "server"), ("bystander", "server")
# A length, and a word: from a little-endian machine as it lies in memory, and from each in network byte order.
AS_IT_LIES = b"\x06\0\0\0rabbit", b"\0\0\0\x06rabbit"
AGREED = b"\0\0\0\x06rabbit"
ANSWER = b"\0\0\0\x02ok"


def run(pair: tuple[str, str], *said: tuple[bytes, bytes], outcome: Outcome = Outcome.ANSWERED, **more: object) -> Seen:
    """A run of the drill's two calls, a connection each, between the hosts that have these names in HOSTS."""
    client, server = pair
    made = [
        replace(frame, number=number * 100 + frame.number, source_port=ports[0] + number, destination_port=ports[1])
        if (ports := (frame.source_port or 0, frame.destination_port))[1] == PORT
        else replace(frame, number=number * 100 + frame.number, destination_port=(ports[1] or 0) + number)
        for number, of in enumerate(said)
        for frame in frames({(client, server): of}, 1000)  # type: ignore[dict-item]
    ]
    addresses = {"client": (HOSTS[client][0],), "server": (HOSTS[server][0],)}  # type: ignore[index]
    cpu = {"little": "native", "big": "ppc"}
    orders = {"client": HOSTS[client][1], "server": HOSTS[server][1]}  # type: ignore[index]
    return run_with(
        port=PORT, addresses=addresses, byteorders=orders, frames={"client-leg": made}, caught={},
        cpus={role: cpu[order] for role, order in orders.items()}, calls={"ask": [call(outcome)] * len(said)}, **more,
    )  # fmt: skip


def check_of_alike(control: Seen, armed: Seen, drill: Drill = DRILL) -> Check:
    """The check of what is alike."""
    _, checks = judged(drill, control, armed)
    return next(each for each in checks if each.rule.endswith("as in the control"))


def with_(may_differ: MayDiffer | None) -> Drill:
    """The drill as a person's own, for one service: what may differ is said in it."""
    alike = Alike(at="client-leg", from_=("client",), to=("server",), beside="control", may_differ=may_differ)
    return replace(DRILL, fits=(), expect=(Expectation(alike=alike), *DRILL.expect[1:]))


def test_the_same_bytes_from_another_machine_are_alike() -> None:
    control, armed = run(LITTLE, (AGREED, ANSWER), (AGREED, ANSWER)), run(BIG, (AGREED, ANSWER), (AGREED, ANSWER))
    assert combine([each for checks in judged(DRILL, control, armed) for each in checks]) is Verdict.PASS
    assert check_of_alike(control, armed).frames["client-leg"]


def test_a_length_that_is_not_converted_is_named_and_fails_where_the_call_is_not_answered() -> None:
    control = run(LITTLE, (AS_IT_LIES[0], ANSWER), (AS_IT_LIES[0], ANSWER))
    armed = run(BIG, (AS_IT_LIES[1], ANSWER), (AS_IT_LIES[1], ANSWER), outcome=Outcome.WRONG_ANSWER)
    found = check_of_alike(control, armed)
    assert found.holds is Verdict.FAIL
    assert "not converted" in found.seen
    assert "connection 1 (here: in the control, there: in this run): message 1, of the client" in found.seen


def test_a_strangers_bytes_that_differ_are_never_red_where_it_is_answered_all_the_same() -> None:
    control = run(LITTLE, (AS_IT_LIES[0], ANSWER), (AS_IT_LIES[0], ANSWER))
    armed = run(BIG, (AS_IT_LIES[1], ANSWER), (AS_IT_LIES[1], ANSWER))
    found = check_of_alike(control, armed)
    assert found.holds is Verdict.UNPROVEN
    assert "in service.yaml, as `may_differ: {request: [4-7], answer: []}` names four of the request" in found.seen


@pytest.mark.parametrize(
    ("may_differ", "verdict"),
    [
        (MayDiffer(request=(ByteRange(0, 3),), answer=()), Verdict.PASS),
        (MayDiffer(request=(ByteRange(0, 0), ByteRange(3, 3))), Verdict.PASS),
        (MayDiffer(request=(ByteRange(0, 2),)), Verdict.FAIL),
        (MayDiffer(request=()), Verdict.FAIL),
        (MayDiffer(answer=()), Verdict.UNPROVEN),  # of the request it says nothing
    ],
)
def test_the_service_names_the_bytes_that_may_differ(may_differ: MayDiffer, verdict: Verdict) -> None:
    control = run(LITTLE, (AS_IT_LIES[0], ANSWER), (AS_IT_LIES[0], ANSWER))
    armed = run(BIG, (AS_IT_LIES[1], ANSWER), (AS_IT_LIES[1], ANSWER), may_differ=may_differ)
    assert check_of_alike(control, armed).holds is verdict


@pytest.mark.parametrize(
    ("may_differ", "verdict"),
    [
        (None, Verdict.FAIL),
        (MayDiffer(request=(ByteRange(0, 3),)), Verdict.PASS),
        (MayDiffer(request=(ByteRange(4, 9),)), Verdict.FAIL),
    ],
)
def test_a_drill_of_ones_own_names_the_bytes_too(may_differ: MayDiffer | None, verdict: Verdict) -> None:
    control = run(LITTLE, (AS_IT_LIES[0], ANSWER), (AS_IT_LIES[0], ANSWER))
    armed = run(BIG, (AS_IT_LIES[1], ANSWER), (AS_IT_LIES[1], ANSWER))
    assert check_of_alike(control, armed, with_(may_differ)).holds is verdict


def test_a_longer_answer_fails_whatever_may_differ() -> None:
    control = run(LITTLE, (AGREED, ANSWER), (AGREED, ANSWER))
    armed = run(BIG, (AGREED, ANSWER + b"\0"), (AGREED, ANSWER + b"\0"))
    assert check_of_alike(control, armed, with_(MayDiffer(answer=(ByteRange(0, 99),)))).holds is Verdict.FAIL


def test_what_differs_from_call_to_call_on_one_machine_proves_nothing() -> None:
    """A clock, a nonce: byte 3 of the answer is another each time."""
    control = run(LITTLE, (AGREED, b"at 1!"), (AGREED, b"at 2!"))
    armed = run(BIG, (AGREED, b"at 3!"), (AGREED, b"at 4!"), outcome=Outcome.WRONG_ANSWER)
    found = check_of_alike(control, armed)
    assert found.holds is Verdict.UNPROVEN
    assert "differs from call to call on one machine too" in found.seen
    beyond = run(BIG, (AGREED, b"AT 3!"), (AGREED, b"AT 4!"), outcome=Outcome.WRONG_ANSWER)
    assert check_of_alike(control, beyond).holds is Verdict.FAIL


def test_a_hosts_own_address_in_a_message_is_no_difference() -> None:
    """As in HTTP's `Host:`: another host is the server in another pair."""
    asks = [b"Host: %s\r\n" % HOSTS[server][0].encode() for server in ("server", "other-server")]
    assert asks[0] != asks[1]
    control = run(LITTLE, (asks[0], ANSWER), (asks[0], ANSWER))
    armed = run(("client", "other-server"), (asks[1], ANSWER), (asks[1], ANSWER))
    assert check_of_alike(control, armed).holds is Verdict.PASS


def test_the_labs_own_protocol_may_say_its_senders_order_and_nothing_else() -> None:
    little, big = array("little"), array("big")
    control = run(LITTLE, (little, little), (little, little))
    assert check_of_alike(control, run(BIG, (big, little), (big, little))).holds is Verdict.PASS
    wrong = run(BIG, (little, little), (little, little))
    found = check_of_alike(control, wrong)
    assert found.holds is Verdict.FAIL
    assert "calls its sender little-endian, and it is big-endian" in found.seen
    of_a_third = replace(wrong, byteorders={})
    assert check_of_alike(control, of_a_third).holds is Verdict.PASS, "its order is not known"


def test_silence_and_another_number_of_connections_are_not_alike() -> None:
    control = run(LITTLE, (AGREED, ANSWER), (AGREED, ANSWER))
    assert check_of_alike(control, run(BIG)).holds is Verdict.FAIL
    assert "said nothing to each other" in check_of_alike(control, run(BIG)).seen
    one = run(BIG, (AGREED, ANSWER))
    assert "had 1 connection, and 2 in the control" in check_of_alike(control, one).seen
    more = run(BIG, (AGREED, ANSWER), (AGREED, ANSWER), (AGREED, ANSWER))
    assert "had 3 connections, and 2 in the control" in check_of_alike(control, more).seen


def test_without_a_control_nothing_is_proven() -> None:
    found = [each for each in judged(DRILL, run(LITTLE), None)[0] if each.rule.endswith("as in the control")]
    assert not found, "the control itself is not compared"
