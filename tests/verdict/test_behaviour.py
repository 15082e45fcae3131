"""What a program did, in a word with its time: from how its call ended, its packets, and its socket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from scenarios.calls.call import Call
from scenarios.evidence.frame import Frame
from scenarios.evidence.kernel_end import data_gives_up_s, syn_gives_up_s
from scenarios.evidence.record import Seen
from scenarios.evidence.sockets import parse_waiting
from scenarios.evidence.tries import tries
from scenarios.faults.catch import Caught
from scenarios.spec.catalogue import DRILLS, load_drill
from scenarios.spec.outcome import Outcome
from scenarios.spec.service import resolve
from scenarios.verdict.behaviour import Behaviour, behaviour_of
from tests.verdict.test_judging import CLIENT, SERVER, frame

DRILL = load_drill(DRILLS / "lost-syn.yaml")
PORT = 65432
SETTINGS = {"net.ipv4.tcp_syn_retries": "6", "net.ipv4.tcp_retries2": "15"}
SS = "tcp {state} 0 {send_q} 198.18.1.10:{port} 198.18.1.138:65432 {more}\n"


def call(outcome: Outcome = Outcome.ANSWERED, **changes: object) -> Call:
    """A call of a guest: its program starts for 2.0 s before its first packet, at 100 s."""
    made = Call(
        host="client", argv=("x",), outcome=outcome, errno=None, status=0, signal=None, stdout="", stderr="",
        dropped_bytes=0, started_s=98.0, duration_s=2.5, cpu_s=None, warm=False, guest=True,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def syn(number: int, at_s: float, port: int, seq: int = 7) -> Frame:
    return replace(frame(number, at_s), source_port=port, seq=seq)


def data(number: int, at_s: float, port: int, seq: int) -> Frame:
    """Of the service, to the client."""
    made = replace(frame(number, at_s, source=SERVER, to=CLIENT), source_port=PORT, destination_port=port)
    return replace(made, flags=frozenset({"ACK"}), seq=seq, payload=b"x")


def question(number: int, at_s: float, port: int) -> Frame:
    return replace(frame(number, at_s), transport="udp", source_port=port, payload=b"?", seq=None)


ONE = [syn(1, 100.0, 40000)]


def evidence(made: Call, frames: Sequence[Frame], *, waiting: str = "", silent: bool = False) -> Seen:
    """The run of one call. Its service has said something from another port, unless it is `silent`."""
    if frames and not silent:
        at_s = (made.started_s or 0.0) + 0.001
        word = replace(frame(0, at_s, source=SERVER, to=CLIENT), transport="udp", source_port=9, destination_port=9)
        frames = [replace(word, flags=frozenset(), payload=b"w"), *frames]
    return Seen(
        armed=True, port=PORT, addresses={"client": (CLIENT,)}, client_side=frozenset({CLIENT}),
        calls={"hello": [made]}, caught={}, looks={}, logs={}, captures={}, frames={"client-leg": frames}, events=(),
        made_under={"client": SETTINGS}, waiting={"hello": parse_waiting(waiting, "client")} if waiting else {},
    )  # fmt: skip


def behaviour(
    made: Call, frames: Sequence[Frame] = ONE, control: Sequence[Frame] = ONE, waiting: str = ""
) -> Behaviour:
    told = behaviour_of(DRILL, evidence(call(), control), evidence(made, frames, waiting=waiting))
    assert told is not None
    return told


TRACEBACK = """Traceback (most recent call last):
  File "/x.py", line 1, in <module>
    connect()
