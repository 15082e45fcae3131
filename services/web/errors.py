"""The peer's mistakes. Who catches one closes that connection; whoever logs it adds the address."""

from typing import Final

SHOWN_LIMIT: Final = 60  # characters of the peer's own words in an error: it must not fill the log with its garbage


class RemoteProtocolError(Exception):
    """The peer sent what RFC 9112 does not allow, or more than a limit of ours.

    `part` says what was wrong, `expected` and `got` why, `offset` where (in bytes, from 0, of all that the
    peer sent). `status` is what a server answers to it.
    """

    def __init__(self, part: str, expected: str, got: object, status: int = 400) -> None:
        super().__init__(part, expected, got)
        self.part, self.expected, self.status, self.offset = part, expected, status, 0
        self.got = got if isinstance(got, str) else excerpt(got)

    def __str__(self) -> str:
        return f"byte {self.offset}: {self.part}: expected {self.expected}, got {self.got}"


class Incomplete(RemoteProtocolError):
    """The stream ended inside a message (RFC 9112, 8)."""


def excerpt(value: object) -> str:
    """Short, on one line, safe to print: repr escapes the rest."""
    text = repr(value)
    return text if len(text) <= SHOWN_LIMIT else f"{text[:SHOWN_LIMIT]}… ({len(text)} characters)"
