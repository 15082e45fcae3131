"""Messages that are wrong in one way each, made out of right ones. No I/O. docs/protocol.md says what is right."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from services.wire.header import LENGTH

OFF: Final = 10  # bytes, by which a length is wrong
GARBAGE: Final = b"\xde\xad\xbe\xef"
OTHER: Final = {"big": "little", "little": "big"}


@dataclass(frozen=True, slots=True)
class Parts:
    """A right message, and how it is sent."""

    header: bytes
    content: bytes

    @classmethod
    def of(cls, message: bytes) -> "Parts":
        content_at = LENGTH.size + LENGTH.unpack_from(message)[0]
        return cls(message[LENGTH.size : content_at], message[content_at:])

    def framed(self, off: int = 0) -> bytes:
        """The message; its header's length is said wrong by `off`."""
        return LENGTH.pack(len(self.header) + off) + self.header + self.content

    def with_value(self, name: str, value: object) -> bytes:
        """The message, its header with this value in place of the right one."""
        header = json.dumps(json.loads(self.header) | {name: value}, ensure_ascii=False)
        return Parts(header.encode(), self.content).framed()


@dataclass(frozen=True, slots=True)
class Lie:
    """What is sent in place of a message, and, in words, what that was. One that `ends` is followed by a FIN."""

    raw: bytes
    report: str
    ends: bool = False


def _truncated(right: Parts) -> Lie:
    whole = right.framed()
    cut = len(whole) - max(1, len(right.content) // 2)
    return Lie(whole[:cut], f"sent {cut} of {len(whole)} bytes, and the end", ends=True)


def _garbage_header(right: Parts) -> Lie:
    garbage = (GARBAGE * len(right.header))[: len(right.header)]
    return Lie(Parts(garbage, right.content).framed(), f"sent a header of {len(garbage)} bytes that is no JSON")


def _header_length(off: int) -> Callable[[Parts], Lie]:
    def lie(right: Parts) -> Lie:
        has = len(right.header)
        return Lie(right.framed(off), f"said that the header has {has + off} bytes; it has {has}")

    return lie


def _content_length(off: int) -> Callable[[Parts], Lie]:
    def lie(right: Parts) -> Lie:
        has = len(right.content)
        said = max(0, has + off)
        return Lie(
            right.with_value("content-length", said), f"said content-length {said}; sent {has} bytes, and no end"
        )

    return lie


def _unknown_encoding(right: Parts) -> Lie:
    return Lie(right.with_value("content-encoding", "utf-7"), "said content-encoding utf-7, which there is not")


def _bad_utf8(right: Parts) -> Lie:
    at = max(0, len(right.content) - 3)
    content = right.content[:at] + b"\xff" + right.content[at + 1 :]
    return Lie(Parts(right.header, content).framed(), f"sent 0xff, which is no UTF-8, as byte {at} of the content")


def _byteorder(right: Parts) -> Lie:
    own = json.loads(right.header)["byteorder"]
    return Lie(right.with_value("byteorder", OTHER[own]), f"said byteorder {OTHER[own]}; the numbers are {own}-endian")


LIES: Final[Mapping[str, Callable[[Parts], Lie]]] = {
    "none": lambda right: Lie(right.framed(), "told no lie"),
    "truncated": _truncated,
    "garbage-header": _garbage_header,
    "header-length-long": _header_length(OFF),
    "header-length-short": _header_length(-OFF),
    "content-length-long": _content_length(OFF),
    "content-length-short": _content_length(-OFF),
    "unknown-encoding": _unknown_encoding,
    "bad-utf8": _bad_utf8,
    "byteorder": _byteorder,
}


def lie(name: str, message: bytes) -> Lie:
    """The lie of this name that is made of a right message."""
    return LIES[name](Parts.of(message))
