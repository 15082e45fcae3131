"""What is said of a program that asks for a name: whether it asks anew, waits for the answer, or for nothing at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from scenarios.calls.call import Call
from scenarios.evidence.frame import Frame
from scenarios.evidence.tries import tries
from scenarios.faults.catch import Caught
from scenarios.spec.outcome import Outcome
from scenarios.verdict.behaviour import Behaviour, behaviour_of
from tests.verdict.test_behaviour import ANSWERED, DRILL, PORT, call, evidence, question, reset, syn
from tests.verdict.test_judging import CLIENT, SERVER, frame

Asked = tuple[float, str]  # seconds from the first on; `> 1 A server` asks, `< 1 A server NXDOMAIN` answers
TYPES = {"A": 1, "AAAA": 28}
FLAGS = {"NXDOMAIN": 0x8183, "SERVFAIL": 0x8182, "TC": 0x8380, "address": 0x8180, "empty": 0x8180}
HUNG = call(Outcome.HUNG, status=124, duration_s=8.0)  # 6 s from its first packet on
NOBODY_WAITS = "tcp ESTAB 0 0 198.18.1.10:999 198.18.1.11:22\n"
OF_GLIBC, OF_MUSL = "udp ESTAB 0 0 127.0.0.1:58222 127.0.0.11:53\n", "udp UNCONN 0 0 0.0.0.0:40752 0.0.0.0:*\n"


def message(words: Sequence[str]) -> bytes:
    identification, of_type, name, *said = words
    flags = FLAGS[said[0]] if said else 0x0100
    head = b"".join(n.to_bytes(2, "big") for n in (int(identification), flags, 1, said == ["address"], 0, 0))
    labels = b"".join(bytes([len(each)]) + each.encode() for each in f"{name}.lab".split("."))
    return head + labels + b"\0" + TYPES[of_type].to_bytes(2, "big") + b"\0\1"


def dns(*asked: Asked, first: int = 1, tcp: bool = False) -> list[Frame]:
    made = []
    for number, (at_s, words) in enumerate(asked, first):
        way, *rest = words.split()
        payload = message(rest)
        payload = len(payload).to_bytes(2, "big") + payload if tcp else payload
        each = replace(question(number, 100.0 + at_s, 34000 + number), destination_port=53, payload=payload)
        each = replace(each, transport="tcp", flags=frozenset({"ACK", "PSH"}), seq=1) if tcp else each
        back = replace(each, source=SERVER, destination=CLIENT, source_port=53, destination_port=34000)
        made.append(back if way == "<" else each)
    return made


def in_vain(*at_s: float, said: str = "NXDOMAIN") -> list[Frame]:
    """A and AAAA are asked for, and answered with an error, each time with identifications of their own."""
    asked = [
        (at + later, f"{way} {2 * n + plus} {of_type} server{more}")
        for n, at in enumerate(at_s)
        for later, way, more in ((0.0, ">", ""), (0.05, "<", f" {said}"))
        for plus, of_type in enumerate(TYPES)
    ]
    return dns(*asked)


def told(frames: Sequence[Frame], *, sockets: str = "", made: Call = HUNG) -> Behaviour:
    armed = replace(evidence(made, frames, waiting=sockets, silent=True), caught={"no-such-name": Caught(2)})
    usually = [*dns((0.0, "> 1 A server"), (0.01, "< 1 A server address")), *later(ANSWERED)]
    found = behaviour_of(DRILL, evidence(call(), usually), armed)
    assert found
    return found


def later(frames: Sequence[Frame], by_s: float = 0.02) -> list[Frame]:
    return [replace(each, number=each.number + 100, time_ns=each.time_ns + round(by_s * 1e9)) for each in frames]


def test_one_that_asks_for_the_name_again_and_again_still_tries() -> None:
    found = told(in_vain(0.0, 1.06, 2.1, 3.2, 4.2, 5.3))
    assert (found.word, found.kind) == ("still trying after 6 s, 5 retries", "still trying")
    assert (found.retries, found.tried, found.kernel_end) == (5, 6, "")
    each_s = (0.0, 1.1, 2.2, 3.3, 4.4, 5.5)
    once = in_vain(*each_s, said="SERVFAIL")
    twice = sorted([*once, *later(once)], key=lambda each: each.time_ns)
    assert told(twice).retries == 5, "glibc asks once more after a SERVFAIL, with the same identification"


def test_one_whose_last_question_was_answered_waits_for_no_name() -> None:
    assert told(in_vain(0.0)).word == "not done (no connection was open after 6 s)"
    assert told(in_vain(0.0, 0.35, 1.1), sockets=NOBODY_WAITS).word == (
        "not done (no connection was open after 6 s, after 2 retries)"
    )
    assert told(in_vain(0.0, said="empty")).kind == "not done"
    assert told(in_vain(0.0, said="address")).kind == "not done", "and then it sent nothing"


SILENT = [(0.0, "> 1 A server"), (0.0, "> 2 AAAA server"), (5.0, "> 1 A server"), (5.0, "> 2 AAAA server")]


def test_one_whose_question_nobody_answers_waits_for_the_name() -> None:
    """And its resolver asks again: glibc with the same identification, Go with another. That is no try of its own."""
    assert told(dns(*SILENT)).word == "hung (still waiting after 6 s)"
    assert told(dns(*SILENT), sockets=OF_GLIBC).kind == told(dns(*SILENT), sockets=OF_MUSL).kind == "hung"
    assert told(dns(*SILENT)).retries == 0
    of_go = told(dns(*SILENT[:2], (5.0, "> 3 A server"), (5.0, "> 4 AAAA server")))
    assert (of_go.kind, of_go.retries) == ("hung", 0)
    only_one = dns(*SILENT[:2], (0.01, "< 2 AAAA server empty"))
    assert told(only_one).kind == "hung", "getaddrinfo waits for both"
    assert told(dns(SILENT[0], (0.01, "< 7 A server address"))).kind == "hung", "it has another identification"


def test_one_that_gave_up_its_question_has_no_socket_for_it() -> None:
    assert told(dns(*SILENT[:2]), sockets=NOBODY_WAITS).word == "not done (no connection was open after 6 s)"
    assert told(dns((0.0, "> 1 A server"), (5.9, "> 1 A server")), sockets=NOBODY_WAITS).kind == "hung", "asked later"


def test_while_nobody_answers_another_identification_is_a_try_where_no_resolver_does_so() -> None:
    each_second = dns(*((1.1 * n, f"> {n} A server") for n in range(6)))
    assert told(each_second).word == "still trying after 6 s, 5 retries"
    patient = call(Outcome.HUNG, status=124, duration_s=22.0)
    gave_up = dns((0.0, "> 1 A server"), (5.0, "> 1 A server"), (11.0, "> 2 A server"), (16.0, "> 2 A server"))
    assert told(gave_up, made=patient).word == "still trying after 20 s, 1 retry", "its resolver keeps it"


@pytest.mark.parametrize(
    "asked",
    [
        [
            (0.0, "> 1 A server.x"),
            (0.1, "< 1 A server.x NXDOMAIN"),
            (0.5, "> 2 A server"),
            (0.6, "< 2 A server SERVFAIL"),
        ],
        [(0.0, "> 1 A server"), (0.1, "< 1 A server SERVFAIL"), (0.2, "> 2 A server"), (0.3, "< 2 A server SERVFAIL")],
        [(0.0, "> 1 A server"), (0.0, "> 2 A server"), (0.1, "< 1 A server empty"), (0.1, "< 2 A server empty")],
        [(0.0, "> 1 A server"), (0.1, "< 1 A server TC"), (0.8, "> 2 A server"), (0.9, "< 2 A server NXDOMAIN")],
    ],
    ids=["another domain", "without EDNS", "two threads", "truncated"],
)
def test_several_questions_of_one_try_are_no_retries(asked: list[Asked]) -> None:
    found = told(dns(*asked))
    assert (found.word, found.tried) == ("not done (no connection was open after 6 s)", 1)


def test_over_tcp_a_question_is_open_until_something_comes_or_the_connection_ends() -> None:
    asked = dns((0.0, "> 1 A server"), tcp=True)
    assert told(asked).kind == "hung"
    assert told([*asked, *dns((0.1, "< 1 A server NXDOMAIN"), first=2, tcp=True)]).kind == "hung", "another connection"
    back = replace(asked[0], number=2, source=SERVER, destination=CLIENT, source_port=53, destination_port=34001)
    answered = replace(back, payload=b"\0\x20" + message(["1", "A", "server", "NXDOMAIN"]))
    for end in (answered, replace(back, payload=b"", flags=frozenset({"RST"}))):
        assert told([*asked, end]).word == "not done (no connection was open after 6 s)"
    begun = replace(frame(1, 100.0), destination_port=53, source_port=34001)
    assert told([begun]).kind == "hung", "of a name server to which no connection comes"


def test_an_icmp_error_ends_the_wait_for_a_name() -> None:
    error = replace(frame(3, 100.1, source=SERVER, to=CLIENT), transport="icmp", info="Destination unreachable")
    assert told([*dns(*SILENT[:2]), replace(error, flags=frozenset())]).kind == "not done"


def test_names_that_led_to_a_connection_are_counted_with_it() -> None:
    """A program that asks for the name before each connection tries as often as it connects."""
    frames = []
    for n in range(3):
        asked = dns((0.0, f"> {n} A server"), (0.01, f"< {n} A server address"), first=10 * n)
        frames += later([*asked, syn(3, 100.02, 40000 + n, seq=n), reset(4, 100.03, 40000 + n)], 1.5 * n)
    frames = [replace(each, number=number) for number, each in enumerate(frames, 1)]
    assert (told(frames).retries, told(frames).tried) == (2, 3)
    then = later(in_vain(0.0), 4.5)
    assert told([*frames, *then]).word == "still trying after 6 s, 3 retries"
    unanswered = later(dns((0.0, "> 9 A server")), 4.5)
    assert told([*frames, *unanswered], sockets=OF_GLIBC).retries == 3


def test_a_connection_that_is_open_is_waited_for_whatever_names_are_asked_for() -> None:
    polls = [*dns((0.0, "> 77 A other")), syn(50, 100.01, 40000), *later(in_vain(1.0, 2.0, 3.0, 4.0, 5.0), 0.0)]
    assert told(polls).word == "hung (still waiting after 6 s)"


def test_an_other_conversation_than_that_for_the_name_may_be_what_it_waits_for() -> None:
    elsewhere = replace(syn(50, 100.2, 41000), destination_port=PORT + 1)
    assert told([*in_vain(0.0), elsewhere]).kind == "hung"


def test_a_service_that_is_a_name_server_itself_is_asked_by_datagrams() -> None:
    seen = replace(evidence(HUNG, in_vain(0.0, 1.1), silent=True), port=53)
    made = tries(seen, HUNG, (CLIENT,))
    assert (made.asked.names, made.names.open_s, made.asked.datagrams.sent) == (0, None, 4)


@pytest.mark.parametrize("payload", [b"", b"\0" * 11, b"\xff" * 40, message(["1", "A", "server"])[:-3]])
def test_bytes_that_are_no_message_of_dns_are_no_question(payload: bytes) -> None:
    made = tries(evidence(HUNG, [replace(each, payload=payload) for each in in_vain(0.0)]), HUNG, (CLIENT,))
    assert (made.asked.names, made.names.open_s, made.names.is_all) == (0, None, False)


@pytest.mark.parametrize(
    ("made", "frames", "word", "kind"),
    [
        (call(Outcome.WRONG_ANSWER), in_vain(0.0), "no answer (exit status 0)", "no answer"),
        (call(Outcome.WRONG_ANSWER, duration_s=5.5), in_vain(0.0, 0.4, 1.1, said="SERVFAIL"),
         "no answer (exit status 0) after 2 retries, 3.5 s", "no answer"),
        (call(), in_vain(0.0), "done (no byte came from the service)", "done"),  # it prints its words in any case
        (call(Outcome.NOT_RESOLVED, status=1, duration_s=5.5), in_vain(0.0, 1.1, 2.2),
         "not resolved after 2 retries, 3.5 s", "not resolved"),
        # what it sent then was not seen, nor what came
        (call(Outcome.WRONG_ANSWER), in_vain(0.0, said="address"),
         "exit status 0, nothing sent to the service was seen", "unseen"),
        (call(Outcome.WRONG_ANSWER), [], "exit status 0, nothing sent to the service was seen", "unseen"),
        (call(Outcome.WRONG_ANSWER, started_s=None), in_vain(0.0),
         "exit status 0, nothing sent to the service was seen", "unseen"),
        (call(Outcome.WRONG_ANSWER, status=15), [], "wrong answer", "wrong answer"),  # it says so itself
        (call(), [], "answered", "answered"),
        (call(Outcome.WRONG_ANSWER, guest=False), [], "wrong answer", "wrong answer"),
    ],
)  # fmt: skip
def test_of_one_that_found_no_address_no_wrong_answer_is_said(
    made: Call, frames: Sequence[Frame], word: str, kind: str
) -> None:
    found = told(frames, made=made)
    assert (found.word, found.kind) == (word, kind)
