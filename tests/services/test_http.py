"""The readers of HTTP/1.1, rule by rule of RFC 9112: what is read, what is refused, and where it may be cut."""

from collections.abc import Callable, Iterator
from itertools import chain, repeat

import pytest

from services.web import http
from services.web.errors import Incomplete, RemoteProtocolError
from services.web.grammar import LENGTH_DIGITS, Request, Response
from services.web.http import NEED_DATA, Data, End, Event, Finished, Reader, RequestReader, ResponseReader

OK = Response("1.1", 200, "OK", (("Content-Length", "5"),))


def join(found: list[Event], event: Event) -> None:
    """Put an event behind those that were found; data goes to the data before it, so that cuts do not show."""
    if isinstance(event, Data) and found and isinstance(found[-1], Data):
        found[-1] = Data(found[-1].data + event.data)
    else:
        found.append(event)


def events(reader: Reader, pieces: list[bytes], *, eof: bool = True) -> list[Event]:
    """All events of the pieces, the data of each body put together, so that cuts do not show."""
    found: list[Event] = []

    def drain() -> bool:
        while (event := reader.next_event()) is not NEED_DATA:
            join(found, event)
            if isinstance(event, Finished):
                break
        return True

    for piece in pieces:
        reader.receive_data(piece)
        drain()
    if eof:
        reader.receive_eof()
        drain()
    return found


def answer(raw: bytes, asked: str = "GET") -> list[Event]:
    return events(ResponseReader(asked), [raw])


def refused(reader: Reader, raw: bytes) -> RemoteProtocolError:
    """How `raw` is refused, whole and byte by byte, which must be the same."""
    with pytest.raises(RemoteProtocolError) as whole:
        events(reader, [raw])
    again = ResponseReader("GET") if isinstance(reader, ResponseReader) else RequestReader(reader._body_limit)
    with pytest.raises(RemoteProtocolError) as bytewise:
        events(again, [bytes([byte]) for byte in raw])
    assert (type(whole.value), whole.value.part) == (type(bytewise.value), bytewise.value.part)
    assert whole.value.offset == bytewise.value.offset
    return whole.value


def cuts(raw: bytes) -> Iterator[list[bytes]]:
    yield [raw]
    yield [bytes([byte]) for byte in raw]
    for at in range(1, len(raw)):
        yield [raw[:at], raw[at:]]


