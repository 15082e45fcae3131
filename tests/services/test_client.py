"""The client against servers that fail it in each way: one outcome, one status and one line for each."""

import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from services.outcome import CallError, Outcome
from services.search.client import Call
from services.wire import Connection
from tests.services.running import reset, run_client, running

ANSWER = Connection().send_message(b'{"result": "yes"}', "text/json", "utf-8")


@contextmanager
def serving(serve: Callable[[socket.socket], object]) -> Iterator[str]:
    """A port on which one connection is accepted and handed to `serve`, the request having been read."""

    def accept_one() -> None:
        connected, _ = listening.accept()
        with connected:
            connected.recv(65536)
            serve(connected)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=accept_one, daemon=True)
        serving.start()
        yield str(listening.getsockname()[1])
        serving.join(10)
        assert not serving.is_alive()


def closed_within_its_timeout(connected: socket.socket) -> bool:
    try:
        return connected.recv(1) == b""
    except TimeoutError:
        return False


def until_closed(connected: socket.socket) -> None:
    connected.settimeout(10)
    assert connected.recv(1) == b""


@pytest.mark.parametrize(
    ("action", "value", "prints"),
    [
        ("search", "morpheus", "Follow the white rabbit. 🐰\n"),
        ("search", "🐶", "🐾 Playing ball! 🏐\n"),
        ("search", "", "No match for ''.\n"),
        ("binary", "😃", "b'First 10 bytes of request: binary\\xf0\\x9f\\x98\\x83'\n"),
    ],
)
def test_the_answer_is_printed_and_the_status_is_0(action: str, value: str, prints: str, tmp_path: Path) -> None:
    with running("server_selectors", tmp_path / "journal") as server:
        ran = run_client(server.host, str(server.port), action, value)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, prints, "")


def test_bytes_that_are_no_utf_8_are_sent_as_they_are_in_a_binary_request(tmp_path: Path) -> None:
    with running("server_selectors", tmp_path / "journal") as server:
        ran = run_client(server.host, str(server.port), "do", "\udcff")
    assert ran.stdout == "b'First 10 bytes of request: do\\xff'\n"


def test_an_answer_that_comes_byte_by_byte_is_printed() -> None:
    def byte_by_byte(connected: socket.socket) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in ANSWER:
            connected.sendall(bytes([byte]))

    with serving(byte_by_byte) as port:
        ran = run_client("127.0.0.1", port, "search", "x")
    assert (ran.returncode, ran.stdout) == (0, "yes\n")


def test_each_address_of_a_name_is_tried() -> None:
    """The first of the two is an address at which nobody listens."""
    with serving(lambda connected: connected.sendall(ANSWER)) as port:
        call = Call("two.example", int(port), 10)
        call.resolve = lambda: [  # type: ignore[method-assign]
            (socket.AF_INET, ("127.255.255.254", int(port))),
            (socket.AF_INET, ("127.0.0.1", int(port))),
        ]
        assert call.ask(b"x", Connection()).content == b'{"result": "yes"}'


def test_refused_is_status_10_and_names_econnrefused() -> None:
    with socket.socket() as bound:  # bound and not listening: nobody else can take the port meanwhile
        bound.bind(("127.0.0.1", 0))
        port = str(bound.getsockname()[1])
        ran = run_client("127.0.0.1", port, "search", "x")
    assert (ran.returncode, ran.stdout) == (10, "")
    assert ran.stderr == f"refused: ECONNREFUSED connecting to 127.0.0.1 port {port}\n"


def test_a_reset_is_status_11_and_names_econnreset() -> None:
    with serving(reset) as port:
        ran = run_client("127.0.0.1", port, "search", "x")
    assert (ran.returncode, ran.stderr) == (11, f"reset: ECONNRESET asking 127.0.0.1 port {port}\n")


def test_no_answer_within_the_time_is_status_12() -> None:
    with serving(until_closed) as port:
        ran = run_client("127.0.0.1", port, "search", "x", "--timeout", "0.3")
    assert ran.returncode == 12
    assert ran.stderr.startswith("timed out: not done within 0.3 s, ")


