"""Ended by shutdown: the message is all that comes until the peer shuts down its sending side. One message a stream.

The other direction stays open, and the answer comes back on it, ended in the same way. Nothing tells how many bytes
there should have been: a peer that crashes sends the same FIN, and its half message is as good as a whole one.
"""

from .receiving import FINISHED, LIMIT, NEED_DATA, Next, Receiver


class UntilShutdownReceiver(Receiver):
    def __init__(self, limit: int = LIMIT) -> None:
        super().__init__()
        self.limit = limit

    def _next(self) -> Next:
        if len(self._buffer) > self.limit:
            raise self._wrong(f"more than {self.limit} bytes, the limit of a message, and the stream has not ended")
        if not self._ended:
            return NEED_DATA
        return self._take(0, len(self._buffer)) if self._number == 1 else FINISHED


def send_until_shutdown(message: bytes, limit: int = LIMIT) -> bytes:
    """The bytes of the one message: send them all, then shut down. Raises ValueError over the limit."""
    if len(message) > limit:
        raise ValueError(f"a message has at most {limit} bytes, and this one {len(message)}")
    return message
