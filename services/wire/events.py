"""What a connection tells its caller: a message, or that the peer has finished. `NEED_DATA` is neither."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple


@dataclass(frozen=True, slots=True)
class Header:
    """A message's header, checked. `further` holds the names that the protocol does not know, in order."""

    byteorder: str
    content_type: str
    content_encoding: str
    content_length: int
    further: Mapping[str, object] = field(default_factory=dict, hash=False)


class Message(NamedTuple):
    """One whole message. `number` counts from 1; `offset` is the stream offset, in bytes, of its content.

    A content of more than 64 KiB may be the bytearray that it was received in: no copy is made, and it is the caller's.
    """

    header: Header
    content: bytes | bytearray
    number: int
    offset: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The peer ended its stream between two messages: answer what is unanswered, then close."""


class NeedData(Enum):
    """Not an event: feed `receive_data` or `receive_eof`, then ask again."""

    NEED_DATA = "need data"


NEED_DATA: Final = NeedData.NEED_DATA
Event = Message | Finished
