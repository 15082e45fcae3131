"""The peers that misbehave: each does its one thing, says so, and has the manners of every other program."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from services.echo import client_blocking
from services.peers import broken_pipe, holder, numbered, shuts, silent_client, slow_reader, urgent
from services.qotd import client_udp
from services.wire import Connection
from tests.services.running import PATIENCE_S, ROOT, Running, answers, eventually, exactly, reset, run, search_request
from tests.services.starting import peer, run_main, started

PEERS = ROOT / "services" / "peers"
SHARED = {"__init__", "reporting", "lies", "serving"}
PROGRAMS = sorted({path.stem for path in PEERS.glob("*.py")} - SHARED)
SERVERS = ["closes_first", "liar", "linger_zero", "long_quote", "never_accepts", "never_answers", "trickle"]
OF_DATAGRAMS = ["gives_back", "long_quote", "plain_udp"]
SERVERS += ["unread_close", "gives_back", "urgent_reader", "plain_udp"]
NEEDS = {"liar": ("--lie", "none"), "liar_client": ("--lie", "none"), "holder": ("1",), "shuts": ("rd",)}
FOUND = "Follow the white rabbit. 🐰"


@contextmanager
def serving(name: str, tmp_path: Path, *flags: str) -> Iterator[Running]:
    with started(f"peers.{name}", tmp_path / "journal", *NEEDS.get(name, ()), *flags) as server:
        yield server


def main(name: str) -> Callable[[], None]:
    return import_module(f"services.peers.{name}").main  # type: ignore[no-any-return]


def data_segments(connected: socket.socket) -> int:
    """How many segments with data came, those that came twice included (linux/tcp.h, struct tcp_info)."""
    return int.from_bytes(connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 156)[152:], sys.byteorder)


# Manners


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_wrong_command_line_is_one_line_and_status_64(name: str) -> None:
    status, out, err = run_main(main(name), "127.0.0.1", "65536")
    assert (status, out, err.count("\n")) == (64, "", 1), err
    assert err.startswith(f"python -m services.peers.{name}: ")


def test_every_program_is_in_the_documentation() -> None:
    documented = (ROOT / "docs" / "services.md").read_text(encoding="utf-8")
    for name in PROGRAMS:
        assert f"| `{name}" in documented, name


@pytest.mark.parametrize("name", SERVERS)
def test_sigterm_ends_a_server_in_the_middle_of_it(name: str, tmp_path: Path) -> None:
    with serving(name, tmp_path) as server, ExitStack() as stack:
        if name not in OF_DATAGRAMS:
            connected = stack.enter_context(server.connect())
            connected.sendall(search_request("morpheus")[:50])
            server.wait_for_journal("did: ") if name not in ("liar", "trickle", "urgent_reader") else None
        assert server.terminate() < 2


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_cannot_listen_says_so_by_the_errnos_name(name: str) -> None:
    kind = socket.SOCK_DGRAM if name in OF_DATAGRAMS else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as bound:
        bound.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            bound.listen()
        port = bound.getsockname()[1]
        status, _, err = run_main(main(name), "127.0.0.1", port, *NEEDS.get(name, ()))
    assert (status, err) == (71, f"cannot listen on 127.0.0.1 port {port}: EADDRINUSE\n")


CLIENTS = ["broken_pipe", "hoarder", "holder", "liar_client", "one_byte", "silent_client", "slow_reader", "two_in_one"]
CLIENTS += ["shuts", "urgent"]
OTHERS = ["numbered", "limited", "broadcasts", "multicasts"]  # the last two call nobody in particular


def test_each_program_is_a_server_a_client_or_a_wrapper() -> None:
    assert sorted([*SERVERS, *CLIENTS, *OTHERS]) == PROGRAMS


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_is_refused_in_one_line(name: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        status, out, err = run_main(main(name), "127.0.0.1", port, *NEEDS.get(name, ()))
    assert (status, out, err.count("\n")) == (10, "", 1)
    assert err.endswith(f"ECONNREFUSED connecting to 127.0.0.1 port {port}\n")


@pytest.mark.parametrize("name", [name for name in CLIENTS if name not in ("holder", "slow_reader", "shuts", "urgent")])
def test_a_client_whose_server_never_answers_has_a_deadline(name: str, tmp_path: Path) -> None:
    with serving("never_answers", tmp_path) as server:
        status, _, err = run_main(main(name), server.host, server.port, *NEEDS.get(name, ()), "--timeout", "0.4")
    assert (status, err.count("\n")) == (12, 1), err
    assert re.match(r"timed out: not done within 0\.4 s, (waiting for|sending) ", err), err


# Servers


@pytest.mark.parametrize(
    ("name", "did"),
    [
        ("linger_zero", "closed with SO_LINGER 0, 41 bytes read, 0 unread"),
        ("unread_close", "closed with 41 bytes unread"),
    ],
)
def test_a_close_that_resets(name: str, did: str, tmp_path: Path) -> None:
    with serving(name, tmp_path) as server:
        with server.connect() as silent:
            silent.shutdown(socket.SHUT_WR)
            assert silent.recv(1) == b"", "with nothing sent there is nothing to reset"
        with server.connect() as connected:
            connected.sendall(bytes(41))
            with pytest.raises(ConnectionResetError):
                connected.recv(1)
        server.wait_for_journal(f"did: {did}\n")
        status, _, err = run_main(client_blocking.main, server.host, server.port)
        assert (status, err[:17]) == (11, "reset: ECONNRESET")
        server.wait_for_journal("did: ", times=2)
        server.wait_for_journal(rf"{did}; \d+ bytes in, 0 bytes out")
    assert server.journal.count("did: ") == 2


def test_what_is_never_accepted_is_connected_until_the_queue_is_full(tmp_path: Path) -> None:
    with serving("never_accepts", tmp_path, "--backlog", "2") as server, ExitStack() as stack:
        for number in (1, 2, 3):
            connected = stack.enter_context(server.connect())
            connected.sendall(b"taken, and read by nobody")
            server.wait_for_journal(rf"did: left {number} connections unaccepted, room for 3\n")
        status, _, err = run_main(client_blocking.main, server.host, server.port, "--timeout", "0.5")
        assert status == 12
        assert err.startswith("timed out: not done within 0.5 s, connecting to 127.0.0.1 port ")


def test_the_kernel_gives_up_an_unanswered_syn_as_soon_as_it_is_asked_to(tmp_path: Path) -> None:
    with serving("never_accepts", tmp_path, "--backlog", "0") as server, server.connect():
        server.wait_for_journal(r"did: left 1 connections unaccepted, room for 1\n")
        began_s = time.monotonic()
        status, _, err = run_main(
            client_blocking.main, server.host, server.port, "--syn-retries", "1", "--timeout", "20"
        )
        assert (status, err[:32]) == (12, "timed out: ETIMEDOUT connecting ")
        assert time.monotonic() - began_s >= 2.9, "1 s, and twice that for the one repeat (RFC 6298, 5.5)"
    status, _, err = run_main(client_blocking.main, server.host, server.port, "--syn-retries", "128")
    assert (status, "at most 127" in err) == (64, True)


def test_a_server_that_never_answers_is_waited_for_until_the_deadline(tmp_path: Path) -> None:
    with serving("never_answers", tmp_path) as server:
        status, _, err = run_main(client_blocking.main, server.host, server.port, "--timeout", "0.4")
        assert (status, err[:44]) == (12, "timed out: not done within 0.4 s, waiting fo")
        server.wait_for_journal("did: read 12 bytes, and answers nothing\n")


def time_wait(server: int, client: int) -> bool:
    """Whether the server's end of this connection is in TIME-WAIT (proc(5); the state is 06)."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    ports = [(int(words[1].split(":")[1], 16), int(words[2].split(":")[1], 16)) for words in lines if words[3] == "06"]
    return (server, client) in ports


