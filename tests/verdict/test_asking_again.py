"""Which datagrams are retries of a program, in exchanges as they were captured: of CoAP, a heartbeat, a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from scenarios.evidence.frame import Frame
from scenarios.evidence.nothing_new import nothing_new
from scenarios.spec.outcome import Outcome
from scenarios.verdict.behaviour import Behaviour, behaviour_of, retried
from tests.verdict.test_behaviour import DRILL, PORT, call, data, evidence, question, syn
from tests.verdict.test_judging import CLIENT, SERVER

Datagram = tuple[float, str, str]  # seconds from the first on, `>` to the service or `<` from it, the bytes
HUNG = call(Outcome.HUNG, status=124, duration_s=7.9)  # 5.9 s from its first packet on
WAITING = "udp UNCONN 0 0 198.18.1.10:50000 198.18.1.138:65432\n"


def captured(*datagrams: Datagram) -> list[Frame]:
    made = []
    for number, (at_s, way, what) in enumerate(datagrams, 1):
        each = replace(question(number, 100.0 + at_s, 50000), payload=what.encode())
        back = replace(each, source=SERVER, destination=CLIENT, source_port=PORT, destination_port=50000)
        made.append(back if way == "<" else each)
    return made


def told(made: Sequence[Datagram], usual: Sequence[Datagram], *, hung: bool = True) -> Behaviour:
    last_s = max(each[0] for each in made)
    one = HUNG if hung else call(duration_s=2.03 + last_s)
    usually = call(duration_s=2.03 + max(each[0] for each in usual))
    armed = evidence(one, captured(*made), waiting=WAITING if hung else "")
    found = behaviour_of(DRILL, evidence(usually, captured(*usual)), armed)
    assert found is not None
    return found


GET, ACK = (0.0, ">", "CON GET slow"), (0.104, "<", "ACK")
SEPARATE = [GET, ACK, (1.507, "<", "CON content"), (1.510, ">", "ACK content")]  # RFC 7252, 5.2.2
BLOCKS = [(0.0, ">", "0"), (0.003, "<", "a"), (0.005, ">", "1"), (0.007, "<", "b"), (0.01, ">", "2"), (0.012, "<", "c")]
BEATS = [
    (n / 1000 + later, way, what) for n in range(5) for later, way, what in [(0.0, ">", "PING"), (0.0004, "<", "PONG")]
]
NUMBERED = [(1.5 * n + later, way, f"{n}") for n in range(5) for later, way in ((0.0, ">"), (0.001, "<"))]


@pytest.mark.parametrize(
    ("made", "usual", "retries"),
    [
        ([GET, (2.049, ">", GET[2])], SEPARATE, 1),  # the usual one sends as many datagrams
        ([BLOCKS[0], (2.244, ">", "0")], BLOCKS, 1),
        ([(1.5 * n, ">", "PING") for n in range(4)], BEATS, 3),
        ([*BLOCKS[:3], (2.4, ">", "1"), (5.1, ">", "1")], BLOCKS, 2),
    ],
    ids=["a separate response", "block-wise", "a heartbeat", "in the middle of blocks"],
)  # fmt: skip
def test_a_client_that_sends_the_same_again_without_an_answer_does_not_hang(
    made: Sequence[Datagram], usual: Sequence[Datagram], retries: int
) -> None:
    found = told(made, usual)
    assert (found.kind, found.retries, found.kernel_end) == ("still trying", retries, "")
    assert found.word == f"still trying after 6 s, {retries} {'retry' if retries == 1 else 'retries'}"


def test_a_client_that_asked_once_and_waits_hangs_whatever_else_it_sends_usually() -> None:
    found = told([GET], SEPARATE)
    assert found.word == "hung (still waiting after 6 s; the kernel alone would never end it)"
    assert told([GET, ACK], SEPARATE).kind == "hung"


def test_a_client_that_asks_anew_with_other_bytes_still_sends() -> None:
    found = told([(1.5 * n, ">", f"{n}") for n in range(4)], NUMBERED)
    assert (found.kind, found.retries, found.kernel_end) == ("still sending", 0, "")
    assert found.word == "still sending after 6 s, 3 more datagrams without an answer"
    name = [(0.0, ">", "id 1"), (0.0001, ">", "id 2"), (0.001, "<", "of 1"), (0.001, "<", "of 2")]
    found = told([*name[:2], (5.0, ">", "id 3"), (5.0001, ">", "id 4")], name)
    assert (found.kind, found.retries) == ("still trying", 1), "more than usual, and by a clock of its own"


def test_a_client_that_sends_at_a_quick_pace_without_an_answer_still_sends() -> None:
    paced = [(n / 20, ">", f"{n}") for n in range(115)]
    answered = [each for n in range(5) for each in ((n / 20, ">", f"{n}"), (n / 20 + 0.001, "<", f"{n}"))]
    found = told(paced, answered)
    assert (found.kind, found.retries, found.kernel_end) == ("still sending", 0, "")
    assert found.word == "still sending after 6 s, 114 more datagrams without an answer"
    ended = [*answered, *((0.3 + n / 20, ">", f"x{n}") for n in range(50))]
    assert told(ended, answered).kind == "hung", "silent since"
    assert told([(n / 1000, ">", f"{n}") for n in range(5)], answered).kind == "hung", "one burst"
    assert told(paced, paced).kind == "hung", "it sends as long usually, and then waits"


def test_a_client_that_has_fallen_silent_hangs() -> None:
    assert told([(0.0, ">", "hello"), (0.4, ">", "question")], [*NUMBERED[:2], (0.4, ">", "x")]).kind == "hung"


def test_what_answers_a_copy_is_no_retry() -> None:
    """A client answers a response that the network doubles by a reset, another by the same acknowledgement again."""
    usual = [*SEPARATE, (1.513, ">", "GET 2"), (1.615, "<", "ACK 2"), (3.022, "<", "CON 2"), (3.028, ">", "ACK of 2")]
    for reaction in ("RST content", "ACK content"):
        made = [*usual[:6], (1.916, "<", "CON content"), (1.917, ">", reaction), *usual[6:]]
        found = told(made, usual, hung=False)
        assert (found.word, found.retries) == ("answered", 0)


@pytest.mark.parametrize(
    ("made", "usual", "retries"),
    [
        ([GET, (2.1, ">", GET[2]), (2.2, "<", "ACK content")], SEPARATE, 1),  # then answered by the ACK itself
        ([*BLOCKS[:3], (2.0, ">", "1"), *((2.0 + each[0], *each[1:]) for each in BLOCKS[3:])], BLOCKS, 1),
        ([(0.0, ">", "HELO"), (0.2, "<", "READY"), (2.215, ">", "HELO"), (2.216, "<", "HI"), (2.217, "<", "READY")],
         [(0.0, ">", "HELO"), (0.002, "<", "HI"), (0.003, "<", "READY")], 1),
        ([(0.0, ">", "id 1"), (2.0, ">", "id 2"), (2.001, "<", "of 2")], [(0.0, ">", "id 1"), (0.001, "<", "of 1")], 1),
        ([BEATS[0], (1.5, ">", "PING"), *((1.5 + each[0], *each[1:]) for each in BEATS[1:])], BEATS, 1),
        # it sends five all the same, one each 1.5 s, or as fast as it may: their answers are late
        ([each for each in NUMBERED if each != (3.001, "<", "2")], NUMBERED, 0),
        ([(1.5 * n, ">", "PING") for n in range(5)] + [(7.0 + n / 9, "<", "PONG") for n in range(5)],
         [(at_s, way, "PING" if way == ">" else "PONG") for at_s, way, _ in NUMBERED], 0),
        ([(n / 1000, ">", "PING") for n in range(5)] + [(1.0 + n / 9, "<", "PONG") for n in range(5)], BEATS, 0),
    ],
    ids=["separate", "blocks", "the half came", "a new id", "beats", "numbered", "timed beats", "quick beats"],
)  # fmt: skip
def test_retries_of_an_answered_call_are_what_it_asked_again(
    made: Sequence[Datagram], usual: Sequence[Datagram], retries: int
) -> None:
    assert told(made, usual, hung=False).retries == retries


def test_a_client_that_asks_again_at_once_after_an_error_has_tried_again() -> None:
    asked = captured((0.0, ">", "id 1"), (0.002, ">", "id 2"))
    icmp = replace(asked[0], transport="icmp", number=9, source=SERVER, destination=CLIENT, time_ns=100_001_000_000)
    refused = call(Outcome.REFUSED, errno="ECONNREFUSED", status=1)
    made = behaviour_of(DRILL, evidence(call(), asked[:1]), evidence(refused, [asked[0], icmp, asked[1]]))
    assert made
    assert made.word == "refused (ECONNREFUSED) after 1 retry"


def test_the_tries_of_a_claim_of_one_try_are_no_acknowledgements() -> None:
    control = evidence(call(duration_s=4.0), captured(*SEPARATE))
    step = DRILL.calls["hello"]
    copy = [(1.9, "<", "CON content"), (1.901, ">", "RST content")]
    doubled = evidence(call(duration_s=4.0), captured(*SEPARATE, *copy))
    assert retried(control, doubled, step) == (1, 1)
    again = evidence(HUNG, captured(GET, (2.0, ">", GET[2])))
    assert retried(control, again, step) == (1, 2)
    wrong = [(0.0, ">", "id 1"), (0.001, "<", "altered"), (0.002, ">", "id 2"), (0.003, "<", "of 2")]  # or a reset
    once = evidence(call(), captured(wrong[0], (0.001, "<", "of 1")))
    assert retried(once, evidence(call(), captured(*wrong)), step) == (1, 2)
    assert told(wrong, wrong[:2], hung=False).retries == 0
    same = [wrong[0], wrong[1], (0.002, ">", "id 1"), (0.003, "<", "of 1")]
    assert told(same, wrong[:2], hung=False).word == "answered after 1 retry"


PONGS = [*BEATS[:5], (3.006, "<", "PONG")]  # as captured: the third of three came late
TWICE = [(0.0, ">", "GET"), (0.003, "<", "content"), (3.0, "<", "content")]


def ended(made: Sequence[Datagram], usual: Sequence[Datagram], beyond: Sequence[Frame] = (), ident: int = 0) -> str:
    """The word of a program that ends 3.05 s after its first packet; `ident` is of its last datagram, if it has one."""
    frames = captured(*made)
    frames[-1] = replace(frames[-1], identification=ident) if ident else frames[-1]
    armed = replace(evidence(call(duration_s=5.05), frames), frames={"client-leg": frames, "server-leg": beyond})
    found = behaviour_of(DRILL, evidence(call(duration_s=2.02), captured(*usual)), armed)
    assert found is not None
    return found.word


def without_identification(frames: Sequence[Frame]) -> list[Frame]:
    """As IPv6 has none."""
    return [replace(each, identification=None) for each in frames]


def test_an_equal_datagram_of_the_services_own_is_an_answer_of_its_own() -> None:
    assert ended(PONGS, BEATS[:6]) == "answered after 3.0 s"
    told_three_times = [(0.0, ">", "SUB"), (0.1, "<", "TICK"), (0.2, "<", "TICK"), (3.0, "<", "TICK")]
    assert ended(told_three_times, [*told_three_times[:3], (0.21, "<", "TICK")]) == "answered after 3.0 s"
    # the last question was asked again, for its answer was lost; all five questions have their answers then
    last_lost = [*BEATS[:9], (1.5, ">", "PING"), (3.0, "<", "PONG")]
    assert ended(last_lost, BEATS) == "answered after 1 retry, 3.0 s"


def test_a_copy_that_the_network_made_is_no_answer_of_its_own() -> None:
    assert ended(TWICE, TWICE[:2], ident=2) == "answered, ended 3.0 s later"


def test_a_copy_without_an_identification_is_one_where_the_services_leg_had_one_only() -> None:
    twice, once = without_identification(captured(*TWICE)), without_identification(captured(*TWICE[:2]))
    assert nothing_new(twice, once, (CLIENT,), PORT) == {3}
    assert nothing_new(twice, twice, (CLIENT,), PORT) == set()
    assert nothing_new(twice, (), (CLIENT,), PORT) == set(), "nobody saw what the service sent"


def test_an_equal_answer_to_a_question_that_was_repeated_is_nothing_new() -> None:
    doubled = captured(TWICE[0], TWICE[0])
    doubled[1] = replace(doubled[1], identification=1)
    assert ended(TWICE, TWICE[:2], doubled) == "answered, ended 3.0 s later"
    asked_again = [(0.0, ">", "GET"), (0.3, ">", "GET"), (0.4, "<", "content"), (3.0, "<", "content")]
    assert ended(asked_again, TWICE[:2]) == "answered after 1 retry, ended 2.6 s later"
    ipv6 = without_identification(captured(*TWICE))
    assert nothing_new(ipv6, [ipv6[0], ipv6[0], *ipv6[1:]], (CLIENT,), PORT) == {3}


ELSEWHERE = 40069  # a server of TFTP answers each transfer from a port of its own (RFC 1350, 4)
BLOCK, ITS_ACK = (0.001, "<", "DATA 1"), (0.004, ">", "ACK 1")
REQUEST = (0.0, ">", "RRQ")
TRANSFER = [REQUEST, BLOCK, ITS_ACK, (0.006, "<", "DATA 2"), (0.008, ">", "ACK 2")]


def going_on(*datagrams: Datagram, port: int = ELSEWHERE) -> list[Frame]:
    """All but the first go to, and come from, another port of the service's host."""
    first, *rest = captured(*datagrams)
    to_there = [each if each.source == SERVER else replace(each, destination_port=port) for each in rest]
    return [first, *(replace(each, source_port=port) if each.source == SERVER else each for each in to_there)]


