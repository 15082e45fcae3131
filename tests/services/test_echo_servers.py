"""What each architecture of the echo service promises of its own: its bound, and what becomes of those beyond it."""

import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from services.accepting import Accepting
from tests.services.running import LONG_GRACE, PATIENCE_S, ended, eventually, exactly, run, running

LISTEN: Final = "0A"  # the state, in /proc/net/tcp


def echoes(peer: socket.socket, message: bytes) -> bool:
    peer.sendall(message)
    return exactly(peer, len(message)) == message


def test_once_resets_the_second_client_when_the_first_has_gone_and_ends_with_status_0(tmp_path: Path) -> None:
    with running("echo.server_once", tmp_path / "journal") as server, server.connect() as first:
        with server.connect() as second:
            second.sendall(b"hello")
            assert echoes(first, b"first")  # the second is connected meanwhile, and its bytes are taken
            first.shutdown(socket.SHUT_WR)
            assert ended(first)
            with pytest.raises(ConnectionResetError):
                second.recv(1)
        assert server.process.wait(PATIENCE_S) == 0
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_blocking_serves_the_second_client_when_the_first_has_gone_and_not_before(tmp_path: Path) -> None:
    with (
        running("echo.server_blocking", tmp_path / "journal") as server,
        server.connect() as first,
        server.connect() as second,
    ):
        second.sendall(b"hello")
        second.settimeout(0.3)
        for number in range(3):
            assert echoes(first, b"first")
            if number == 1:
                with pytest.raises(TimeoutError):
                    second.recv(1)
        first.close()
        second.settimeout(PATIENCE_S)
        assert exactly(second, 5) == b"hello"


def test_a_client_of_blocking_that_waits_behind_another_times_out_and_says_so(tmp_path: Path) -> None:
    with running("echo.server_blocking", tmp_path / "journal") as server, server.connect() as first:
        assert echoes(first, b"first")
        ran = run("echo.client_blocking", server.host, str(server.port), "hello", "--timeout", "0.5")
    assert ran.returncode == 12
    assert ran.stderr.startswith("timed out: not done within 0.5 s, ")


@pytest.mark.parametrize("module", ["echo.server_threads", "echo.server_forking", "framing.server"])
def test_the_client_beyond_the_bound_waits_for_one_to_go_and_sigterm_does_not(module: str, tmp_path: Path) -> None:
    flags = ("--framing", "fixed", "--length", "1") if module == "framing.server" else ()
    with ExitStack() as stack:
        server = stack.enter_context(running(module, tmp_path / "journal", "--most", "2", *flags, within=LONG_GRACE))
        first, second, third, fourth = (stack.enter_context(server.connect()) for _ in range(4))
        assert echoes(first, b"1")
        assert echoes(second, b"2")
        third.sendall(b"3")
        third.settimeout(0.3)
        with pytest.raises(TimeoutError):
            third.recv(1)
        first.close()
        third.settimeout(PATIENCE_S)
        assert exactly(third, 1) == b"3"
        fourth.sendall(b"4")
        assert server.terminate() < 2


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()


def test_forking_has_a_child_a_client_and_reaps_it_when_the_client_has_gone(tmp_path: Path) -> None:
    with running("echo.server_forking", tmp_path / "journal") as server:
        with server.connect() as first, server.connect() as second:
            assert echoes(first, b"1")
            assert echoes(second, b"2")
            assert len(children(server.process.pid)) == 2
        eventually(lambda: children(server.process.pid) == [], "no child and no zombie is left")


def test_forking_tells_its_children_of_sigterm_and_outlives_them(tmp_path: Path) -> None:
    with (
        running("echo.server_forking", tmp_path / "journal", within=LONG_GRACE) as server,
        server.connect() as peer,
    ):
        assert echoes(peer, b"1")
        (child,) = children(server.process.pid)
        assert server.terminate() < 2
        assert not Path("/proc", child).exists()
        assert ended(peer)


