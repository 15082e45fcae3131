"""What the load generator asks, over and over, and the exact bytes that must come back. No I/O.

Rule: an answer is compared with what docs/protocol.md says it must be, written here with json alone and with no code of
the servers: to take a wrong answer for a fast one would be the worst that a measurement can do.
"""

import json
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate

READ_BYTES = 64 * 1024  # at most from one connection in one turn

# Of several lengths, found and not found, ASCII and not: as short as people's questions are.
ASKED = {
    "morpheus": "Follow the white rabbit. 🐰",
    "ring": "In the caves beneath the Misty Mountains. 💍",
    "🐶": "🐾 Playing ball! 🏐",
    **{word: f"No match for '{word}'." for word in ("unicorn", "Zürich", "", "x" * 40, 'a "quoted" word')},
}
ECHOED_BYTES = 64


@dataclass(frozen=True)
class Exchanges:
    """A cycle of requests and their answers. Positions count bytes from the beginning of a connection."""

    requests: tuple[bytes, ...]
    answers: tuple[bytes, ...]
    _asking: bytes = field(init=False)
    _answering: bytes = field(init=False)
    _starts: list[int] = field(init=False)
    _ends: list[int] = field(init=False)

    def __post_init__(self) -> None:
        # Each stream repeated so far that any slice of it is one slice.
        repeated = READ_BYTES // len(b"".join(self.answers)) + 2
        object.__setattr__(self, "_asking", b"".join(self.requests) * repeated)
        object.__setattr__(self, "_answering", b"".join(self.answers) * repeated)
        object.__setattr__(self, "_starts", list(accumulate(map(len, self.requests * repeated), initial=0)))
        object.__setattr__(self, "_ends", list(accumulate(map(len, self.answers))))

    def request_bytes(self, number: int, count: int) -> bytes:
        """The bytes of the `count` requests from the one with this number on, from 0."""
        first = number % len(self.requests)
        return self._asking[self._starts[first] : self._starts[first + count]]

    def right(self, position: int, came: bytes) -> bool:
        """Whether these are the bytes that must come from this position on; at most READ_BYTES."""
        start = position % self._ends[-1]
        return self._answering[start : start + len(came)] == came

    def whole(self, position: int) -> int:
        """How many answers are whole when so many bytes have come."""
        cycles, rest = divmod(position, self._ends[-1])
        return cycles * len(self._ends) + bisect_right(self._ends, rest)


def header(content_type: str, content_encoding: str, content_length: int, byteorder: str) -> bytes:
    """The two bytes of length and the header, as docs/protocol.md has them."""
    named = {
        "byteorder": byteorder,
        "content-type": content_type,
        "content-encoding": content_encoding,
        "content-length": content_length,
    }
    encoded = json.dumps(named).encode()
    return len(encoded).to_bytes(2, "big") + encoded


def message(content: bytes, byteorder: str) -> bytes:
    """A text/json message with this content."""
    return header("text/json", "utf-8", len(content), byteorder) + content


def search(byteorder: str) -> Exchanges:
    """Of the search service, on a server of this byte order."""

    def of(value: object) -> bytes:
        return message(json.dumps(value, ensure_ascii=False).encode(), byteorder)

    requests = tuple(of({"action": "search", "value": value}) for value in ASKED)
    return Exchanges(requests, tuple(of({"result": result}) for result in ASKED.values()))


def echo() -> Exchanges:
    """Of the echo service. No two messages of a cycle are alike, so that one in another's place is seen."""
    messages = tuple(bytes([ord("a") + number]) * ECHOED_BYTES for number in range(16))
    return Exchanges(messages, messages)
