"""What the client of the search service and the one call of all clients promise, beyond test_contract_clients."""

import errno
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from services.calling import Call
from services.outcome import CallError, Outcome
from services.search.client import ask, request
from services.wire import Connection
from tests.services.playing_server import serving
from tests.services.running import run, running

ANSWER = Connection().send_message(b'{"result": "yes"}', "text/json", "utf-8")


def until_closed(connected: socket.socket) -> None:
    connected.settimeout(10)
    assert connected.recv(1) == b""


@pytest.mark.parametrize(
    ("value", "prints"),
    [
        ("morpheus", "Follow the white rabbit. 🐰\n"),
        ("🐶", "🐾 Playing ball! 🏐\n"),
        ("", "No match for ''.\n"),
    ],
)
def test_the_answer_is_printed_and_the_status_is_0(value: str, prints: str, tmp_path: Path) -> None:
    with running("search.server_selectors", tmp_path / "journal") as server:
        ran = run("search.client", server.host, str(server.port), "search", value)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, prints, "")


def test_an_answer_in_bytes_is_printed_as_python_writes_them(tmp_path: Path) -> None:
    with running("search.server_selectors", tmp_path / "journal") as server:
        ran = run("search.client", server.host, str(server.port), "binary", "😃")
    printed = "b'First 10 bytes of request: binary\\xf0\\x9f\\x98\\x83'\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, printed, "")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_request_may_be_in_any_encoding_of_the_protocol_and_means_the_same(encoding: str, tmp_path: Path) -> None:
    with running("search.server_selectors", tmp_path / "journal") as server:
        ran = run("search.client", server.host, str(server.port), "search", "🐶", "--encoding", encoding)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "🐾 Playing ball! 🏐\n", "")
        latin = run("search.client", server.host, str(server.port), "search", "Zürich", "--encoding", "latin-1")
        assert latin.stdout == "No match for 'Zürich'.\n"


def test_a_request_is_sent_in_the_encoding_and_the_byte_order_that_its_header_names() -> None:
    asked = {order: request("search", "é", Connection(byteorder=order), "utf-16") for order in ("big", "little")}
    text = '{"action": "search", "value": "é"}'
    assert asked["big"].endswith(b"}" + b"\xfe\xff" + text.encode("utf-16-be"))
    assert asked["little"].endswith(b"}" + b"\xff\xfe" + text.encode("utf-16-le"))
    assert b'"content-encoding": "utf-16"' in asked["big"]


def test_bytes_that_are_no_utf_8_are_sent_as_they_are_in_a_binary_request(tmp_path: Path) -> None:
    with running("search.server_selectors", tmp_path / "journal") as server:
        ran = run("search.client", server.host, str(server.port), "do", "\udcff")
    assert ran.stdout == "b'First 10 bytes of request: do\\xff'\n"


def test_each_address_of_a_name_is_tried() -> None:
    """The first of the two is an address at which nobody listens."""
    with serving(lambda connected: connected.sendall(ANSWER)) as port:
        call = Call("two.example", int(port), 10)
        call.resolve = lambda: [  # type: ignore[method-assign]
            (socket.AF_INET, ("127.255.255.254", int(port))),
            (socket.AF_INET, ("127.0.0.1", int(port))),
        ]
        assert ask(call, b"x", Connection()).content == b'{"result": "yes"}'


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
        ran = run("search.client", "127.0.0.1", port, "search", "x")
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
    ran = run("search.client", "no.such.host.invalid", "1", "search", "x")  # RFC 6761, 6.4: never resolves
    assert ran.returncode == 68
    assert ran.stderr.startswith("not resolved: no.such.host.invalid: ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["127.0.0.1", "1", "search"], "VALUE"),
        (["127.0.0.1", "x", "search", "y"], "PORT: 'x' is not a whole number"),
        (["", "1", "search", "y"], "HOST is empty"),
        (["127.0.0.1", "1", "search", "\udcff"], "ACTION and VALUE"),
        (
            ["127.0.0.1", "1", "search", "é🐶", "--encoding", "latin-1"],
            "VALUE: character 1, '🐶' (U+1F436), has no form",
        ),
        (["127.0.0.1", "1", "search", "y", "--encoding", "utf-7"], "--encoding: invalid choice: 'utf-7'"),
        (["127.0.0.1", "1", "search", "y", "--timeout", "inf"], "--timeout: 'inf' is not a number of seconds"),
    ],
)
def test_a_wrong_command_line_is_status_64_and_one_line_that_names_what_is_wrong(words: list[str], says: str) -> None:
    ran = run("search.client", *words)
    assert (ran.returncode, ran.stdout) == (64, "")
    assert says in ran.stderr
    assert ran.stderr.count("\n") == 1
