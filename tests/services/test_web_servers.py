"""One suite for the three architectures of the web service: the same peers, the same answers, the same journal.

The second opinion on what they send is the standard library's http.client.
"""

import http.client
import io
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from services.web.http import FIELDS_LIMIT, START_LINE_LIMIT
from services.web.talk import BODY_LIMIT
from tests.services.running import (
    PATIENCE_S,
    ROOT,
    WRONG_COMMAND_LINES,
    Running,
    assert_usage_error,
    drip_until_cut_off,
    ended,
    eventually,
    reset,
    run,
    running,
)

MANY = ["web.server_threads", "web.server_asyncio"]  # who serve many at once
SERVERS = ["web.server_blocking", *MANY]
GET = b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /a?b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(params=SERVERS)
def module(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SERVERS, scope="module")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server on every interface, with its own defaults, for all tests that do it no harm."""
    with running(request.param, tmp_path_factory.mktemp("shared") / "journal", bind="") as server:
        yield server


class Stream(io.BufferedReader):
    """What a connection brings, as http.client reads it: one answer after another, so it does not close it."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__(socket.SocketIO(connected, "r"))

    def close(self) -> None:
        pass

    def makefile(self, *_: object) -> "Stream":
        return self

    def answer(self, method: str = "GET") -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and body of the next answer."""
        response = http.client.HTTPResponse(self, method=method)  # type: ignore[arg-type]
        response.begin()
        return response.status, response.headers, response.read()

    def finished(self) -> bool:
        return self.read(1) == b""


def echo(request: bytes, body: bytes = b"") -> bytes:
    """The body that answers a request of that head."""
    return request.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"\n") + b"\n\n" + body


def post(size: int) -> tuple[bytes, bytes]:
    """A request's head and its body of so many bytes."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % size
    return head, b"0123456789" * (size // 10) + b"x" * (size % 10)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_request_is_answered_with_itself_over_ipv4_and_ipv6(shared: Running, host: str) -> None:
    with socket.create_connection((host, shared.port), timeout=PATIENCE_S) as peer:
        own_port = peer.getsockname()[1]
        peer.sendall(LAST)
        stream = Stream(peer)
        status, headers, body = stream.answer()
        assert (status, body) == (200, echo(LAST))
        assert (headers["Content-Type"], headers["Connection"]) == ("text/plain", "close")
        assert abs(parsedate_to_datetime(headers["Date"]).timestamp() - time.time()) < 60
        assert stream.finished()
    shared.wait_for_journal(
        rf"\n{host} port {own_port}: 1 answered, closed as asked; {len(LAST)} bytes in, \d+ bytes out, \d\.\d{{3}} s\n"
    )


def test_a_request_that_comes_byte_by_byte_is_answered(shared: Running) -> None:
    with shared.connect() as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in LAST:
            peer.sendall(bytes([byte]))
        assert Stream(peer).answer()[2] == echo(LAST)


def test_two_requests_in_one_segment_are_answered_in_order_on_one_connection(shared: Running) -> None:
    with shared.connect() as peer:
        peer.sendall(GET + LAST)
        stream = Stream(peer)
        status, headers, body = stream.answer()
        assert (status, headers["Connection"], body) == (200, None, echo(GET))
        assert stream.answer()[2] == echo(LAST)
        assert stream.finished()


def test_many_requests_one_after_another_are_answered_on_one_connection(shared: Running) -> None:
    with shared.connect() as peer:
        stream = Stream(peer)
        for number in range(200):
            asked = GET.replace(b"/a?b", b"/%d" % number)
            peer.sendall(asked)
            assert stream.answer()[2] == echo(asked)


def test_a_thousand_requests_sent_without_waiting_are_answered_in_order(shared: Running) -> None:
    asked = [GET.replace(b"/a?b", b"/%d" % number) for number in range(1000)]
    with shared.connect() as peer, ThreadPoolExecutor(1) as sender:
        sent = sender.submit(peer.sendall, b"".join(asked))
        stream = Stream(peer)
        assert [stream.answer()[2] for _ in asked] == [echo(each) for each in asked]
        sent.result(PATIENCE_S)


@pytest.mark.parametrize(
    ("asked", "persists"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", None),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "keep-alive"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", None),
    ],
)
def test_http_1_0_is_closed_unless_it_asks_to_be_kept(shared: Running, asked: bytes, persists: str | None) -> None:
    with shared.connect() as peer:
        peer.sendall(asked)
        stream = Stream(peer)
        _, headers, body = stream.answer()
        assert body == echo(asked)
        assert headers["Connection"] == (persists or "close")
        if persists:
            peer.sendall(asked)
            assert stream.answer()[2] == echo(asked)
        else:
            assert stream.finished()


