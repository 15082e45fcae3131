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
from tests.verdict.test_behaviour import ANSWERED, DRILL, ONE, PORT, SS, call, data, evidence, fin, question, reset, syn
from tests.verdict.test_judging import CLIENT, SERVER

HUNG = call(Outcome.HUNG, status=124, duration_s=11.0, conflict=PRINTED)  # 9 s from its first packet on
OPEN, NO_SOCKET = "udp UNCONN 0 0 198.18.1.10:50000 198.18.1.138:65432\n", "udp UNCONN 0 0 0.0.0.0:68 0.0.0.0:*\n"


def told(frames: Sequence[Frame], control: Sequence[Frame], sockets: str = "", **changes: object) -> Behaviour:
    made = replace(HUNG, **changes)  # type: ignore[arg-type]
    found = behaviour_of(DRILL, evidence(call(), control), evidence(made, frames, waiting=sockets))
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


@pytest.mark.parametrize(("sockets", "word"), [
    (NO_SOCKET, "answered after 1 retry, not ended after 9 s"),
    (OPEN, "not done (printed what it should, not ended after 9 s)"),
    ("", "not done (printed what it should, not ended after 9 s)"),  # nobody looked
])  # fmt: skip
def test_over_udp_less_than_usual_is_an_answer_where_its_socket_is_closed(sockets: str, word: str) -> None:
    """QUIC's server sends anew what was lost, and what it acknowledges differs from run to run."""
    usual = [*ASKS, answer(3, 100.02)]
    assert told(AGAIN, usual, sockets).word == word


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


CLOSED = [*ONE, fin(2, 102.0, 40000)]  # at 2 s, of 9
HALF_CLOSED = [*ONE, fin(2, 100.01, 40000)]
HALF_CLOSES = [*HALF_CLOSED, data(3, 100.3, 40000, 1)]  # without the failure
NO_CONNECTION = "not done (no connection was open after 9 s)"
ITS_SIDE = "not done (its side of the connection was closed after 9 s)"
WAITS = "hung (still waiting after 9 s)"
TIMED_OUT = "TimeoutError: timed out\n"
ORPHAN = "timer:(timewait,53sec,0)"  # as ss shows one that was closed, and none that is held (iproute2 6.1, Linux 6.18)
UNACKNOWLEDGED = "timer:(on,2.100ms,3) rto:1632 backoff:3"
NEVER = "; the kernel alone would never end it"
AFTER_929_S = "; the kernel alone would end it after about 929 s, unless the program set TCP_USER_TIMEOUT"
OTHER = SS.format(state="ESTAB", send_q=0, port=39999, more="")


def waiting(state: str, more: str = "", port: int = 40000, send_q: int = 0) -> str:
    return OTHER + SS.format(state=state, send_q=send_q, port=port, more=more)


