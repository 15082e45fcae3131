"""What the peer may get wrong: each is one exception, that says what, where and which limit."""

import json
import struct

import pytest

from services.wire import CONTENT_LIMIT, NEED_DATA, Connection, Message, RemoteProtocolError, content_json
from services.wire.jsontext import CONTAINER_LIMIT, INTEGER_LIMIT

GOOD: dict[str, object] = {
    "byteorder": "big",
    "content-type": "a/b",
    "content-encoding": "binary",
    "content-length": 0,
}


def framed(header: bytes) -> bytes:
    return struct.pack("!H", len(header)) + header


def header_with(**changed: object) -> bytes:
    """A good header, but for these names (with _ for -); None takes one away."""
    names = {name.replace("_", "-"): value for name, value in changed.items()}
    return json.dumps({k: v for k, v in (GOOD | names).items() if v is not None}).encode()


def beside(text: str) -> bytes:
    """A good header with `text` as one more member."""
    return header_with()[:-1] + b", " + text.encode() + b"}"


MALFORMED = {
    "empty": (b"", "header: expected JSON"),
    "not UTF-8": (b'{"\xff": 1}', r"byte 4: header: expected text in utf-8, got invalid start byte at b'\\xff"),
    "a surrogate in UTF-8": (b'{"\xed\xa0\x80": 1}', "byte 4: header: expected text in utf-8"),
    "not JSON": (b"{byteorder}", "byte 3: header: expected JSON"),
    "something after it": (b"{} x", "byte 5: header: expected JSON, got 'Extra data' at 'x'"),
    "a byte order mark": (b"\xef\xbb\xbf" + header_with(), "byte 2: header: expected JSON"),
    "NaN": (beside('"x": NaN'), "no such number.*got NaN"),
    "Infinity": (beside('"x": -Infinity'), "got -Infinity"),
    "a name twice": (beside('"byteorder": "big"'), "each name once in an object, got 'byteorder' twice"),
    "a name twice within": (beside('"x": {"y": 1, "y": 1}'), "got 'y' twice"),
    "a bare control character": (beside('"x": "\n"'), "header: expected JSON"),
    "an array": (b"[]", "byte 2: header: expected an object, got an array"),
    "a number": (b"7", "expected an object, got a number"),
    "null": (b"null", "expected an object, got null"),
    "no byteorder": (header_with(byteorder=None), "byteorder: expected a string, got no such name"),
    "no content-type": (header_with(content_type=None), "content-type: expected a string, got no such name"),
    "no content-encoding": (header_with(content_encoding=None), "content-encoding: expected a string, got no such"),
    "no content-length": (header_with(content_length=None), "content-length: expected an integer, got no such"),
    "content-type a number": (header_with(content_type=5), "content-type: expected a string, got a number, 5"),
    "byteorder an array": (header_with(byteorder=["big"]), "byteorder: expected a string, got an array"),
    "byteorder unknown": (header_with(byteorder="middle"), "byteorder: expected one of big, little, got 'middle'"),
    "byteorder in capitals": (header_with(byteorder="BIG"), "got 'BIG'"),
    "encoding unknown": (
        header_with(content_encoding="utf-7"),
        "expected one of utf-8, utf-16, utf-16-le, utf-16-be, utf-32, latin-1, binary, got 'utf-7'",
    ),
    "encoding a surrogate": (header_with(content_encoding="\ud800"), r"got '\\ud800'"),
    "length true": (header_with(content_length=True), "content-length: expected an integer, got a boolean, True"),
    "length a string": (header_with(content_length="41"), "expected an integer, got a string, '41'"),
    "length a float": (header_with(content_length=41.0), "expected an integer, got a number, 41.0"),
    "length negative": (header_with(content_length=-1), r"0 to 16777216 bytes, got -1 \(content limit 16777216\)"),
    "length one too many": (header_with(content_length=CONTENT_LIMIT + 1), "got 16777217 .content limit 16777216."),
    "length huge": (header_with(content_length=2**40), r"got 1099511627776 \(content limit 16777216\)"),
    "length of 4300 digits": (header_with(content_length=10 ** (INTEGER_LIMIT - 1)), r"0{50}… \(4300 characters\)"),
    "length of 4301 digits": (
        header_with(content_length=0).replace(b" 0", b" 1" + b"0" * INTEGER_LIMIT),
        "integers of at most 4300 digits, got more .integer limit 4300.",
    ),
    "too many containers": (
        beside('"x": [' + ", ".join(["[]"] * (CONTAINER_LIMIT - 1)) + "]"),
        r"at most 100 objects and arrays, got more \(container limit 100\)",
    ),
    "nested too deep": (beside('"x": ' + "[" * 30000 + "]" * 30000), "container limit 100"),
}


