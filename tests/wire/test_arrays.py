"""Arrays on this machine: what the sender refuses, how much memory a large one takes, and that nobody guesses.

What is right, and what a receiver refuses, is in tests/vectors, which test_every_cpu runs here too.
"""

import math
import struct
import sys
import tracemalloc
from array import array

import pytest

from services.wire import (
    ARRAY,
    ELEMENTS,
    NEED_DATA,
    Connection,
    Header,
    LocalProtocolError,
    Message,
    RemoteProtocolError,
    array_of,
    array_pieces,
    content_array,
    element_of,
    send_array,
)
from services.wire.arrays import PIECE_BYTES

OTHER = {"big": "little", "little": "big"}[sys.byteorder]
MIB = 2**20


def received(raw: bytes, content_limit: int = 128 * MIB) -> Message:
    connection = Connection(content_limit=content_limit)
    connection.receive_data(raw)
    event = connection.next_event()
    assert isinstance(event, Message)
    return event


def message(content: bytes, byteorder: str = "big", **further: object) -> Message:
    return Message(Header(byteorder, ARRAY, "binary", len(content), further), content, number=3, offset=500)


# What the sender refuses


@pytest.mark.parametrize("name", [name for name, element in ELEMENTS.items() if not element.is_float])
def test_the_least_and_the_greatest_integer_are_taken_and_one_beyond_is_refused_with_its_place(name: str) -> None:
    least, most = ELEMENTS[name].least, ELEMENTS[name].most
    assert least is not None
    assert most is not None
    assert list(array_of(name, [least, most])) == [least, most]
    for beyond in (least - 1, most + 1):
        with pytest.raises(
            LocalProtocolError, match=rf"^element 2: expected {least} to {most} for {name}, got {beyond}"
        ):
            array_of(name, [0, most, beyond, beyond])


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("int32", [1, 2.0], "element 1: expected -2147483648 to 2147483647 for int32, got 2.0"),
        ("uint8", [float("nan")], "element 0: expected 0 to 255 for uint8, got nan"),
        ("float64", [0.0, 10**400], r"element 1: expected a number for float64, got 10{59}… \(401 characters\)"),
        ("float32", [3.4028235e38, -3.5e38], r"element 1: -3.5e\+38 is beyond the greatest float32"),
        ("int128", [], "element: expected one of int8, .*, float64, got 'int128'"),
        ("i", [], "element: expected one of int8, .*, float64, got 'i'"),
    ],
)
def test_what_is_no_element_is_an_error_at_the_sender_that_says_which_and_why(
    name: str, values: list[float], says: str
) -> None:
    with pytest.raises(LocalProtocolError, match=f"^{says}"):
        array_of(name, values)


def test_a_float_is_rounded_to_its_element_and_what_is_infinite_already_stays_so() -> None:
    found = array_of("float32", [0.1, math.inf, -math.inf, 1e-50, 3.4028235677973362e38])
    assert list(found) == [0.10000000149011612, math.inf, -math.inf, 0.0, 3.4028234663852886e38]


def test_an_array_whose_size_is_the_machine_s_has_no_name_on_the_wire() -> None:
    with pytest.raises(LocalProtocolError, match="an array of Python's type 'l' has no name"):
        send_array(Connection(), array("l", [1]))


def test_an_array_over_the_content_limit_of_the_receiver_is_refused_and_one_at_it_is_not() -> None:
    at, over = (send_array(Connection(), array_of("int32", range(n))) for n in (10, 11))
    assert len(content_array(received(at, content_limit=40))) == 10
    with pytest.raises(RemoteProtocolError, match=r"content-length: expected 0 to 40 bytes, got 44"):
        received(over, content_limit=40)


# What the receiver makes of it


def test_an_error_in_an_array_says_which_message_and_which_byte_of_the_stream() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        element_of(message(bytes(13), element="int32", count=3))
    assert str(caught.value) == (
        "message 3, byte 500: count: expected the count of 13 bytes of content, 4 for each int32, got 3"
    )


