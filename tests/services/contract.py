"""What is said once of every protocol, server and client, for the suites that run over all of them.

A protocol says how a request is made, what answer is right, and what is the largest; a server, what its architecture
promises; a client, what it asks, and what it makes of an answer. Some of that is said in the byte order of the machine
that says it: `on` gives a server, or a client, as it is on a machine of one.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import pytest

from services.framing.delimited import send_delimited
from services.framing.length_prefixed import send_length_prefixed
from services.search.client import request
from services.wire import Connection, array_of, send_array

LARGE: Final = 12_000_000  # bytes: more than the sockets hold


@dataclass(frozen=True, slots=True)
class Protocol:
    """`asking` and `answer` take a short text in ASCII."""

    name: str
    asking: Callable[[str], bytes]
    answer: Callable[[str], bytes]
    # What comes back to a peer that finishes after these bytes, which are not a whole request.
    answer_to_cut: Callable[[bytes], bytes]
    # The flags under which a text of so many bytes is the largest that is taken, and what the journal says of one more.
    largest: Callable[[int], tuple[str, ...]] | None
    too_large: str = ""
    in_flight: int = LARGE  # bytes of a request that is under way when SIGTERM comes
    # The end of the peer's stream is the end of its only request.
    one_a_stream: bool = False
    flags: tuple[str, ...] = ()
    answer_of_big_endian: Callable[[str], bytes] | None = None  # where it is another one


@dataclass(frozen=True, slots=True)
class Server:
    protocol: Protocol
    module: str
    flags: tuple[str, ...] = ()
    many: bool = True  # serves many at once
    again: bool = True  # serves one after another
    one_process: bool = True  # all connections are descriptors of one process
    refuses: tuple[tuple[tuple[str, ...], str], ...] = field(default=())

    @property
    def name(self) -> str:
        return f"{self.protocol.name}/{self.module.rpartition('.')[2].removeprefix('server_')}".removesuffix("/server")

    def on(self, byteorder: str) -> "Server":
        if byteorder == "big" and (answer := self.protocol.answer_of_big_endian):
            return replace(self, protocol=replace(self.protocol, answer=answer))
        return self


def framed(name: str, asking: Callable[[bytes], bytes], too_large: str, *, cut: bool = False) -> Protocol:
    def reverse(whole: bytes) -> bytes:
        return whole[::-1] if cut else b""

    return Protocol(
        name,
        lambda text: asking(text.encode()),
        lambda text: asking(padded(text)[::-1] if name == "fixed" else text.encode()[::-1]),
        reverse,
        lambda size: ("--length" if name == "fixed" else "--limit", str(size)),
        too_large,
        one_a_stream=cut,
        flags=("--framing", name),
    )


def padded(text: str) -> bytes:
    """A text as a message of 16 bytes; a longer one is a message of its own length."""
    return text.encode().ljust(16, b".")


def search_answer(text: str, byteorder: str = sys.byteorder) -> bytes:
    content = json.dumps({"result": f"No match for '{text}'."}, ensure_ascii=False).encode()
    return Connection(byteorder=byteorder).send_message(content, "text/json", "utf-8")


ECHO: Final = Protocol("echo", str.encode, str.encode, lambda cut: cut, None, in_flight=200_000)
FIXED: Final = framed("fixed", lambda message: message.ljust(16, b"."), "the stream ended after 1 of 40 bytes")
DELIMITED: Final = framed(
    "delimited", lambda m: send_delimited(m, limit=LARGE), r"no delimiter b'\\r\\n' within 40 bytes, the limit"
)
PREFIXED: Final = framed(
    "length-prefixed",
    lambda m: send_length_prefixed(m, limit=LARGE),
    "a message of 41 bytes is announced; the limit is 40",
)
SHUTDOWN: Final = framed("shutdown", lambda message: message, "more than 40 bytes, the limit", cut=True)
SEARCH: Final = Protocol(
    "search",
    lambda text: request("search", text, Connection()),
    search_answer,
    lambda _: b"",
    lambda size: ("--content-limit", str(size + len('{"action": "search", "value": ""}'))),
    r"content-length: expected 0 to 73 bytes, got 74 \(content limit 73\)",
    answer_of_big_endian=lambda text: search_answer(text, "big"),
)

SERVERS: Final = (
    Server(ECHO, "echo.server_once", many=False, again=False),
    Server(ECHO, "echo.server_blocking", many=False),
    Server(ECHO, "echo.server_threads"),
    Server(ECHO, "echo.server_forking", one_process=False),
    Server(ECHO, "echo.server_select"),
    Server(ECHO, "echo.server_selectors"),
    Server(ECHO, "echo.server_asyncio"),
    *(Server(protocol, "framing.server", protocol.flags) for protocol in (FIXED, DELIMITED, PREFIXED, SHUTDOWN)),
    Server(SEARCH, "search.server_selectors"),
    Server(SEARCH, "search.server_asyncio"),
)


def servers(which: Callable[[Server], bool] = lambda _: True) -> pytest.MarkDecorator:
    """The test runs once for each server of which this holds, as its fixture `subject`."""
    found = [pytest.param(server, id=server.name) for server in SERVERS if which(server)]
    return pytest.mark.parametrize("subject", found, indirect=True)


@dataclass(frozen=True, slots=True)
class Client:
    """`words` follow HOST and PORT; they ask with the bytes `asks`, and `reply` is the right answer to them."""

    name: str
    module: str
    words: tuple[str, ...]
    asks: bytes
    reply: bytes
    prints: str
    wrong: bytes
    cut_status: int = 14  # of a reply that ends early
    wrong_words: tuple[str, ...] = ()  # a wrong command line
    more: bytes = b""  # what makes the right reply wrong when it follows in the same segment
    asks_of_big_endian: bytes = b""  # where they are others

    def on(self, byteorder: str) -> "Client":
        if byteorder == "big" and self.asks_of_big_endian:
            return replace(self, asks=self.asks_of_big_endian)
        return self


MULTI: Final = b"Message 1 from connection 1 of 1.Message 2 from connection 1 of 1."
CHUNKS: Final = b"This is the message.  It will be repeated."
FOUND: Final = Connection().send_message(b'{"result": "yes"}', "text/json", "utf-8")
NUMBERS: Final = array_of("int32", [1, -2])
_SUMS: Final = {"sum": "-1", "minimum": "-2", "maximum": "1"}
DOUBLED: Final = send_array(Connection(byteorder="big"), array_of("int32", [2, -4]), _SUMS)
CLIENTS: Final = (
    Client("echo/blocking", "echo.client_blocking", ("twelve bytes",), *(b"twelve bytes",) * 2,
           "Received b'twelve bytes'\n", b"twelve bytez", wrong_words=("a", "b"), more=b"!"),
    Client("echo/chunks", "echo.client_chunks", (), CHUNKS, CHUNKS, "42 bytes came back in ", CHUNKS.upper(),
           wrong_words=("x" * 4097,), more=b"!"),
    Client("echo/multi", "echo.client_multi", ("1",), MULTI, MULTI, "2 messages on 1 connections came back: 66 bytes\n",
           MULTI.replace(b"1", b"2"), wrong_words=("0",), more=b"!"),
    Client("framing/fixed", "framing.client", ("0123456789abcdef", "fedcba9876543210", "--framing", "fixed"),
           b"0123456789abcdeffedcba9876543210", b"fedcba98765432100123456789abcdef",
           "b'fedcba9876543210'\nb'0123456789abcdef'\n", b"fedcba98765432100123456789abcdeF",
           wrong_words=("fifteen bytes..", "--framing", "fixed"), more=b"0123456789abcdef"),
    Client("framing/delimited", "framing.client", ("one", "two", "--framing", "delimited"), b"one\r\ntwo\r\n",
           b"eno\r\nowt\r\n", "b'eno'\nb'owt'\n", b"eno\nowt\r\n", wrong_words=("a\r\nb", "--framing", "delimited"),
           more=b"\r\n"),
    Client("framing/length-prefixed", "framing.client", ("one", "", "--framing", "length-prefixed"),
           b"\0\0\0\3one\0\0\0\0", b"\0\0\0\3eno\0\0\0\0", "b'eno'\nb''\n", b"\3\0\0\0eno\0\0\0\0",
           wrong_words=("one", "--framing", "lenght-prefixed"), more=b"\0\0\0\0"),
    Client("framing/shutdown", "framing.client", ("all of it", "--framing", "shutdown"), b"all of it", b"ti fo lla",
           "b'ti fo lla'\n", b"ti fo llA", cut_status=15, wrong_words=("a", "b", "--framing", "shutdown"), more=b"!"),
    Client("search", "search.client", ("search", "x"), request("search", "x", Connection()), FOUND, "yes\n",
           b"\x00\x02[]", wrong_words=("search",),
           asks_of_big_endian=request("search", "x", Connection(byteorder="big"))),
    Client("search/array", "search.client_array", ("int32", "1", "-2"), send_array(Connection(), NUMBERS), DOUBLED,
           "sum -1, minimum -2, maximum 1; 2 doubled\n", DOUBLED[:-1] + b"\xfd", wrong_words=("int32", "1.5"),
           asks_of_big_endian=send_array(Connection(byteorder="big"), NUMBERS)),
)  # fmt: skip


def clients(which: Callable[[Client], bool] = lambda _: True) -> pytest.MarkDecorator:
    """The test runs once for each client of which this holds, as its fixture `client`."""
    found = [pytest.param(client, id=client.name) for client in CLIENTS if which(client)]
    return pytest.mark.parametrize("client", found, indirect=True)
