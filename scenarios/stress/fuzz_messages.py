"""Wrong messages, by a seed, and what each server of the lab may answer to them.

A dialect is what a service speaks: some right messages, and a judge of what comes back for any bytes at all. The judges
know the protocols by their documents (docs/protocol.md, docs/services.md, RFC 862, 865, 867, 9112), not by the servers'
own code. Opens no socket.
"""

from __future__ import annotations

import contextlib
import functools
import json
import random
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from scenarios.lab.valueclass import valueclass
from scenarios.stress.fuzz_judges import (
    Case,
    Judge,
    Reply,
    delimited,
    echo,
    exactly,
    fixed,
    http,
    judge_search,
    length_prefixed,
    nothing,
    quote,
    shutdown,
    time_of_day,
    tls,
)

MOST_BYTES: Final = 80_000  # of a message: more than any limit of a framing
DATAGRAM_BYTES: Final = 1_400


@valueclass
class Dialect:
    """`good` is answered by exactly `answer`, or by what `judge` takes where it is None."""

    seeds: tuple[bytes, ...]
    judge: Judge
    good: bytes = b""
    answer: bytes | None = None
    make: Callable[[random.Random], tuple[bytes, int]] | None = (
        None  # a message whose framing is right, and its answers
    )
    ends: bool = True  # whether the server ends the connection once its peer has finished


# The message protocol (docs/protocol.md)


def message(content: bytes, content_type: str = "text/json", encoding: str = "utf-8", **more: Any) -> bytes:
    """Write a message of the protocol with a JSON header, by its document alone."""
    header = {
        "byteorder": "little",
        "content-type": content_type,
        "content-encoding": encoding,
        "content-length": len(content),
        **more,
    }
    text = json.dumps(header, ensure_ascii=False).encode()
    return len(text).to_bytes(2, "big") + text + content


def search(value: str) -> bytes:
    return message(json.dumps({"action": "search", "value": value}, ensure_ascii=False).encode())


ELEMENTS: Final = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
ODD_JSON: Final = (
    *(b"null", b"true", b"[]", b"{}", b'""', b"-1", b"1e400", b"NaN", b"9" * 5000, b"[" * 200, b'{"a":' * 150),
    *(
        b'"\\ud800"',
        b'"\\u0000"',
        b"\xef\xbb\xbf{}",
        b'{"action": "search", "action": "x"}',
        b"\xff\xfe",
        b"0x1",
        b"01",
    ),
)


def _content(dice: random.Random) -> bytes:
    right = json.dumps(
        {"action": dice.choice(("search", "", "é")), "value": dice.choice(("ring", "🐶", "\0"))}
    ).encode()
    which = dice.randrange(4)
    if which == 0:
        return dice.choice(ODD_JSON)
    if which == 1:
        return dice.randbytes(dice.randrange(200))
    return right if which == 2 else changed(dice, right)


