"""What must come back to a client of the echo service: what it sent, as it comes, without I/O."""

from services.outcome import CallError, Outcome


class Expecting:
    """`came` is what has come back so far, and was right. `peer` says in errors who sends it."""

    def __init__(self, peer: str, message: bytes) -> None:
        self.peer, self.message = peer, message
        self.came = bytearray()

    @property
    def whole(self) -> bool:
        """Whether all has come back: told by the count, for echo has no other end of a message."""
        return len(self.came) == len(self.message)

    def receive(self, data: bytes) -> None:
        """The next bytes; b"" is the end of the stream. Raises CallError when that is not what must come."""
        start, whole = len(self.came), len(self.message)
        if not data:
            raise CallError(Outcome.BROKEN_OFF, f"{self.peer} finished after {start} of {whole} bytes")
        expected = self.message[start : start + len(data)]
        if data != expected:
            at = next((i for i, (a, b) in enumerate(zip(data, expected, strict=False)) if a != b), len(expected))
            wanted = repr(expected[at : at + 10]) if at < len(expected) else "nothing more"
            why = f"{self.peer}: byte {start + at}: expected {wanted}, got {data[at : at + 10]!r}"
            raise CallError(Outcome.WRONG_ANSWER, why)
        self.came += data
