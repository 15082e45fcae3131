"""How a call of a program that nobody here wrote ended is read from what is left of it."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from functools import partial

import pytest

from scenarios.calls.boxes import environment
from scenarios.calls.call import PRINTED, Call
from scenarios.calls.caller import _guest_call
from scenarios.calls.contract import ended
from scenarios.calls.error_texts import STRERROR
from scenarios.lab.process import Finished
from scenarios.spec.outcome import OF_ERRNO, Outcome
from scenarios.spec.service_programs import Client
from services.outcome import OF_ERRNO as OF_ERRNO_OF_OURS

CLIENT = Client(run="ask {host} {port}", about="asks", prints="^OK$")


def read(client: Client, status: int, printed: str = "", *, hung: bool = False) -> tuple[Outcome, str | None]:
    return ended(client, Finished(("ask",), status, "", printed, 0.1), hung=hung)[:2]


def test_the_right_outcome_is_answered_and_another_text_with_its_status_is_a_wrong_answer() -> None:
    assert read(CLIENT, 0, "OK\n") == (Outcome.ANSWERED, None)
    assert read(CLIENT, 0, "NO\n") == (Outcome.WRONG_ANSWER, None)
    assert read(replace(CLIENT, status=1), 1, "OK\n") == (Outcome.ANSWERED, None)
    assert read(replace(CLIENT, status=1), 0, "OK\n")[0] is Outcome.FAILED


@pytest.mark.parametrize(
    ("printed", "outcome", "name"),
    [
        ("Could not connect: Connection refused", Outcome.REFUSED, "ECONNREFUSED"),
        ("connect: No route to host", Outcome.UNREACHABLE, "EHOSTUNREACH"),
        ("Read error (Connection reset by peer) in headers.", Outcome.RESET, "ECONNRESET"),
        ("connection timed out", Outcome.TIMED_OUT, "ETIMEDOUT"),
        ("first: Connection refused; then: Network is unreachable", Outcome.UNREACHABLE, "ENETUNREACH"),
        ("all went wrong", Outcome.FAILED, None),
        ("\x1b[31mECONNREFUSED\x1b[0m", Outcome.REFUSED, "ECONNREFUSED"),
        ("error: \x1b[1;31mtimed out\x1b[0m", Outcome.TIMED_OUT, None),
    ],
)
def test_the_text_of_an_errno_tells_the_outcome(printed: str, outcome: Outcome, name: str | None) -> None:
    assert read(CLIENT, 1, printed) == (outcome, name)


def test_a_pattern_of_the_file_matches_what_is_coloured_with_its_colours_or_without() -> None:
    for prints in ("^OK$", "^\x1b\\[32mOK"):
        assert read(replace(CLIENT, prints=prints), 0, "\x1b[32mOK\x1b[0m\n")[0] is Outcome.ANSWERED
    for says in ("^No data$", "\x1b\\[31mNo data"):
        client = replace(CLIENT, says={"broken off": says})
        assert read(client, 1, "\x1b[31mNo data\x1b[0m")[0] is Outcome.BROKEN_OFF


def test_an_errno_in_a_right_answer_is_no_failure() -> None:
    assert read(replace(CLIENT, prints="refused"), 0, "Connection refused") == (Outcome.ANSWERED, None)


def test_what_the_file_says_of_its_words_goes_before_its_statuses() -> None:
    client = replace(CLIENT, says={"broken off": "^No data"}, exits={"timed out": (28, 29), "refused": 7})
    assert read(client, 28, "No data received")[0] is Outcome.BROKEN_OFF
    assert read(client, 29)[0] is Outcome.TIMED_OUT
    assert read(client, 7)[0] is Outcome.REFUSED
    assert read(client, 0, "No data")[0] is Outcome.BROKEN_OFF


def test_words_about_a_try_before_the_right_answer_do_not_undo_it() -> None:
    """As dig prints them: its first try timed out, and its second was answered, with status 0."""
    client = replace(CLIENT, says={"timed out": "timed out$", "wrong answer": "^STALE"})
    assert read(client, 0, "communications error: timed out\nOK") == (Outcome.ANSWERED, None)
    assert read(client, 9, "communications error: timed out\nOK")[0] is Outcome.TIMED_OUT
    assert read(client, 0, "STALE\nOK")[0] is Outcome.WRONG_ANSWER
    assert read(replace(client, prints=""), 0, "communications error: timed out")[0] is Outcome.TIMED_OUT


def test_another_errno_than_says_made_of_it_is_told_and_not_said_to_be_missing() -> None:
    """As lftp prints them: why it gave up, and what the last try came to."""
    client = replace(CLIENT, says={"timed out": "max-retries exceeded", "broken off": "closed"})
    assert read(client, 1, "max-retries exceeded (Connection refused)") == (Outcome.TIMED_OUT, "ECONNREFUSED")
    assert read(client, 1, "max-retries exceeded") == (Outcome.TIMED_OUT, None)
    assert read(client, 1, "closed (Connection reset by peer)") == (Outcome.BROKEN_OFF, None)


REFUSED, RESET = (Outcome.REFUSED, "ECONNREFUSED"), (Outcome.RESET, "ECONNRESET")
UNREACHABLE, TIMED_OUT = (Outcome.UNREACHABLE, "EHOSTUNREACH"), (Outcome.TIMED_OUT, None)
NOT_RESOLVED, FAILED = (Outcome.NOT_RESOLVED, None), (Outcome.FAILED, None)


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("ConnectionRefusedError(111, \"Connect call failed ('192.0.2.1', 80)\")", REFUSED),
        ("ClientOSError(None, ConnectionResetError(104, 'by peer'))", RESET),
        ("OSError(113, 'Connect call failed')", UNREACHABLE),
        ("MyOSError(113, 'mine')", FAILED),
        ("ConnectionError(ProtocolError('Connection aborted.', BadStatusLine('HTTP')))", FAILED),
        ("ProtocolError('Connection aborted.', ConnectionResetError(104, 'by peer'))", RESET),
    ],
)
def test_the_repr_of_a_python_error_has_its_errno(printed: str, told: tuple[Outcome, str | None]) -> None:
    assert read(CLIENT, 1, printed) == told


def test_one_that_the_lab_had_to_end_hung_and_one_that_a_signal_ended_crashed() -> None:
    assert read(CLIENT, 124, hung=True)[0] is Outcome.HUNG
    for printed, client, told in (
        ("OK\n", CLIENT, True),
        ("NO\n", CLIENT, False),
        ("", replace(CLIENT, prints=""), False),
    ):
        hung = ended(client, Finished(("ask",), 124, printed, "", 9.0), hung=True)
        assert (hung.outcome, hung.conflict == PRINTED) == (Outcome.HUNG, told)
    assert read(CLIENT, 139)[0] is Outcome.CRASHED


def test_statuses_of_ours_mean_nothing_without_the_contract() -> None:
    assert read(CLIENT, 10)[0] is Outcome.FAILED
    kept = replace(CLIENT, contract=True)
    assert read(kept, 10, "refused: ECONNREFUSED connecting") == (Outcome.REFUSED, "ECONNREFUSED")
    assert read(kept, 3)[0] is Outcome.CRASHED
    assert read(kept, 0, "no OK needed")[0] is Outcome.ANSWERED


def test_the_errnos_and_their_outcomes_are_those_of_our_own_clients_and_of_the_c_library() -> None:
    names = {name: outcome.name for name, outcome in OF_ERRNO.items()}
    assert names == {errno.errorcode[number]: outcome.name for number, outcome in OF_ERRNO_OF_OURS.items()}
    assert (STRERROR["Connection refused"], STRERROR["No route to host"]) == ("ECONNREFUSED", "EHOSTUNREACH")
    assert {*STRERROR.values()} == {*errno.errorcode.values()}


@pytest.mark.parametrize("name", sorted(errno.errorcode.values()))
def test_every_errno_is_known_by_its_text_and_by_its_name(name: str) -> None:
    outcome = OF_ERRNO.get(name, Outcome.FAILED)
    text = os.strerror(getattr(errno, name))
    for printed in (
        f"mine: connect: {text}",
        f"mine: connect: {text.upper()}.",
        f"Error: connect {name} 198.18.1.138:7007",
    ):
        assert read(CLIENT, 1, printed) == (outcome, name), printed


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("mine: Connection refused\nmine: .config: No such file or directory", (Outcome.REFUSED, "ECONNREFUSED")),
        ("mine: EWOULDBLOCK", (Outcome.FAILED, "EAGAIN")),
        ("mine: No such device or address", (Outcome.FAILED, "ENXIO")),  # not: no such device (ENODEV)
        ("mine: EVERYTHING failed with ERROR", (Outcome.FAILED, None)),
    ],
)
def test_an_errno_that_is_an_outcome_goes_before_others_and_a_longer_text_before_its_beginning(
    printed: str, told: tuple[Outcome, str | None]
) -> None:
    assert read(CLIENT, 1, printed) == told


def test_a_program_is_told_its_role_and_where_and_a_client_also_for_how_long_and_what() -> None:
    assert environment("server", "::", 7, key="/run/keys/server.pem") == {
        "FAULTWIRE_ROLE": "server",
        "FAULTWIRE_PORT": "7",
        "FAULTWIRE_BIND": "::",
        "FAULTWIRE_CERT": "/run/keys/server.pem",
        "FAULTWIRE_KEY": "/run/keys/server.pem",
        "FAULTWIRE_CA": "/run/authority/ca.pem",
    }
    assert environment("client", "198.18.1.138", 7, 30.0) == {
        "FAULTWIRE_ROLE": "client",
        "FAULTWIRE_PORT": "7",
        "FAULTWIRE_HOST": "198.18.1.138",
        "FAULTWIRE_CA": "/run/authority/ca.pem",
        "FAULTWIRE_DEADLINE_S": "30",
        "FAULTWIRE_ASK": "hello",
    }


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("ConnectionRefusedError: [Errno 111] Connection refused", REFUSED),
        ("OSError: [Errno 113] Connect call failed ('198.18.1.138', 80)", UNREACHABLE),
        ("dial tcp 198.18.1.138:80: connect: connection refused", REFUSED),
        ("dial tcp 198.18.1.138:80: i/o timeout", TIMED_OUT),
        ("read tcp 1.2.3.4:5->1.2.3.4:6: read: connection reset by peer", RESET),
        ("dial tcp: lookup nobody.lab: no such host", NOT_RESOLVED),
        ("java.net.ConnectException: Connection refused", REFUSED),
        ("java.net.SocketException: Connection reset", RESET),
        ("java.net.SocketTimeoutException: Connect timed out", TIMED_OUT),
        ("java.net.NoRouteToHostException: No route to host", UNREACHABLE),
        ("java.net.UnknownHostException: nobody.lab", NOT_RESOLVED),
        ("Error: connect ECONNREFUSED 198.18.1.138:80", REFUSED),
        ("{ errno: -111, code: 'ECONNREFUSED', syscall: 'connect' }", REFUSED),
        ("Error: getaddrinfo ENOTFOUND nobody.lab", NOT_RESOLVED),
        ("Error: Os { code: 111 } (os error 111)", REFUSED),
        ("error sending request: operation timed out (os error 110)", (Outcome.TIMED_OUT, "ETIMEDOUT")),
        ("System.Net.Sockets.SocketException (111): Connection refused", REFUSED),
        ("Errno::ECONNREFUSED (Connection refused - connect(2) for 198.18.1.138:80)", REFUSED),
        ("wget: can't connect to remote host: Host is unreachable", UNREACHABLE),
        ("nc: Operation timed out", (Outcome.TIMED_OUT, "ETIMEDOUT")),
        ("curl: (28) Connection timed out after 5001 milliseconds", TIMED_OUT),
        ("curl: (28) Operation timed out after 5001 milliseconds with 0 bytes received", TIMED_OUT),
        ("* connect to 198.18.1.138 port 80 failed: Connection refused", REFUSED),
        ("curl: (6) Could not resolve host: nobody.lab", NOT_RESOLVED),
        ("psql: error: connection to server at failed: Connection timed out", (Outcome.TIMED_OUT, "ETIMEDOUT")),
        ("ask: connect: Permission denied", (Outcome.UNREACHABLE, "EACCES")),
        ("user@server: Permission denied (publickey,password).", FAILED),
        ("bash: /etc/x: Permission denied", FAILED),
        ('psql: error: connection to server failed: FATAL:  permission denied for database "x"', FAILED),
        # of two tries the last; and a setting is no end
        ("dial tcp 1.2.3.4:80: i/o timeout\ndial tcp 1.2.3.4:80: connect: connection refused", REFUSED),
        ("connect: connection refused\ndial tcp 1.2.3.4:80: i/o timeout", TIMED_OUT),
        ("jdbc:mysql://server/x?connectTimeout=3000: Connection refused", REFUSED),
        ("Connection refused ({'readTimeout': 5, 'url': 'x'})", REFUSED),
        ("httpx.ConnectTimeout: timed out", TIMED_OUT),
        ("1 of 9 wrong; connection resets: 0, broken pipes: 0", FAILED),
        # a broker's answer (MQTT 3.1.1, 3.2.2.3)
        ("Connection error: Connection Refused: not authorised.", FAILED),
        ("Connection refused: server/198.18.1.138:80", REFUSED),  # Netty
        ("cannot connect: timed out", TIMED_OUT),  # Python's TimeoutError, as text
        ("timed out\n1 call failed", TIMED_OUT),
        ("3 of 4 timed out and 1 did not", FAILED),
        ('grpc_status:4, grpc_message:"Deadline Exceeded"', TIMED_OUT),
        ("StatusCode.DEADLINE_EXCEEDED", TIMED_OUT),
        ('connection to server at "server" (198.18.1.138), port 5432 failed: timeout expired\n', TIMED_OUT),  # libpq
        ("psycopg.errors.ConnectionTimeout: connection timeout expired", TIMED_OUT),
        ("(psycopg.errors.ConnectionTimeout) connection timeout expired\n(Background on this error)", TIMED_OUT),
        ("timeout expired in 3 of 4 calls", FAILED),
        ("redis.exceptions.TimeoutError: Timeout reading from 198.18.1.138:6379", TIMED_OUT),
        ("redis.exceptions.TimeoutError: Timeout reading from socket", TIMED_OUT),
        ("redis.exceptions.TimeoutError: Timeout connecting to server", TIMED_OUT),
        ("Timeout reading from its own file", FAILED),
        ("nats: timeout", TIMED_OUT),
        ("nats.errors.TimeoutError: nats: timeout", TIMED_OUT),
        ("nats: timeout of 3 s is set", FAILED),
        ("asyncio.exceptions.CancelledError\n\nTraceback (most recent call last):\nTimeoutError\n", TIMED_OUT),
        ("asyncio.exceptions.TimeoutError", TIMED_OUT),
        ("    | TimeoutError\n    +------------------", TIMED_OUT),
        ("no answer: TimeoutError()", TIMED_OUT),
        ("TimeoutError: ", TIMED_OUT),
        ("    raise TimeoutError\nConnectionRefusedError: [Errno 111] Connection refused", REFUSED),
        ("0 of TimeoutError", FAILED),
        # the kernel's clock has the same name
        ("TimeoutError: [Errno 110] Connection timed out", (Outcome.TIMED_OUT, "ETIMEDOUT")),
        ("TimeoutError(110, \"Connect call failed ('198.18.1.138', 80)\")", (Outcome.TIMED_OUT, "ETIMEDOUT")),
    ],
)
def test_a_failure_is_read_in_the_form_of_any_language(printed: str, told: tuple[Outcome, str | None]) -> None:
    assert read(CLIENT, 1, printed) == told


CURL = replace(CLIENT, exits={"refused": 7, "timed out": (9, 28), "broken off": 52, "untrusted": 60})


@pytest.mark.parametrize(
    ("status", "printed", "outcome", "name", "is_told"),
    [
        (7, "connect to server port 80 failed: No route to host", Outcome.UNREACHABLE, "EHOSTUNREACH", True),
        (7, "connect to server port 80 failed: Connection refused", Outcome.REFUSED, "ECONNREFUSED", False),
        (9, "communications error to 198.18.1.138#53: connection refused", Outcome.REFUSED, "ECONNREFUSED", True),
        (7, "Could not connect to server", Outcome.REFUSED, None, False),
        (
            28,
            "to ::1: Connection refused\n(28) Connection timed out after 5 ms",
            Outcome.TIMED_OUT,
            None,
            False,
        ),
        (60, "connect to ::1: Connection refused\nSSL certificate problem", Outcome.UNTRUSTED, None, False),
        (52, "Empty reply from server", Outcome.BROKEN_OFF, None, False),
    ],
)
def test_an_errno_that_a_program_prints_is_believed_before_its_exit_status_and_a_conflict_is_told(
    status: int, printed: str, outcome: Outcome, name: str | None, is_told: bool
) -> None:
    made = ended(CURL, Finished(("curl",), status, "", printed, 0.1), hung=False)
    assert made[:2] == (outcome, name)
    assert bool(made.conflict) == is_told
    if is_told:
        assert made.conflict.startswith("`exits` has ")
        assert f"status {status}, and it printed {outcome.value}" in made.conflict


@pytest.mark.parametrize(
    ("status", "printed", "outcome", "name", "is_told"),
    [
        (28, "OSError: [Errno 71] Protocol error", Outcome.FAILED, "EPROTO", True),
        (7, "OSError: [Errno 24] Too many open files", Outcome.FAILED, "EMFILE", True),
        (28, "warning: ~/.netrc: No such file or directory", Outcome.TIMED_OUT, None, False),  # on its way
        (28, "connect: Operation now in progress", Outcome.TIMED_OUT, None, False),
        (28, "sendto: Protocol error\n(28) Connection timed out after 5 ms", Outcome.TIMED_OUT, None, False),
        (52, "OSError: [Errno 71] Protocol error", Outcome.BROKEN_OFF, None, False),  # no errno is this outcome
    ],
)
def test_an_errno_that_is_no_outcome_is_believed_before_a_status_that_stands_for_one(
    status: int, printed: str, outcome: Outcome, name: str | None, is_told: bool
) -> None:
    made = ended(CURL, Finished(("mine",), status, "", printed, 0.1), hung=False)
    assert made[:2] == (outcome, name)
    words = f"`exits` has {'timed out' if status == 28 else 'refused'} for status {status}, and it printed {name}"
    assert made.conflict == (f"{words}, which counts" if is_told else "")


def test_one_that_ends_as_if_all_were_right_and_prints_an_errno_has_no_wrong_answer() -> None:
    assert read(CLIENT, 0, "connect: Connection refused") == (Outcome.REFUSED, "ECONNREFUSED")
    assert read(CLIENT, 0, "something else") == (Outcome.WRONG_ANSWER, None)


def test_a_program_that_ends_with_the_status_of_timeout_1_did_not_hang() -> None:
    """`run: timeout 5 nc {host} {port}`: its status is 124 where that timeout ends it, and the lab ended nothing."""
    of_its_own = Finished(("timeout", "5", "nc"), 124, "", "", 5.0, 100.0)

    def call_of(ran: Finished) -> Call:
        return _guest_call("client", ran, partial(ended, replace(CLIENT, exits={"timed out": 124})))

    assert call_of(of_its_own).outcome is Outcome.TIMED_OUT
    assert call_of(replace(of_its_own, hung=True)).outcome is Outcome.HUNG


@pytest.mark.parametrize(("is_own_status", "outcome"), [(False, Outcome.CRASHED), (True, Outcome.FAILED)])
def test_a_status_above_128_is_a_crash_but_where_it_is_the_programs_own(is_own_status: bool, outcome: Outcome) -> None:
    ran = Finished(("ask",), 141, "", "", 0.1, is_own_status=is_own_status)
    assert ended(CURL, ran, hung=False).outcome is outcome
