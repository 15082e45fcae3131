"""Messages as nobody should send them, by a seed, and what each server of the lab may answer to them.

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

MOST_BYTES: Final = 80_000  # of a message: more than any limit of a framing
DATAGRAM_BYTES: Final = 1_400
FIXED_BYTES: Final = 16  # of services/framing, without flags
FRAMING_LIMIT: Final = 64 * 1024  # likewise
QUOTE_BYTES: Final = 512  # RFC 865
HTTP_STATUSES: Final = {100, 200, 400, 413, 414, 431, 501, 505}  # docs/services.md
TLS_TYPES: Final = range(20, 24)  # RFC 8446, 5.1
TLS_RECORD_BYTES: Final = (1 << 14) + 256
FINISHED, RESET, LATE = "end", "reset", "late"  # how a connection ended (fuzz_caller.py)


@dataclass(frozen=True, slots=True)
class Case:
    """A message, and the pieces in which it is sent. `promised`: how many answers the protocol promises, if known."""

    sent: bytes
    pieces: tuple[bytes, ...]
    what: str
    promised: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, and how the connection ended."""

    got: bytes
    end: str


# What is wrong with a reply; empty if nothing is.
Judge = Callable[[Case, Reply], str]


@dataclass(frozen=True, slots=True)
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


def _exactly(expected: bytes, reply: Reply, *, whole: bool = True) -> str:
    """`whole`: nothing in the message broke the protocol. Else the server may close with bytes unread, which resets."""
    if reply.end == LATE:
        return "the connection did not end"
    if reply.got == expected and (reply.end == FINISHED or not whole):
        return ""
    if not whole and reply.end == RESET and expected.startswith(reply.got):
        return ""
    return f"expected {_shown(expected)} and the end, got {_shown(reply.got)} and {reply.end}"


def _shown(content: bytes) -> str:
    return repr(content) if len(content) <= 80 else f"{content[:60]!r}… ({len(content)} bytes)"


def _echo(case: Case, reply: Reply) -> str:
    return _exactly(case.sent, reply)


def _fixed(case: Case, reply: Reply) -> str:
    sent = case.sent
    whole = len(sent) // FIXED_BYTES * FIXED_BYTES
    messages = [sent[at : at + FIXED_BYTES] for at in range(0, whole, FIXED_BYTES)]
    return _exactly(b"".join(each[::-1] for each in messages), reply)


def _delimited(case: Case, reply: Reply) -> str:
    *messages, rest = case.sent.split(b"\r\n")
    answers: list[bytes] = []
    whole = len(rest) <= FRAMING_LIMIT + 1
    for each in messages:
        if len(each) > FRAMING_LIMIT:
            whole = False
            break
        reverse = each[::-1]
        if b"\r\n" in reverse + b"\r\n" and (reverse + b"\r\n").find(b"\r\n") != len(reverse):
            return _any_prefix(answers, reply)  # its reverse has no form in this framing
        answers.append(reverse + b"\r\n")
    return _exactly(b"".join(answers), reply, whole=whole)


def _any_prefix(answers: Sequence[bytes], reply: Reply) -> str:
    if reply.end == LATE:
        return "the connection did not end"
    expected = b"".join(answers)
    return "" if reply.got.startswith(expected) or expected.startswith(reply.got) else _exactly(expected, reply)


def _length_prefixed(case: Case, reply: Reply) -> str:
    sent, at, answers, whole = case.sent, 0, [], True
    while len(sent) - at >= 4:
        length = int.from_bytes(sent[at : at + 4], "big")
        if length > FRAMING_LIMIT:
            whole = False
            break
        if len(sent) - at - 4 < length:
            break
        answers.append(sent[at : at + 4] + sent[at + 4 : at + 4 + length][::-1])
        at += 4 + length
    return _exactly(b"".join(answers), reply, whole=whole)


def _shutdown(case: Case, reply: Reply) -> str:
    if len(case.sent) > FRAMING_LIMIT:
        return _exactly(b"", reply, whole=False)
    return _exactly(case.sent[::-1], reply)