def on_another_port(*datagrams: Datagram, usual: Sequence[Datagram] = TRANSFER) -> Behaviour:
    found = behaviour_of(DRILL, evidence(call(), going_on(*usual)), evidence(HUNG, going_on(*datagrams)))
    assert found is not None
    return found


def test_a_conversation_goes_on_with_the_port_that_answered() -> None:
    found = on_another_port(REQUEST, BLOCK, ITS_ACK, (5.0, ">", "ACK 1"))
    assert (found.word, found.tried) == ("still trying after 6 s, 1 retry", 3)
    found = on_another_port(REQUEST, BLOCK, ITS_ACK)
    assert (found.kind, found.tried) == ("hung", 2), "it acknowledged, and fell silent"
    found = on_another_port(*TRANSFER[:3], (4.5, "<", "DATA 2"))
    assert found.kind == "not done", "something new came from the port that answers"
    ends = call(duration_s=6.0)
    late = [*TRANSFER[:3], (3.0, ">", "ACK 1"), *((3.0 + at_s, way, what) for at_s, way, what in TRANSFER[3:])]
    answered = behaviour_of(DRILL, evidence(call(), going_on(*TRANSFER)), evidence(ends, going_on(*late)))
    assert answered is not None
    assert answered.word == "answered after 1 retry, 3.0 s"
    assert answered.settled_s == pytest.approx(3.006)