ANSWERS: dict[str, tuple[bytes, list[Event]]] = {
    "a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", [OK, Data(b"hello"), End(), Finished()]),
    "a length of none": (
        b"HTTP/1.1 200 \r\ncontent-length:0\r\n\r\n",
        [Response("1.1", 200, "", (("content-length", "0"),)), End(), Finished()],
    ),
    "the same length twice (6.3)": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 5\r\n\r\nhello",
        [
            Response("1.1", 200, "OK", (("Content-Length", "5, 5"), ("Content-Length", "5"))),
            Data(b"hello"),
            End(),
            Finished(),
        ],
    ),
    "until closed (6.3)": (
        b"HTTP/1.0 200 OK\r\n\r\nall\r\nthat is left",
        [Response("1.0", 200, "OK"), Data(b"all\r\nthat is left"), End(), Finished()],
    ),
    "until closed, and nothing": (b"HTTP/1.0 200 OK\r\n\r\n", [Response("1.0", 200, "OK"), End(), Finished()]),
    "chunks, extensions and trailers (7.1)": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
        b'05;a;b=c ; d = "q;\\"\xff"\r\nhello\r\nA\r\n0123456789\r\n000\r\nSum: 15\r\nMore: \r\n\r\n',
        [
            Response("1.1", 200, "OK", (("Transfer-Encoding", "Chunked"),)),
            Data(b"hello0123456789"),
            End((("Sum", "15"), ("More", ""))),
            Finished(),
        ],
    ),
    "chunks override a length (6.3)": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: ,chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        [
            Response("1.1", 200, "OK", (("Content-Length", "99"), ("Transfer-Encoding", ",chunked"))),
            Data(b"x"),
            End(),
            Finished(),
        ],
    ),
    "interim responses first (RFC 9110, 15.2)": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\nContent-Length: 9\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        [
            Response("1.1", 100, "Continue"),
            Response("1.1", 103, "Early Hints", (("Link", "x"), ("Content-Length", "9"))),
            OK,
            Data(b"hello"),
            End(),
            Finished(),
        ],
    ),
    "no content, whatever its fields say (6.3)": (
        b"HTTP/1.1 204 No Content\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        [
            Response("1.1", 204, "No Content", (("Content-Length", "x"), ("Transfer-Encoding", "chunked"))),
            End(),
            Finished(),
        ],
    ),
    "not modified has no body": (
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        [Response("1.1", 304, "Not Modified", (("Content-Length", "5"),)), End(), Finished()],
    ),
    "space around a value is no part of it (5.1)": (
        b"HTTP/1.1 304 x\r\nA: \t b  c\t \r\nB:\r\nC:d:e\r\n\r\n",
        [Response("1.1", 304, "x", (("A", "b  c"), ("B", ""), ("C", "d:e"))), End(), Finished()],
    ),
    "an obs-fold is one space (5.2)": (
        b"HTTP/1.1 304 x\r\nA: b \r\n\t  c\r\n \r\n d\r\nB: \r\n e\r\n\r\n",
        [Response("1.1", 304, "x", (("A", "b c d"), ("B", "e"))), End(), Finished()],
    ),
    "a reason and a value in another script": (
        b"HTTP/1.1 304 \xe4\xff\r\nA: \x80\r\n\r\n",
        [Response("1.1", 304, "\xe4\xff", (("A", "\x80"),)), End(), Finished()],
    ),
    "a later minor version (RFC 9110, 2.5)": (
        b"HTTP/1.7 304 x\r\n\r\n",
        [Response("1.7", 304, "x"), End(), Finished()],
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_read_alike_however_it_is_cut(name: str) -> None:
    raw, expected = ANSWERS[name]
    for pieces in cuts(raw):
        assert events(ResponseReader("GET"), pieces) == expected, [len(piece) for piece in pieces]


def test_the_answer_to_head_has_no_body_whatever_it_says_of_one() -> None:
    assert answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", asked="HEAD") == [OK, End(), Finished()]
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert answer(chunked, asked="HEAD")[1:] == [End(), Finished()]


def test_what_follows_the_answer_is_counted_and_is_no_second_answer() -> None:
    reader = ResponseReader("GET")
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    assert events(reader, [raw + raw]) == [OK, Data(b"hello"), End(), Finished()]
    assert reader.excess == len(raw)


def test_a_body_is_handed_on_as_it_comes_and_not_held() -> None:
    reader = ResponseReader("GET")
    reader.receive_data(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\n")
    assert isinstance(reader.next_event(), Response)
    for _ in range(100):
        reader.receive_data(b"x" * 1000)
        assert reader.next_event() == Data(b"x" * 1000)
        assert reader.next_event() is NEED_DATA
        assert len(reader._buffer) == 0


WRONG_ANSWERS: dict[bytes, str] = {
    b"HTTP/1.1 200\r\n\r\n": "status line",  # the space before an empty reason may not be missing
    b"HTTP/1.1  200 OK\r\n\r\n": "status line",
    b"HTTP/1.1 20 OK\r\n\r\n": "status line",
    b"HTTP/1.1 2000 OK\r\n\r\n": "status line",
    b"http/1.1 200 OK\r\n\r\n": "status line",
    b"HTTP/11 200 OK\r\n\r\n": "status line",
    b"HTTP/2.0 200 OK\r\n\r\n": "status line",
    b" HTTP/1.1 200 OK\r\n\r\n": "status line",
    b"\r\nHTTP/1.1 200 OK\r\n\r\n": "status line",
    b"HTTP/1.1 200 O\rK\r\n\r\n": "status line",
    b"HTTP/1.1 200 O\x00K\r\n\r\n": "status line",
    b"HTTP/1.1 200 OK\n\n": "status line",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n": "status",
    b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n": "field line",
    b"HTTP/1.1 200 OK\r\nA b\r\n\r\n": "field line",
    b"HTTP/1.1 200 OK\r\n: b\r\n\r\n": "field line",
    b"HTTP/1.1 200 OK\r\n A: b\r\n\r\n": "field line",  # before the first field there is nothing to fold
    b"HTTP/1.1 200 OK\r\nA: b\x00\r\n\r\n": "field line",
    b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n": "field line",
    b"HTTP/1.1 200 OK\r\nA: b\r\n\x7f: c\r\n\r\n": "field line",
    b"HTTP/1.1 200 OK\r\nA: b\r\n c\x01\r\n\r\n": "field line",
    b"HTTP/1.1 200 OK\r\nA: b\n\r\n": "fields, all together",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello": "content-length",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello": "content-length",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\nhello": "content-length",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5, 05\r\n\r\nhello": "content-length",
    b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello": "content-length",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhello": "content-length",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello": "content-length",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\nhello": "content-length",
    b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\nhello": "content-length",  # a superscript: isdigit() takes it
    b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello": "content-length",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n": "transfer-encoding",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n": "transfer-encoding",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;a=b\r\n\r\n": "transfer-encoding",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n": "transfer-encoding",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n": "transfer-encoding",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": "transfer-encoding",
}
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
WRONG_CHUNKS: dict[bytes, str] = {
    b"\r\n": "chunk size",
    b"g\r\n": "chunk size",
    b"+5\r\nhello\r\n": "chunk size",
    b"0x5\r\nhello\r\n": "chunk size",
    b"-1\r\n": "chunk size",
    b" 5\r\nhello\r\n": "chunk size",
    b"5 \r\nhello\r\n": "chunk size",
    b"5;\r\nhello\r\n": "chunk size",
    b"5;a=\r\nhello\r\n": "chunk size",
    b'5;a="b\r\nhello\r\n': "chunk size",
    b"5;a\rb\r\nhello\r\n": "chunk size",
    b"5\nhello\r\n": "chunk size and extensions",
    b"5\r\nhelloX": "chunk",
    b"5\r\nhello\n": "chunk",
    b"5\r\nhello\rX": "chunk",
    b"0\r\nA b\r\n\r\n": "field line",
    b"0\r\n\n": "trailers, all together",
}


@pytest.mark.parametrize("raw", [*WRONG_ANSWERS, *(CHUNKED + chunk for chunk in WRONG_CHUNKS)])
def test_a_wrong_answer_is_refused_by_its_part_whole_and_byte_by_byte(raw: bytes) -> None:
    error = refused(ResponseReader("GET"), raw)
    assert error.part == (WRONG_ANSWERS | {CHUNKED + chunk: part for chunk, part in WRONG_CHUNKS.items()})[raw]
    assert not isinstance(error, Incomplete)


def test_an_error_says_what_was_expected_what_came_and_where() -> None:
    error = refused(ResponseReader("GET"), b"HTTP/1.1 200 OK\r\nA: b\r\nC : d\r\n\r\n")
    assert str(error) == (
        "byte 23: field line: expected a name, a colon and a value of printable characters, got b'C : d'"
    )


def test_an_error_shows_little_of_a_long_line() -> None:
    error = refused(ResponseReader("GET"), b"x" * 5000 + b"\r\n")
    assert len(str(error)) < 200
    assert str(error).endswith("… (5003 characters)")


def test_an_error_is_given_again_and_nothing_is_kept_after_it() -> None:
    reader = ResponseReader("GET")
    reader.receive_data(b"no\r\nand more")
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="status line"):
            reader.next_event()
        reader.receive_data(b"x" * 1000)
        assert len(reader._buffer) == 0


@pytest.mark.parametrize("name", ANSWERS)
def test_an_end_at_every_offset_of_an_answer_is_an_error_unless_its_end_is_the_streams(name: str) -> None:
    raw, _ = ANSWERS[name]
    until_closed = "until closed" in name
    head = raw.index(b"\r\n\r\n") + 4
    for at in range(len(raw)):
        if until_closed and at >= head:
            assert answer(raw[:at])[-1] == Finished()
            continue
        with pytest.raises(Incomplete) as error:
            answer(raw[:at])
        assert error.value.offset == at


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "status line: expected all of it, got the end of the stream"),
        (b"HTTP/1.1 200 OK\r\nA", "fields: expected all of it, got the end of the stream"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
            "body: expected 5 bytes, got 3, then the end of the stream",
        ),
        (
            CHUNKED + b"5\r\nhello\r\n5\r\nwo",
            "chunk: expected all chunks, got 7 bytes, 2 of this one's 5, then the end of the stream",
        ),
        (CHUNKED + b"5\r\nhello\r\n", "chunk: expected a last chunk, got 5 bytes, then the end of the stream"),
        (CHUNKED + b"0\r\n", "trailers: expected all of it, got the end of the stream"),
    ],
)
def test_an_incomplete_answer_says_how_much_of_how_much_came(raw: bytes, says: str) -> None:
    with pytest.raises(Incomplete) as error:
        answer(raw)
    assert str(error.value).endswith(says)


