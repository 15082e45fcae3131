"""Fixed length: every message has exactly n bytes, which both sides know beforehand. Nothing marks its end."""

from .receiving import FINISHED, NEED_DATA, Next, Receiver


class FixedReceiver(Receiver):
    def __init__(self, length: int) -> None:
        super().__init__()
        if length < 1:
            raise ValueError(f"a message of fixed length has at least 1 byte, not {length}")
        self.length = length

    def _next(self) -> Next:
        if len(self._buffer) >= self.length:
            return self._take(0, self.length)
        if not self._ended:
            return NEED_DATA
        if not self._buffer:
            return FINISHED
        raise self._broken_off(f"{self.length} bytes")


def send_fixed(message: bytes, length: int) -> bytes:
    """The bytes of one message: send them all. Raises ValueError for one of another length."""
    if len(message) != length:
        raise ValueError(f"a message has exactly {length} bytes, and this one {len(message)}")
    return message
