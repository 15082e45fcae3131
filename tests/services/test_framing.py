"""The four framings, without I/O: whole, byte by byte, cut at each offset, at and over the limit, broken off."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from services.accepting import Ended
from services.framing import server
from services.framing.delimited import DelimitedReceiver, send_delimited
from services.framing.fixed import FixedReceiver, send_fixed
from services.framing.framings import NAMES, answer, chosen
from services.framing.length_prefixed import LengthPrefixedReceiver, send_length_prefixed
from services.framing.receiving import FINISHED, NEED_DATA, FramingError, Receiver, StreamEnded
from services.framing.until_shutdown import UntilShutdownReceiver, send_until_shutdown
from tests.services.running import ROOT

MESSAGES = {
    "fixed": [b"exactly 16 bytes", b"\r\n\0\0 and another"],
    "delimited": [b"one", b"", b"\r", b"a\n\rb", b"x" * 40],
    "length-prefixed": [b"one", b"", b"\0\0\0\4\r\n", b"x" * 40],
    "shutdown": [b"all of it, \r\n included"],
}


def drained(receiver: Receiver) -> list[bytes]:
    """All messages that are there now."""
    messages = []
    while isinstance(message := receiver.next_message(), bytes):
        messages.append(message)
    return messages


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_messages_come_out_as_they_went_in_however_the_stream_is_cut_in_two(name: str) -> None:
    framing = chosen(name, 16, 40)
    stream = b"".join(framing.send(message) for message in MESSAGES[name])
    for cut in range(len(stream) + 1):
        receiver = framing.receiver()
        messages = []
        for part in (stream[:cut], stream[cut:]):
            receiver.receive_data(part)
            messages += drained(receiver)
        receiver.receive_eof()
        messages += drained(receiver)
        assert messages == MESSAGES[name], f"cut at {cut}"
        assert receiver.next_message() is FINISHED


def test_messages_that_come_byte_by_byte_are_given_out_as_soon_as_they_are_whole(name: str) -> None:
    framing = chosen(name, 16, 40)
    receiver = framing.receiver()
    for message in MESSAGES[name]:
        framed = framing.send(message)
        for byte in framed:
            assert receiver.next_message() is NEED_DATA
            receiver.receive_data(bytes([byte]))
        if name == "shutdown":
            assert receiver.next_message() is NEED_DATA
            receiver.receive_eof()
        assert receiver.next_message() == message


def test_a_stream_without_a_byte_has_no_message_unless_its_end_delimits_one(name: str) -> None:
    receiver = chosen(name, 16, 40).receiver()
    receiver.receive_eof()
    assert drained(receiver) == ([b""] if name == "shutdown" else [])
    assert receiver.next_message() is FINISHED


@pytest.mark.parametrize(
    ("receiver", "stream", "why"),
    [
        (FixedReceiver(16), b"a" * 16 + b"five!", "message 2, byte 16: the stream ended after 5 of 16 bytes"),
        (
            DelimitedReceiver(limit=40),
            b"one\r\ntwo\r",
            r"message 2, byte 5: the stream ended after 4 of at most 40 bytes, without the delimiter b'\r\n'",
        ),
        (
            LengthPrefixedReceiver(),
            b"\0\0",
            "message 1, byte 0: the stream ended after 2 of the 4 bytes of its length",
        ),
        (
            LengthPrefixedReceiver(),
            b"\0\0\0\1a\0\0\0\5four",
            "message 2, byte 5: the stream ended after 8 of 9 bytes",
        ),
    ],
)
def test_a_stream_that_ends_inside_a_message_says_how_many_bytes_of_how_many_came(
    receiver: Receiver, stream: bytes, why: str
) -> None:
    receiver.receive_data(stream)
    drained(receiver)
    receiver.receive_eof()
    for _ in range(2):  # it says so again
        with pytest.raises(StreamEnded) as raised:
            receiver.next_message()
        assert str(raised.value) == why


@pytest.mark.parametrize(
    ("make", "send", "why"),
    [
        (
            lambda: DelimitedReceiver(limit=40),
            lambda message: message + b"\r\n",
            r"message 2, byte 3: no delimiter b'\r\n' within 40 bytes, the limit of a message",
        ),
        (
            lambda: LengthPrefixedReceiver(limit=40),
            lambda message: len(message).to_bytes(4) + message,
            "message 2, byte 5: a message of 41 bytes is announced; the limit is 40",
        ),
    ],
)
def test_the_limit_is_taken_and_one_byte_more_is_not(
    make: Callable[[], Receiver], send: Callable[[bytes], bytes], why: str
) -> None:
    receiver = make()
    receiver.receive_data(send(b"x" * 40))
    assert drained(receiver) == [b"x" * 40]
    receiver = make()
    receiver.receive_data(send(b"1"))
    assert drained(receiver) == [b"1"]
    receiver.receive_data(send(b"x" * 41))
    with pytest.raises(FramingError) as raised:
        receiver.next_message()
    assert str(raised.value) == why


def test_a_stream_that_its_end_delimits_is_taken_to_the_limit_and_not_beyond() -> None:
    receiver = UntilShutdownReceiver(limit=40)
    receiver.receive_data(b"x" * 40)
    assert receiver.next_message() is NEED_DATA
    receiver.receive_data(b"x")
    with pytest.raises(FramingError, match="message 1, byte 0: more than 40 bytes, the limit of a message"):
        receiver.next_message()


def test_a_length_over_the_limit_is_refused_before_a_byte_of_its_message_has_come() -> None:
    receiver = LengthPrefixedReceiver(limit=40)
    receiver.receive_data(b"\xff\xff\xff\xff")
    with pytest.raises(FramingError, match="4294967295 bytes is announced"):
        receiver.next_message()


def test_a_delimiter_that_never_comes_is_refused_at_the_limit_and_what_follows_is_not_kept() -> None:
    receiver = DelimitedReceiver(limit=40)
    for number in range(41):
        receiver.receive_data(b"x")
        assert receiver.next_message() is NEED_DATA, number
    receiver.receive_data(b"x")
    with pytest.raises(FramingError):
        receiver.next_message()
    receiver.receive_data(b"x" * 1000)
    assert not receiver.in_message


def test_the_time_of_a_message_runs_from_its_first_byte_to_its_last(name: str) -> None:
    framing = chosen(name, 16, 40)
    receiver = framing.receiver()
    assert not receiver.in_message
    whole = framing.send(MESSAGES[name][0])
    receiver.receive_data(whole[:1])
    assert receiver.next_message() is NEED_DATA
    assert receiver.in_message
    receiver.receive_data(whole[1:])
    receiver.receive_eof()
    assert receiver.next_message() == MESSAGES[name][0]
    assert not receiver.in_message


@pytest.mark.parametrize(
    ("send", "why"),
    [
        (lambda: send_fixed(b"five!", 16), "exactly 16 bytes, and this one 5"),
        (lambda: send_delimited(b"a\r\nb"), "has the delimiter b'\\\\r\\\\n' at byte 1"),
        (lambda: send_delimited(b"a-", b"--"), "has the delimiter b'--' at byte 1"),
        (lambda: send_delimited(b"x" * 41, limit=40), "at most 40 bytes, and this one 41"),
        (lambda: send_length_prefixed(b"x" * 41, limit=40), "at most 40 bytes, and this one 41"),
        (lambda: send_until_shutdown(b"x" * 41, limit=40), "at most 40 bytes, and this one 41"),
        (lambda: FixedReceiver(0), "at least 1 byte"),
        (lambda: DelimitedReceiver(b""), "at least 1 byte"),
    ],
)
def test_what_would_not_come_out_as_it_went_in_is_not_sent(send: Callable[[], object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        send()


def test_the_length_is_in_network_byte_order() -> None:
    assert send_length_prefixed(b"x" * 258, limit=258)[:4] == b"\0\0\1\2"


@pytest.mark.parametrize("module", ["receiving", "fixed", "delimited", "length_prefixed", "until_shutdown"])
def test_a_framing_imports_no_socket_no_clock_and_nothing_that_waits(module: str) -> None:
    tree = ast.parse(Path(ROOT, "services", "framing", f"{module}.py").read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= {"abc", "enum", "struct", "typing", "receiving"}


def test_an_answer_that_its_framing_cannot_carry_ends_the_connection_with_the_reason() -> None:
    # b"a\n\rb" is a message of its own; reversed it has the delimiter in it
    with pytest.raises(Ended, match=r"no answer: the message has the delimiter b'\\r\\n' at byte 1"):
        server.framed(chosen("delimited", 16, 40), answer(b"a\n\rb"))
    assert server.framed(chosen("delimited", 16, 40), answer(b"ab")) == b"ba\r\n"