@pytest.mark.parametrize("reuseaddr", [True, False])
def test_who_closes_first_has_time_wait_and_needs_so_reuseaddr_to_start_again(reuseaddr: bool, tmp_path: Path) -> None:
    flags = () if reuseaddr else ("--without-reuseaddr",)
    with serving("closes_first", tmp_path, *flags) as server:
        with server.connect() as connected:
            connected.sendall(b"Hello, world")
            assert exactly(connected, 13) == b"Hello, world"
            client = connected.getsockname()[1]
        eventually(lambda: time_wait(server.port, client), "TIME-WAIT at the server's end")
        server.wait_for_journal("did: closed first, 12 bytes given back\n")
        assert server.terminate() < 2
    words = [sys.executable, "-m", "services.peers.closes_first", server.host, str(server.port), *flags]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True) as again:
        assert again.stderr
        line = again.stderr.readline()
        if line.startswith("listening on"):
            again.terminate()
    expected = (0, "listening on") if reuseaddr else (71, "cannot listen on")
    assert (again.returncode, line.split(" 127")[0]) == expected
    assert reuseaddr or line.endswith(f"port {server.port}: EADDRINUSE\n")


def test_an_answer_trickles_in_one_byte_a_segment_and_is_the_right_one(tmp_path: Path) -> None:
    with serving("trickle", tmp_path, "--every", "0.002") as server, server.connect() as connected:
        connected.sendall(search_request("morpheus"))
        assert answers(connected, 1) == [FOUND]
        assert data_segments(connected) >= 148
        server.wait_for_journal("did: sent 148 bytes, one a segment, 0.002 s apart\n")