def test_what_answers_a_copy_is_no_retry_though_an_error_came_before() -> None:
    """As captured of curl: the answer came from a port at which nobody is, so that each ACK has its ICMP error."""
    made = [REQUEST, BLOCK, ITS_ACK, (1.0, "<", "DATA 1"), (1.001, ">", "ACK 1"), (2.0, "<", "DATA 1")]
    frames = going_on(*made, (2.001, ">", "ACK 1"), (5.0, ">", "ACK 1"))
    acks = [each for each in frames if each.payload == b"ACK 1"]
    errors = [
        replace(each, transport="icmp", number=20 + n, source=SERVER, destination=CLIENT, time_ns=each.time_ns + 10**5)
        for n, each in enumerate(acks)
    ]
    armed = evidence(HUNG, sorted([*frames, *errors], key=lambda each: each.time_ns))
    found = behaviour_of(DRILL, evidence(call(), going_on(*TRANSFER)), armed)
    assert found is not None
    assert found.word == "still trying after 6 s, 1 retry"


def test_a_port_that_the_client_asked_first_is_another_service() -> None:
    frames = captured(REQUEST, (0.002, ">", "other"), (0.003, "<", "other"), (5.0, ">", "other"))
    beside = [replace(each, destination_port=ELSEWHERE) if each.destination == SERVER else each for each in frames[1:]]
    beside = [replace(each, source_port=ELSEWHERE) if each.source == SERVER else each for each in beside]
    found = behaviour_of(DRILL, evidence(call(), captured(REQUEST, BLOCK)), evidence(HUNG, [frames[0], *beside]))
    assert found is not None
    assert (found.kind, found.tried) == ("hung", 1)


