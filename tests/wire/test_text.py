"""Text at the sender: what has no form in an encoding is an error, byte order marks are where they belong.

What is read of text, and what is refused, is in tests/vectors, which test_every_cpu runs here too.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.wire import (
    ENCODINGS,
    Connection,
    Header,
    LocalProtocolError,
    Message,
    RemoteProtocolError,
    content_json,
    content_text,
    encode_json,
    encode_text,
)

TEXT = [name for name, codec in ENCODINGS.items() if codec]
UNICODE = [name for name in TEXT if name != "latin-1"]


def message(content: bytes, encoding: str, kind: str = "text/plain") -> Message:
    return Message(Header("big", kind, encoding, len(content)), content, number=2, offset=100)


@pytest.mark.parametrize(
    ("text", "encoding", "says"),
    [
        ("é🐶?", "latin-1", "character 1, '🐶' (U+1F436), has no form in latin-1"),
        ("€", "latin-1", "character 0, '€' (U+20AC), has no form in latin-1"),
        ("abc\ud800", "utf-8", r"character 3, '\ud800' (U+D800), has no form in utf-8"),
        ("\udc00", "utf-16", r"character 0, '\udc00' (U+DC00), has no form in utf-16"),
        ("🐰\ud800", "utf-16-be", r"character 1, '\ud800' (U+D800), has no form in utf-16-be"),
        ("a\udfff", "utf-32", r"character 1, '\udfff' (U+DFFF), has no form in utf-32"),
        ("\ufeffa", "utf-8", r"character 0, '\ufeff' (U+FEFF), would be read as a byte order mark in utf-8"),
        ("a", "binary", "unknown character encoding 'binary'"),
        ("a", "UTF-8", "unknown character encoding 'UTF-8'"),
        ("a", "utf-7", "unknown character encoding 'utf-7'"),
    ],
)
def test_what_cannot_be_encoded_is_an_error_that_names_the_character_and_its_place(
    text: str, encoding: str, says: str
) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        encode_text(text, encoding)
    assert str(caught.value) == says


def test_json_in_latin_1_of_what_has_no_form_there_is_an_error_and_no_question_mark() -> None:
    with pytest.raises(LocalProtocolError, match=r"'🐰' \(U\+1F430\), has no form in latin-1"):
        encode_json({"value": "🐰"}, "latin-1")
    with pytest.raises(LocalProtocolError, match=r"\(U\+D800\), has no form in latin-1"):
        encode_json("\ud800", "latin-1")


@pytest.mark.parametrize("encoding", UNICODE)
def test_a_lone_surrogate_in_json_is_its_escape_in_every_utf(encoding: str) -> None:
    raw = encode_json({"value": "a\ud800"}, encoding)
    assert content_text(message(raw, encoding)) == '{"value": "a\\ud800"}'
    assert content_json(message(raw, encoding, "text/json")) == {"value": "a\ud800"}


@pytest.mark.parametrize("byteorder", ["big", "little"])
def test_a_mark_is_written_where_the_name_leaves_the_byte_order_open_and_nowhere_else(byteorder: str) -> None:
    written = {encoding: encode_text("a", encoding, byteorder).hex(" ") for encoding in TEXT}
    marked = {
        "big": {"utf-16": "fe ff 00 61", "utf-32": "00 00 fe ff 00 00 00 61"},
        "little": {"utf-16": "ff fe 61 00", "utf-32": "ff fe 00 00 61 00 00 00"},
    }
    plain = {"utf-8": "61", "utf-16-le": "61 00", "utf-16-be": "00 61", "latin-1": "61"}
    assert written == marked[byteorder] | plain
    assert {e: encode_json("a", e, byteorder) for e in TEXT} == {e: encode_text('"a"', e, byteorder) for e in TEXT}


@pytest.mark.parametrize(
    ("content", "encoding", "says"),
    [
        (b"ab\xff", "utf-8", r"byte 102: content: expected text in utf-8, got invalid start byte at b'\\xff'"),
        (b"\xef\xbb\xbfab\xff", "utf-8", "byte 105: content: expected text in utf-8"),
        (b"\xfe\xff\0a\0", "utf-16", "byte 104: content: expected text in utf-16, got truncated data"),
        (b"\0a", "utf-16", "byte 100: content: expected the byte order mark of utf-16, fe ff or ff fe, got 00 61"),
        (b"", "utf-32", "byte 100: content: expected the byte order mark of utf-32, .*, got nothing"),
    ],
)
def test_bytes_that_are_no_text_are_an_error_with_its_place_in_the_stream(
    content: bytes, encoding: str, says: str
) -> None:
    with pytest.raises(RemoteProtocolError, match=f"^message 2, {says}"):
        content_text(message(content, encoding))


@pytest.mark.parametrize(
    ("content", "encoding", "place"),
    [(b"\xef\xbb\xbf{x", "utf-8", 104), ("\ufeff{x".encode("utf-16-be"), "utf-16", 104), (b"{x", "latin-1", 101)],
)
def test_an_error_in_json_has_its_place_in_bytes_whatever_the_encoding(
    content: bytes, encoding: str, place: int
) -> None:
    with pytest.raises(RemoteProtocolError, match=rf"^message 2, byte {place}: content: expected JSON"):
        content_json(message(content, encoding, "text/json"))


@given(st.text(), st.sampled_from(TEXT), st.sampled_from(["big", "little"]))
def test_a_text_arrives_as_it_was_sent_or_is_not_sent_at_all(text: str, encoding: str, byteorder: str) -> None:
    try:
        raw = encode_text(text, encoding, byteorder)
    except LocalProtocolError:
        of_latin = encoding == "latin-1" and max(text) > "\xff"
        of_mark = encoding == "utf-8" and text.startswith("\ufeff")
        assert of_latin or of_mark or any("\ud800" <= character <= "\udfff" for character in text)
        return
    connection = Connection()
    connection.receive_data(Connection(byteorder=byteorder).send_message(raw, "text/plain", encoding))
    event = connection.next_event()
    assert isinstance(event, Message)
    assert content_text(event) == text