def test_a_datagram_that_does_not_fit_is_broken_off_and_one_that_does_is_judged(tmp_path: Path) -> None:
    with serving("long_quote", tmp_path, "--bytes", "513") as server:
        status, out, err = run_main(client_udp.main, server.host, server.port, "--room", "512")
        assert (status, out) == (14, "")
        assert err.endswith(": a datagram of 513 bytes came; 512 of them had room\n")
        status, out, err = run_main(client_udp.main, server.host, server.port, "--room", "513")
        assert (status, out) == (15, "")
        assert err.endswith("expected 1 to 512 bytes, got 513\n")
        server.wait_for_journal("did: sent a datagram of 513 bytes\n", times=2)
    with started("qotd.server_udp", tmp_path / "quotes") as server:
        assert run_main(client_udp.main, server.host, server.port, "--room", "512")[0] == 0


def test_numbered_datagrams_are_told_in_the_order_in_which_they_came_back(tmp_path: Path) -> None:
    with serving("gives_back", tmp_path) as server:
        status, out, err = run_main(numbered.main, server.host, server.port, "--count", "4", "--in-order")
        assert (status, out) == (0, "did: sent 4 datagrams; they came back in the order 1 2 3 4\n"), err
        server.wait_for_journal("did: gave back 6 bytes\n", times=4)


