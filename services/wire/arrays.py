"""Arrays of numbers: content of the type `binary/array`, of elements of one size, in the byte order of who sent them.

Rules: `element`, `count` and `byteorder` of the header say how the content is read, and nothing else does: the receiver
swaps when the header's byte order is not its own, and never by a guess. A content that disagrees with its header is
one error, that says what was expected and what came; the stream goes on behind it.
"""

import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, TypeAlias

from .connection import Connection
from .errors import LocalProtocolError, RemoteProtocolError, excerpt
from .events import Message
from .header import one_of, required

ARRAY: Final = "binary/array"
PIECE_BYTES: Final = 256 * 1024  # of an array that is read piece by piece; whole elements of any size

Numbers: TypeAlias = "array[Any]"  # of int or of float, as its element is


@dataclass(frozen=True, slots=True)
class Element:
    """What an array is made of. `code` is Python's (array, struct); the bounds of a float are None."""

    name: str
    code: str
    size: int  # bytes
    least: int | None = None
    most: int | None = None

    @property
    def is_float(self) -> bool:
        return self.least is None


def _integer(name: str, code: str, bits: int, *, signed: bool) -> Element:
    least = -(1 << (bits - 1)) if signed else 0
    return Element(name, code, bits // 8, least, least + (1 << bits) - 1)


# By name. No `l` among the codes: its size is the machine's.
ELEMENTS: Final[Mapping[str, Element]] = {
    element.name: element
    for element in (
        _integer("int8", "b", 8, signed=True),
        _integer("int16", "h", 16, signed=True),
        _integer("int32", "i", 32, signed=True),
        _integer("int64", "q", 64, signed=True),
        _integer("uint8", "B", 8, signed=False),
        _integer("uint16", "H", 16, signed=False),
        _integer("uint32", "I", 32, signed=False),
        _integer("uint64", "Q", 64, signed=False),
        Element("float32", "f", 4),  # IEEE 754 binary32 and binary64
        Element("float64", "d", 8),
    )
}
_BY_CODE: Final = {element.code: element for element in ELEMENTS.values()}


def element_of(message: Message) -> Element:
    """What a binary/array is made of, its whole shape having been checked. Raises RemoteProtocolError, placed."""
    try:
        return _checked(message)
    except RemoteProtocolError as error:
        raise error.placed(message.number, message.offset) from None


def _checked(message: Message) -> Element:
    header = message.header
    one_of("content-type", (ARRAY,), header.content_type)
    one_of("content-encoding", ("binary",), header.content_encoding)
    name = required(header.further, "element", str)
    one_of("element", ELEMENTS, name)
    element = ELEMENTS[name]
    count = required(header.further, "count", int)
    if count < 0:
        raise RemoteProtocolError("count", "0 or more elements", excerpt(count))
    if count * element.size != len(message.content):
        of = f"{len(message.content)} bytes of content, {element.size} for each {name}"
        raise RemoteProtocolError("count", f"the count of {of}", excerpt(count))
    return element


def array_pieces(message: Message) -> Iterator[Numbers]:
    """The elements in this machine's byte order, in their order, at most PIECE_BYTES of them at a time.

    So an array of any length is read in the memory of one piece. Raises RemoteProtocolError, placed, before the first.
    """
    element = element_of(message)
    swap = message.header.byteorder != sys.byteorder
    content = memoryview(message.content)
    return (_read(element, content[at : at + PIECE_BYTES], swap) for at in range(0, len(content), PIECE_BYTES))


def content_array(message: Message) -> Numbers:
    """All elements of a binary/array, in this machine's byte order. Raises RemoteProtocolError, placed."""
    element = element_of(message)
    return _read(element, message.content, message.header.byteorder != sys.byteorder)


def _read(element: Element, raw: bytes | bytearray | memoryview, swap: bool) -> Numbers:
    numbers: Numbers = array(element.code)
    numbers.frombytes(raw)
    if swap:
        numbers.byteswap()
    return numbers


def array_of(name: str, values: Iterable[int | float]) -> Numbers:
    """These values as elements of this name. Raises LocalProtocolError, which says which value is none, from 0.

    A float is rounded to its element, ties to even (IEEE 754); a finite one that would become infinite is refused.
    """
    if name not in ELEMENTS:
        raise LocalProtocolError(f"element: expected one of {', '.join(ELEMENTS)}, got {name!r}")
    element = ELEMENTS[name]
    listed = list(values)
    try:
        numbers: Numbers = array(element.code, listed)
    except (OverflowError, TypeError):
        refused = next(at for at, value in enumerate(listed) if not _fits(element, value))
        raise LocalProtocolError(f"element {refused}: {_bounds(element)}, got {excerpt(listed[refused])}") from None
    if element.name == "float32":
        for at, value in enumerate(listed):
            if isfinite(value) and not isfinite(numbers[at]):
                raise LocalProtocolError(f"element {at}: {excerpt(value)} is beyond the greatest float32")
    return numbers


def _fits(element: Element, value: int | float) -> bool:
    try:
        array(element.code, [value])
    except (OverflowError, TypeError):
        return False
    return True


def _bounds(element: Element) -> str:
    return f"expected {'a number' if element.is_float else f'{element.least} to {element.most}'} for {element.name}"


def send_array(connection: Connection, numbers: Numbers, further: Mapping[str, object] | None = None) -> bytes:
    """The bytes of a message that holds these numbers: send them all. `further` names follow `element` and `count`.

    They are sent as they lie in memory, in the order of this machine, which the header names. Raises
    LocalProtocolError.
    """
    element = _BY_CODE.get(numbers.typecode)
    if element is None:
        raise LocalProtocolError(f"an array of Python's type {numbers.typecode!r} has no name on the wire")
    if connection.byteorder != sys.byteorder:  # a test's: this machine has but one order
        numbers = numbers[:]
        numbers.byteswap()
    named = {"element": element.name, "count": len(numbers), **(further or {})}
    with memoryview(numbers) as view, view.cast("B") as content:
        return connection.send_message(content, ARRAY, "binary", named)
