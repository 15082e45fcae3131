"""The bytes that are given: what the tutorial's machines said to each other, exactly."""

import pytest

from services.search.answers import answer
from services.search.client import request
from services.wire import NEED_DATA, Connection, Finished, Header, LocalProtocolError, Message

SEARCH = (
    b'\x00d{"byteorder": "big", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 41}'
    b'{"action": "search", "value": "morpheus"}'
)
FOUND = (
    b'\x00g{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", '
    b'"content-length": 43}{"result": "Follow the white rabbit. \xf0\x9f\x90\xb0"}'
)
BINARY = (
    b'\x00|{"byteorder": "big", "content-type": "binary/custom-client-binary-type", '
    b'"content-encoding": "binary", "content-length": 10}binary\xf0\x9f\x98\x83'
)
TEN_BYTES = (
    b'\x00\x7f{"byteorder": "little", "content-type": "binary/custom-server-binary-type", '
    b'"content-encoding": "binary", "content-length": 37}First 10 bytes of request: binary\xf0\x9f\x98\x83'
)


@pytest.mark.parametrize(
    ("action", "value", "asked", "answered"),
    [("search", "morpheus", SEARCH, FOUND), ("binary", "😃", BINARY, TEN_BYTES)],
)
def test_a_big_endian_client_and_a_little_endian_server_say_the_given_bytes(
    action: str, value: str, asked: bytes, answered: bytes
) -> None:
    assert request(action, value, Connection(byteorder="big")) == asked
    server = Connection(byteorder="little")
    server.receive_data(asked)
    message = server.next_event()
    assert isinstance(message, Message)
    assert answer(message, server) == answered


def test_the_byte_order_changes_one_word_of_the_header_and_not_the_length_before_it() -> None:
    big, little = (Connection(byteorder=o).send_message(b"\0", "a/b", "binary") for o in ("big", "little"))
    assert big.replace(b'"big"', b'"little"')[2:] == little[2:]
    assert int.from_bytes(little[:2], "big") == len(little) - 3


def test_unknown_names_are_kept_in_their_order_and_ignored() -> None:
    sender, receiver = Connection(byteorder="big"), Connection()
    receiver.receive_data(sender.send_message(b"", "a/b", "binary", {"z": [1, {}], "a": None}))
    message = receiver.next_event()
    assert isinstance(message, Message)
    assert message.header == Header("big", "a/b", "binary", 0, {"z": [1, {}], "a": None})
    assert list(message.header.further) == ["z", "a"]


def test_a_message_knows_its_number_and_where_its_content_began() -> None:
    receiver = Connection()
    receiver.receive_data(SEARCH + SEARCH)
    first, second = receiver.next_event(), receiver.next_event()
    assert isinstance(first, Message)
    assert isinstance(second, Message)
    assert (first.number, first.offset) == (1, 102)
    assert (second.number, second.offset) == (2, len(SEARCH) + 102)


def test_a_message_that_is_whole_is_given_out_before_the_end_of_the_stream() -> None:
    receiver = Connection()
    receiver.receive_data(SEARCH)
    receiver.receive_eof()
    assert isinstance(receiver.next_event(), Message)
    assert receiver.next_event() == Finished()
    assert receiver.next_event() == Finished()


def test_nothing_received_needs_data() -> None:
    assert Connection().next_event() is NEED_DATA


@pytest.mark.parametrize(
    ("encoding", "further"),
    [("utf-7", {}), ("binary", {"byteorder": "big"}), ("binary", {"x": "y" * 65536}), ("binary", {"x": 1e999})],
)
def test_a_header_that_no_peer_would_take_is_my_own_mistake(encoding: str, further: dict[str, object]) -> None:
    with pytest.raises(LocalProtocolError):
        Connection().send_message(b"", "a/b", encoding, further)
