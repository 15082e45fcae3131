"""What one CPU makes of the test vectors, and of any message that it is given: run by that CPU's own Python.

    python on_cpu.py VECTORS           every case once; a line of JSON for each, then how many there were
    python on_cpu.py --answer          a message a line on stdin, in hexadecimal; on stdout what it said, and said again

It imports the standard library and `services` only (PYTHONPATH says where they are), for there is no pytest in the
images; and it starts once for all cases, since starting Python takes longer than most of them. test_every_cpu.py starts
it and reads what it prints.
"""

import json
import platform
import struct
import sys
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from services.framing.framings import chosen
from services.framing.receiving import FINISHED, FramingError, StreamEnded
from services.framing.receiving import NEED_DATA as NO_MESSAGE
from services.search.answers import answer
from services.wire import (
    ARRAY,
    CONTENT_LIMIT,
    ELEMENTS,
    NEED_DATA,
    Connection,
    Finished,
    Message,
    RemoteProtocolError,
    array_of,
    array_pieces,
    content_array,
    content_json,
    content_text,
    encode_json,
    encode_text,
    send_array,
)

Case = dict[str, Any]
FILES: Final = ("messages", "text", "arrays", "refused", "framings")
SWAPPED_BYTES: Final = 64 * 2**20


# What the messages say ----------------------------------------------------------------------------------------------


def vector(message: Message) -> Case:
    """A message as the vectors write it: what it says, and nothing of how it was encoded but its names."""
    header = message.header
    named: Case = {
        "machine": header.byteorder,
        "content-type": header.content_type,
        "content-encoding": header.content_encoding,
        "further": dict(header.further),
        "content": message.content.hex(),
    }
    if header.content_type == ARRAY:
        numbers = content_array(message)
        assert [n for piece in array_pieces(message) for n in map(number, piece)] == [*map(number, numbers)]
        element, count = named["further"].pop("element"), named["further"].pop("count")
        agree("count", len(numbers), count)
        return {**named, "element": element, "values": [*map(number, numbers)]}
    if header.content_type == "text/plain":
        return {**named, "text": content_text(message)}
    if header.content_type == "text/json" and header.content_encoding != "binary":
        return {**named, "json": content_json(message)}
    return named


def number(value: float) -> str:
    """As the vectors write one: an integer in decimal, a float as C's %a does."""
    return value.hex() if isinstance(value, float) else str(value)


def said_again(message: Message, byteorder: str = sys.byteorder) -> bytes:
    """The same message from a machine of this byte order, made of what it said and not of its bytes."""
    header, connection = message.header, Connection(byteorder=byteorder)
    further = dict(header.further)
    if header.content_type == ARRAY:
        del further["element"], further["count"]
        return send_array(connection, content_array(message), further)
    content = message.content
    if header.content_type == "text/plain":
        content = encode_text(content_text(message), header.content_encoding, byteorder)
    elif header.content_type == "text/json" and header.content_encoding != "binary":
        content = encode_json(content_json(message), header.content_encoding, byteorder)
    return connection.send_message(content, header.content_type, header.content_encoding, further)


# How they come ------------------------------------------------------------------------------------------------------


def receive(
    pieces: list[bytes], content_limit: int = CONTENT_LIMIT
) -> tuple[list[Message], RemoteProtocolError | None]:
    """The messages that came in these pieces, then the end of the stream; and what was wrong, if something was."""
    connection = Connection(content_limit=content_limit)
    messages: list[Message] = []
    try:
        for piece in pieces:
            connection.receive_data(piece)
            while isinstance(event := connection.next_event(), Message):
                messages.append(event)
            assert event is NEED_DATA, event
        connection.receive_eof()
        assert isinstance(connection.next_event(), Finished)
    except RemoteProtocolError as error:
        return messages, error
    return messages, None