def test_the_deadline_is_over_the_whole_answer_and_not_over_each_byte() -> None:
    """A byte each 50 ms for ever: a timeout that began again with each would never come."""

    def drip(connected: socket.socket) -> None:
        connected.settimeout(0.05)
        connected.sendall(b"\x7f\xff")  # a header of 32,767 bytes
        with suppress(ConnectionError):
            while not closed_within_its_timeout(connected):
                connected.sendall(b" ")

    with serving(drip) as port:
        ran = run_client("127.0.0.1", port, "search", "x", "--timeout", "0.5")
    assert ran.returncode == 12
    assert "not done within 0.5 s" in ran.stderr


@pytest.mark.parametrize("cut", [0, 1, 2, 50, len(ANSWER) - 1])
def test_an_end_before_the_whole_answer_is_broken_off_and_status_14(cut: int) -> None:
    with serving(lambda connected: connected.sendall(ANSWER[:cut])) as port:
        ran = run_client("127.0.0.1", port, "search", "x")
    assert (ran.returncode, ran.stdout) == (14, "")
    assert ran.stderr.startswith("broken off: ")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (b"\x00\x02[]", "message 1, byte 2: header: expected an object, got an array"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" * 1000, "header: expected JSON"),
        (Connection().send_message(b"{}", "text/json", "utf-8"), "expected an object with a string result"),
        (Connection().send_message(b"\xff", "text/json", "utf-8"), "content: expected text in utf-8"),
        (Connection().send_message(b"", "text/plain", "utf-8"), "expected text/json, got 'text/plain'"),
    ],
)
def test_what_is_no_answer_is_a_wrong_answer_and_status_15(reply: bytes, says: str) -> None:
    def say_and_wait(connected: socket.socket) -> None:
        connected.sendall(reply)
        with suppress(ConnectionResetError):  # of a reply that the client did not read to its end
            until_closed(connected)

    with serving(say_and_wait) as port:
        ran = run_client("127.0.0.1", port, "search", "x")
    assert (ran.returncode, ran.stdout) == (15, "")
    assert ran.stderr.startswith("wrong answer: ")
    assert says in ran.stderr


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (errno.ECONNREFUSED, Outcome.REFUSED),
        (errno.ECONNRESET, Outcome.RESET),
        (errno.ETIMEDOUT, Outcome.TIMED_OUT),
        (errno.EHOSTUNREACH, Outcome.UNREACHABLE),
        (errno.ENETUNREACH, Outcome.UNREACHABLE),
        (errno.EACCES, Outcome.UNREACHABLE),
        (errno.EMFILE, Outcome.FAILED),
    ],
)
def test_each_errno_has_its_outcome_and_is_told_by_name(number: int, outcome: Outcome) -> None:
    failed = CallError.of(OSError(number, "in words"), "connecting to x")
    assert failed.outcome is outcome
    assert str(failed) == f"{errno.errorcode[number]} connecting to x"


def test_each_outcome_has_an_exit_status_of_its_own() -> None:
    statuses = [outcome.value for outcome in Outcome]
    assert len(Outcome.__members__) == len(set(statuses))
    assert [status for status in statuses if status == 0 or status == 64] == [0]


def test_a_name_without_an_address_is_status_68() -> None:
    ran = run_client("no.such.host.invalid", "1", "search", "x")  # RFC 6761, 6.4: never resolves
    assert ran.returncode == 68
    assert ran.stderr.startswith("not resolved: no.such.host.invalid: ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["127.0.0.1", "1", "search"], "VALUE"),
        (["127.0.0.1", "x", "search", "y"], "PORT: 'x' is not a whole number"),
        (["", "1", "search", "y"], "HOST is empty"),
        (["127.0.0.1", "1", "search", "\udcff"], "ACTION and VALUE"),
        (["127.0.0.1", "1", "search", "y", "--timeout", "inf"], "--timeout: 'inf' is not a number of seconds"),
    ],
)
def test_a_wrong_command_line_is_status_64_and_one_line_that_names_what_is_wrong(words: list[str], says: str) -> None:
    ran = run_client(*words)
    assert (ran.returncode, ran.stdout) == (64, "")
    assert says in ran.stderr
    assert ran.stderr.count("\n") == 1