def start_line(size: int) -> bytes:
    return b"HTTP/1.1 304 " + b"x" * (size - 15) + b"\r\n\r\n"


def fields_of(size: int) -> bytes:
    """A section of fields of so many bytes, the empty line included, in lines of 1,000."""
    lines = [b"A: " + b"x" * 995 + b"\r\n"] * (size // 1000 - 1)
    left = size - 2 - 1000 * len(lines)
    return b"HTTP/1.1 304 x\r\n" + b"".join(lines) + b"A: " + b"x" * (left - 5) + b"\r\n\r\n"


def fields_in(lines: int) -> bytes:
    return b"HTTP/1.1 304 x\r\n" + b"A:\r\n" * (lines - 2) + b"B:\r\n c\r\n" + b"\r\n"


def chunk_line(size: int) -> bytes:
    return CHUNKED + b"0;" + b"x" * (size - 4) + b"\r\n\r\n"


def length_of(digits: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: " + b"0" * (digits - 1) + b"1\r\n\r\nx"


def size_of(digits: int) -> bytes:
    return CHUNKED + b"0" * digits + b"\r\n\r\n"


def extensions_of(size: int) -> bytes:
    lines, left = divmod(size, 1000)
    body = b"1;" + b"x" * (1000 + http.OVERHEAD - 2) + b"\r\n.\r\n"
    return CHUNKED + body * lines + b"1;" + b"x" * (left + http.OVERHEAD - 2) + b"\r\n.\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("made", "limit", "part"),
    [
        (start_line, http.START_LINE_LIMIT, "status line"),
        (fields_of, http.FIELDS_LIMIT, "fields, all together"),
        (fields_in, http.FIELD_LINES_LIMIT, "fields"),
        (chunk_line, http.CHUNK_LINE_LIMIT, "chunk size and extensions"),
        (extensions_of, http.EXTENSIONS_LIMIT, "chunk extensions"),
        (length_of, LENGTH_DIGITS, "content-length"),
        (size_of, LENGTH_DIGITS, "chunk size"),
    ],
)
def test_each_limit_is_kept_to_and_one_more_is_refused(made: Callable[[int], bytes], limit: int, part: str) -> None:
    assert answer(made(limit))[-1] == Finished()
    assert refused(ResponseReader("GET"), made(limit + 1)).part == part


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\n", CHUNKED, CHUNKED + b"0\r\n"])
def test_a_line_that_never_ends_is_refused_at_its_limit_and_not_held(begin: bytes) -> None:
    reader, held = ResponseReader("GET"), [0]

    def feed_for_ever() -> None:
        for piece in chain([begin], repeat(b"x" * 100)):
            events(reader, [piece], eof=False)
            held.append(len(reader._buffer))

    with pytest.raises(RemoteProtocolError, match="got more"):
        feed_for_ever()
    assert max(held) <= http.FIELDS_LIMIT


def get(fields: bytes = b"Host: a\r\n", line: bytes = b"GET / HTTP/1.1") -> bytes:
    return line + b"\r\n" + fields + b"\r\n"


GOT: list[Event] = [Request("GET", "/", "1.1", (("Host", "a"),)), End(), Finished()]
REQUESTS: dict[bytes, list[Event]] = {
    get(): GOT,
    b"\r\n" + get(): GOT,  # RFC 9112, 2.2
    get(b"", b"GET / HTTP/1.0"): [Request("GET", "/", "1.0"), End(), Finished()],
    get(b"Host:\r\n", b"OPTIONS * HTTP/1.1"): [Request("OPTIONS", "*", "1.1", (("Host", ""),)), End(), Finished()],
    get(b"Host: [::1]:80\r\n", b"X!# http://a/b?c HTTP/1.9"): [
        Request("X!#", "http://a/b?c", "1.9", (("Host", "[::1]:80"),)),
        End(),
        Finished(),
    ],
    get(b"Host: a\r\nContent-Length: 5\r\n", b"POST / HTTP/1.1") + b"hello" + get(): [
        Request("POST", "/", "1.1", (("Host", "a"), ("Content-Length", "5"))),
        Data(b"hello"),
        End(),
        *GOT,
    ],
    get(b"Host: a\r\nTransfer-Encoding: chunked\r\n", b"POST / HTTP/1.1") + b"2\r\nhi\r\n0\r\nT: u\r\n\r\n" + get(): [
        Request("POST", "/", "1.1", (("Host", "a"), ("Transfer-Encoding", "chunked"))),
        Data(b"hi"),
        End((("T", "u"),)),
        *GOT,
    ],
}


@pytest.mark.parametrize("raw", REQUESTS)
def test_requests_are_read_alike_however_they_are_cut(raw: bytes) -> None:
    for pieces in cuts(raw):
        assert events(RequestReader(), pieces) == REQUESTS[raw], [len(piece) for piece in pieces]


REFUSED = {
    400: [
        get(b""),  # RFC 9112, 3.2: no Host
        get(b"Host: a\r\nHost: a\r\n"),
        get(b"Host: a b\r\n"),
        get(b"Host: a/b\r\n"),
        get(b"Host: a:80:80\r\n"),
        get(line=b"GET /"),  # HTTP/0.9
        get(line=b"GET  / HTTP/1.1"),
        get(line=b"GET / HTTP/1.1 "),
        get(line=b"GET /a b HTTP/1.1"),
        get(line=b"GET /\xff HTTP/1.1"),
        get(line=b"GET a HTTP/1.1"),
        get(line=b"GET * HTTP/1.1"),
        get(line=b"GET /#a HTTP/1.1"),
        get(line=b"G@T / HTTP/1.1"),
        b"\r\n\r\n" + get(),
        b"GET / HTTP/1.1\nHost: a\n\n",
        get(b"Host : a\r\n"),
        get(b"Host: a\r\nA: b\r\n c\r\n"),  # an obs-fold: RFC 9112, 5.2
        get(b" Host: a\r\n"),
        get(b"Host: a\r\nA: b\x00\r\n"),
        # What two servers could read differently: RFC 9112, 6.3 and 11.2
        get(b"Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        get(b"Host: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n"),
        get(b"Host: a\r\nContent-Length: 5 5\r\n"),
        get(b"Host: a\r\nContent-Length: +5\r\n"),
        get(b"Host: a\r\nTransfer-Encoding: gzip\r\n"),
        get(b"Host: a\r\nTransfer-Encoding: chunked, gzip\r\n"),
        get(b"Host: a\r\nTransfer-Encoding: chunked, chunked\r\n"),
        get(b"Host: a\r\nTransfer-Encoding: \x0bchunked\r\n"),
        get(b"Host: a\r\nTransfer-Encoding: xchunked\r\n"),
        get(b"Host: a\r\nTransfer-Encoding: chunked\r\n", b"POST / HTTP/1.0"),
    ],
    413: [
        get(b"Host: a\r\nContent-Length: 11\r\n"),
        get(b"Host: a\r\nTransfer-Encoding: chunked\r\n") + b"9\r\n123456789\r\n2\r\n",
    ],
    414: [get(line=b"GET /" + b"x" * http.START_LINE_LIMIT + b" HTTP/1.1")],
    431: [
        get(b"Host: a\r\n" + b"A: b\r\n" * http.FIELD_LINES_LIMIT),
        get(b"Host: a\r\nA: " + b"x" * http.FIELDS_LIMIT + b"\r\n"),
    ],
    501: [
        get(line=b"CONNECT a:80 HTTP/1.1"),
        get(b"Host: a\r\nTransfer-Encoding: gzip, chunked\r\n"),
    ],
    505: [get(line=b"GET / HTTP/2.0")],
}


@pytest.mark.parametrize(("raw", "status"), [(raw, status) for status, found in REFUSED.items() for raw in found])
def test_a_wrong_request_is_refused_with_the_status_that_says_so(raw: bytes, status: int) -> None:
    error = refused(RequestReader(body_limit=10), raw)
    assert error.status == status
    assert not isinstance(error, Incomplete)


def test_a_body_as_large_as_the_limit_is_read() -> None:
    raw = get(b"Host: a\r\nTransfer-Encoding: chunked\r\n") + b"9\r\n123456789\r\n1\r\n0\r\n0\r\n\r\n"
    assert events(RequestReader(body_limit=10), [raw])[1] == Data(b"1234567890")


@pytest.mark.parametrize("raw", REQUESTS)
def test_a_stream_may_end_between_two_requests_and_nowhere_else(raw: bytes) -> None:
    for at in range(len(raw)):
        if raw[:at] in (b"", b"\r\n") or raw[at:] == get():
            assert events(RequestReader(), [raw[:at]])[-1] == Finished()
        else:
            with pytest.raises(Incomplete):
                events(RequestReader(), [raw[:at]])


def test_a_message_is_begun_by_its_first_byte_and_ended_by_its_last() -> None:
    reader, begun = RequestReader(), []
    for byte in get() + get():
        events(reader, [bytes([byte])], eof=False)
        begun.append(reader.in_message)
    one = [True] * (len(get()) - 1) + [False]
    assert begun == one + one


@pytest.mark.parametrize(
    ("version", "connection", "persists"),
    [
        ("1.1", None, True),
        ("1.1", "close", False),
        ("1.1", "x, CLOSE", False),
        ("1.1", "closed", True),
        ("1.0", None, False),
        ("1.0", "Keep-Alive", True),
        ("1.0", "keep-alive, close", False),
    ],
)
def test_a_connection_persists_as_rfc_9112_9_3_says(version: str, connection: str | None, persists: bool) -> None:
    fields = () if connection is None else (("Connection", connection),)
    assert Request("GET", "/", version, fields).persists is persists


def test_every_state_can_be_reached_and_left_but_the_last_two() -> None:
    reached = set(http.TABLE.values()) | {http.State.START_LINE, http.State.FAILED}
    left = {state for state, _ in http.TABLE} | {http.State.FINISHED, http.State.FAILED}
    assert reached == left == set(http.State)
    assert {on for _, on in http.TABLE} == set(http.On)