@contextmanager
def turning() -> Iterator[int]:
    """Gives the first three datagrams back, the first one last; the rest not at all. Its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound, ThreadPoolExecutor() as pool:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(PATIENCE_S)

        def turn() -> None:
            came = [bound.recvfrom(64) for _ in range(3)]
            for content, peer in [*came[1:], came[0]]:
                bound.sendto(content, peer)

        turned = pool.submit(turn)
        yield bound.getsockname()[1]
        turned.result()


def test_by_numbers_each_answer_finds_its_question_and_without_them_it_does_not() -> None:
    with turning() as port:
        status, out, err = run_main(numbered.main, "127.0.0.1", port)
    assert (status, out) == (0, "did: sent 3 datagrams; they came back in the order 2 3 1\n"), err
    with turning() as port:
        status, _, err = run_main(numbered.main, "127.0.0.1", port, "--in-order")
    assert (status, err) == (15, "wrong answer: answer 1 is to question 2\n")


def test_of_numbered_datagrams_a_lost_one_is_waited_for_until_the_deadline() -> None:
    with turning() as port:
        status, _, err = run_main(numbered.main, "127.0.0.1", port, "--count", "5", "--timeout", "0.4")
    doing = f"3 of 5 datagrams having come back of 127.0.0.1 port {port}"
    assert (status, err) == (12, f"timed out: not done within 0.4 s, {doing}\n")


# Clients


@pytest.mark.parametrize("module", ["echo.server_selectors", "search.server_asyncio"])
def test_a_silent_client_is_cut_off_by_an_idle_time(module: str, tmp_path: Path) -> None:
    with started(module, tmp_path / "journal", "--idle-timeout", "0.4") as server:
        status, out, err = run_main(silent_client.main, server.host, server.port)
        assert (status, err.count("\n")) == (14, 1)
        assert re.fullmatch(r"did: sent nothing for 0\.[4-9]\d\d s\n", out), out
        server.wait_for_journal(r"idle for 0\.4 s; 0 bytes in")


def test_a_silent_client_tells_a_reset_and_what_nobody_asked_for() -> None:
    def reset_after_a_while(connected: socket.socket) -> None:
        connected.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connected.recv(1)
        reset(connected)

    with peer(socket.SOCK_STREAM, reset_after_a_while) as port:
        status, out, err = run_main(silent_client.main, "127.0.0.1", port)
    assert (status, err[:17], out[:10]) == (11, "reset: ECONNRESET", "did: sent ")
    with peer(socket.SOCK_STREAM, lambda connected: connected.sendall(b"welcome")) as port:
        status, _, err = run_main(silent_client.main, "127.0.0.1", port)
    assert (status, err.endswith("sent b'welcome', and nobody had asked\n")) == (15, True)


@pytest.mark.parametrize("module", ["search.server_selectors", "search.server_asyncio"])
def test_hoarders_are_cut_off_where_the_memory_of_all_has_a_limit_and_else_wait_in_vain(
    module: str, tmp_path: Path
) -> None:
    words = ("--peers", "4", "--bytes", "90000", "--cut-off", "2")
    limits = ("--content-limit", "100000", "--memory-limit", "200000")
    with started(module, tmp_path / "bounded", *limits) as server:
        ran = run("peers.hoarder", server.host, str(server.port), *words)
    assert (ran.returncode, ran.stdout) == (14, "did: 2 of 4 peers, with 90000 bytes each, were cut off\n"), ran.stderr
    with started(module, tmp_path / "large") as server:
        ran = run("peers.hoarder", server.host, str(server.port), *words, "--timeout", "1")
    assert (ran.returncode, ran.stdout) == (12, "did: 0 of 4 peers, with 90000 bytes each, were cut off\n"), ran.stderr


@pytest.mark.parametrize("module", ["search.server_selectors", "search.server_asyncio"])
def test_one_byte_a_segment_is_answered_by_whoever_takes_it_for_a_stream(module: str, tmp_path: Path) -> None:
    with started(module, tmp_path / "journal") as server:
        ran = run("peers.one_byte", server.host, str(server.port), "--every", "0.001")
    did = r"did: sent (\d+) of \1 bytes, one a segment, 0\.001 s apart\n"
    assert (ran.returncode, ran.stderr) == (0, "")
    assert re.fullmatch(did + FOUND + "\n", ran.stdout), ran.stdout


def test_one_byte_a_segment_is_just_that() -> None:
    def serve(connected: socket.socket) -> None:
        exactly(connected, len(search_request("morpheus")))
        assert data_segments(connected) >= len(search_request("morpheus"))
        connected.sendall(search_request("x"))

    with peer(socket.SOCK_STREAM, serve) as port:
        assert run("peers.one_byte", "127.0.0.1", str(port)).returncode == 15, "what came is no answer"


@pytest.mark.parametrize("module", ["search.server_selectors", "search.server_asyncio"])
def test_a_slow_writer_is_cut_off_by_the_time_for_a_message(module: str, tmp_path: Path) -> None:
    with started(module, tmp_path / "journal", "--message-timeout", "2", "--idle-timeout", "1.5") as server:
        began_s = time.monotonic()
        ran = run("peers.one_byte", server.host, str(server.port), "--every", "0.25")
        assert time.monotonic() - began_s < 5
        assert (ran.returncode, ran.stderr.count("\n")) in ((14, 1), (11, 1))
        did = r"did: sent ([5-9]|10) of \d+ bytes, one a segment, 0\.25 s apart\n"
        assert re.fullmatch(did, ran.stdout), ran.stdout
        server.wait_for_journal(r"message not whole within 2 s; ([5-9]|10) bytes in, 0 bytes out")


@pytest.mark.parametrize("module", ["search.server_selectors", "search.server_asyncio"])
def test_two_requests_in_one_send_have_two_answers(module: str, tmp_path: Path) -> None:
    with started(module, tmp_path / "journal") as server:
        ran = run("peers.two_in_one", server.host, str(server.port), "ring", "morpheus")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert re.match(r"did: sent 2 requests of 14\d and 14\d bytes in one send\(\)\nIn the .*\nFollow ", ran.stdout)


def test_two_requests_are_one_segment_and_one_answer_is_not_enough() -> None:
    def serve(connected: socket.socket) -> None:
        assert connected.recv(4096) == search_request("morpheus") + search_request("ring"), "in one recv()"
        connected.sendall(Connection().send_message(b'{"result": "one"}', "text/json", "utf-8"))

    with peer(socket.SOCK_STREAM, serve) as port:
        ran = run("peers.two_in_one", "127.0.0.1", str(port))
    assert (ran.returncode, ran.stdout.splitlines()[1:]) == (14, ["one"])


def test_a_slow_reader_gets_everything_in_the_end(tmp_path: Path) -> None:
    with started("echo.server_selectors", tmp_path / "journal") as server:
        words = ("--bytes", 300_000, "--every", "0.1", "--receive-buffer", 32768)
        status, out, err = run_main(slow_reader.main, server.host, server.port, *words)
    assert (status, err) == (0, "")
    unread = [int(count) for count in re.findall(r"did: left (\d+) bytes unread for 0\.1 s\n", out)]
    assert sum(unread) >= 300_000 - 1
    assert len(unread) > 3
    assert max(unread) <= 65536, "no more than the buffer holds"
    assert out.endswith(f"300000 bytes came back in {len(unread)} turns\n")


def test_a_slow_reader_has_a_deadline_and_tells_a_reset() -> None:
    words = ("--bytes", 300_000, "--every", "0.2")
    with peer(socket.SOCK_STREAM, lambda connected: exactly(connected, 300_001)) as port:
        status, _, err = run_main(slow_reader.main, "127.0.0.1", port, *words, "--timeout", "0.7")
    assert (status, err[:60]) == (12, "timed out: not done within 0.7 s, 0 of 300000 bytes having c")

    def read_some_and_reset(connected: socket.socket) -> None:
        exactly(connected, 100)
        reset(connected)

    with peer(socket.SOCK_STREAM, read_some_and_reset) as port:
        status, _, err = run_main(slow_reader.main, "127.0.0.1", port, *words)
    assert status == 11
    assert re.match("reset: (ECONNRESET|EPIPE) 0 of 300000 bytes having come back", err), err


@contextmanager
def limited(tmp_path: Path, files: int) -> Iterator[Running]:
    """A server of echo with so few descriptors."""
    written = tmp_path / "journal"
    words = ["-m", "services.peers.limited", "--files", str(files), "services.echo.server_select", "127.0.0.1", "0"]
    with written.open("wb") as stderr:
        process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stderr=stderr)
    server = Running(process, written, "127.0.0.1")
    try:
        server.wait_for_journal(r"listening on .* port \d+\n")
        server.port = int(server.journal.splitlines()[1].rpartition(" ")[2])
        yield server
    finally:
        process.kill()
        process.wait(PATIENCE_S)


def test_who_holds_all_descriptors_keeps_others_waiting_until_it_lets_go(tmp_path: Path) -> None:
    with limited(tmp_path, 20) as server:
        assert server.journal.startswith("did: limited the descriptors to 20\n")
        words = ["-m", "services.peers.holder", server.host, str(server.port), "30", "--hold", "4"]
        with subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True) as holding:
            assert holding.stdout
            assert holding.stdout.readline() == "holding 30 connections\n"
            server.wait_for_journal("accepting again in 0.2 s: EMFILE")
            status, _, err = run_main(client_blocking.main, server.host, server.port, "--timeout", "0.3")
            assert (status, err[:45]) == (12, "timed out: not done within 0.3 s, waiting for")
            assert holding.communicate()[0] == "did: held 30 connections for 4 s; the peer ended 0\n"
        assert holding.returncode == 0
        assert run_main(client_blocking.main, server.host, server.port)[0] == 0, "it recovers"
        assert server.terminate() < 2


def test_a_holder_says_how_many_were_ended_and_which_could_not_be_opened(tmp_path: Path) -> None:
    with started("echo.server_selectors", tmp_path / "journal", "--idle-timeout", "0.2") as server:
        status, out, _ = run_main(holder.main, server.host, server.port, 3, "--hold", "1")
        assert (status, out.splitlines()[1]) == (0, "did: held 3 connections for 1 s; the peer ended 3")
    with serving("never_accepts", tmp_path, "--backlog", "0") as server:
        status, out, err = run_main(holder.main, server.host, server.port, 3, "--timeout", "0.5")
        assert (status, out) == (12, "")
        assert err.startswith("timed out: connection 2 of 3: not done within 0.5 s, connecting to ")


@pytest.mark.parametrize(
    "words",
    [("--files", "7", "services.echo.server_once"), ("--files", "20", "services.echo.server_onse"), ("--files", "20")],
)
def test_limited_takes_a_wrong_command_line_with_one_line_and_status_64(words: tuple[str, ...]) -> None:
    ran = run("peers.limited", *words)
    assert (ran.returncode, ran.stderr.count("\n")) == (64, 1), ran.stderr


def test_limited_ends_as_its_program_does() -> None:
    ran = run("peers.limited", "--files", "20", "services.echo.client_blocking", "127.0.0.1", "0")
    assert ran.returncode == 10
    assert ran.stderr.startswith("did: limited the descriptors to 20\nrefused: ECONNREFUSED ")


def test_after_the_fin_one_send_is_taken_and_the_next_is_epipe(tmp_path: Path) -> None:
    with serving("closes_first", tmp_path) as server:
        status, out, err = run_main(broken_pipe.main, server.host, server.port)
        assert (status, out) == (11, "did: sent 12 bytes after the FIN, and they were taken\n")
        assert err == f"reset: EPIPE sending to 127.0.0.1 port {server.port}\n"
    with started("echo.server_selectors", tmp_path / "echoes") as server:
        status, out, err = run_main(broken_pipe.main, server.host, server.port, "--wait", "0.1")
        assert (status, out, err) == (0, "2 messages came back: the server did not close\n", "")


def test_after_shutting_down_reading_the_answer_comes_and_after_both_it_does_not(tmp_path: Path) -> None:
    with started("echo.server_selectors", tmp_path / "journal") as server:
        assert run_main(shuts.main, server.host, server.port, "rd")[1] == "did: shut down rd\n12 bytes came\n"
    with started("sink.server_poll", tmp_path / "sink") as server:  # it answers nothing, and a FIN tells it nothing
        assert run_main(shuts.main, server.host, server.port, "rdwr")[1] == "did: shut down rdwr\n0 bytes came\n"


def test_an_urgent_byte_comes_in_the_third_list_of_select_and_not_among_the_others(tmp_path: Path) -> None:
    with serving("urgent_reader", tmp_path) as server:
        status, out, _ = run_main(urgent.main, server.host, server.port)
        assert (status, out) == (0, "did: sent 5 bytes, and 1 urgent byte\n")
        server.wait_for_journal(r"did: in the third list: urgent byte b'!'\n")
        server.wait_for_journal(r"did: in the first list: 5 bytes\n")
