"""One suite for every architecture of the search service: the same peers, the same answers, the same journal."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.running import (
    PATIENCE_S,
    ROOT,
    Running,
    answers,
    asking,
    ended,
    eventually,
    reset,
    running,
)

RABBIT = "Follow the white rabbit. 🐰"
SERVERS = ["server_selectors", "server_asyncio"]
BAD_HEADER = b"\x00\x02[]"


@pytest.fixture(params=SERVERS, scope="module")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server on every interface, with its own defaults, for all tests that do it no harm: which they show."""
    with running(request.param, tmp_path_factory.mktemp("shared") / "journal", bind="") as server:
        yield server


@pytest.fixture(params=SERVERS)
def module(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_request_is_answered_over_ipv4_and_ipv6(shared: Running, host: str) -> None:
    with socket.create_connection((host, shared.port), timeout=PATIENCE_S) as peer:
        own_port = peer.getsockname()[1]
        peer.sendall(asking("morpheus"))
        assert answers(peer, 1) == [RABBIT]
    line = rf"\n{host} port {own_port}: finished; \d+ bytes in, 148 bytes out, \d\.\d\d\d s\n"
    shared.said(line.replace("148", r"14\d"))  # "big" is three letters shorter than "little"


def test_a_request_that_comes_byte_by_byte_is_answered(shared: Running) -> None:
    with shared.connect() as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in asking("morpheus"):
            peer.sendall(bytes([byte]))
        assert answers(peer, 1) == [RABBIT]


def test_two_requests_in_one_segment_are_answered_in_order(shared: Running) -> None:
    with shared.connect() as peer:
        peer.sendall(asking("morpheus") + asking("x"))
        assert answers(peer, 2) == [RABBIT, "No match for 'x'."]


def test_many_requests_one_after_another_are_answered_in_order(shared: Running) -> None:
    with shared.connect() as peer:
        for number in range(200):
            peer.sendall(asking(f"{number}"))
            assert answers(peer, 1) == [f"No match for '{number}'."]


def test_a_thousand_requests_sent_without_waiting_are_answered_in_order(shared: Running) -> None:
    with shared.connect() as peer:
        peer.sendall(b"".join(asking(f"{number}") for number in range(1000)))
        assert answers(peer, 1000) == [f"No match for '{number}'." for number in range(1000)]


def test_a_peer_that_has_finished_sending_still_gets_its_answers_and_then_the_end(shared: Running) -> None:
    with shared.connect() as peer:
        peer.sendall(asking("morpheus") * 3)
        peer.shutdown(socket.SHUT_WR)
        assert answers(peer, 3) == [RABBIT] * 3
        assert ended(peer)


def test_a_large_request_is_answered_whole(shared: Running) -> None:
    value = "🐰" * 2_000_000  # 8 MB each way: far more than any socket buffer
    with shared.connect() as peer:
        peer.sendall(asking(value))
        assert answers(peer, 1) == [f"No match for '{value}'."]


def test_a_peer_that_ends_at_any_byte_is_told_of_once_and_is_answered_only_if_it_was_whole(
    shared: Running,
) -> None:
    whole = asking("morpheus")
    before = shared.journal.count("end of stream inside a message")
    for cut in range(1, len(whole)):
        with shared.connect() as peer:
            peer.sendall(whole[:cut])
            peer.shutdown(socket.SHUT_WR)
            assert ended(peer), f"cut at {cut}"
    shared.said("protocol error: message 1, byte .*: end of stream inside a message", before + len(whole) - 1)
    assert shared.journal.count("end of stream inside a message") == before + len(whole) - 1


def test_a_peer_that_resets_at_any_time_is_told_of_and_touches_no_other(shared: Running) -> None:
    with shared.connect() as other:
        for sent in (b"", asking("x")[:1], asking("x")[:50], asking("x")):
            peer = shared.connect()
            own_port = peer.getsockname()[1]
            peer.sendall(sent)
            reset(peer)
            shared.said(rf"port {own_port}: (ECONNRESET|EPIPE|finished|protocol error: .* end of stream)")
        other.sendall(asking("morpheus"))
        assert answers(other, 1) == [RABBIT]


def test_garbage_is_told_of_with_address_and_reason_and_touches_no_other(shared: Running) -> None:
    with shared.connect() as other, shared.connect() as peer:
        other.sendall(asking("morpheus")[:60])
        own_port = peer.getsockname()[1]
        peer.sendall(asking("morpheus") + BAD_HEADER)
        assert answers(peer, 1) == [RABBIT]
        assert ended(peer)
        shared.said(
            rf"127\.0\.0\.1 port {own_port}: protocol error: message 2, byte \d+: "
            "header: expected an object, got an array; "
        )
        other.sendall(asking("morpheus")[60:])
        assert answers(other, 1) == [RABBIT]


def test_a_lone_surrogate_is_answered_as_the_escape_that_it_came_as(shared: Running) -> None:
    with shared.connect() as peer:
        peer.sendall(asking("_").replace(b'"_"', b'"\\ud800"').replace(b": 34}", b": 39}"))
        assert answers(peer, 1) == ["No match for '\ud800'."]


def test_two_hundred_clients_at_once_are_all_answered(shared: Running) -> None:
    peers = [shared.connect() for _ in range(200)]
    try:
        for number, peer in enumerate(peers):
            peer.sendall(asking(f"{number}"))
        for number, peer in enumerate(peers):
            assert answers(peer, 1) == [f"No match for '{number}'."]
    finally:
        for peer in peers:
            peer.close()


def test_a_content_over_the_limit_is_refused_when_its_header_is_whole(module: str, tmp_path: Path) -> None:
    with running(module, tmp_path / "journal", "--content-limit", "40") as server:
        with server.connect() as peer:
            peer.sendall(asking("morpheus")[:-41])  # its content is 41 bytes
            assert ended(peer)
        server.said(r"content-length: expected 0 to 40 bytes, got 41 \(content limit 40\)")
        with server.connect() as peer:
            peer.sendall(asking("sevens7"))
            assert answers(peer, 1) == ["No match for 'sevens7'."]


def test_a_peer_that_says_nothing_is_closed_after_the_idle_time_and_one_that_talks_is_not(
    module: str, tmp_path: Path
) -> None:
    flags = ("--idle-timeout", "0.5")
    with (
        running(module, tmp_path / "journal", *flags) as server,
        server.connect() as silent,
        server.connect() as talking,
    ):
        began_s, closed = time.monotonic(), []

        def talk_until_the_silent_one_is_closed() -> bool:
            talking.sendall(asking("morpheus"))
            assert answers(talking, 1) == [RABBIT]
            if "idle for 0.5 s; 0 bytes in" in server.journal:
                closed.append(time.monotonic() - began_s)
            return bool(closed)

        eventually(talk_until_the_silent_one_is_closed, "the silent peer is closed")
        assert closed[0] >= 0.45
        assert ended(silent)
        talking.sendall(asking("morpheus"))
        assert answers(talking, 1) == [RABBIT]


def test_a_message_that_never_becomes_whole_is_cut_off_however_many_bytes_keep_coming(
    module: str, tmp_path: Path
) -> None:
    flags = ("--message-timeout", "0.5", "--idle-timeout", "30")
    with running(module, tmp_path / "journal", *flags) as server, server.connect() as peer:
        peer.settimeout(0.001)
        slowly = iter(asking("x" * 60_000))
        began_s = time.monotonic()

        def drip_until_it_is_cut_off() -> bool:
            try:
                peer.sendall(bytes([next(slowly)]))
                return peer.recv(1) == b""
            except TimeoutError:
                return False
            except (ConnectionResetError, BrokenPipeError):
                return True

        eventually(drip_until_it_is_cut_off, "the slow peer is cut off")
        assert 0.4 <= time.monotonic() - began_s < 3
        server.said(r"message not whole within 0\.5 s; \d+ bytes in, 0 bytes out")


def test_the_time_of_a_message_begins_with_each_message(module: str, tmp_path: Path) -> None:
    """Each takes half of its time and a little; the two together, more than one may take."""
    flags = ("--message-timeout", "1", "--idle-timeout", "30")
    with running(module, tmp_path / "journal", *flags) as server, server.connect() as peer:
        whole = asking("morpheus")
        peer.sendall(whole[:5])
        for _ in range(3):
            at_s = time.monotonic() + 0.6
            eventually(lambda at_s=at_s: time.monotonic() >= at_s, "0.6 s are over")  # type: ignore[misc]
            peer.sendall(whole[5:] + whole[:5])  # the end of one and the beginning of the next
            assert answers(peer, 1) == [RABBIT]


def sent_until_stuck(peer: socket.socket, batch: bytes, at_most: int) -> int:
    sent = 0
    try:
        while sent < at_most:
            sent += peer.send(batch)
    except (TimeoutError, ConnectionError):
        pass
    return sent


def test_a_peer_that_does_not_read_is_not_read_and_is_closed_after_the_idle_time(module: str, tmp_path: Path) -> None:
    with running(module, tmp_path / "journal", "--idle-timeout", "1") as server, server.connect() as peer:
        peer.settimeout(0.2)
        sent = sent_until_stuck(peer, asking("x" * 50_000) * 10, at_most=200_000_000)
        assert sent < 50_000_000, "the server took in what it could not answer"
        status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
        peak_kb = int(status.partition("VmHWM:")[2].split()[0])
        assert peak_kb < 120_000
        server.said("idle for 1 s")


def test_sigterm_finishes_the_answer_in_flight_and_ends_within_two_seconds(module: str, tmp_path: Path) -> None:
    """The answer is larger than the sockets hold, and its reader begins only when the server has been told."""
    value = "x" * 12_000_000
    with running(module, tmp_path / "journal") as server, server.connect() as peer, server.connect() as idle:
        peer.sendall(asking(value))
        assert peer.recv(1, socket.MSG_PEEK)  # the answer has begun
        began_s = time.monotonic()
        server.process.terminate()
        assert ended(idle)
        assert answers(peer, 1) == [f"No match for '{value}'."]
        assert server.process.wait(PATIENCE_S) == 0
        assert time.monotonic() - began_s < 2
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_sigterm_ends_within_two_seconds_though_a_peer_never_finishes(module: str, tmp_path: Path) -> None:
    with running(module, tmp_path / "journal") as server, server.connect() as half, server.connect() as deaf:
        half.sendall(asking("morpheus")[:50])
        deaf.sendall(asking("x" * 12_000_000))
        assert deaf.recv(1)
        assert server.terminate() < 2
        assert server.journal.count("server stopped, not done within 1 s") == 2


def test_sigterm_answers_what_had_arrived(module: str, tmp_path: Path) -> None:
    with running(module, tmp_path / "journal") as server, server.connect() as peer:
        peer.sendall(asking("x"))
        assert answers(peer, 1) == ["No match for 'x'."]
        peer.sendall(asking("morpheus"))
        server.process.terminate()
        assert answers(peer, 1) == [RABBIT]
        assert ended(peer)
        assert server.process.wait(PATIENCE_S) == 0


def test_a_server_out_of_descriptors_pauses_and_goes_on_when_there_are_some(module: str, tmp_path: Path) -> None:
    with running(module, tmp_path / "journal", files=20) as server:
        peers = [server.connect() for _ in range(30)]
        server.said("accepting again in 0.2 s: EMFILE")
        assert server.journal.count("EMFILE") < 20
        for peer in peers[:25]:
            peer.close()
        peers[29].sendall(asking("morpheus"))
        assert answers(peers[29], 1) == [RABBIT]
        for peer in peers[25:]:
            peer.close()


def run_server(module: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"services.search.{module}", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)


def test_a_port_that_is_taken_is_one_clear_line_and_status_71(module: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = run_server(module, "127.0.0.1", port)
    assert (ran.returncode, ran.stderr) == (71, f"cannot listen on 127.0.0.1 port {port}: EADDRINUSE\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["127.0.0.1"], "PORT"),
        (["127.0.0.1", "http"], "'http' is not a whole number from 0 to 65535"),
        (["127.0.0.1", "65536"], "'65536' is not a whole number from 0 to 65535"),
        (["127.0.0.1", "1_0"], "'1_0' is not a whole number"),
        (["127.0.0.1", "0", "--idle-timeout", "nan"], "--idle-timeout: 'nan' is not a number of seconds"),
        (["127.0.0.1", "0", "--message-timeout", "0"], "--message-timeout: '0' is not a number of seconds"),
        (["127.0.0.1", "0", "--content-limit", "-1"], "--content-limit"),
        (["127.0.0.1", "0", "--colour"], "--colour"),
    ],
)
def test_a_wrong_command_line_is_one_line_that_names_what_is_wrong_and_status_64(words: list[str], says: str) -> None:
    ran = run_server("server_selectors", *words)
    assert ran.returncode == 64
    assert says in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_server_can_be_started_again_at_once_on_the_port_of_its_last_connections(module: str, tmp_path: Path) -> None:
    with running(module, tmp_path / "first") as server, server.connect() as peer:
        port = str(server.port)
        peer.sendall(asking("x"))
        answers(peer, 1)
        server.terminate()  # the server closes first: TIME-WAIT is on its side
        assert ended(peer)
    words = [sys.executable, "-m", f"services.search.{module}", "127.0.0.1", port]
    with (tmp_path / "second").open("wb") as stderr, subprocess.Popen(words, cwd=ROOT, stderr=stderr) as again:
        try:
            said = f"listening on 127.0.0.1 port {port}\n"
            eventually(lambda: (tmp_path / "second").read_text(encoding="utf-8") == said, said)
        finally:
            again.kill()