ConnectionRefusedError: [Errno 111] Connection refused
"""
COLOURED = """\x1b[1mTraceback (most recent call last):\x1b[0m
  File \x1b[35m"/x.py"\x1b[0m, line \x1b[35m1\x1b[0m, in \x1b[35m<module>\x1b[0m
    \x1b[31mconnect\x1b[0m()
\x1b[1;35mConnectionRefusedError\x1b[0m: \x1b[35m[Errno 111] Connection refused\x1b[0m
"""
LOGGED = f"ERROR:root:it did not go\n{TRACEBACK}"
ENDS = [
    (call(), "answered"),
    (call(duration_s=5.1), "answered after 3.1 s"),
    (call(Outcome.REFUSED, errno="ECONNREFUSED", status=7), "refused (ECONNREFUSED)"),
    (call(Outcome.REFUSED, errno="ECONNREFUSED", status=7, duration_s=9.0), "refused (ECONNREFUSED), 7.0 s"),
    (call(Outcome.TIMED_OUT, status=28, duration_s=7.0), "timed out 5.0 s"),
    (call(Outcome.TIMED_OUT, status=1, duration_s=129.0, errno="ETIMEDOUT"), "timed out 127 s (ETIMEDOUT)"),
    # its service.yaml calls status 7 refused, and the firewall had said "host unreachable"
    (call(Outcome.REFUSED, status=7), "failed (exit status 7, read as refused; no errno printed)"),
    (call(Outcome.REFUSED, status=10), "refused"),  # it keeps the contract
    (call(Outcome.FAILED, status=7), "failed (exit status 7, no errno printed)"),
    (call(Outcome.FAILED, status=7, errno="EMFILE"), "failed (EMFILE)"),
    (call(Outcome.CRASHED, status=139), "crashed (SIGSEGV)"),
    # abort() of an uncaught std::system_error, that printed its words; and a status that is no crash's
    (call(Outcome.REFUSED, errno="ECONNREFUSED", status=134), "crashed (SIGABRT, ECONNREFUSED)"),
    (call(Outcome.REFUSED, errno="ECONNREFUSED", status=143), "refused (ECONNREFUSED)"),
    (call(Outcome.CRASHED, status=255), "failed (exit status 255, no errno printed)"),
    # its own, as the init of its container says; and it may be a shell that passes on the end of what it ran
    (call(Outcome.CRASHED, status=141), "crashed (SIGPIPE)"),
    (call(Outcome.FAILED, status=141, is_own_status=True),
     "failed (exit status 141, as after SIGPIPE; no errno printed)"),
    (call(Outcome.FAILED, status=255, is_own_status=True), "failed (exit status 255, no errno printed)"),
    (call(Outcome.RESET, errno="ECONNRESET", status=141), "crashed (SIGPIPE, ECONNRESET)"),
    (call(Outcome.RESET, errno="ECONNRESET", status=141, is_own_status=True), "reset (ECONNRESET)"),
    (call(Outcome.REFUSED, errno="ECONNREFUSED", status=1, stderr=TRACEBACK),
     "failed with a traceback (ConnectionRefusedError, ECONNREFUSED)"),
    (call(Outcome.REFUSED, errno="ECONNREFUSED", status=1, stderr=COLOURED),  # FORCE_COLOR, as CI services set it
     "failed with a traceback (ConnectionRefusedError, ECONNREFUSED)"),
    (call(Outcome.FAILED, status=2, stderr="\x1b[31mpanic: oh\x1b[0m\n\n\x1b[2mgoroutine 1 [running]:\nmain.main()\n"),
     "crashed (uncaught panic)"),
    (call(Outcome.TIMED_OUT, status=7, duration_s=7.0, stderr="error: \x1b[1;31mtimed out\x1b[0m"), "timed out 5.0 s"),
    (call(Outcome.REFUSED, errno="ECONNREFUSED", status=1, stderr=LOGGED),
     "failed with a traceback among other words (ConnectionRefusedError, ECONNREFUSED)"),
    (call(Outcome.REFUSED, errno="ECONNREFUSED", status=1, stderr=TRACEBACK.replace("<module>", "ask")),
     "refused (ECONNREFUSED)"),
    (call(Outcome.FAILED, status=1, stderr='Exception in thread "main" java.lang.IllegalStateException: it\n'),
     "crashed (uncaught java.lang.IllegalStateException)"),
    (call(Outcome.FAILED, status=2, stderr="panic: oh\n\ngoroutine 1 [running]:\nmain.main()\n"),
     "crashed (uncaught panic)"),
    (call(Outcome.WRONG_ANSWER), "wrong answer"),
    (call(Outcome.TIMED_OUT, errno="ECONNREFUSED", status=9),
     "refused or timed out: it printed ECONNREFUSED, and ended with status 9"),
]  # fmt: skip


@pytest.mark.parametrize(("made", "word"), ENDS, ids=[word for _, word in ENDS])
def test_the_word_says_how_it_ended_with_its_time_from_the_first_packet_on(made: Call, word: str) -> None:
    assert behaviour(made).word == word


def fin(number: int, at_s: float, port: int) -> Frame:
    """Of the client."""
    return replace(frame(number, at_s), source_port=port, flags=frozenset({"FIN", "ACK"}), seq=9)


ANSWERED = [*ONE, data(2, 100.3, 40000, 1), fin(3, 100.31, 40000)]  # and its program ends at 100.5 s


def test_the_time_of_an_answer_is_that_of_its_last_packet_and_the_end_of_the_program_is_told_apart() -> None:
    assert behaviour(call(), ANSWERED, ANSWERED).settled_s == pytest.approx(0.3)
    late = [*ONE, data(2, 103.1, 40000, 1)]
    assert behaviour(call(duration_s=5.3), late, ANSWERED).word == "answered after 3.1 s"
    told = behaviour(call(duration_s=9.0), ANSWERED, ANSWERED)
    assert (told.word, told.kind, told.took_s) == ("answered, ended 6.7 s later", "answered", 7.0)
    assert behaviour(call(duration_s=9.0), late, ANSWERED).word == "answered after 3.1 s, ended 3.9 s later"


def test_a_program_that_ends_no_later_than_in_the_control_ended_not_later() -> None:
    """A subscriber of gRPC waits 5 s in both: in the control the server still says something when it unsubscribes."""
    subscribed = [*ANSWERED[:2], data(3, 105.0, 40000, 2), fin(4, 105.1, 40000)]
    waits = call(duration_s=7.2)
    told = behaviour_of(DRILL, evidence(waits, subscribed), evidence(waits, [*ANSWERED[:2], fin(3, 105.1, 40000)]))
    assert told
    assert (told.word, told.settled_s, told.took_s) == ("answered", 0.3, 5.2)
    told = behaviour_of(DRILL, evidence(waits, subscribed), evidence(call(duration_s=8.2), ANSWERED))
    assert told
    assert told.word == "answered, ended 5.9 s later"


def test_bytes_that_came_before_make_no_answer_later_and_those_that_fill_a_gap_do() -> None:
    again = [*ANSWERED[:2], data(3, 102.0, 40000, 1)]
    assert behaviour(call(duration_s=4.2), again, ANSWERED).settled_s == pytest.approx(0.3)
    gap = [*ONE, data(2, 100.3, 40000, 2), data(3, 102.0, 40000, 1)]
    assert behaviour(call(duration_s=4.2), gap, ANSWERED).word == "answered after 2.0 s"


def test_an_answer_that_ends_with_the_services_fin_is_there_with_it() -> None:
    fin_of_service = replace(data(3, 104.0, 40000, 2), flags=frozenset({"FIN", "ACK"}), payload=b"")
    assert behaviour(call(duration_s=6.1), [*ANSWERED[:2], fin_of_service], ANSWERED).word == "answered after 4.0 s"
    after_its_own = [*ANSWERED, fin_of_service]
    assert behaviour(call(), after_its_own, ANSWERED).word == "answered"


def test_a_program_that_gives_up_has_the_time_at_which_it_closed_and_its_end_is_told_apart() -> None:
    gave_up = [*ONE, fin(2, 105.0, 40000)]
    slow_to_end = call(Outcome.TIMED_OUT, status=28, duration_s=9.2)
    assert behaviour(slow_to_end, gave_up, ANSWERED).word == "timed out 5.0 s, ended 2.2 s later"
    same = behaviour_of(DRILL, evidence(call(duration_s=4.3), ANSWERED), evidence(slow_to_end, gave_up))
    assert same
    assert (same.word, same.took_s, same.settled_s) == ("timed out 5.0 s", 7.2, 5.0), "it ends so slowly always"


@pytest.mark.parametrize(
    ("frames", "control"),
    [
        ([*ONE, fin(2, 100.1, 40000)], [*ONE, fin(2, 100.1, 40000), data(3, 100.3, 40000, 1)]),  # it closes one half
        ([*ONE, fin(2, 100.1, 40000), syn(3, 100.2, 40001)], ANSWERED),  # its other connection is left open
        ([*ONE, fin(2, 100.1, 40000), question(3, 104.0, 40002)], ANSWERED),  # it goes on otherwise
        ([*ONE], ANSWERED),
        ([*ONE, fin(2, 100.1, 40000)], ONE),  # nothing is known of when it closes
    ],
)
def test_a_close_that_is_not_the_end_is_not_told_as_one(frames: Sequence[Frame], control: Sequence[Frame]) -> None:
    told = behaviour(call(Outcome.TIMED_OUT, status=28, duration_s=7.0), frames, control)
    assert told.settled_s is None
    assert told.word.startswith("timed out 5.0 s")
    assert "later" not in told.word


def test_a_half_that_is_closed_behind_the_request_is_no_end_though_the_answer_came_before_it_in_the_control() -> None:
    """`sendall(); shutdown(SHUT_WR); recv()`: on a quick network the answer is there before the FIN."""
    asked = replace(syn(2, 102.0, 40000, 8), flags=frozenset({"ACK"}), payload=b"?")
    again = [replace(asked, number=3, time_ns=int(102.2e9)), replace(asked, number=4, time_ns=int(102.6e9))]
    half = [*ONE, asked, fin(5, 102.012, 40000)]
    gave_up = [*ONE, asked, *again, fin(5, 102.7, 40000)]  # just then its kernel had sent the request again
    both_at_once = [*ONE, replace(asked, flags=frozenset({"FIN", "ACK"}))]
    made = call(Outcome.TIMED_OUT, status=28, duration_s=9.2)
    assert behaviour(made, half, ANSWERED).word == "timed out 7.2 s"
    assert behaviour(made, both_at_once, ANSWERED).word == "timed out 7.2 s"
    assert behaviour(made, gave_up, ANSWERED).word == "timed out 2.7 s, ended 4.5 s later"


def reset(number: int, at_s: float, port: int) -> Frame:
    """Of the service."""
    return replace(data(number, at_s, port, 0), flags=frozenset({"RST", "ACK"}), payload=b"")


def test_a_connection_that_was_ended_from_outside_is_not_where_a_program_gave_up() -> None:
    """A client of gRPC with a deadline of 8 s: it was refused a last time after 5.8 s, and waited to try again."""
    refused = [*ONE, reset(2, 100.01, 40000), syn(3, 105.8, 40001), reset(4, 105.81, 40001)]
    eof = replace(HUNG_UP, number=2, time_ns=int(100.1e9))
    cut = [*ONE, eof, fin(3, 100.11, 40000)]  # it closes what the service has closed, and connects once more, or not
    for frames, tried in (
        (refused, 1),
        (refused[:2], 0),
        (cut, 0),
        ([*cut, syn(4, 105.8, 40001), reset(5, 105.81, 40001)], 1),
    ):
        told = behaviour(call(Outcome.TIMED_OUT, status=1, errno="ETIMEDOUT", duration_s=10.2), frames, ANSWERED)
        assert told.word == f"timed out 8.2 s{' after 1 retry' if tried else ''}"
        assert (told.took_s, told.settled_s) == (8.2, None)


def test_a_program_that_closes_its_last_connection_itself_gave_up_with_it_whatever_ended_those_before() -> None:
    frames = [*ONE, reset(2, 100.01, 40000), syn(3, 101.0, 40001), fin(4, 105.0, 40001)]
    told = behaviour(call(Outcome.TIMED_OUT, status=1, errno="ETIMEDOUT", duration_s=9.2), frames, ANSWERED)
    assert told.word == "timed out 5.0 s after 1 retry, ended 2.2 s later"
    at_once = behaviour(
        call(Outcome.REFUSED, errno="ECONNREFUSED", status=1), [*ONE, reset(2, 100.01, 40000)], ANSWERED
    )
    assert at_once.settled_s == 0.01, "it ends with its only connection"


def test_a_time_that_only_an_exit_status_tells_is_no_timeout_where_an_error_came() -> None:
    """dig's status 9 is "no reply from a server", be that silent or not there."""
    icmp = replace(frame(2, 100.1, source=SERVER, to=CLIENT), transport="icmp", flags=frozenset())
    made = call(Outcome.TIMED_OUT, status=9)
    assert behaviour(made).word == "timed out 0.5 s"
    assert behaviour(made, [*ONE, icmp]).word == "failed (exit status 9, read as timed out; no errno printed)"
    in_words = replace(made, stderr="queue: TimeoutError: timed out\n")  # its own clock, whatever its kernel knew
    assert behaviour(in_words, [*ONE, icmp]).word.startswith("timed out")
    # a neighbour of IPv6, and an answer to a ping, are no errors
    for info in ("Neighbor Advertisement 2001:db8:1::3e (rtr, sol) is at 02:42:c6:12:01:3e", "Echo (ping) reply id=1"):
        assert behaviour(made, [*ONE, replace(icmp, info=info)]).word == "timed out 0.5 s"


def test_a_time_that_only_a_program_s_own_words_tell_is_no_timeout_where_the_service_closed_first() -> None:
    """lftp says "max-retries exceeded" of a silence, and of a connection that was closed after 2 ms."""
    made = call(Outcome.TIMED_OUT, status=1)
    of_service = replace(data(2, 100.1, 40000, 8), flags=frozenset({"FIN", "ACK"}), payload=b"")
    of_client = replace(syn(3, 100.2, 40000), flags=frozenset({"FIN", "ACK"}), ack=9)
    closed_first = [*ONE, of_service, of_client]
    assert behaviour(made, closed_first).word.startswith("failed (exit status 1, read as timed out; no errno printed)")
    behind_a_gap = [*ONE, of_service, replace(of_client, ack=7)]  # the answer was lost, and the FIN came: it waits
    assert behaviour(made, behind_a_gap).word.startswith("timed out")
    gave_up_first = [*ONE, replace(of_client, number=2, time_ns=of_service.time_ns), replace(of_service, number=3)]
    assert behaviour(made, gave_up_first).word.startswith("timed out")


def test_the_words_of_says_are_believed_of_its_own_clock_where_it_ended_well_after_what_came_from_outside() -> None:
    """A client whose words only its `says` knows ends after 8 s, and was refused for the last time after 5.8 s."""
    chosen = resolve("gallery/vsftpd", "lftp-timeout")  # says: {timed out: max-retries exceeded}
    refused = [*ONE, reset(2, 100.01, 40000), syn(3, 105.8, 40001), reset(4, 105.81, 40001)]

    def word(made: Call, frames: Sequence[Frame]) -> str:
        told = behaviour_of(DRILL, evidence(call(), ANSWERED), evidence(made, frames), chosen)
        assert told
        return told.word

    in_words = call(Outcome.TIMED_OUT, status=2, stderr="max-retries exceeded\n", duration_s=10.2)
    assert word(in_words, refused) == "timed out 8.2 s after 1 retry"
    soon = replace(in_words, duration_s=8.0)  # it may be this refusal that it tells in such words
    assert word(soon, refused) == "failed (its words, read as timed out; no errno printed) after 1 retry, 6.0 s"
    by_status = replace(in_words, stderr="it did not work\n")
    assert word(by_status, refused).startswith("failed (exit status 2, read as timed out; no errno printed)")
    # the answer to its own FIN came when it had given up
    gave_up = [*ONE, fin(2, 105.0, 40000), reset(3, 105.01, 40000)]
    assert word(replace(in_words, duration_s=7.1), gave_up) == "timed out 5.0 s"
    slow_to_end = evidence(call(duration_s=4.3), ANSWERED)  # it ends 2.0 s later always
    told = behaviour_of(DRILL, slow_to_end, evidence(replace(in_words, duration_s=4.1), refused[:2]), chosen)
    assert told
    assert told.kind == "failed"


def test_an_answer_that_is_a_syn_s_first_wait_late_has_its_time() -> None:
    """The kernel sends the SYN again after 1.00 s; the control takes some hundredths of one itself."""
    late = [*ONE, data(2, 101.02, 40000, 8)]
    assert behaviour(call(duration_s=3.1), late, [*ONE, data(2, 100.03, 40000, 8)]).word == "answered after 1.0 s"


def test_connections_more_than_in_the_control_are_retries_and_a_syn_that_the_kernel_repeats_is_none() -> None:
    again = [*ONE, syn(2, 101.0, 40000), syn(3, 101.5, 40001), syn(4, 102.0, 40002)]
    told = behaviour(call(duration_s=4.1), again)
    assert (told.word, told.kind, told.retries) == ("answered after 2 retries, 2.1 s", "answered after retries", 2)
    assert behaviour(call(duration_s=4.1), again[:2]).word == "answered after 2.1 s"
    slow = evidence(call(duration_s=4.1), again)
    same = behaviour_of(DRILL, slow, slow)  # it does so where nothing fails
    assert same
    assert (same.word, same.tried) == ("answered", 3)
    refused = call(Outcome.REFUSED, errno="ECONNREFUSED", status=1)
    assert behaviour(refused, [*ONE, syn(2, 100.1, 40001)]).word == "refused (ECONNREFUSED) after 1 retry"


def test_questions_over_udp_more_than_in_the_control_are_retries() -> None:
    asked = [question(1, 100.0, 50000), question(2, 100.2, 50000), question(3, 100.4, 50001)]
    assert behaviour(call(), asked, control=asked[:1]).word == "answered after 2 retries"


def test_what_a_client_sends_from_the_services_own_port_is_no_answer() -> None:
    """As of NTP and SIP, whose clients have the port of their servers."""
    asks = [replace(question(n, 100.0 + n, PORT), payload=b"%d" % n) for n in range(20)]
    told = behaviour_of(DRILL, evidence(call(duration_s=22.0), asks), evidence(HUNG, asks))
    assert told
    assert told.word == "still sending after 20 s, 19 more datagrams without an answer"
    answer = replace(question(21, 100.1, PORT), source=SERVER, destination=CLIENT, payload=b"well")
    thanks = replace(asks[4], payload=b"thanks")
    assert behaviour(call(duration_s=6.2), [asks[0], answer, thanks], [asks[0], answer, thanks]).settled_s == 0.1


def test_another_call_of_the_host_that_runs_meanwhile_is_no_retry() -> None:
    """`start: hello`, and then a call: without the failure, hello has ended before that begins."""
    other = call(started_s=105.0, duration_s=1.0)
    frames = [*ANSWERED, syn(9, 105.5, 40007)]
    control = replace(evidence(call(), frames), calls={"hello": [call()], "other": [other]})

    def word(*more: Frame) -> str:
        armed = evidence(HUNG, [*ONE, syn(9, 105.5, 40007), *more])
        told = behaviour_of(DRILL, control, replace(armed, calls={"hello": [HUNG], "other": [other]}))
        assert told
        return told.word

    assert word() == "hung (still waiting after 20 s)"
    assert word(syn(10, 110.0, 40008)) == "still trying after 20 s, 1 retry"


def test_a_question_in_fragments_is_one_question() -> None:
    """tshark puts a datagram together in its last fragment, which alone has the ports and the bytes."""

    def in_fragments(number: int, at_s: float) -> list[Frame]:
        first = replace(frame(number, at_s), transport="other", flags=frozenset(), source_port=None, seq=None)
        first = replace(first, destination_port=None, fragment=(0, True))
        return [first, replace(question(number + 1, at_s, 50000), fragment=(185, False))]

    told = behaviour(call(), [*in_fragments(1, 100.0), *in_fragments(3, 100.2)], control=in_fragments(1, 100.0))
    assert (told.word, told.tried) == ("answered after 1 retry", 2)


def test_what_is_sent_before_and_after_a_call_is_none_of_it() -> None:
    around = [syn(1, 90.0, 39999), syn(2, 100.0, 40000), syn(3, 110.0, 40001)]
    assert behaviour(call(), around).word == "answered"


def test_what_an_earlier_connection_still_sends_is_none_of_a_call() -> None:
    """A FIN that nobody acknowledges, sent again while the next program still starts, and the reset that answers it."""
    earlier = [fin(1, 98.1, 39999), replace(data(2, 98.11, 39999, 1), flags=frozenset({"RST"}), payload=b"")]
    told = behaviour(call(), [*earlier, *ANSWERED], ANSWERED)
    assert (told.took_s, told.settled_s, told.word) == (0.5, 0.3, "answered")
    gave_up = call(Outcome.TIMED_OUT, status=9)
    assert behaviour(gave_up, [*earlier, *ONE]).word == "timed out 0.5 s"


def test_a_guest_that_is_quicker_than_the_engine_notes_its_beginning_has_tried_all_the_same() -> None:
    assert behaviour(call(started_s=100.1)).tried == 1
    assert behaviour(call(started_s=100.5)).tried == 0


def test_what_a_call_before_it_sent_is_no_try_of_a_call_inside_a_composition() -> None:
    """`docker exec` is noted before it begins, and the call before it has ended a moment ago."""
    theirs = call(started_s=100.1, is_start_exact=True)
    assert behaviour(theirs, [*ONE, syn(2, 100.2, 40001)]).tried == 1


def test_what_a_call_a_moment_before_it_sent_is_no_try_of_a_call() -> None:
    """`times: 2` of a container that ends at once: the second began 0.22 s after the first had ended."""
    beats = [question(1, 99.937, 50000), question(2, 99.938, 50000), question(3, 100.4, 50001)]
    first, second = call(started_s=99.8, duration_s=0.2165), call(started_s=100.2365, duration_s=0.4)
    seen = replace(evidence(first, beats), calls={"hello": [first, second]})
    told = [tries(seen, each, (CLIENT,)) for each in (first, second)]
    assert [each.asked.count for each in told] == [2, 1]
    assert (told[1].began_s, told[1].ports) == (100.4, frozenset({50001}))
    beside = replace(seen, calls={"hello": [replace(first, duration_s=9.0), second]})  # it has not ended yet
    assert tries(beside, second, (CLIENT,)).asked.count == 3


HUNG = call(Outcome.HUNG, status=124, duration_s=22.0)
WAITS = [
    # gRPC sets it to its keepalive timeout: what ss prints is the same with it and without
    ("SYN-SENT", 1, "timer:(on,2.100ms,3) rto:8000 backoff:3",
     "; the kernel alone would end it after about 127 s, unless the program set TCP_SYNCNT or TCP_USER_TIMEOUT"),
    ("ESTAB", 18, "timer:(on,2.100ms,5) rto:6528 backoff:5",
     "; the kernel alone would end it after about 929 s, unless the program set TCP_USER_TIMEOUT"),
    ("ESTAB", 0, "cubic rto:204", "; the kernel alone would never end it"),
    ("CLOSE-WAIT", 0, "cubic rto:204", "; the kernel alone would never end it"),
    ("ESTAB", 0, "timer:(keepalive,119min,0) rto:204",
     "; the kernel alone would end it only if nobody answered its keepalive, from about 119 min on"),
    ("ESTAB", 0, "timer:(keepalive,1min15sec,0) rto:204",
     "; the kernel alone would end it only if nobody answered its keepalive, from about 1 min on"),
    ("ESTAB", 0, "timer:(keepalive,1.200ms,0) rto:204",
     "; the kernel alone would end it only if nobody answered its keepalive"),
    ("ESTAB", 9, "timer:(persist,1.200ms,2) rto:204", ""),
    # as iproute2 6.15 writes it
    ("ESTAB", 18, "timer:(on,2.100sec,5) rto:6528 backoff:5",
     "; the kernel alone would end it after about 929 s, unless the program set TCP_USER_TIMEOUT"),
    ("ESTAB", 0, "timer:(keepalive,9.504sec,0) rto:204",
     "; the kernel alone would end it only if nobody answered its keepalive"),
    ("ESTAB", 0, "timer:(keepalive,a while,0) rto:204", ""),
]  # fmt: skip


@pytest.mark.parametrize(("state", "send_q", "more", "end"), WAITS)
def test_of_one_that_waits_it_says_what_the_kernel_alone_would_make_of_its_socket(
    state: str, send_q: int, more: str, end: str
) -> None:
    others = SS.format(state="ESTAB", send_q=0, port=39999, more="")  # of another program: it spoke to nobody meanwhile
    told = behaviour(HUNG, waiting=others + SS.format(state=state, send_q=send_q, port=40000, more=more))
    assert told.word == f"hung (still waiting after 20 s{end})"
    assert told.kernel_end == end.removeprefix("; ")


def test_of_two_sockets_that_the_kernel_would_end_otherwise_nothing_is_said() -> None:
    both = [*ONE, syn(2, 100.1, 40001)]
    lines = SS.format(state="ESTAB", send_q=0, port=40000, more="")
    lines += SS.format(state="SYN-SENT", send_q=1, port=40001, more="timer:(on,1sec,1)")
    assert behaviour(HUNG, both, control=both, waiting=lines).word == "hung (still waiting after 20 s)"


def test_one_that_tries_again_and_again_and_one_that_still_gets_on_only_wait() -> None:
    assert behaviour(HUNG, [*ONE, syn(2, 110.0, 40001)]).word == "still trying after 20 s, 1 retry"
    coming = [*ONE, *(data(2 + n, 101 + n, 40000, n) for n in range(19))]
    assert behaviour(HUNG, coming).word == "not done (something new still came after 20 s)"
    sent_again = [*ONE, *(data(2 + n, 101 + n, 40000, 5) for n in range(19))]
    assert behaviour(HUNG, sent_again).kind == "hung"
    ended = replace(syn(3, 119.9, 40000), flags=frozenset({"FIN", "ACK"}))  # the lab ends it, and its kernel says so
    of_fin = replace(data(4, 119.95, 40000, 0), payload=b"", ack=9)
    assert behaviour(HUNG, [*ONE, data(2, 100.1, 40000, 0), ended, of_fin]).kind == "hung"


def test_one_that_tried_again_and_then_only_waits_hangs() -> None:
    """Node's net: its first connection was reset, and on the second nothing came from 0.3 s on."""
    again = [*ONE, replace(RST, number=2, time_ns=int(100.004e9)), syn(3, 100.32, 40001)]
    idle = SS.format(state="ESTAB", send_q=0, port=40001, more="cubic rto:204")
    told = behaviour(HUNG, again, waiting=idle)
    assert told.word == "hung (still waiting after 20 s, after 1 retry; the kernel alone would never end it)"
    assert (told.kind, told.retries) == ("hung", 1)
    coming = [*again, *(data(4 + n, 101 + n, 40001, n) for n in range(19))]
    assert behaviour(HUNG, coming).kind == "not done"


@pytest.mark.parametrize(
    ("tried_s", "kind"),
    [
        ((0, 1, 2, 3, 17.9), "still trying"),
        ((0, 18.1), "still trying"),  # lately
        ((0, 1, 3, 7, 15), "still trying"),  # the next one is due after 31 s
        ((0, 1, 3, 7), "hung"),  # it was due after 15 s
        ((0, 5, 10), "still trying"),
        ((0, 1, 2, 3, 4), "hung"),
    ],
)
def test_it_still_tries_where_the_next_try_was_not_overdue(tried_s: Sequence[float], kind: str) -> None:
    tried = [syn(n, 100 + at_s, 40000 + n) for n, at_s in enumerate(tried_s, 1)]
    assert behaviour(HUNG, tried).kind == kind


def test_of_one_whose_last_try_is_over_nobody_knows_whether_the_next_would_have_come() -> None:
    """lftp waits 30 s before it connects again: it does not hang on the network."""
    unreachable = replace(frame(4, 102.1, source=SERVER, to=CLIENT), transport="icmp", flags=frozenset())
    unreachable = replace(unreachable, quoted=((CLIENT, 40001), (SERVER, PORT)))
    refused = replace(data(2, 100.1, 40000, 0), flags=frozenset({"RST", "ACK"}), payload=b"")
    told = behaviour(HUNG, [*ONE, refused, syn(3, 102.0, 40001), unreachable])
    assert told.word == "not done (no connection was open after 20 s, after 1 retry)"
    assert told.kind == "not done"
    closed = [*ONE, fin(2, 101.0, 40000), syn(3, 102.0, 40001), fin(4, 104.0, 40001)]
    assert behaviour(HUNG, closed).kind == "not done"
    of_the_lab = [*closed[:3], fin(4, 119.9, 40001)]  # it ends the call, and so the connection
    assert behaviour(HUNG, of_the_lab).word == "hung (still waiting after 20 s, after 1 retry)"
    eof = replace(data(5, 102.2, 40001, 2), flags=frozenset({"FIN", "ACK"}), payload=b"")  # which it does not heed
    assert behaviour(HUNG, [*ONE, refused, syn(3, 102.0, 40001), data(4, 102.1, 40001, 1), eof]).kind == "hung"
    connected = replace(unreachable, number=5, time_ns=int(102.2e9))  # then an ICMP error ends nothing
    assert behaviour(HUNG, [*ONE, refused, syn(3, 102.0, 40001), data(4, 102.1, 40001, 1), connected]).kind == "hung"


def test_of_one_that_asks_over_udp_no_error_is_the_end_of_a_connection() -> None:
    error = replace(frame(3, 101.0, source=SERVER, to=CLIENT), transport="icmp", flags=frozenset())
    asked = [question(1, 100.0, 50000), question(2, 101.0, 50000)]
    assert behaviour(HUNG, [*asked, error], asked[:1]).word == "hung (still waiting after 20 s, after 1 retry)"


def test_one_that_had_sent_nothing_hangs_only_where_a_fault_met_it() -> None:
    silent = evidence(call(Outcome.HUNG, duration_s=21.0), [])
    told = behaviour_of(DRILL, evidence(call(), ONE), silent)
    assert told
    assert (told.kind, told.word) == ("not done", "not done (had sent nothing after 21 s)")
    told = behaviour_of(
        DRILL, evidence(call(), ONE), replace(silent, caught={"name": Caught(2)})
    )  # of its question for a name, say
    assert told
    assert told.word == "hung (still waiting after 21 s)"


def test_the_words_of_a_timeout_that_came_soon_are_of_the_program_s_own_clock() -> None:
    soon = call(Outcome.TIMED_OUT, status=28, duration_s=7.1, errno="ETIMEDOUT")
    assert behaviour(soon).word == "timed out 5.1 s"
    assert behaviour(replace(soon, guest=False)).word == "timed out 5.1 s (ETIMEDOUT)"


def test_the_kernel_gives_up_when_its_documentation_says() -> None:
    """ip-sysctl: 127 s with 6 retries of a SYN, 131 s where 4 of them are linear; 924.6 s at least with 15 of data."""
    assert (syn_gives_up_s(6, 0), syn_gives_up_s(6, 4)) == (127, 131)
    assert 924.6 <= data_gives_up_s(0.201, 15) < 930
    assert data_gives_up_s(0.2, 3) == pytest.approx(0.2 + 0.4 + 0.8 + 1.6 + 3.2)  # (2^4 - 1) 0.2 s from the first on


def test_a_control_that_another_host_made_is_no_retry_of_this_one() -> None:
    """A drill that compares machines has its client on another host in the control."""
    theirs = "198.18.1.11"
    other = replace(
        evidence(call(), [replace(syn(1, 100.0, 40000), source=theirs)]),
        addresses={"client": (theirs,)},
        client_side=frozenset({theirs}),
    )
    told = behaviour_of(DRILL, other, evidence(call(), ONE))
    assert told is not None
    assert (told.word, told.retries) == ("answered", 0)


RST = replace(data(4, 100.32, 40000, 2), flags=frozenset({"RST"}), payload=b"")
HUNG_UP = replace(data(2, 100.3, 40000, 1), flags=frozenset({"FIN", "ACK"}), payload=b"")
CLOSES = replace(fin(3, 100.31, 40000), ack=2)  # and acknowledges the service's FIN
HALF_CLOSES = fin(3, 100.29, 40000)
SENDS = replace(CLOSES, flags=frozenset({"ACK"}), payload=b"x")
NEXT = replace(syn(6, 100.33, 40000), seq=99)


@pytest.mark.parametrize(
    ("made", "frames", "word"),
    [
        # Node's "socket hang up" has the code ECONNRESET, and the server had closed in order
        (call(Outcome.RESET, errno="ECONNRESET", status=1), [*ONE, HUNG_UP],
         "not reset, though it printed ECONNRESET: no packet told it so"),
        # a program in the middle answers with the words of its own failure
        (call(Outcome.REFUSED, errno="ECONNREFUSED"), ANSWERED,
         "not refused, though it printed ECONNREFUSED: no packet told it so"),
        (call(Outcome.RESET, errno="ECONNRESET", status=1), [*ONE, HUNG_UP, RST], "reset (ECONNRESET)"),
        # the server had gone, and its kernel answers the FIN of a client that has closed, and what came late
        (call(Outcome.RESET, errno="ECONNRESET", status=1), [*ONE, HUNG_UP, CLOSES, RST, replace(RST, number=5)],
         "not reset, though it printed ECONNRESET: no packet told it so"),
        (call(Outcome.RESET, errno="ECONNRESET", status=1),
         [*ONE, data(2, 100.1, 40000, 1), HALF_CLOSES, replace(HUNG_UP, seq=2), replace(SENDS, ack=3), RST],
         "not reset, though it printed ECONNRESET: no packet told it so"),
        (call(Outcome.RESET, errno="ECONNRESET", status=1), [*ONE, HUNG_UP, SENDS, RST], "reset (ECONNRESET)"),
        (call(Outcome.RESET, errno="ECONNRESET", status=1), [*ONE, data(2, 100.1, 40000, 1), HALF_CLOSES, RST],
         "reset (ECONNRESET)"),  # it has closed one half, and reads
        (call(Outcome.RESET, errno="ECONNRESET", status=1), [*ONE, HUNG_UP, replace(CLOSES, ack=1), RST],
         "reset (ECONNRESET)"),  # the FIN of the service waits behind a gap
        (call(Outcome.RESET, errno="ECONNRESET", status=1), [*ONE, HUNG_UP, CLOSES, NEXT, replace(RST, number=7)],
         "reset (ECONNRESET) after 1 retry"),  # of its next connection
        (call(Outcome.RESET, errno="ECONNRESET", status=1, guest=False), [*ONE, HUNG_UP], "reset (ECONNRESET)"),
        (call(Outcome.TIMED_OUT, errno="ETIMEDOUT", status=1), ANSWERED, "timed out 0.31 s"),
    ],
)  # fmt: skip
def test_a_reset_or_a_refusal_that_a_program_prints_and_no_packet_tells_is_unclear(
    made: Call, frames: Sequence[Frame], word: str
) -> None:
    told = behaviour(made, frames, ANSWERED)
    assert told.word == word
    assert (told.kind == "unclear") is ("no packet" in word)


@pytest.mark.parametrize(
    ("made", "frames", "word", "kind"),
    [
        (call(), [question(1, 100.0, 50000)], "done (no byte came from the service)", "done"),  # of syslog, say
        (call(), [*ONE, reset(2, 100.1, 40000)], "done (no byte came from the service)", "done"),
        # coap-client gives up by itself, prints nothing, and ends with 0
        (call(Outcome.WRONG_ANSWER, duration_s=10.0), [question(1, 100.0, 50000), question(2, 102.8, 50000)],
         "no answer (exit status 0) after 1 retry, 8.0 s", "no answer"),
        (call(Outcome.WRONG_ANSWER), ANSWERED, "wrong answer", "wrong answer"),
        (call(guest=False), ONE, "answered", "answered"),
        (call(Outcome.TIMED_OUT, status=28, duration_s=7.0), ONE, "timed out 5.0 s", "timed out"),
    ],
)  # fmt: skip
def test_of_one_to_which_no_byte_came_neither_an_answer_is_said_nor_a_wrong_one(
    made: Call, frames: Sequence[Frame], word: str, kind: str
) -> None:
    told = behaviour_of(DRILL, evidence(call(), frames[:1]), evidence(made, frames, silent=True))
    assert told
    assert (told.word, told.kind) == (word, kind)
