"""Whole numbers as content: int32, in the byte order of the machine that sends them. No I/O.

The header's byteorder says how to read them, and nothing else does: right bytes under a wrong one are other numbers.
"""

import struct
from collections.abc import Sequence
from typing import Final

from services.wire import Connection, Message

TYPE: Final = "binary/array"
LEAST, MOST = -(2**31), 2**31 - 1
_PREFIX: Final = {"big": ">", "little": "<"}


def sent(numbers: Sequence[int], connection: Connection) -> bytes:
    """The bytes of a message that holds them: send them all."""
    content = struct.pack(f"={len(numbers)}i", *numbers)  # "=": the order of this machine, and int32 on every one
    return connection.send_message(content, TYPE, "binary", {"element": "int32", "count": len(numbers)})


def read(message: Message) -> tuple[int, ...]:
    """The numbers that a message holds. Raises struct.error when its bytes are not so many whole ones."""
    order = _PREFIX[message.header.byteorder]
    return tuple(number for (number,) in struct.iter_unpack(f"{order}i", message.content))