@pytest.mark.parametrize(("frames", "control", "sockets", "printed", "word"), [
    # its own clock ended it, and it closed its only connection and slept
    (CLOSED, ANSWERED, waiting("FIN-WAIT-2", ORPHAN), TIMED_OUT, NO_CONNECTION),
    (CLOSED, ANSWERED, waiting("FIN-WAIT-2", ORPHAN), "", NO_CONNECTION),
    (CLOSED, ANSWERED, waiting("TIME-WAIT", ORPHAN), "", NO_CONNECTION),
    (CLOSED, ANSWERED, OTHER, "", NO_CONNECTION),
    (CLOSED, ONE, waiting("FIN-WAIT-2", ORPHAN), "", NO_CONNECTION),
    (HALF_CLOSED, HALF_CLOSES, waiting("FIN-WAIT-2", ORPHAN), "", NO_CONNECTION),
    # it holds the socket of which it has closed one half, whatever it printed before
    (HALF_CLOSED, HALF_CLOSES, waiting("FIN-WAIT-2"), "", f"{WAITS[:-1]}{NEVER})"),
    (CLOSED, ANSWERED, waiting("FIN-WAIT-2"), TIMED_OUT, f"{WAITS[:-1]}{NEVER})"),  # shutdown(), and waits for the FIN
    (HALF_CLOSED, HALF_CLOSES, waiting("FIN-WAIT-2", "timer:(keepalive,119min,0)"), "",
     f"{WAITS[:-1]}; the kernel alone would end it only if nobody answered its keepalive, from about 119 min on)"),
    # nobody acknowledged its FIN: a socket that is closed shows the same as one that is held
    (HALF_CLOSED, HALF_CLOSES, waiting("FIN-WAIT-1", UNACKNOWLEDGED, send_q=1), "", f"{WAITS[:-1]}{AFTER_929_S})"),
    (HALF_CLOSED, HALF_CLOSES, waiting("FIN-WAIT-1", UNACKNOWLEDGED, send_q=1), TIMED_OUT, ITS_SIDE),
    (CLOSED, ANSWERED, waiting("FIN-WAIT-1", UNACKNOWLEDGED, send_q=1), TIMED_OUT, ITS_SIDE),
    (CLOSED, ANSWERED, waiting("FIN-WAIT-2", "timer:(keepalive,29sec,0)"), "", ITS_SIDE),  # a tcp_fin_timeout of 90 s
    # nobody looked
    (HALF_CLOSED, HALF_CLOSES, "", "", WAITS),
    (HALF_CLOSED, HALF_CLOSES, "", TIMED_OUT, ITS_SIDE),
    (CLOSED, ANSWERED, "", "", ITS_SIDE),
    (CLOSED, ONE, "", "", ITS_SIDE),  # nothing is known of how it closes
    # its FIN came behind the look, on a machine so busy that the lab ended it late
    (CLOSED, ANSWERED, waiting("ESTAB"), TIMED_OUT, ITS_SIDE),
    (CLOSED, HALF_CLOSES, waiting("ESTAB"), "", ITS_SIDE),
])  # fmt: skip
def test_one_that_closed_its_only_connection_does_not_wait_on_it_and_one_that_half_closed_it_does(
    frames: Sequence[Frame], control: Sequence[Frame], sockets: str, printed: str, word: str
) -> None:
    found = told(frames, control, sockets, conflict="", stdout=printed)
    assert found.word == word
    assert found.kernel_end == (word[:-1].partition("; ")[2])


@pytest.mark.parametrize("end", [
    reset(2, 100.1, 40000),
    replace(fin(2, 102.0, 40000), flags=frozenset({"RST", "ACK"})),  # SO_LINGER with no time, or bytes were not read
])  # fmt: skip
def test_a_reset_ends_both_halves_of_a_connection(end: Frame) -> None:
    assert told([*ONE, end], HALF_CLOSES, conflict="").word == NO_CONNECTION
    closed = [*CLOSED[:2], replace(end, number=3, time_ns=int(103e9))]  # an answer met a socket that was closed
    assert told(closed, HALF_CLOSES, conflict="").word == NO_CONNECTION


def test_what_ended_nothing_leaves_a_connection_that_is_open() -> None:
    """A RST off the window (RFC 9293, 3.10.7.4): the client acknowledges it; its kernel closes it at the end."""
    challenge = replace(fin(3, 100.101, 40000), flags=frozenset({"ACK"}))
    forged = [*ONE, data(1, 100.01, 40000, 1), reset(2, 100.1, 40000), challenge]
    assert told([*forged, fin(4, 108.9, 40000)], ANSWERED, conflict="").word == WAITS
    assert told(forged, ANSWERED, waiting("ESTAB"), conflict="").word == f"{WAITS[:-1]}{NEVER})"
    assert told(forged, ANSWERED, OTHER, conflict="").word == NO_CONNECTION
    assert told(forged, ANSWERED, conflict="").word == NO_CONNECTION, "an acknowledgement that was under way"
    quench = replace(data(2, 100.1, 9, 1), transport="icmp", flags=frozenset(), payload=b"")
    quench = replace(quench, source_port=None, destination_port=None, quoted=((CLIENT, 40000), (SERVER, PORT)))
    assert told([*ONE, quench, syn(3, 101.0, 40000)], ANSWERED, conflict="").word == WAITS
    assert told([*ONE, quench], ANSWERED, waiting("SYN-SENT"), conflict="").kind == "hung"
    assert told([*ONE, quench], ANSWERED, conflict="").word == NO_CONNECTION  # as of any other error