def _quote(case: Case, reply: Reply) -> str:  # noqa: ARG001 (whatever is sent, a quote comes)
    if reply.end == RESET and not reply.got:
        return ""
    if reply.end == FINISHED and 0 < len(reply.got) <= QUOTE_BYTES and reply.got.endswith(b"\r\n"):
        return ""
    return f"expected a quote of at most {QUOTE_BYTES} bytes and the end, got {_shown(reply.got)} and {reply.end}"


def _time_of_day(case: Case, reply: Reply) -> str:  # noqa: ARG001 (whatever is sent, the time comes)
    if reply.end == RESET and not reply.got:
        return ""
    if reply.end == FINISHED and re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\r\n", reply.got):
        return ""
    return f"expected the time of day and the end, got {_shown(reply.got)} and {reply.end}"


def _nothing(case: Case, reply: Reply) -> str:  # noqa: ARG001 (whatever is sent, nothing comes)
    return f"expected nothing, got {_shown(reply.got)}" if reply.got else ""


def _tls(case: Case, reply: Reply) -> str:  # noqa: ARG001 (no key is known here: only the records can be judged)
    if reply.end == LATE:
        return "the connection did not end"
    at = 0
    while at < len(reply.got):
        head = reply.got[at : at + 5]
        length = int.from_bytes(head[3:5], "big")
        if len(head) < 5 or head[0] not in TLS_TYPES or head[1] != 3 or length > TLS_RECORD_BYTES:
            return f"expected TLS records, got {_shown(reply.got[at:])} at byte {at}"
        at += 5 + length
    if at > len(reply.got) and reply.end != RESET:
        return f"the last TLS record ends {at - len(reply.got)} bytes early"
    return ""


def _http(case: Case, reply: Reply) -> str:
    """Responses, each whole, one after another; only after a reset may the last be cut off (RFC 9112)."""
    if reply.end == LATE:
        return "the connection did not end"
    left, number = reply.got, 0
    while left:
        number += 1
        head, blank, rest = left.partition(b"\r\n\r\n")
        started = re.match(rb"HTTP/1\.1 (\d{3}) [^\r\n]*(?:\r\n|\Z)", head)
        if not blank and reply.end == RESET:
            return ""
        if not blank or not started:
            return f"response {number}: expected a status line and fields, got {_shown(left)}"
        status = int(started[1])
        if status not in HTTP_STATUSES:
            return f"response {number}: expected one of {sorted(HTTP_STATUSES)}, got {status}"
        lengths = re.findall(rb"(?im)^Content-Length: (\d+)\r?$", head)
        if status == 100:
            left = rest
            continue
        if len(lengths) != 1:
            return f"response {number}: expected one Content-Length, got {len(lengths)}"
        length = int(lengths[0])
        if b"HEAD" in case.sent and (not rest or rest.startswith(b"HTTP/1.1 ")):
            length = 0
        if len(rest) < length and reply.end != RESET:
            return f"response {number}: {len(rest)} of {length} bytes"
        left = rest[length:]
    if case.promised is not None and number != case.promised and reply.end != RESET:
        return f"expected {case.promised} responses, got {number}"
    return ""


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


def messages(stream: bytes) -> Iterator[tuple[Mapping[str, Any], bytes]]:
    """Yield header and content of each whole message, up to the first that is none. Takes more than is right."""
    at = 0
    while len(stream) - at >= 2:
        begin = at + 2 + int.from_bytes(stream[at : at + 2], "big")
        try:
            header = json.loads(stream[at + 2 : begin])
            length = header["content-length"]
            if begin > len(stream) or not isinstance(length, int) or not 0 <= length <= len(stream) - begin:
                return
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        yield header, stream[begin : begin + length]
        at = begin + length


