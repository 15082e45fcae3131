"""The quotes, and what makes bytes a quote. No I/O; the time is passed in.

Who sends an empty datagram gets a longer one back, and nothing proves the address that it came from: with a false one,
the answer hits somebody else. So the quotes are short: with LONGEST bytes, a packet of 28 brings one of 188 over IPv4.
"""

from typing import Final

LIMIT: Final = 512  # bytes at most; RFC 865: "it should be less than 512 characters"
LONGEST: Final = 160  # of our own
DAY_S: Final = 86_400
ALLOWED: Final = frozenset(b"\r\n" + bytes(range(0x20, 0x7F)))  # RFC 865: printing ASCII, space, CR, LF

QUOTES: Final = tuple(
    f"{text}\r\n    -- {author}\r\n".encode("ascii")
    for author, text in (
        ("Lewis Carroll", "Begin at the beginning, and go on till you come to the end: then stop."),
        ("Blaise Pascal", "I have made this letter longer only because I had no time to make it shorter."),
        ("Alexander Pope", "A little learning is a dangerous thing; drink deep, or taste not."),
        ("Arthur Conan Doyle", "It is a capital mistake to theorise before one has data."),
        ("Ralph Waldo Emerson", "The only way to have a friend is to be one."),
        ("Henry David Thoreau", "It takes two to speak the truth: one to speak, and another to hear."),
        ("Jonathan Swift", "May you live all the days of your life."),
    )
)


def quote(now_s: float) -> bytes:
    """The quote of the day of `now_s`, seconds since 1970: the same all day, so that asking twice does no harm."""
    return QUOTES[int(now_s // DAY_S) % len(QUOTES)]


def fault(answer: bytes) -> str:
    """Why these bytes are no quote; "" when they are one."""
    if not 0 < len(answer) <= LIMIT:
        return f"expected 1 to {LIMIT} bytes, got {len(answer)}"
    for offset, byte in enumerate(answer):
        if byte not in ALLOWED:
            return f"byte {offset}: expected printing ASCII, space, CR or LF, got 0x{byte:02x}"
    return ""