def test_a_copy_of_what_another_port_answered_is_nothing_new() -> None:
    frames = going_on(REQUEST, BLOCK, BLOCK, ITS_ACK)
    frames[2] = replace(frames[2], identification=frames[1].identification)
    assert nothing_new(frames, frames, (CLIENT,), PORT) == {frames[2].number}


SEGMENTS = [(0.005, ">", "read 1"), (0.006, "<", "")]  # an acknowledgement


def connection(*segments: Datagram) -> list[Frame]:
    """A connection from a SYN at 100 s on, whose segments each acknowledge all that came."""
    made = [replace(syn(1, 100.0, 40000), seq=0)]
    seq = {">": 1, "<": 1}
    for number, (at_s, way, what) in enumerate(segments, 2):
        other = "<" if way == ">" else ">"
        each = syn(number, 100 + at_s, 40000) if way == ">" else data(number, 100 + at_s, 40000, 1)
        made.append(replace(each, flags=frozenset({"ACK"}), seq=seq[way], ack=seq[other], payload=what.encode()))
        seq[way] += len(what)
    return made


USUAL = connection(*SEGMENTS, (0.007, "<", "answer 1"), (0.008, ">", "read 2"), (0.009, "<", "answer 2"))


def on_connection(*segments: Datagram, usual: Sequence[Frame] = USUAL) -> str:
    found = behaviour_of(DRILL, evidence(call(duration_s=5.5), usual), evidence(HUNG, connection(*segments)))
    assert found is not None
    return found.word


