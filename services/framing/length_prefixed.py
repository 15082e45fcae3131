"""Length-prefixed: four bytes say how many follow, in network byte order, which is big-endian on every machine."""

import struct
from typing import Final

from .receiving import FINISHED, LIMIT, NEED_DATA, Next, Receiver

LENGTH: Final = struct.Struct("!I")


class LengthPrefixedReceiver(Receiver):
    def __init__(self, limit: int = LIMIT) -> None:
        super().__init__()
        self.limit = limit

    def _next(self) -> Next:
        whole = LENGTH.size
        if len(self._buffer) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._buffer)
            if length > self.limit:  # before a byte of it is waited for
                raise self._wrong(f"a message of {length} bytes is announced; the limit is {self.limit}")
            whole += length
            if len(self._buffer) >= whole:
                return self._take(LENGTH.size, length)
        if not self._ended:
            return NEED_DATA
        if not self._buffer:
            return FINISHED
        raise self._broken_off(f"{whole} bytes" if whole > LENGTH.size else f"the {LENGTH.size} bytes of its length")


def send_length_prefixed(message: bytes, limit: int = LIMIT) -> bytes:
    """The bytes of one message: send them all. Raises ValueError for one that no receiver would take."""
    if len(message) > limit:
        raise ValueError(f"a message has at most {limit} bytes, and this one {len(message)}")
    return LENGTH.pack(len(message)) + message