def test_select_refuses_whom_it_cannot_watch_aloud_and_serves_the_others(tmp_path: Path) -> None:
    with plenty_of_descriptors(), ExitStack() as stack:
        server = stack.enter_context(running("echo.server_select", tmp_path / "journal", files=1100))
        peers = [stack.enter_context(server.connect()) for _ in range(1030)]
        why = r"refused: select\(\) watches no descriptor from 1024 on; 0 bytes in, 0 bytes out"
        server.wait_for_journal(
            f"port {peers[-1].getsockname()[1]}: {why}"
        )  # they come and are told of in order: it is the last
        refused = server.journal.count(": refused: ")
        assert refused >= 1030 - 1024
        assert ended(peers[-1])
        assert echoes(peers[0], b"still")
        assert echoes(peers[1029 - refused], b"the last that was taken")
        peers[0].close()
        server.wait_for_journal("finished; 5 bytes in")
        with server.connect() as again:
            assert echoes(again, b"there is room again")


@pytest.mark.parametrize("module", ["echo.server_selectors", "echo.server_asyncio", "echo.server_threads"])
def test_three_thousand_connections_of_one_client_all_get_their_two_messages_back(module: str, tmp_path: Path) -> None:
    with plenty_of_descriptors(), running(module, tmp_path / "journal", files=4096) as server:
        ran = run("echo.client_multi", server.host, str(server.port), "3000")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("6000 messages on 3000 connections came back: ")


def test_a_server_that_is_held_up_loses_none_of_three_thousand_that_come_meanwhile(tmp_path: Path) -> None:
    with (
        plenty_of_descriptors(),
        running("echo.server_selectors", tmp_path / "journal", files=4096) as server,
        ThreadPoolExecutor() as pool,
    ):
        server.process.send_signal(signal.SIGSTOP)
        try:
            running_client = pool.submit(run, "echo.client_multi", server.host, str(server.port), "3000")
            eventually(lambda: unaccepted(server.port) == 3000, "that all wait for accept()")
        finally:
            server.process.send_signal(signal.SIGCONT)
        ran = running_client.result()
    assert (ran.returncode, ran.stderr) == (0, "")


def unaccepted(port: int) -> int:
    """How many connections wait for accept() at the IPv4 port: of one that listens, rx_queue (proc_net_tcp.rst)."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, queues, *_ = line.split()
        if state == LISTEN and int(local.rpartition(":")[2], 16) == port:
            return int(queues.rpartition(":")[2], 16)
    raise AssertionError(f"nobody listens at port {port}")


@contextmanager
def plenty_of_descriptors() -> Iterator[None]:
    """As many for this process, and for those that it starts, as it may have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_asyncio_closes_a_peer_that_stopped_reading_after_one_idle_time_and_not_two(tmp_path: Path) -> None:
    with running("echo.server_asyncio", tmp_path / "journal", "--idle-timeout", "2") as server:
        with server.connect() as peer:
            peer.setblocking(False)
            with suppress(BlockingIOError):  # neither end's buffers take any more
                while peer.send(bytes(65536)):
                    pass
            server.wait_for_journal("idle for 2 s; [1-9]")
        (took_s,) = re.findall(r" out, ([\d.]+) s", server.journal)
    assert 2 <= float(took_s) < 3.5


def test_accepting_that_is_not_paused_never_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """time.sleep(0) waits for the timer's slack, some 60 µs (prctl(2), PR_SET_TIMERSLACK): at each connection."""
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail(f"it slept for {seconds} s"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        assert Accepting(listening, idle_s=1).accept() is None


# SIGTERM between the look and the list of what to wait for: an emulated CPU met that moment 7 times in 1,500 starts.
STOPPED_AFTER_THE_LOOK: Final = """
import runpy, signal, sys
from services.echo.echoing import Echoes
accepts = Echoes.accepts.fget
def stopped_first(echoes):
    signal.raise_signal(signal.SIGTERM)
    return accepts(echoes)
Echoes.accepts = property(stopped_first)
sys.argv = [sys.argv[1], "127.0.0.1", "0"]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("module", ["services.echo.server_select", "services.echo.server_selectors"])
def test_a_sigterm_between_the_look_and_the_wait_ends_the_server(module: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", STOPPED_AFTER_THE_LOOK, module], capture_output=True, timeout=PATIENCE_S, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.startswith(b"listening on 127.0.0.1")