def cuts(stream: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """The stream in every way in which a network may deliver it; of a long one, every 97th cut."""
    yield "whole", [stream]
    yield "byte by byte", [stream[at : at + 1] for at in range(len(stream))]
    for at in range(1, len(stream), 1 if len(stream) < 1000 else 97):
        yield f"cut at {at}", [stream[:at], stream[at:]]


def agree(what: str, expected: object, got: object) -> None:
    if expected != got:
        raise AssertionError(f"{what}: expected {expected!r}, got {got!r}"[:500])


# The cases ----------------------------------------------------------------------------------------------------------


def check_message(case: Case) -> None:
    """A right message: it is read, however it is cut, and its own machine writes the same bytes."""
    raw = bytes.fromhex(case["bytes"])
    limit = case.get("content-limit", CONTENT_LIMIT)
    expected = {"further": {}, **{k: v for k, v in case.items() if k not in OF_A_CASE}}
    for how, pieces in cuts(raw):
        messages, error = receive(pieces, limit)
        agree(how, None, error and str(error))
        agree(how, [expected], [{k: v for k, v in vector(message).items() if k in expected} for message in messages])
    messages, error = receive([raw + raw], limit)
    agree("two at once", ([expected] * 2, None), ([{k: vector(m)[k] for k in expected} for m in messages], error))
    if case.get("written", True):
        agree(f"as {case['machine']} writes it", raw.hex(), said_again(messages[0], case["machine"]).hex())


OF_A_CASE: Final = ("name", "bytes", "content-limit", "written", "answer")


def check_array(case: Case) -> None:
    """A right array: as a message; what the search service answers; and the same numbers from this machine's memory."""
    check_message(case)
    raw = bytes.fromhex(case["bytes"])
    ((message,), _) = receive([raw])
    of_float = case["element"].startswith("float")
    numbers = array_of(case["element"], [float.fromhex(v) if of_float else int(v) for v in case["values"]])
    if case["machine"] == sys.byteorder and "nan" not in case["values"]:
        agree("sent from memory", raw.hex(), send_array(Connection(), numbers).hex())
    ((reply,), _) = receive([answer(message, Connection())])
    agree("the answer's byte order", sys.byteorder, reply.header.byteorder)
    wanted = case["answer"]
    if "overflow" in wanted:
        begins = f"Error: overflow: element {wanted['overflow']}: "
        result: Any = content_json(reply)
        agree("overflow", begins, result["result"][: len(begins)])
        return
    agree("doubled", wanted["doubled"], [*map(number, content_array(reply))])
    for name in ("sum", "minimum", "maximum"):
        agree(name, wanted[name], reply.header.further[name])


def check_refused(case: Case) -> None:
    """A wrong message: one error about the right part, however it is cut, and whatever was whole before it came."""
    raw, wanted = bytes.fromhex(case["bytes"]), case["refused"]
    limit, whole = case.get("content-limit", CONTENT_LIMIT), case.get("whole", 0)
    first = None
    for how, pieces in cuts(raw):
        messages, error = receive(pieces, limit)
        if wanted["reads"] != "framing":
            agree(how, (1, None), (len(messages), error))
            reading = {"text": content_text, "json": content_json, "array": content_array}[wanted["reads"]]
            try:
                raise AssertionError(f"{how}: it was read: {reading(messages[0])!r}"[:300])
            except RemoteProtocolError as refused:
                error = refused
        elif error is None:
            raise AssertionError(f"{how}: nothing was found wrong with it")
        else:
            agree(how, whole, len(messages))
        agree(how, (wanted["part"], whole + 1), (error.part, error.message))
        first = first or str(error)
        agree(f"{how}: the error", first, str(error))
        assert error.expected, "it does not say what was expected"
        assert error.got, "it does not say what came"


def check_framing(case: Case) -> None:
    framing = chosen(case["framing"], case["limit"], case["limit"])
    raw = bytes.fromhex(case["bytes"])
    for how, pieces in cuts(raw):
        receiver, messages, wrong = framing.receiver(), [], None
        try:
            for piece in pieces:
                receiver.receive_data(piece)
                while isinstance(message := receiver.next_message(), bytes):
                    messages.append(message.hex())
                assert message is NO_MESSAGE, message
            receiver.receive_eof()
            while isinstance(message := receiver.next_message(), bytes):
                messages.append(message.hex())
            assert message is FINISHED, message
        except FramingError as error:
            wrong = "end" if isinstance(error, StreamEnded) else "framing"
        agree(how, (case["messages"], case["error"]), (messages, wrong))
    if case["error"] is None:
        sent = b"".join(framing.send(bytes.fromhex(message)) for message in case["messages"])
        agree("sent", raw.hex(), sent.hex())


CHECKS: Final[dict[str, Callable[[Case], None]]] = {
    "messages": check_message,
    "text": check_message,
    "arrays": check_array,
    "refused": check_refused,
    "framings": check_framing,
}


# What no vector can say ---------------------------------------------------------------------------------------------


def each_element_is_as_large_here_as_it_is_on_the_wire() -> None:
    for element in ELEMENTS.values():
        sizes = array(element.code).itemsize, struct.calcsize(f"={element.code}")
        agree(element.name, (element.size, element.size), sizes)


def sixty_four_mebibytes_from_the_other_byte_order_are_swapped_piece_by_piece() -> None:
    """The numbers count up, so that one that is in another's place is seen; and one piece at a time is held."""
    other, prefix = ("big", ">") if sys.byteorder == "little" else ("little", "<")
    piece = struct.pack(f"{prefix}65536i", *range(65536))
    content = piece * (SWAPPED_BYTES // len(piece))
    named = {"element": "int32", "count": len(content) // 4}
    header = Connection(byteorder=other).send_message(b"", ARRAY, "binary", named)
    raw = header.replace(b'length": 0', b'length": %d' % len(content))
    connection = Connection(content_limit=SWAPPED_BYTES)
    connection.receive_data((len(raw) - 2).to_bytes(2, "big") + raw[2:])
    connection.receive_data(content)
    message = connection.next_event()
    assert isinstance(message, Message), message
    right, seen = array("i", range(65536)), 0
    for numbers in array_pieces(message):
        assert numbers == right, f"another number behind byte {seen}"
        seen += len(numbers) * numbers.itemsize
    agree("bytes", SWAPPED_BYTES, seen)


OWN: Final = (
    each_element_is_as_large_here_as_it_is_on_the_wire,
    sixty_four_mebibytes_from_the_other_byte_order_are_swapped_piece_by_piece,
)


def cases(vectors: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """The name of each, and what fails when this machine makes another thing of it."""
    for file in FILES:
        for case in json.loads((vectors / f"{file}.json").read_text(encoding="ascii")):
            yield f"{file}: {case['name']}", lambda check=CHECKS[file], case=case: check(case)  # type: ignore[misc]
    for check in OWN:
        yield f"own: {check.__name__.replace('_', ' ')}", check


def tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


def run(vectors: Path) -> None:
    bits = 64 if sys.maxsize > 2**32 else 32
    tell(machine=platform.machine(), byteorder=sys.byteorder, bits=bits, python=platform.python_version())
    count = 0
    for name, check in cases(vectors):
        try:
            check()
            tell(case=name, wrong="")
        except Exception as error:  # the next case is not its fault
            tell(case=name, wrong=f"{type(error).__name__}: {error}")
        count += 1
    tell(cases=count)


def answer_lines() -> None:
    tell(byteorder=sys.byteorder)
    for line in sys.stdin:
        try:
            messages, error = receive([bytes.fromhex(line)])
            agree("messages", (1, None), (len(messages), error and str(error)))
            tell(said=vector(messages[0]), again=said_again(messages[0]).hex())
        except Exception as error:  # said of this message; the next one is answered as well
            tell(wrong=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--answer"]:
        answer_lines()
    else:
        run(Path(sys.argv[1]))
