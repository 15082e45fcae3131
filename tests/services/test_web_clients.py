"""The clients `get` and `head` against servers that serve or fail them in each way: one outcome and one status each.

The second opinion on what they send is the standard library's http.server.
"""

import os
import socket
import subprocess
import sys
import threading
from argparse import Namespace
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from services.calling import Call
from services.outcome import CallError, Outcome
from services.web.client_request import exchange, request
from services.web.http import FIELDS_LIMIT, Data
from tests.services import playing_server
from tests.services.forking import ran
from tests.services.running import PATIENCE_S, ROOT, reset

CLIENTS = ["get", "head"]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: a\xff\r\n\r\n"
LENGTH = HEAD + b"hello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: u\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.0 200 OK\r\n\r\nhello"


def serving(serve: Callable[[socket.socket], object], times: int = 1) -> AbstractContextManager[str]:
    """A port on which so many connections are accepted and handed to `serve`, the request having been read."""
    return playing_server.serving(serve, times, until=b"\r\n\r\n")


def server_that_sends(raw: bytes, then: Callable[[socket.socket], object] = bool) -> Callable[[socket.socket], object]:
    """A server's part of a conversation: it sends this, and then does that (nothing, unless it is said)."""

    def serve(connected: socket.socket) -> None:
        connected.sendall(raw)
        then(connected)

    return serve


def until_closed(connected: socket.socket) -> None:
    connected.settimeout(PATIENCE_S)
    with suppress(ConnectionResetError):  # of what the client did not read to its end
        assert connected.recv(1) == b""


def run(client: str, *words: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[bytes]:
    module = ["-m", f"services.web.{client}", *words]
    if stdout == subprocess.PIPE:
        return ran(module, PATIENCE_S * 2)
    command, env = [sys.executable, *module], os.environ | {"LC_ALL": "C.UTF-8"}
    return subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, timeout=PATIENCE_S * 2, env=env)


def body(port: str, timeout_s: float = PATIENCE_S) -> bytes:
    """What `get` is given to print, without a process of its own."""
    asked = Namespace(host="127.0.0.1", port=int(port), path="/", timeout=timeout_s)
    return b"".join(event.data for event in exchange("GET", asked) if isinstance(event, Data))