@pytest.mark.parametrize("read", [element_of, array_pieces, content_array])
def test_every_way_to_read_an_array_checks_it_before_it_gives_a_number(read: object) -> None:
    assert callable(read)
    with pytest.raises(RemoteProtocolError, match=r"element: expected one of int8, .*, got 'int24'"):
        read(message(bytes(3), element="int24", count=1))


def test_a_message_of_another_type_is_no_array() -> None:
    other = Message(Header("big", "text/json", "utf-8", 2), b"[]", number=1, offset=0)
    with pytest.raises(RemoteProtocolError, match="content-type: expected one of binary/array, got 'text/json'"):
        content_array(other)


def test_the_header_alone_says_the_byte_order_and_not_what_would_be_likely() -> None:
    """1 in one order is 2 to the power of 24 in the other: a reader that guessed would take the first for both."""
    content = struct.pack("<i", 1)
    assert list(content_array(message(content, "little", element="int32", count=1))) == [1]
    assert list(content_array(message(content, "big", element="int32", count=1))) == [2**24]


def test_pieces_end_between_elements_and_make_up_the_whole() -> None:
    for name, element in ELEMENTS.items():
        count = 2 * PIECE_BYTES // element.size + 1
        numbers = array_of(name, range(100)) * (count // 100 + 1)
        found = received(send_array(Connection(byteorder=OTHER), numbers))
        pieces = list(array_pieces(found))
        assert [len(piece) * element.size for piece in pieces[:2]] == [PIECE_BYTES] * 2
        assert len(pieces) >= 3
        whole = pieces[0][:0]
        for piece in pieces:
            whole.extend(piece)
        assert whole == content_array(found) == numbers


def test_sending_in_the_other_byte_order_leaves_the_sender_s_own_numbers_as_they_are() -> None:
    numbers = array_of("int32", [1, 2])
    send_array(Connection(byteorder=OTHER), numbers)
    assert list(numbers) == [1, 2]


# How much memory


def test_sixty_four_mebibytes_are_swapped_in_the_memory_of_one_piece() -> None:
    """Read piece by piece, beside the content itself; the sender makes the message, and nothing beside it."""
    numbers = array_of("int32", range(-(2**16), 2**16)) * 128
    size = len(numbers) * numbers.itemsize
    assert size == 64 * MIB
    tracemalloc.start()
    try:
        raw = send_array(Connection(), numbers)
        assert tracemalloc.get_traced_memory()[1] < 1.01 * size
        swapped = raw.replace(sys.byteorder.encode(), OTHER.encode(), 1)
        header = int.from_bytes(raw[:2], "big") + len(OTHER) - len(sys.byteorder)
        found = received(header.to_bytes(2, "big") + swapped[2:])
        del raw, swapped
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        total, count = 0, 0
        for piece in array_pieces(found):
            total, count = total + piece[0], count + len(piece)
        assert tracemalloc.get_traced_memory()[1] - before < 3 * PIECE_BYTES
    finally:
        tracemalloc.stop()
    assert count == len(numbers)
    # The first number of each piece, in the other order: the bytes of -65536 and of 0 and so on, swapped by hand
    firsts = [numbers[at] for at in range(0, count, PIECE_BYTES // 4)]
    assert total == sum(struct.unpack(">i", struct.pack("<i", number))[0] for number in firsts)


def test_a_message_of_sixty_four_mebibytes_is_held_once_when_it_has_been_taken() -> None:
    """The receive buffer lets go of it, so that who answers it has the memory."""
    content = bytes(64 * MIB)
    raw = Connection().send_message(content, "a/b", "binary")
    tracemalloc.start()
    try:
        connection = Connection(content_limit=64 * MIB)
        for at in range(0, len(raw), MIB):
            connection.receive_data(raw[at : at + MIB])
            event = connection.next_event()
        assert isinstance(event, Message)
        assert tracemalloc.get_traced_memory()[0] < 1.13 * len(content)
        assert connection.next_event() is NEED_DATA
    finally:
        tracemalloc.stop()