def test_a_connect_that_was_given_up_leaves_nothing_on_the_wire_and_the_look_finds_no_socket() -> None:
    silent = [*ONE, syn(2, 101.0, 40000), syn(3, 103.0, 40000)]  # its kernel sends the same again
    assert told(silent, ANSWERED, OTHER, conflict="").word == NO_CONNECTION
    assert told(silent, ANSWERED, waiting("SYN-SENT", send_q=1), conflict="").kind == "hung"
    assert told(silent, ANSWERED, conflict="").word == WAITS, "nobody looked"
    assert (
        told([syn(1, 100.0, 40000), syn(2, 108.5, 40001, seq=9)], ANSWERED, OTHER, conflict="").kind == "still trying"
    )
    usual = [*ANSWERED, syn(4, 100.4, 40001, seq=9)]
    assert told([syn(1, 100.0, 40000), syn(2, 108.5, 40001, seq=9)], usual, OTHER, conflict="").word == WAITS, "later"


def test_what_the_services_own_end_left_is_no_connection() -> None:
    eof = replace(data(2, 100.5, 40000, 1), flags=frozenset({"FIN", "ACK"}), payload=b"")
    assert told([*ONE, eof, fin(3, 100.6, 40000)], ANSWERED, conflict="").word == NO_CONNECTION
    assert told([*ONE, eof], ANSWERED, conflict="").kind == "hung", "it does not heed it"


def test_one_that_tried_again_and_half_closed_its_last_connection_waits_on_it() -> None:
    again = [*ONE, reset(2, 100.1, 40000), syn(3, 100.2, 40001), fin(4, 100.3, 40001)]
    held = told(again, HALF_CLOSES, waiting("FIN-WAIT-2", port=40001), conflict="")
    assert held.word == f"hung (still waiting after 9 s, after 1 retry{NEVER})"
    closed = told(again, HALF_CLOSES, waiting("FIN-WAIT-2", ORPHAN, 40001), conflict="")
    assert closed.word == "not done (no connection was open after 9 s, after 1 retry)"
    unknown = told(again, ANSWERED, conflict="")
    assert unknown.word == "not done (its side of each connection was closed after 9 s, after 1 retry)"


@pytest.mark.parametrize(("fin_s", "more", "word"), [
    (108.3, ORPHAN, NO_CONNECTION),  # its own clock, a moment before the time of the call was over
    (108.3, "", f"{WAITS[:-1]}{NEVER})"),  # held
    (108.9, ORPHAN, WAITS),  # the lab ended it, and the look at its socket was late
])  # fmt: skip
def test_a_close_just_before_the_end_is_its_own_only_where_a_look_at_its_socket_shows_it(
    fin_s: float, more: str, word: str
) -> None:
    assert told([*ONE, fin(2, fin_s, 40000)], ANSWERED, waiting("FIN-WAIT-2", more), conflict="").word == word
    assert told([*ONE, fin(2, fin_s, 40000)], ANSWERED, waiting("ESTAB"), conflict="").word == f"{WAITS[:-1]}{NEVER})"
    assert told([*ONE, fin(2, fin_s, 40000)], ANSWERED, conflict="").word == WAITS