def test_head_is_answered_with_the_length_that_get_has_and_no_body(shared: Running) -> None:
    with shared.connect() as peer:
        peer.sendall(GET.replace(b"GET", b"HEAD") + GET)
        stream = Stream(peer)
        _, headers, body = stream.answer("HEAD")
        assert (headers["Content-Length"], body) == (str(len(echo(GET))), b"")
        assert stream.answer()[2] == echo(GET)


def test_a_chunked_body_is_put_together_and_echoed(shared: Running) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    with shared.connect() as peer:
        peer.sendall(head + b"2;x=y\r\n\x00\xff\r\n5\r\nhello\r\n0\r\nT: u\r\n\r\n")
        assert Stream(peer).answer()[2] == echo(head, b"\x00\xffhello")


def test_who_waits_to_be_told_to_continue_is_told(shared: Running) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    with shared.connect() as peer:
        stream = Stream(peer)
        peer.sendall(head)
        assert stream.read(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.sendall(b"hi")
        assert stream.answer()[2] == echo(head, b"hi")
        peer.sendall(head + b"hi")  # who does not wait need not be told: RFC 9110, 10.1.1
        assert stream.read(15) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("size", [0, 1, BODY_LIMIT])
def test_an_empty_body_and_the_largest_are_echoed(shared: Running, size: int) -> None:
    head, body = post(size)
    with shared.connect() as peer:
        peer.sendall(head + body)
        status, _, answer = Stream(peer).answer()
    assert status == 200
    assert answer == echo(head, body)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_one_byte_too_large_is_refused_and_the_refusal_arrives_though_it_was_not_read(
    shared: Running, chunked: bool
) -> None:
    head, body = post(BODY_LIMIT + 1)
    if chunked:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        body = b"%x\r\n%b\r\n1\r\nx\r\n0\r\n\r\n" % (len(body) - 1, body[1:])
    with shared.connect() as peer:
        own_port = peer.getsockname()[1]
        peer.sendall(head + body)
        stream = Stream(peer)
        status, headers, answer = stream.answer()
        assert (status, headers["Connection"]) == (413, "close")
        assert b"body: expected at most 1048576 bytes, got 1048577" in answer
        assert stream.finished()
    shared.wait_for_journal(rf"port {own_port}: 0 answered, protocol error, 413: byte \d+: body: expected at most")


def test_the_longest_request_line_is_answered_and_one_byte_more_is_refused(shared: Running) -> None:
    for size, expected in ((START_LINE_LIMIT, 200), (START_LINE_LIMIT + 1, 414)):
        target = b"/" + b"x" * (size - len(b"GET / HTTP/1.1\r\n"))
        with shared.connect() as peer:
            peer.sendall(LAST.replace(b"/a?b", target))
            assert Stream(peer).answer()[0] == expected


def test_too_many_bytes_of_fields_are_refused(shared: Running) -> None:
    with shared.connect() as peer:
        peer.sendall(LAST[:-2] + b"A: " + b"x" * FIELDS_LIMIT + b"\r\n\r\n")
        assert Stream(peer).answer()[0] == 431


def test_a_request_that_can_be_read_in_two_ways_is_refused_and_what_follows_it_is_not_answered(shared: Running) -> None:
    smuggling = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    with shared.connect() as peer:
        own_port = peer.getsockname()[1]
        peer.sendall(GET + smuggling + GET)
        stream = Stream(peer)
        assert stream.answer()[2] == echo(GET)
        assert stream.answer()[0] == 400
        assert stream.finished()
    shared.wait_for_journal(rf"port {own_port}: 1 answered, protocol error, 400: byte \d+: body: expected either")


def test_a_peer_that_ends_at_any_byte_is_told_so_and_is_told_of_once(shared: Running) -> None:
    whole = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nT: u\r\n\r\n"
    before = shared.journal.count("the end of the stream")
    for cut in range(1, len(whole)):
        with shared.connect() as peer:
            peer.sendall(whole[:cut])
            peer.shutdown(socket.SHUT_WR)
            stream = Stream(peer)
            status, _, answer = stream.answer()
            assert (status, b"the end of the stream" in answer) == (400, True), f"cut at {cut}"
            assert stream.finished()
    shared.wait_for_journal("the end of the stream", before + len(whole) - 1)
    assert shared.journal.count("the end of the stream") == before + len(whole) - 1


def test_a_peer_that_closes_at_any_byte_touches_no_other(shared: Running) -> None:
    for cut in range(len(GET)):
        with shared.connect() as peer:
            peer.sendall(GET[:cut])
    with shared.connect() as peer:
        peer.sendall(LAST)
        assert Stream(peer).answer()[2] == echo(LAST)


def test_a_peer_that_resets_at_any_time_is_told_of_and_touches_no_other(shared: Running) -> None:
    for sent in (b"", GET[:1], GET[:-1], GET, GET * 1000):
        peer = shared.connect()
        own_port = peer.getsockname()[1]
        peer.sendall(sent)
        reset(peer)
        shared.wait_for_journal(rf"port {own_port}: \d+ answered, (ECONNRESET|EPIPE|finished)")
    with shared.connect() as peer:
        peer.sendall(LAST)
        assert Stream(peer).answer()[2] == echo(LAST)


def test_two_hundred_clients_at_once_are_all_answered_and_each_has_its_line(shared: Running) -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(shared.connect()) for _ in range(200)]
        ports = {peer.getsockname()[1] for peer in peers}
        for number, peer in enumerate(peers):
            peer.sendall(LAST.replace(b"/a?b", b"/%d" % number))
        for number, peer in enumerate(peers):
            with peer:
                assert Stream(peer).answer()[2] == echo(LAST.replace(b"/a?b", b"/%d" % number))

    def told() -> bool:
        lines = shared.journal.splitlines()
        assert "" not in lines
        ends = [int(line.split()[2].rstrip(":")) for line in lines[1:] if "1 answered, closed as asked; " in line]
        return ports <= set(ends)

    eventually(told, "one whole line each")


