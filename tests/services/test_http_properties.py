"""The readers of HTTP/1.1 on what nobody thought of: any bytes, cut anywhere."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from services.web import http
from services.web.errors import RemoteProtocolError
from services.web.http import NEED_DATA, Data, Event, Finished, Reader, RequestReader, ResponseReader
from tests.services.test_http import join

LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 \r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"GET / HTTP/1.1\r\n",
        b"POST / HTTP/1.0\r\n",
        b"Host: a\r\n",
        b"Content-Length: 3\r\n",
        b"Content-Length: 4\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"A: b\r\n",
        b" c\r\n",
        b"3;x=y\r\nabc\r\n",
        b"0\r\n",
        b"\r\n",
        b"\n",
        b"abc",
    ]
)
STREAMS = st.one_of(
    st.binary(max_size=200), st.lists(st.one_of(LINES, st.binary(max_size=5)), max_size=12).map(b"".join)
)


def outcome(reader: Reader, pieces: list[bytes]) -> tuple[list[Event], str]:
    """The events, bodies put together, and the error if it ended so. Checks on the way what is held."""
    found: list[Event] = []
    try:
        for piece in [*pieces, None]:
            reader.receive_eof() if piece is None else reader.receive_data(piece)
            while (event := reader.next_event()) is not NEED_DATA:
                join(found, event)
                if isinstance(event, Finished):
                    return found, ""
            assert len(reader._buffer) <= http.FIELDS_LIMIT
    except RemoteProtocolError as error:
        return found, str(error)
    raise AssertionError("the stream ended, and the reader wants more")


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(raw) + 1) for place in places), len(raw)]
    return [raw[begin:end] for begin, end in pairwise(edges)]


@settings(max_examples=400, deadline=None)
@given(STREAMS, st.lists(st.integers(0, 10_000), max_size=5), st.sampled_from(["GET", "HEAD", ""]))
def test_any_stream_is_events_and_an_end_or_one_defined_error_alike_however_it_is_cut(
    raw: bytes, places: list[int], asked: str
) -> None:
    def reader() -> Reader:
        return ResponseReader(asked) if asked else RequestReader(body_limit=10)

    whole = outcome(reader(), [raw])
    assert outcome(reader(), cut(raw, places)) == whole
    assert outcome(reader(), [bytes([byte]) for byte in raw]) == whole


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=20), max_size=10), st.lists(st.integers(0, 10_000), max_size=5))
def test_chunks_are_put_together_to_the_body_that_was_cut_into_them(body: list[bytes], places: list[int]) -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in body)
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    found, error = outcome(ResponseReader("GET"), cut(raw, places))
    assert error == ""
    assert b"".join(event.data for event in found if isinstance(event, Data)) == b"".join(body)