@pytest.mark.parametrize(("at_s", "frames", "sockets", "word"), [
    # the engine takes until 109.0 to end a container that it was asked to end at 108.0
    (108.0, [fin(2, 107.9, 40000)], waiting("FIN-WAIT-2", ORPHAN), NO_CONNECTION),
    (108.0, [fin(2, 107.9, 40000)], OTHER, NO_CONNECTION),
    (108.0, [fin(2, 107.9, 40000)], waiting("ESTAB"), ITS_SIDE),  # behind the last look
    (108.0, [fin(2, 107.9, 40000)], "", ITS_SIDE),  # nobody looked
    (108.0, [fin(2, 107.9, 40000)], waiting("FIN-WAIT-2"), f"{WAITS[:-1]}{NEVER})"),  # shutdown(), and it waits
    (108.0, [reset(2, 107.9, 40000)], "", NO_CONNECTION),
    (108.0, [fin(2, 108.3, 40000)], waiting("ESTAB"), f"{WAITS[:-1]}{NEVER})"),  # the kernel's
    (108.0, [fin(2, 108.3, 40000)], "", WAITS),
    # nobody acknowledges its bytes, and its FIN waits behind them: no packet shows that it gave up
    (108.0, [], waiting("FIN-WAIT-1", UNACKNOWLEDGED, send_q=5), ITS_SIDE),
    (108.0, [], waiting("ESTAB", UNACKNOWLEDGED, send_q=4), f"{WAITS[:-1]}{AFTER_929_S})"),
    (108.0, [], OTHER, NO_CONNECTION),  # it gave up its connect(), of which no packet tells
    (108.0, [fin(2, 107.0, 40000), syn(3, 107.95, 40001)], OTHER, "still trying after 9 s, 1 retry"),
])  # fmt: skip
def test_what_a_program_closed_before_the_lab_asked_for_its_end_is_its_own_doing(
    at_s: float, frames: Sequence[Frame], sockets: str, word: str
) -> None:
    found = told([*ONE, *frames], ANSWERED, sockets, conflict="", stderr=TIMED_OUT, killed_s=at_s)
    assert found.word == word


def test_one_that_prints_that_it_timed_out_and_waits_again_hangs() -> None:
    """On one connection, each second: its words alone close nothing."""
    found = told(ONE, ANSWERED, waiting("ESTAB"), conflict="", stderr=3 * TIMED_OUT, killed_s=108.9)
    assert found.word == f"{WAITS[:-1]}{NEVER})"


def test_one_of_two_connections_that_is_open_until_its_end_is_waited_on() -> None:
    two = [*ONE, syn(2, 100.0, 40001), fin(3, 107.0, 40000)]
    both = f"{waiting('FIN-WAIT-2', ORPHAN)}{waiting('ESTAB', port=40001)}"
    assert told([*two, fin(4, 108.9, 40001)], two, both, conflict="", killed_s=108.5).kind == "hung"
    closed = f"{waiting('FIN-WAIT-2', ORPHAN)}{waiting('FIN-WAIT-2', ORPHAN, 40001)}"
    assert told([*two, fin(4, 108.2, 40001)], two, closed, conflict="", killed_s=108.5).word == NO_CONNECTION


def test_a_connection_that_the_kernel_closed_with_its_program_brought_no_whole_answer() -> None:
    """It printed what it should, fewer bytes than usual came, and it waits for the rest."""
    whole = [*ANSWERED[:2], data(3, 100.31, 40000, 2), fin(4, 100.32, 40000)]
    ended = [*ANSWERED[:2], fin(3, 108.6, 40000)]
    assert told(ended, whole, waiting("ESTAB"), killed_s=108.5).kind == "hung"
    assert told(ended, whole, waiting("ESTAB"), killed_s=108.7).word == (
        "not done (printed what it should, not ended after 9 s)"
    )


@pytest.mark.parametrize(("asked_s", "sockets", "word"), [
    (100.0, NO_SOCKET, "not done (no socket was open after 9 s)"),  # its own clock, and then it slept
    (100.0, OPEN, f"{WAITS[:-1]}{NEVER})"),
    (100.0, "", "hung (still waiting after 9 s)"),  # nobody looked
    (107.5, NO_SOCKET, "hung (still waiting after 9 s)"),  # it may have opened it behind the look
])  # fmt: skip
def test_over_udp_one_that_closed_its_socket_waits_for_nothing(asked_s: float, sockets: str, word: str) -> None:
    asks = [question(1, asked_s, 50000)]
    made = {"started_s": asked_s - 2.0, "duration_s": 11.0, "killed_s": 108.5 if asked_s == 100.0 else 109.0}
    assert told(asks, ASKS, sockets, conflict="", **made).word == word


def within_6_s() -> Drill:
    steps = tuple(
        replace(each, call=replace(each.call, within=Seconds(6))) if each.call else each for each in DRILL.script
    )
    return replace(DRILL, script=steps)


def told_within_6_s(made: Call) -> str:
    found = behaviour_of(within_6_s(), evidence(call(), ONE), evidence(made, ONE))
    assert found
    return found.word