@pytest.mark.parametrize("module", MANY)
def test_two_hundred_kept_connections_are_answered_in_any_order(module: str, tmp_path: Path) -> None:
    with running(module, tmp_path / "journal") as server, ExitStack() as stack:
        peers = [stack.enter_context(server.connect()) for _ in range(200)]
        for number, peer in reversed(list(enumerate(peers))):
            asked = GET.replace(b"/a?b", b"/%d" % number)
            peer.sendall(asked)
            assert Stream(peer).answer()[2] == echo(asked)


def test_the_blocking_one_keeps_the_second_waiting_until_the_first_has_gone(tmp_path: Path) -> None:
    with running("web.server_blocking", tmp_path / "journal") as server, server.connect() as second_to_ask:
        second_to_ask.sendall(GET)
        stream = Stream(second_to_ask)
        assert stream.answer()[2] == echo(GET)  # and it stays
        with server.connect() as waiting:
            waiting.sendall(GET)
            waiting.settimeout(0.2)
            with pytest.raises(TimeoutError):
                waiting.recv(1)
            second_to_ask.close()
            waiting.settimeout(PATIENCE_S)
            assert Stream(waiting).answer()[2] == echo(GET)


def test_a_peer_that_says_nothing_is_closed_after_the_idle_time(module: str, tmp_path: Path) -> None:
    with running(module, tmp_path / "journal", "--idle-timeout", "0.4") as server, server.connect() as peer:
        began_s = time.monotonic()
        peer.sendall(GET)
        stream = Stream(peer)
        assert stream.answer()[2] == echo(GET)
        assert stream.finished()
        assert 0.35 < time.monotonic() - began_s < 3
        server.wait_for_journal(r"1 answered, idle for 0\.4 s; ")


def test_a_request_that_never_becomes_whole_is_cut_off_however_many_bytes_keep_coming(
    module: str, tmp_path: Path
) -> None:
    flags = ("--message-timeout", "0.4", "--idle-timeout", "30")
    with running(module, tmp_path / "journal", *flags) as server, server.connect() as peer:
        peer.settimeout(0.01)
        began_s = time.monotonic()
        drip_until_cut_off(peer, b"GET /" + b"x" * 8000)
        assert 0.35 < time.monotonic() - began_s < 3
        server.wait_for_journal(r"0 answered, message not whole within 0\.4 s; \d+ bytes in, 0 bytes out")


def sent_until_stuck(peer: socket.socket, batch: bytes, at_most: int) -> int:
    sent = 0
    with suppress(TimeoutError, ConnectionError):
        while sent < at_most:
            sent += peer.send(batch[sent % len(batch) :])
    return sent