class Page(BaseHTTPRequestHandler):
    """What the standard library makes of our request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        content = f"{self.requestline} for {self.headers['Host']}, {self.headers['Connection']}\n".encode()
        self.send_response(404, "Not so")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815 — http.server looks for this name

    def log_message(self, *_: object) -> None:
        pass


def test_get_and_head_are_understood_by_another_server_and_print_what_it_answers() -> None:
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            port = str(server.server_port)
            get, head = run("get", "127.0.0.1", port, "/a%20b?c=d"), run("head", "127.0.0.1", port, "/a")
        finally:
            server.shutdown()
            thread.join(PATIENCE_S)
    said = f"GET /a%20b?c=d HTTP/1.1 for 127.0.0.1:{port}, close\n".encode()
    assert (get.returncode, get.stdout, get.stderr) == (0, said, b"")
    assert (head.returncode, head.stderr) == (0, b"")
    assert head.stdout.startswith(b"HTTP/1.1 404 Not so\nServer: BaseHTTP/")
    assert b"\nContent-Length: " in head.stdout


@pytest.mark.parametrize(
    ("host", "port", "named"),
    [
        ("web", 80, "web"),
        ("198.18.1.141", 8080, "198.18.1.141:8080"),
        ("2001:db8:1:2::13", 80, "[2001:db8:1:2::13]"),
        ("fe80::1%eth0", 81, "[fe80::1]:81"),
    ],
)
def test_the_request_names_the_host_as_rfc_9110_says(host: str, port: int, named: str) -> None:
    asked = request("GET", host, port, "/a").decode("ascii")
    assert asked.startswith(f"GET /a HTTP/1.1\r\nHost: {named}\r\n")
    assert "\r\nConnection: close\r\n" in asked
    assert asked.endswith("\r\n\r\n")


@pytest.mark.parametrize("raw", [LENGTH, CHUNKED, UNTIL_CLOSED])
def test_the_body_is_printed_however_its_end_is_known(raw: bytes) -> None:
    with serving(server_that_sends(raw)) as port:
        ran = run("get", "127.0.0.1", port, "/")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"hello", b"")


def test_the_head_is_printed_after_the_interim_ones_and_byte_for_byte() -> None:
    with serving(server_that_sends(b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" + HEAD)) as port:
        ran = run("head", "127.0.0.1", port, "/")
    printed = b"HTTP/1.1 200 OK\nContent-Length: 5\nX: a\xff\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, printed, b"")


@pytest.mark.parametrize("raw", [LENGTH, CHUNKED, UNTIL_CLOSED])
def test_an_answer_that_comes_byte_by_byte_is_read(raw: bytes) -> None:
    def byte_by_byte(connected: socket.socket) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in raw:
            connected.sendall(bytes([byte]))

    with serving(byte_by_byte) as port:
        assert body(port) == b"hello"


def test_a_body_far_larger_than_any_buffer_is_read_whole() -> None:
    part = b"x" * 1_000_000
    with serving(server_that_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n" + part * 20)) as port:
        assert body(port) == part * 20


@pytest.mark.parametrize("raw", [LENGTH, CHUNKED])
def test_a_peer_that_closes_at_any_byte_has_broken_off_the_call(raw: bytes) -> None:
    cuts = iter(range(len(raw)))
    with serving(lambda connected: connected.sendall(raw[: next(cuts)]), times=len(raw)) as port:
        for cut in range(len(raw)):
            with pytest.raises(CallError) as error:
                body(port)
            assert error.value.outcome is Outcome.BROKEN_OFF, f"cut at {cut}: {error.value}"


def test_a_peer_that_closes_a_body_without_length_early_cannot_be_told_from_one_that_is_done() -> None:
    """RFC 9112, 8: this is why a length is better."""
    with serving(server_that_sends(UNTIL_CLOSED[:-1])) as port:
        assert body(port) == b"hell"


@pytest.mark.parametrize(
    ("client", "raw", "printed", "says"),
    [
        ("get", LENGTH[:-2], b"hel", "body: expected 5 bytes, got 3, then the end of the stream"),
        ("get", b"", b"", "status line: expected all of it, got the end of the stream"),
        ("head", HEAD[:-2], b"", "fields: expected all of it, got the end of the stream"),
    ],
)
def test_broken_off_is_status_14_and_says_how_much_of_how_much_came(
    client: str, raw: bytes, printed: bytes, says: str
) -> None:
    with serving(server_that_sends(raw)) as port:
        ran = run(client, "127.0.0.1", port, "/")
    assert (ran.returncode, ran.stdout) == (14, printed)
    assert ran.stderr.decode() == f"broken off: 127.0.0.1 port {port}: byte {len(raw)}: {says}\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"hello\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * FIELDS_LIMIT,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n",
    ],
)
def test_what_is_no_http_is_a_wrong_answer_at_once_and_status_15(raw: bytes) -> None:
    with serving(server_that_sends(raw, until_closed)) as port:
        ran = run("get", "127.0.0.1", port, "/")
    assert (ran.returncode, ran.stdout) == (15, b"")
    assert ran.stderr.startswith(f"wrong answer: 127.0.0.1 port {port}: byte ".encode())
    assert ran.stderr.count(b"\n") == 1


@pytest.mark.parametrize("client", CLIENTS)
def test_refused_is_status_10_and_names_econnrefused(client: str) -> None:
    with socket.socket() as bound:  # bound and not listening: nobody else can take the port meanwhile
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        ran = run(client, "127.0.0.1", str(port), "/")
    assert (ran.returncode, ran.stdout) == (10, b"")
    assert ran.stderr.decode() == f"refused: ECONNREFUSED connecting to 127.0.0.1 port {port}\n"


def test_each_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of the two is an address at which nobody listens."""
    with serving(server_that_sends(LENGTH)) as port:
        addresses = [(socket.AF_INET, (host, int(port))) for host in ("127.255.255.254", "127.0.0.1")]
        monkeypatch.setattr(Call, "resolve", lambda _: addresses)
        assert body(port) == b"hello"


@pytest.mark.parametrize("said", [b"", LENGTH[:20], LENGTH[:-1], CHUNKED[:-1]])
def test_a_reset_before_the_whole_answer_is_status_11_and_names_econnreset(said: bytes) -> None:
    with serving(server_that_sends(said, reset)) as port:
        ran = run("get", "127.0.0.1", port, "/")
    assert ran.returncode == 11
    assert ran.stderr.startswith(b"reset: ECONNRESET ")
    assert ran.stderr.endswith(f" 127.0.0.1 port {port}\n".encode())
    assert ran.stderr.count(b"\n") == 1