def _search(case: Case, reply: Reply) -> str:
    if reply.end == LATE:
        return "the connection did not end"
    asked = len([*messages(case.sent)])
    answers = [*messages(reply.got)]
    for number, (header, content) in enumerate(answers, 1):
        if wrong := _wrong_answer(header, content):
            return f"answer {number}: {wrong}"
    taken = sum(2 + _header_length(reply.got, answers, at) + len(content) for at, (_, content) in enumerate(answers))
    if taken != len(reply.got) and reply.end != RESET:
        return f"{len(reply.got) - taken} bytes behind answer {len(answers)} are no answer"
    if len(answers) > asked:
        return f"{asked} requests were whole, and {len(answers)} answers came"
    if case.promised is not None and (len(answers), reply.end) != (case.promised, FINISHED):
        return f"expected {case.promised} answers and the end, got {len(answers)} and {reply.end}"
    return ""


def _header_length(stream: bytes, answers: Sequence[tuple[Mapping[str, Any], bytes]], number: int) -> int:
    at = 0
    for _, content in answers[:number]:
        at += 2 + int.from_bytes(stream[at : at + 2], "big") + len(content)
    return int.from_bytes(stream[at : at + 2], "big")


def _wrong_answer(header: Mapping[str, Any], content: bytes) -> str:
    """What is wrong with an answer of the search service: it is a result, a defined error, an echo or an array."""
    if header.get("byteorder") not in ("little", "big"):
        return f"byteorder {header.get('byteorder')!r}"
    kind = header.get("content-type"), header.get("content-encoding")
    if kind == ("text/json", "utf-8"):
        try:
            result = json.loads(content)["result"]
        except (ValueError, KeyError, TypeError) as error:
            return f"no result in {_shown(content)}: {error}"
        return "" if isinstance(result, str) else f"the result is no string: {_shown(content)}"
    if kind == ("binary/custom-server-binary-type", "binary"):
        is_one = content.startswith(b"First 10 bytes of request: ") and len(content) <= 27 + 10
        return "" if is_one else f"no echo of ten bytes: {_shown(content)}"
    if kind == ("binary/array", "binary"):
        return (
            "" if {"element", "count", "sum", "minimum", "maximum"} <= {*header} else f"an array lacks names: {header}"
        )
    return f"content of the kind {kind}"


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
    _search,
    search("ring"),
    make=_framed_right,
)
LINES: Final = (b"one\r\ntwo\r\n", b"\r\n", b"x" * 70)
DIALECTS: Final[Mapping[str, Dialect]] = {
    "echo": Dialect((b"Hello, world", b"\0\r\n" * 30), _echo, b"good", b"good"),
    "framing/fixed": Dialect(
        (b"exactly 16 bytes", b"0123456789abcdef" * 3), _fixed, b"0123456789abcdef", b"fedcba9876543210"
    ),
    "framing/delimited": Dialect(LINES, _delimited, b"good\r\n", b"doog\r\n"),
    "framing/length-prefixed": Dialect(
        (b"\0\0\0\3one\0\0\0\0", b"\0\0\0\x0ctwelve bytes"), _length_prefixed, b"\0\0\0\4good", b"\0\0\0\4doog"
    ),
    "framing/shutdown": Dialect((b"all of it",), _shutdown, b"good", b"doog"),
    "search": SEARCH,
    "search_tls": Dialect((_client_hello(), b"\x15\x03\x03\x00\x02\x02\x28"), _tls),
    "web": Dialect((GET, POST, CHUNKED, HEAD), _http, GET, make=_requests),
    "qotd": Dialect((b"", b"\r\n", b"a quote, please"), _quote),
    "daytime": Dialect((b"", b"\r\n", b"the time, please"), _time_of_day),
    "sink": Dialect((b"x" * 100,), _nothing, ends=False),
}


def dialect_of(service: str, server: str) -> Dialect | None:
    """Return what a server of the lab speaks, or None where nothing here can judge it."""
    return DIALECTS.get(f"{service}/{server}") or DIALECTS.get(service)


def judged_good(dialect: Dialect, reply: Reply) -> str:
    """What is wrong with the reply to the good message; empty if nothing is."""
    case = Case(dialect.good, (dialect.good,), "a good message", 1 if dialect.make else None)
    if dialect.answer is not None:
        return _exactly(dialect.answer, reply)
    return dialect.judge(case, reply)
