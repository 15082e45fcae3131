"""EAGAIN and EINPROGRESS as the last words of a program: a time of its own that was over, a socket that does not wait,
or what an earlier call left in errno.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from scenarios.calls.call import Call
from scenarios.calls.contract import ended
from scenarios.evidence.frame import Frame
from scenarios.lab.process import Finished
from scenarios.spec.outcome import Outcome
from scenarios.verdict.behaviour import behaviour_of
from tests.calls.test_guests import CLIENT as ASK
from tests.verdict.test_behaviour import (
    ANSWERED,
    DRILL,
    HUNG_UP,
    ONE,
    behaviour,
    data,
    evidence,
    fin,
    question,
    reset,
    syn,
)
from tests.verdict.test_judging import SERVER, frame

RUST = 'Error: Os { code: 11, kind: WouldBlock, message: "Resource temporarily unavailable" }\n'
C_READ, C_CONNECT = "read: Resource temporarily unavailable\n", "connect: Operation now in progress\n"
OCAML_READ, OCAML_CONNECT = (
    f"Fatal error: exception {what}\n"
    for what in ("Sys_blocked_io", 'Unix.Unix_error(Unix.EINPROGRESS, "connect", "")')
)


def made(stderr: str, status: int = 1, took_s: float = 3.0, stdout: str = "") -> Call:
    """A call of a guest, as it is read from what it printed; its first packet is sent 2.0 s after its start."""
    read = ended(ASK, Finished(("ask",), status, stdout, stderr, 0.1), hung=False)
    return Call(
        host="client", argv=("x",), outcome=read.outcome, errno=read.errno, status=status, signal=None, stdout=stdout,
        stderr=stderr, dropped_bytes=0, started_s=98.0, duration_s=2.0 + took_s, cpu_s=None, warm=False, guest=True,
    )  # fmt: skip


def asks(number: int, at_s: float, port: int, seq: int = 8) -> Frame:
    """Of the client: data."""
    return replace(syn(number, at_s, port), flags=frozenset({"ACK"}), seq=seq, payload=b"hello")


ASKED = [
    *ONE,
    replace(data(2, 100.001, 40000, 0), flags=frozenset({"SYN", "ACK"}), payload=b""),
    asks(3, 100.01, 40000),
]
AGAIN_BY_KERNEL = [asks(4, 100.3, 40000), asks(5, 101.0, 40000)]
SILENT = [*ASKED, *AGAIN_BY_KERNEL, fin(6, 103.0, 40000)]
SYNS = [*ONE, syn(2, 101.0, 40000), syn(3, 102.0, 40000)]


@pytest.mark.parametrize(
    ("call", "frames"),
    [
        (made(RUST), SILENT),
        (made(C_READ, 255), SILENT),  # exit(-1)
        (made(C_READ), SILENT),
        (made(OCAML_READ, 2), SILENT),
        (made(C_CONNECT), SYNS),
        (made(OCAML_CONNECT, 2), SYNS),
        (made("recvfrom: EAGAIN\n"), [question(1, 100.0, 50000)]),
    ],
)
def test_one_that_waited_in_silence_and_then_printed_eagain_timed_out(call: Call, frames: Sequence[Frame]) -> None:
    """SO_RCVTIMEO and SO_SNDTIMEO, set_read_timeout() of Rust: socket(7)."""
    told = behaviour(call, frames, ANSWERED)
    assert (told.word, told.kind) == ("timed out 3.0 s", "timed out")


def test_each_wait_may_end_so_and_the_last_one_counts() -> None:
    again = [*ASKED, fin(4, 103.0, 40000), syn(5, 103.01, 40001), asks(6, 103.02, 40001), fin(7, 106.0, 40001)]
    assert behaviour(made(C_READ, took_s=6.0), again, ANSWERED).word == "timed out 6.0 s after 1 retry"


@pytest.mark.parametrize(
    ("call", "frames"),
    [
        (made(C_READ, took_s=0.02), [*ASKED, fin(4, 100.02, 40000)]),  # a socket that does not wait
        (made(C_READ, took_s=0.6), [*ASKED, fin(4, 100.6, 40000)]),
        (made(C_READ), [*ASKED, asks(4, 102.9, 40000, 13), fin(5, 103.0, 40000)]),  # it asked once more
        (made(C_READ), [*ASKED, data(4, 102.9, 40000, 1), fin(5, 103.0, 40000)]),  # something came
        (
            made(C_READ),
            [*ASKED, replace(HUNG_UP, number=4), replace(fin(5, 103.0, 40000), ack=2)],
        ),  # the service closed
        (made(C_READ), [*ASKED, reset(4, 101.0, 40000)]),
        (made(f"{C_READ}it does not work\n"), SILENT),  # it said another thing at last
        (made("", stdout=f"{C_READ}sorry\n"), SILENT),
    ],
)
def test_one_that_did_not_wait_or_was_told_something_failed(call: Call, frames: Sequence[Frame]) -> None:
    assert behaviour(call, frames, ANSWERED).word.startswith("failed (EAGAIN)")


def test_what_an_interpreter_takes_to_end_is_no_wait() -> None:
    in_control = evidence(
        replace(made(""), outcome=Outcome.ANSWERED, duration_s=4.0), ANSWERED
    )  # 1.7 s after its answer
    for took_s, word in ((2.0, "failed (EAGAIN), 2.0 s"), (3.0, "timed out 3.0 s")):
        ends = evidence(made(C_READ, took_s=took_s), [*ASKED, fin(4, 100.0 + took_s, 40000)])
        told = behaviour_of(DRILL, in_control, ends)
        assert told
        assert told.word == word


def test_an_icmp_error_that_came_is_no_silence() -> None:
    icmp = replace(frame(4, 100.1, source=SERVER), transport="icmp", flags=frozenset(), destination=ONE[0].source)
    assert behaviour(made(C_READ), [*ASKED, icmp, fin(5, 103.0, 40000)], ANSWERED).kind == "failed"


def test_a_program_that_a_panic_or_a_signal_ended_crashed_all_the_same() -> None:
    panic = f"thread 'main' panicked at x.rs:8:39:\ncould not read: {RUST.removeprefix('Error: ')}"
    assert behaviour(made(panic, 101), SILENT, ANSWERED).word == "crashed (uncaught panic, EAGAIN)"
    assert behaviour(made(C_READ, 139), SILENT, ANSWERED).word == "crashed (SIGSEGV, EAGAIN)"
    assert behaviour(made(C_READ, 142), SILENT, ANSWERED).word == "crashed (SIGALRM, EAGAIN)"


CURL = "curl: (56) response reading failed (errno: 115)\n"


def test_what_connect_left_in_errno_is_no_reason_once_the_service_has_spoken() -> None:
    """As curl prints it of an answer that was cut by a FIN."""
    cut = [*ASKED, data(4, 100.02, 40000, 1), replace(HUNG_UP, number=5, time_ns=int(100.03e9), seq=2)]
    told = behaviour(made(CURL, 56, 0.1), [*cut, replace(fin(6, 100.04, 40000), ack=3)], ANSWERED)
    assert (told.word, told.kind) == ("failed (exit status 56, no errno of its end printed)", "failed")
    at_once = [*ONE, fin(2, 100.01, 40000)]
    assert behaviour(made(C_CONNECT, took_s=0.02), at_once, ANSWERED).word == "failed (EINPROGRESS)"


def test_an_errno_that_may_be_why_it_ended_goes_before_one_of_a_wait() -> None:
    printed = "socket: Too many open files\nfailed (errno: 115)\n"
    assert ended(ASK, Finished(("ask",), 1, "", printed, 0.1), hung=False)[:2] == (Outcome.FAILED, "EMFILE")


def test_the_last_words_are_read_without_their_colours() -> None:
    coloured = "\x1b[31mread: \x1b[1mResource temporarily unavailable\x1b[0m\n"
    assert behaviour(made(coloured), SILENT, ANSWERED).word == behaviour(made(C_READ), SILENT, ANSWERED).word
    assert behaviour(made(coloured), SILENT, ANSWERED).word == "timed out 3.0 s"