@pytest.mark.parametrize("again_s", [3.009, 4.2], ids=["long before the end", "shortly before it"])
def test_a_client_that_asks_again_on_its_connection_neither_hangs_nor_gets_on(again_s: float) -> None:
    """As captured of a Modbus client: its timeout is 3 s, and its kernel is told that the repetition was received."""
    half = [*SEGMENTS, (0.0065, "<", "answ"), (again_s, ">", "read 1"), (again_s + 0.045, "<", "")]
    assert on_connection(*half) == "still sending after 6 s, 1 more time on the same connection"
    none = [*SEGMENTS, (again_s, ">", "read 2"), (again_s + 0.045, "<", "")]
    assert on_connection(*none) == "still sending after 6 s, 1 more time on the same connection"


GREETED = connection((0.005, "<", "220 ready"), (0.0051, ">", ""), (0.015, ">", "EHLO"), (0.016, "<", "250 HELP"))
UP = [(0.0001, "<", ""), (0.0002, ">", "")]  # the rest of the handshake


def test_a_client_that_is_greeted_first_and_speaks_without_it_has_a_clock() -> None:
    """As captured of swaks: it waits 4 s for the greeting, sends QUIT, and waits 4 s more."""
    spoke = connection(*UP, (3.0, ">", "QUIT"), (3.0001, "<", ""))
    assert on_connection(*UP, usual=GREETED).startswith("hung")
    found = behaviour_of(DRILL, evidence(call(), GREETED), evidence(HUNG, spoke))
    assert found is not None
    assert found.word == "still sending after 6 s, first 3.0 s after it had connected"
    assert (found.kind, found.kernel_end) == ("still sending", "")


@pytest.mark.parametrize(
    ("made", "usual"),
    [
        ((3.0, ">", "read 1"), USUAL),  # it may have waited for something else before it asked
        ((1.0, ">", "QUIT"), GREETED),  # it is silent for longer since than before
        ((0.1, ">", "EHLO"), GREETED),
    ],
    ids=["it speaks first", "long ago", "at once"],
)
def test_a_client_whose_first_words_show_no_clock_hangs(made: Datagram, usual: Sequence[Frame]) -> None:
    assert on_connection(*UP, made, (made[0] + 0.0001, "<", ""), usual=usual) == "hung (still waiting after 6 s)"


def test_a_client_that_asked_once_on_its_connection_hangs() -> None:
    assert on_connection(*SEGMENTS) == "hung (still waiting after 6 s)"
    polls = [(1.5 * n, way, "poll") for n in range(3) for way in "><"]
    assert on_connection(*polls[:3], usual=connection(*polls)) == "hung (still waiting after 6 s)"


def test_what_the_kernel_sends_again_is_no_try_of_the_program() -> None:
    frames = connection((0.005, ">", "read 1"))
    repeated = [replace(frames[-1], number=9 + n, time_ns=frames[-1].time_ns + 10**9 * n) for n in range(1, 5)]
    found = behaviour_of(DRILL, evidence(call(), USUAL), evidence(HUNG, [*frames, *repeated]))
    assert found
    assert found.kind == "hung"


def test_an_acknowledgement_is_progress_while_there_is_more_to_send() -> None:
    upload = [each for n in range(1, 60) for each in ((n / 10, ">", "part"), (n / 10 + 0.05, "<", ""))]
    assert on_connection(*upload) == "not done (something new still came after 6 s)"
    under_way = connection(*[(n / 100, ">", "part") for n in range(60)])
    acks = [replace(data(99 + n, 100.5 + n, 40000, 1), payload=b"", ack=1 + 4 * n) for n in range(1, 6)]
    found = behaviour_of(DRILL, evidence(call(), USUAL), evidence(HUNG, [*under_way, *acks]))
    assert found
    assert found.kind == "not done"
    slowly = [each for n in range(1, 6) for each in ((float(n), ">", f"frame {n}"), (n + 0.05, "<", ""))]
    assert on_connection(*slowly) == "still sending after 6 s, 4 more times on the same connection"
