"""The bytes that one end of a connection sent, in parts, each also without its sender's byte order.

Two conversations are alike when all that is left is the same, byte for byte. What a byte order may change in a message
(docs/protocol.md) is: the name in the `byteorder` header, the length of the header that holds this name, the bytes of
the elements of an array, and those of a text in UTF-16 or UTF-32 with its mark. Nothing else. What is no whole message
is one part, of which nothing is taken out. No I/O; the codec of the services is not used, for it is what is judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from scenarios.evidence.frame import Frame
from scenarios.evidence.tcp_stream import stream_bytes
from scenarios.lab.valueclass import valueclass

Kind = Literal["header length", "header", "byte order", "elements", "text", "content", "bytes"]
WHY: dict[Kind, str] = {
    "byte order": "the header names the byte order of the machine that sent it",
    "header length": "the name of that byte order is longer or shorter",
    "elements": "the elements' bytes lie in the order that the header names",
    "text": "the units of the text lie in the order that its mark names",
}
# Of a header are read these names alone, by their text: what else is in it is compared as it is, be it JSON or not.
ORDER = re.compile(rb'("byteorder": ?")(big|little)(")')
ARRAY = b'"content-type": "binary/array"'
ELEMENT = re.compile(rb'"element": ?"(?:u?int|float)(8|16|32|64)"')
ENCODING = re.compile(rb'"content-encoding": ?"(utf-(?:16|32))"')
UNITS = {"utf-16": (2, b"\xfe\xff"), "utf-32": (4, b"\x00\x00\xfe\xff")}  # bytes of a unit; the mark, big-endian
DUMPED_BYTES = 16  # a line
SHOWN_LINES = 12  # of a diff


@valueclass
class Part:
    """Some bytes that were sent, and `same`: what a machine of either byte order would have sent for them."""

    kind: Kind
    raw: bytes
    same: bytes
    unit: int = 1  # bytes that are swapped as one


@valueclass
class Direction:
    """All that one end sent over one connection. `orders` are the byte orders that its messages name, one for each."""

    parts: tuple[Part, ...]
    orders: tuple[str, ...]

    @property
    def raw(self) -> bytes:
        """Its bytes, as they were sent."""
        return b"".join(part.raw for part in self.parts)


def split_messages(stream: bytes) -> Direction:
    """The bytes of one direction, read as messages if they are whole messages from the first to the last."""
    parts: list[Part] = []
    orders: list[str] = []
    at = 0
    while at < len(stream):
        message = _message(stream, at)
        if message is None:
            return Direction((Part("bytes", stream, stream),), ())
        parts += message
        orders += [part.raw.decode("ascii") for part in message if part.kind == "byte order"]
        at += sum(len(part.raw) for part in message)
    return Direction(tuple(parts), tuple(orders))


def _message(stream: bytes, at: int) -> list[Part] | None:
    """The parts of the message that begins here in a stream; None where none that is whole does."""
    length = int.from_bytes(stream[at : at + 2], "big")
    begins, ends = at + 2, at + 2 + length
    text = stream[begins:ends]
    orders, sizes = list(ORDER.finditer(text)), re.findall(rb'"content-length": ?(\d{1,9})[,}]', text)
    if len(text) != length or len(orders) != 1 or len(sizes) != 1:
        return None
    order, size = orders[0], int(sizes[0])
    content = stream[ends : ends + size]
    if len(content) != size:
        return None
    before, after = text[: order.start(2)], text[order.end(2) :]
    return [
        Part("header length", stream[at:begins], (length - len(order[2])).to_bytes(2, "big")),
        Part("header", before, before),
        Part("byte order", order[2], b""),
        Part("header", after, after),
        *([_content(content, text, order[2].decode("ascii"))] if content else []),
    ]


def _content(content: bytes, header: bytes, order: str) -> Part:
    element = ELEMENT.search(header)
    if ARRAY in header and element:
        unit = int(element[1]) // 8
        return Part("elements", content, content if order == "big" else _swapped(content, unit), unit)
    encoding = ENCODING.search(header)
    unit, mark = UNITS.get(encoding[1].decode("ascii") if encoding else "", (1, b""))
    if unit > 1:
        turned = content[:unit] == _swapped(mark, unit)
        return Part("text", content, _swapped(content, unit) if turned else content, unit)
    return Part("content", content, content)


def _swapped(content: bytes, unit: int) -> bytes:
    return b"".join(content[at : at + unit][::-1] for at in range(0, len(content), unit))


@valueclass
class Conversation:
    """What both ends of one connection said, and the frames that carried it."""

    request: Direction
    answer: Direction
    frames: tuple[int, ...]


def conversations(
    frames: Sequence[Frame], client: Sequence[str], server: Sequence[str], port: int
) -> list[Conversation]:
    """The TCP connections from one host to a port of another, by their addresses, in the order in which they began."""
    there: dict[int, list[Frame]] = {}
    back: dict[int, list[Frame]] = {}
    for frame in frames:
        if frame.transport != "tcp" or frame.source_port is None or frame.destination_port is None:
            continue
        if frame.source in client and frame.destination in server and frame.destination_port == port:
            there.setdefault(frame.source_port, []).append(frame)
        elif frame.source in server and frame.destination in client and frame.source_port == port:
            back.setdefault(frame.destination_port, []).append(frame)
    return [
        Conversation(
            split_messages(stream_bytes(there[of])),
            split_messages(stream_bytes(back.get(of, ()))),
            tuple(sorted(frame.number for frame in (*there[of], *back.get(of, ())) if frame.payload)),
        )
        for of in there
    ]


def differences(one: Direction, other: Direction) -> list[Kind]:
    """The kinds of parts in which two machines may differ and in which these do, each once, in their order.

    Raises ValueError when they differ in what a byte order does not change; the message is `difference`.
    """
    if unlike := difference(one, other):
        raise ValueError(unlike)
    pairs = zip(one.parts, other.parts, strict=True)
    return list(dict.fromkeys(mine.kind for mine, theirs in pairs if mine.raw != theirs.raw))


def difference(one: Direction, other: Direction) -> str:
    """The first part in which they are not alike, as a diff of its bytes; empty when they are alike."""
    for number in range(max(len(one.parts), len(other.parts))):
        mine, theirs = (each.parts[number] if number < len(each.parts) else None for each in (one, other))
        if mine and theirs and (mine.kind, mine.same) == (theirs.kind, theirs.same):
            continue
        lines = [f"{sign} {line}" for sign, part in (("-", mine), ("+", theirs)) for line in _dumped(part)]
        both = [line[2:] for line in lines if f"- {line[2:]}" in lines and f"+ {line[2:]}" in lines]
        unlike = [line for line in lines if line[2:] not in both]
        more = f"\n… {len(unlike) - SHOWN_LINES} more lines" if len(unlike) > SHOWN_LINES else ""
        return "\n".join(unlike[:SHOWN_LINES]) + more
    return ""


def _dumped(part: Part | None) -> Iterator[str]:
    """A part as `kind+offset: hexadecimal  text`, without the sender's byte order, 16 bytes a line."""
    if part is None:
        yield "nothing"
        return
    if not part.same:
        yield f"{part.kind}: {part.raw.decode('latin-1')}"
    for at in range(0, len(part.same), DUMPED_BYTES):
        yield f"{part.kind}+{at}: {dumped(part.same[at : at + DUMPED_BYTES])}"


def dumped(content: bytes) -> str:
    """`01 02 41  ..A`."""
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in content)
    return f"{content.hex(' ')}  {text}"