def test_a_reset_after_the_whole_answer_takes_nothing_away_from_it() -> None:
    """The reset waits until the client has taken the answer: it could overtake it in the receiver's buffer."""
    taken = threading.Event()

    def say_then_reset(connected: socket.socket) -> None:
        connected.sendall(LENGTH)
        assert taken.wait(PATIENCE_S)
        reset(connected)

    with serving(say_then_reset) as port:
        asked, found = Namespace(host="127.0.0.1", port=int(port), path="/", timeout=PATIENCE_S), []
        for event in exchange("GET", asked):
            found.append(event)
            if isinstance(event, Data):
                taken.set()
    assert Data(b"hello") in found


@pytest.mark.parametrize("client", CLIENTS)
def test_no_answer_within_the_time_is_status_12_and_says_what_was_waited_for(client: str) -> None:
    with serving(until_closed) as port:
        ran = run(client, "127.0.0.1", port, "/", "--timeout", "0.3")
    assert (ran.returncode, ran.stdout) == (12, b"")
    assert ran.stderr.startswith(b"timed out: not done within 0.3 s, ")


def test_the_deadline_is_over_the_whole_answer_and_not_over_each_byte() -> None:
    """A byte each 20 ms for ever: a timeout that began again with each would never come."""

    def drip(connected: socket.socket) -> None:
        connected.settimeout(0.02)
        connected.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                connected.sendall(b".")
                with suppress(TimeoutError):
                    if connected.recv(1) == b"":
                        return

    with serving(drip) as port, pytest.raises(CallError, match=r"not done within 0\.4 s") as error:
        body(port, timeout_s=0.4)
    assert error.value.outcome is Outcome.TIMED_OUT


def test_a_server_that_answers_and_does_not_close_is_status_12_and_the_answer_is_printed() -> None:
    def say_and_wait(connected: socket.socket) -> None:
        connected.sendall(LENGTH)
        until_closed(connected)

    with serving(say_and_wait) as port:
        ran = run("get", "127.0.0.1", port, "/", "--timeout", "0.5")
    assert (ran.returncode, ran.stdout) == (12, b"hello")
    assert ran.stderr.endswith(b"; the answer is whole, but not closed\n")


def test_what_comes_after_the_answer_is_not_printed_but_told_of() -> None:
    with serving(server_that_sends(LENGTH + LENGTH)) as port:
        ran = run("get", "127.0.0.1", port, "/")
    assert (ran.returncode, ran.stdout) == (0, b"hello")
    assert ran.stderr.decode() == (
        f"127.0.0.1 port {port}: {len(LENGTH)} bytes after the end of the answer are not part of it\n"
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_is_full_is_status_71_and_one_line(unbuffered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)  # empty: as if it were not set
    with serving(server_that_sends(LENGTH)) as port:
        full = os.open("/dev/full", os.O_WRONLY)
        try:
            ran = run("get", "127.0.0.1", port, "/", stdout=full)
        finally:
            os.close(full)
    assert (ran.returncode, ran.stderr) == (71, b"failed: ENOSPC writing to standard output\n")


def test_a_name_without_an_address_is_status_68() -> None:
    ran = run("get", "no.such.host.invalid", "80", "/")  # RFC 6761, 6.4: never resolves
    assert ran.returncode == 68
    assert ran.stderr.startswith(b"not resolved: no.such.host.invalid: ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["127.0.0.1", "1"], "PATH"),
        (["127.0.0.1", "x", "/"], "PORT: 'x' is not a whole number"),
        (["", "1", "/"], "HOST is empty"),
        (["a b", "1", "/"], "HOST: 'a b' is not"),
        (["a\r\nB: c", "1", "/"], "HOST: "),
        (["127.0.0.1", "1", "index.html"], "PATH: 'index.html' is not a path"),
        (["127.0.0.1", "1", "/a b"], "PATH: "),
        (["127.0.0.1", "1", "/\r\nA: b"], "PATH: "),
        (["127.0.0.1", "1", "/%zz"], "PATH: "),
        (["127.0.0.1", "1", "/#a"], "PATH: "),
        (["127.0.0.1", "1", "/", "--timeout", "inf"], "--timeout: 'inf' is not a number of seconds"),
    ],
)
def test_a_wrong_command_line_is_status_64_and_one_line_that_names_what_is_wrong(words: list[str], says: str) -> None:
    ran = run("get", *words)
    assert (ran.returncode, ran.stdout) == (64, b"")
    assert says in ran.stderr.decode()
    assert ran.stderr.count(b"\n") == 1
