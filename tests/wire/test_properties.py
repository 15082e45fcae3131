"""What holds of every message, every cut and every garbage. Hypothesis looks for the one of which it does not."""

import json
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.wire import ENCODINGS, NEED_DATA, Connection, Event, Finished, Message, RemoteProtocolError
from services.wire.header import REQUIRED

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
furthers = st.dictionaries(st.text().filter(lambda name: name not in REQUIRED), json_values, max_size=3)
messages = st.tuples(st.binary(max_size=200), st.text(max_size=20), st.sampled_from(list(ENCODINGS)), furthers)
byteorders = st.sampled_from(["big", "little"])

Outcome = list[Event | str]


def receive(pieces: list[bytes], content_limit: int = 1000) -> Outcome:
    """Everything that a receiver makes of these bytes, then the end of the stream."""
    connection = Connection(content_limit=content_limit)
    events: Outcome = []
    try:
        for piece in pieces:
            connection.receive_data(piece)
            while (event := connection.next_event()) is not NEED_DATA:
                events.append(event)
            assert connection.buffered < 2 + 0xFFFF + content_limit, "more held than one message"
        connection.receive_eof()
        while (event := connection.next_event()) != Finished():
            assert event is not NEED_DATA, "after the end there is nothing to wait for"
            events.append(event)
    except RemoteProtocolError as error:
        events.append(str(error))
    return events


def cut_at(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(places)]


@given(messages, byteorders)
def test_a_message_arrives_as_it_was_sent(message: tuple[bytes, str, str, dict[str, object]], byteorder: str) -> None:
    content, content_type, encoding, further = message
    (got,) = receive([Connection(byteorder=byteorder).send_message(content, content_type, encoding, further)])
    assert isinstance(got, Message)
    assert got.content == content
    assert (got.header.byteorder, got.header.content_type) == (byteorder, content_type)
    assert (got.header.content_encoding, got.header.content_length) == (encoding, len(content))
    assert got.header.further == further


@given(st.lists(messages, max_size=3), byteorders, st.lists(st.integers(0, 2000), max_size=10))
def test_where_the_stream_is_cut_changes_nothing(
    sent: list[tuple[bytes, str, str, dict[str, object]]], byteorder: str, cuts: list[int]
) -> None:
    sender = Connection(byteorder=byteorder)
    stream = b"".join(sender.send_message(*message) for message in sent)
    whole = receive([stream])
    assert len(whole) == len(sent)
    assert receive(cut_at(stream, cuts)) == whole


@pytest.mark.parametrize("byteorder", ["big", "little"])
def test_two_messages_arrive_cut_at_each_offset_and_byte_by_byte(byteorder: str) -> None:
    sender = Connection(byteorder=byteorder)
    stream = sender.send_message(b"one", "a/b", "binary") + sender.send_message(b"", "a/b", "utf-8")
    whole = receive([stream])
    assert [event.content for event in whole if isinstance(event, Message)] == [b"one", b""]
    assert all(receive([stream[:at], stream[at:]]) == whole for at in range(len(stream) + 1))
    assert receive([bytes([byte]) for byte in stream]) == whole


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_garbage_is_one_defined_error_wherever_it_is_cut(garbage: bytes, cuts: list[int]) -> None:
    assert receive(cut_at(garbage, cuts)) == receive([garbage])


@given(st.integers(0, 130), st.integers(0, 255), messages)
@settings(max_examples=300)
def test_one_changed_byte_never_escapes_as_another_exception(
    at: int, byte: int, message: tuple[bytes, str, str, dict[str, object]]
) -> None:
    stream = bytearray(Connection().send_message(*message))
    stream[at % len(stream)] = byte
    assert receive([bytes(stream)]) == receive([bytes([byte]) for byte in stream])


@given(json_values)
def test_any_json_as_a_header_is_taken_or_refused(value: object) -> None:
    raw = json.dumps(value).encode()
    assert len(receive([len(raw).to_bytes(2, "big") + raw])) == 1


def test_a_promise_of_much_content_costs_no_memory_until_it_comes() -> None:
    limit = 2**30
    stream = Connection().send_message(b"", "a/b", "binary").replace(b'length": 0', b'length": 1073741824')
    stream = (len(stream) - 2).to_bytes(2, "big") + stream[2:]
    connection = Connection(content_limit=limit)
    tracemalloc.start()
    try:
        connection.receive_data(stream)
        assert connection.next_event() is NEED_DATA
        connection.receive_data(b"x" * 1000)
        assert connection.next_event() is NEED_DATA
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
    assert connection.buffered == 1000


def test_large_messages_that_came_at_once_are_not_each_copied_with_all_that_follows() -> None:
    """Counted, not timed: what taking one costs in memory is its content, and not the rest of the buffer."""
    whole = Connection().send_message(bytes(100_000), "a/b", "binary") * 40
    connection = Connection()
    connection.receive_data(whole)
    tracemalloc.start()
    try:
        for _ in range(40):
            assert isinstance(connection.next_event(), Message)
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


def test_a_large_content_in_small_pieces_is_held_once_and_never_copied() -> None:
    """Counted, not timed: what a piece costs in memory is the piece, and the whole keeps the buffer that it came in."""
    size, piece = 8 * 2**20, b"x" * 65536
    head = Connection().send_message(b"", "a/b", "binary").replace(b'length": 0', b'length": %d' % size)
    connection = Connection()
    tracemalloc.start()
    try:
        connection.receive_data((len(head) - 2).to_bytes(2, "big") + head[2:])
        for _ in range(size // len(piece)):
            assert connection.next_event() is NEED_DATA
            connection.receive_data(piece)
        message = connection.next_event()
        assert tracemalloc.get_traced_memory()[1] < 1.3 * size  # a bytearray grows by an eighth more than it needs
    finally:
        tracemalloc.stop()
    assert isinstance(message, Message)
    assert len(message.content) == size