@pytest.mark.parametrize(("header", "says"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_header_is_one_error_that_says_what_and_where(header: bytes, says: str) -> None:
    connection = Connection()
    connection.receive_data(framed(header))
    with pytest.raises(RemoteProtocolError, match=says) as caught:
        connection.next_event()
    assert str(caught.value).startswith("message 1, byte ")
    assert len(str(caught.value)) < 300
    str(caught.value).encode()  # it can be logged, whatever the peer put into it


FINE = {
    "content-length 0": header_with(),
    "any order": json.dumps(dict(reversed(GOOD.items()))).encode(),
    "other spaces": b" \r\n\t" + header_with() + b" ",
    "as escapes": header_with().replace(b"byteorder", b"\\u0062yteorder"),
    "all containers": beside('"x": [' + ", ".join(["[]"] * (CONTAINER_LIMIT - 2)) + "]"),
    "brackets in a string": beside('"x": "' + '[{\\"' * 5000 + '"'),
    "all digits": beside('"x": -' + "9" * INTEGER_LIMIT),
    "a lone surrogate": beside('"x": "\\ud800"'),
    "65,535 bytes": beside('"x": "' + "y" * (0xFFFF - len(beside('"x": ""'))) + '"'),
}


@pytest.mark.parametrize("header", FINE.values(), ids=FINE)
def test_a_header_at_its_limits_is_taken(header: bytes) -> None:
    connection = Connection()
    connection.receive_data(framed(header))
    assert isinstance(connection.next_event(), Message)


def test_a_content_at_the_limit_is_taken_and_one_byte_more_refused_before_it_comes() -> None:
    sender = Connection()
    at, over = (sender.send_message(b"x" * n, "a/b", "binary") for n in (1000, 1001))
    receiver = Connection(content_limit=1000)
    receiver.receive_data(at + over[:-1001])
    assert isinstance(receiver.next_event(), Message)
    with pytest.raises(RemoteProtocolError, match=r"message 2, .*0 to 1000 bytes, got 1001"):
        receiver.next_event()


@pytest.mark.parametrize("cut", [1, 2, 50, -3, -1])
def test_an_end_of_stream_inside_a_message_says_how_much_was_missing(cut: int) -> None:
    message = Connection().send_message(b"abc", "a/b", "binary")
    connection = Connection()
    connection.receive_data(message + message[:cut])
    connection.receive_eof()
    connection.next_event()
    with pytest.raises(RemoteProtocolError, match=r"^message 2, byte .*: end of stream inside a message"):
        connection.next_event()


def test_the_offset_of_an_error_counts_from_the_stream_s_first_byte() -> None:
    message = Connection().send_message(b"abc", "a/b", "binary")
    connection = Connection()
    for _ in range(3):
        connection.receive_data(message)
        assert isinstance(connection.next_event(), Message)
        assert connection.next_event() is NEED_DATA
    connection.receive_data(framed(b"{} x"))
    with pytest.raises(RemoteProtocolError, match=rf"^message 4, byte {3 * len(message) + 5}:"):
        connection.next_event()


@pytest.mark.parametrize(
    ("content", "encoding", "says"),
    [
        (b"\xff", "utf-8", "content: expected text in utf-8"),
        (b"?", "utf-8", "content: expected JSON"),
        (b"{}", "binary", "content-encoding: expected a character encoding"),
    ],
)
def test_a_content_that_is_not_the_json_it_claims_to_be_is_the_same_exception(
    content: bytes, encoding: str, says: str
) -> None:
    connection = Connection()
    connection.receive_data(Connection().send_message(content, "text/json", encoding))
    message = connection.next_event()
    assert isinstance(message, Message)
    with pytest.raises(RemoteProtocolError, match=rf"^message 1, byte {message.offset}.*{says}"):
        content_json(message)