def test_a_peer_that_does_not_read_is_not_read_and_is_closed_after_the_idle_time(module: str, tmp_path: Path) -> None:
    with running(module, tmp_path / "journal", "--idle-timeout", "0.6") as server, server.connect() as peer:
        peer.settimeout(0.2)
        head, body = post(BODY_LIMIT)
        sent = sent_until_stuck(peer, head.replace(b"Connection: close\r\n", b"") + body, at_most=200_000_000)
        assert sent < 50_000_000, "the server took in what it could not answer"
        status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
        assert int(status.partition("VmHWM:")[2].split()[0]) < 120_000  # kB, at its peak
        server.wait_for_journal(r"\d answered, answer not taken within 0\.6 s; ")


def test_sigterm_finishes_the_answer_in_flight_and_ends_within_two_seconds(module: str, tmp_path: Path) -> None:
    """The answers are larger than the sockets hold, and their reader begins only when the server has been told."""
    flags = ("--body-limit", "12000000")
    with running(module, tmp_path / "journal", *flags) as server, server.connect() as peer:
        head, body = post(12_000_000)
        head = head.replace(b"Connection: close\r\n", b"")
        peer.sendall(head + body)
        assert peer.recv(1, socket.MSG_PEEK)  # the answer has begun
        began_s = time.monotonic()
        peer.sendall(GET)
        server.process.terminate()
        stream = Stream(peer)
        assert stream.answer()[2] == echo(head, body)
        _, headers, answer = stream.answer()  # to what had arrived by then
        assert (headers["Connection"], answer) == ("close", echo(GET))
        peer.close()
        assert server.process.wait(PATIENCE_S) == 0
        assert time.monotonic() - began_s < 2
        with pytest.raises(ConnectionRefusedError):
            server.connect()


@pytest.mark.parametrize("sent", [b"", GET[:10], GET])
def test_sigterm_ends_within_two_seconds_whoever_is_connected(module: str, sent: bytes, tmp_path: Path) -> None:
    with running(module, tmp_path / "journal") as server, server.connect() as peer:
        peer.sendall(GET)
        stream = Stream(peer)
        assert stream.answer()[2] == echo(GET)
        peer.sendall(sent)
        if sent == GET:
            assert stream.answer()[2] == echo(GET)
        assert server.terminate() < 2
        assert ended(peer)
        server.wait_for_journal(r"[12] answered, server stopped; ")


def test_sigterm_ends_within_two_seconds_though_a_peer_never_takes_its_answer(module: str, tmp_path: Path) -> None:
    with running(module, tmp_path / "journal", "--body-limit", "12000000") as server, server.connect() as deaf:
        head, body = post(12_000_000)
        deaf.sendall(head + body)
        assert deaf.recv(1)
        assert server.terminate() < 2
        assert server.journal.count("server stopped, not done within 1 s") == 1


def test_a_server_out_of_descriptors_pauses_and_goes_on_when_there_are_some(tmp_path: Path) -> None:
    for module in MANY:
        with running(module, tmp_path / module, files=20) as server, ExitStack() as stack:
            peers = [stack.enter_context(server.connect()) for _ in range(30)]
            server.wait_for_journal("accepting again in 0.2 s: EMFILE")
            assert server.journal.count("EMFILE") < 20
            for peer in peers[:25]:
                peer.close()
            peers[29].sendall(GET)
            assert Stream(peers[29]).answer()[2] == echo(GET)


def test_a_port_that_is_taken_is_one_clear_line_and_status_71(module: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = run(module, "127.0.0.1", port)
    assert (ran.returncode, ran.stderr) == (71, f"cannot listen on 127.0.0.1 port {port}: EADDRINUSE\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [*WRONG_COMMAND_LINES, (["127.0.0.1", "0", "--body-limit", "-1"], "--body-limit")],
)
def test_a_wrong_command_line_is_one_line_that_names_what_is_wrong_and_status_64(words: list[str], says: str) -> None:
    assert_usage_error(run("web.server_blocking", *words), says)


def test_a_server_can_be_started_again_at_once_on_the_port_of_its_last_connections(module: str, tmp_path: Path) -> None:
    with running(module, tmp_path / "first") as server, server.connect() as peer:
        port = str(server.port)
        peer.sendall(GET)
        assert Stream(peer).answer()[0] == 200
        server.terminate()  # the server closes first: TIME-WAIT is on its side
        assert ended(peer)
    words = [sys.executable, "-m", f"services.{module}", "127.0.0.1", port]
    with (tmp_path / "second").open("wb") as stderr, subprocess.Popen(words, cwd=ROOT, stderr=stderr) as again:
        try:
            said = f"listening on 127.0.0.1 port {port}\n"
            eventually(lambda: (tmp_path / "second").read_text(encoding="utf-8") == said, said)
        finally:
            again.kill()