def _framed_right(dice: random.Random) -> tuple[bytes, int]:
    """Messages whose framing is right, with whatever content: each is answered, and the connection goes on."""
    sent, count = b"", dice.randrange(1, 5)
    for _ in range(count):
        content = _content(dice)
        kind = dice.choice(("text/json", "binary/array", "binary/custom-client-binary-type", "", "é" * 50))
        encoding = dice.choice(("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "binary"))
        more: dict[str, Any] = {}
        if kind == "binary/array":
            element = dice.choice((*ELEMENTS, "int128", 5, None))
            more = {
                "element": element,
                "count": dice.choice((0, 1, len(content), len(content) // 4, -1, 2**70, "3", 1.5)),
            }
            more = {key: value for key, value in more.items() if dice.randrange(10)}
        more |= {"byteorder": dice.choice(("little", "big"))}
        sent += message(content, kind, encoding, **more)
    return sent, count


def changed(dice: random.Random, right: bytes) -> bytes:
    """Return a message with one to four changes."""
    content = bytearray(right)
    for _ in range(dice.randrange(1, 5)):
        _CHANGES[dice.randrange(len(_CHANGES))](dice, content)
    return bytes(content[:MOST_BYTES])


def _place(dice: random.Random, content: bytearray) -> tuple[int, int]:
    begin = dice.randrange(len(content) + 1)
    return begin, min(len(content), begin + dice.randrange(1, 20))


def _flip(dice: random.Random, content: bytearray) -> None:
    if content:
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)


def _odd_byte(dice: random.Random, content: bytearray) -> None:
    if content:
        content[dice.randrange(len(content))] = dice.choice(b'\x00\xff\x7f\x80\r\n "{}[]:,\\0-')


def _delete(dice: random.Random, content: bytearray) -> None:
    begin, end = _place(dice, content)
    del content[begin:end]


def _insert(dice: random.Random, content: bytearray) -> None:
    at = dice.randrange(len(content) + 1)
    content[at:at] = dice.choice((dice.randbytes(dice.randrange(1, 30)), dice.choice(ODD_JSON), b"\r\n", b"\0" * 4))


def _repeat(dice: random.Random, content: bytearray) -> None:
    begin, end = _place(dice, content)
    content[begin:begin] = content[begin:end] * dice.choice((1, 2, 10, 500, 5000))


def _cut(dice: random.Random, content: bytearray) -> None:
    del content[dice.randrange(len(content) + 1) :]


def _number(dice: random.Random, content: bytearray) -> None:
    if found := [*re.finditer(rb"\d+", bytes(content))]:
        where = dice.choice(found)
        content[where.start() : where.end()] = dice.choice(
            (b"0", b"-1", b"1e3", b"65536", b"16777217", b"4294967296", b"9" * 30, b"1.0", b"", b"0x10")
        )


def _length(dice: random.Random, content: bytearray) -> None:
    width = dice.choice((2, 4))
    content[:width] = dice.choice((0, 1, 2, 255, len(content), 65535, (1 << (8 * width)) - 1)).to_bytes(8, "big")[
        -width:
    ]


_CHANGES: Final = (_flip, _odd_byte, _delete, _insert, _repeat, _cut, _number, _length)


def cases(dialect: Dialect, dice: random.Random, most_bytes: int = MOST_BYTES) -> Iterator[Case]:
    """Yield messages without end: random ones, right ones that were changed, and such as are framed right."""
    while True:
        which = dice.randrange(10)
        promised = None
        if dialect.make and which < 4:
            sent, promised = dialect.make(dice)
            what = "framed right"
        elif which == 9:
            sent, what = dice.randbytes(dice.choice((0, 1, 2, 5, 60, 3000))), "random bytes"
        else:
            sent, what = changed(dice, b"".join(dice.choices(dialect.seeds, k=dice.randrange(1, 4)))), "changed"
        if len(sent) > most_bytes:
            sent, promised = sent[:most_bytes], None
        yield Case(sent, _pieces(dice, sent), what, promised)


def _pieces(dice: random.Random, sent: bytes) -> tuple[bytes, ...]:
    """In one piece, in some, or byte by byte."""
    how = dice.randrange(6)
    if how == 0 and len(sent) <= 100:
        return tuple(sent[at : at + 1] for at in range(len(sent)))
    cuts = sorted(dice.randrange(len(sent) + 1) for _ in range(dice.randrange(5))) if how < 4 else []
    return tuple(sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True))


@functools.cache
def _client_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="server.lab").do_handshake()
    return outgoing.read()


GET: Final = b"GET /hello?a=b HTTP/1.1\r\nHost: server.lab\r\nAccept: */*\r\n\r\n"
POST: Final = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED: Final = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
HEAD: Final = b"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n"


def _requests(dice: random.Random) -> tuple[bytes, int]:
    chosen = dice.choices((GET, POST, CHUNKED), k=dice.randrange(1, 5))
    return b"".join(chosen), len(chosen)


def _array() -> bytes:
    return message(bytes(range(12)), "binary/array", "binary", element="int32", count=3)


SEARCH: Final = Dialect(
    (
        search("morpheus"),
        search("🐶"),
        message(b"binary\xf0\x9f", "binary/custom-client-binary-type", "binary"),
        _array(),
    ),
    judge_search,
    search("ring"),
    make=_framed_right,
)
LINES: Final = (b"one\r\ntwo\r\n", b"\r\n", b"x" * 70)
DIALECTS: Final[Mapping[str, Dialect]] = {
    "echo": Dialect((b"Hello, world", b"\0\r\n" * 30), echo, b"good", b"good"),
    "framing/fixed": Dialect(
        (b"exactly 16 bytes", b"0123456789abcdef" * 3), fixed, b"0123456789abcdef", b"fedcba9876543210"
    ),
    "framing/delimited": Dialect(LINES, delimited, b"good\r\n", b"doog\r\n"),
    "framing/length-prefixed": Dialect(
        (b"\0\0\0\3one\0\0\0\0", b"\0\0\0\x0ctwelve bytes"), length_prefixed, b"\0\0\0\4good", b"\0\0\0\4doog"
    ),
    "framing/shutdown": Dialect((b"all of it",), shutdown, b"good", b"doog"),
    "search": SEARCH,
    "search_tls": Dialect((_client_hello(), b"\x15\x03\x03\x00\x02\x02\x28"), tls),
    "web": Dialect((GET, POST, CHUNKED, HEAD), http, GET, make=_requests),
    "qotd": Dialect((b"", b"\r\n", b"a quote, please"), quote),
    "daytime": Dialect((b"", b"\r\n", b"the time, please"), time_of_day),
    "sink": Dialect((b"x" * 100,), nothing, ends=False),
}


def dialect_of(service: str, server: str) -> Dialect | None:
    """Return what a server of the lab speaks, or None where nothing here can judge it."""
    return DIALECTS.get(f"{service}/{server}") or DIALECTS.get(service)


def judged_good(dialect: Dialect, reply: Reply) -> str:
    """What is wrong with the reply to the good message; empty if nothing is."""
    case = Case(dialect.good, (dialect.good,), "a good message", 1 if dialect.make else None)
    if dialect.answer is not None:
        return exactly(dialect.answer, reply)
    return dialect.judge(case, reply)
