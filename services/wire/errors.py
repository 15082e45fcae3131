"""The two ways to break the protocol: my mistake and my peer's.

Rule: who catches `RemoteProtocolError` closes that connection; who sees `LocalProtocolError` has a bug.
Nothing here knows who the peer is; whoever logs the error adds the address.
"""

SHOWN_LIMIT = 60  # characters of the peer's own words in an error: it must not fill the log with its garbage


class LocalProtocolError(Exception):
    """The caller asked for what the protocol does not allow; no byte was made of it."""


class RemoteProtocolError(Exception):
    """The peer sent what the protocol does not allow.

    `part` says what was wrong, `expected` and `got` why, `limit` which limit was passed ("" for none),
    `message` (from 1) and `offset` (in bytes, from 0, of all that the peer sent) where.
    """

    def __init__(self, part: str, expected: str, got: str, *, limit: str = "", offset: int = 0) -> None:
        super().__init__(part, expected, got)
        self.part, self.expected, self.got, self.limit = part, expected, got, limit
        self.message, self.offset = 0, offset

    def placed(self, message: int, start: int) -> "RemoteProtocolError":
        """This error, whose offset counted from its part's first byte, moved to its place in the stream."""
        self.message, self.offset = message, start + self.offset
        return self

    @property
    def reason(self) -> str:
        """What is wrong, without where: `content-length: expected …, got … (content limit 16777216)`."""
        limit = f" ({self.limit})" if self.limit else ""
        return f"{self.part}: expected {self.expected}, got {self.got}{limit}"

    def __str__(self) -> str:
        return f"message {self.message}, byte {self.offset}: {self.reason}"


def excerpt(value: object) -> str:
    """The peer's value as an error shows it: short, on one line, safe to print (repr escapes the rest)."""
    text = repr(value)
    return text if len(text) <= SHOWN_LIMIT else f"{text[:SHOWN_LIMIT]}… ({len(text)} characters)"
