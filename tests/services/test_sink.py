"""The sink, which never reads, and `fill`, which finds out how much two kernels take."""

import os
import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from services.sink import fill, server_poll
from services.sink.queues import TABLES, Queues, in_line, queues_by_ioctl, queues_in_table
from tests.services.running import PATIENCE_S, Running, ended, eventually, reset
from tests.services.starting import peer, run_main, started

SERVER = "sink.server_poll"
REPORT = re.compile(
    r"written until EWOULDBLOCK +([\d,]+) bytes, in \d+ writes\n"
    r"this kernel holds +([\d,]+) bytes; its Send-Q is ([\d,]+)\n"
    r"the other kernel took +([\d,]+) bytes; its Recv-Q, while nothing is read\n"
)


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with started(SERVER, tmp_path_factory.mktemp("sink") / "journal", bind="") as server:
        yield server


def queues_by_ports(local: int, remote: int, table: str = "/proc/net/tcp") -> set[Queues]:
    """What netstat would show of the socket between these two ports: its line may be there twice."""
    found = set()
    for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
        words = line.split()
        if [int(address.split(":")[1], 16) for address in words[1:3]] == [local, remote]:
            send, receive = (int(word, 16) for word in words[4].split(":"))
            found.add(Queues(receive, send))
    return found


def wrote_until_full(connected: socket.socket) -> int:
    """Bytes written until nothing was taken for 0.2 s."""
    written, connected_at = 0, time.monotonic()
    connected.setblocking(False)
    while time.monotonic() - connected_at < PATIENCE_S:
        before = written
        with suppress(BlockingIOError):
            while True:
                written += connected.send(bytes(65536))
        if written == before:
            return written
        select.select([], [], [], 0.2)
    raise AssertionError("never full")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_fill_reports_every_byte_in_one_kernel_or_the_other(sink: Running, host: str) -> None:
    status, out, err = run_main(fill.main, host, sink.port, "--settle", "0.2")
    assert (status, err) == (0, "")
    report = REPORT.fullmatch(out)
    assert report, out
    written, held, send_q, took = (int(number.replace(",", "")) for number in report.groups())
    assert written == held + took
    assert held == send_q > 0
    sink.wait_for_journal(rf"{host} port \d+: ECONNRESET; {took} bytes in, 0 bytes out")


def test_what_is_not_read_is_in_the_queues_of_the_two_ends(sink: Running) -> None:
    with sink.connect() as connected:
        port = connected.getsockname()[1]
        written = wrote_until_full(connected)
        mine = queues_in_table(connected)
        assert mine == queues_by_ioctl(connected)
        (near,) = queues_by_ports(port, sink.port)
        (far,) = queues_by_ports(sink.port, port, "/proc/net/tcp6")  # the sink listens on both families
        assert (near, near.send + far.receive) == (mine, written)
        reset(connected)
    sink.wait_for_journal(rf" port {port}: ECONNRESET; {far.receive} bytes in, 0 bytes out")


def test_fill_says_so_when_the_other_end_reads() -> None:
    def read_all(connected: socket.socket) -> None:
        with suppress(ConnectionError):
            while connected.recv(1 << 20):
                pass

    with peer(socket.SOCK_STREAM, read_all) as port:
        status, out, err = run_main(fill.main, "127.0.0.1", port, "--limit", "20000000")
    assert (status, out) == (15, "")
    assert err == "wrong answer: all of 20,000,000 bytes were taken: the other end reads\n"


def test_fill_does_not_take_a_pause_for_the_end() -> None:
    def read_after_a_pause(connected: socket.socket) -> None:
        select.select([], [], [], 0.3)
        unread = 3_000_000
        while unread > 0:
            unread -= len(connected.recv(65536))
        until_reset = select.poll()
        until_reset.register(connected, 0)
        assert until_reset.poll(PATIENCE_S * 1000)

    with peer(socket.SOCK_STREAM, read_after_a_pause) as port:
        status, out, _ = run_main(fill.main, "127.0.0.1", port, "--settle", "0.6")
    report = REPORT.fullmatch(out)
    assert status == 0
    assert report
    assert int(report[4].replace(",", "")) >= 3_000_000


def test_fill_has_a_deadline_that_says_what_moved() -> None:
    def read_slowly(connected: socket.socket) -> None:
        with suppress(ConnectionError):
            while connected.recv(200_000):
                select.select([], [], [], 0.02)

    with peer(socket.SOCK_STREAM, read_slowly) as port:
        status, out, err = run_main(fill.main, "127.0.0.1", port, "--timeout", "0.6", "--settle", "5")
    assert (status, out) == (12, "")
    said = r"timed out: not done within 0\.6 s, waiting until nothing moves; [\d,]+ bytes written, "
    assert re.match(said, err), err


def test_fill_does_not_call_full_what_was_not_still_for_long_enough(sink: Running) -> None:
    status, out, err = run_main(fill.main, "127.0.0.1", sink.port, "--timeout", "0.4", "--settle", "5")
    assert (status, out) == (12, "")
    assert err.startswith("timed out: not done within 0.4 s, waiting until nothing moves; ")


def test_fill_is_refused_and_reset_by_name() -> None:
    def read_one_and_reset(connected: socket.socket) -> None:
        connected.recv(1)
        reset(connected)

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        status, _, err = run_main(fill.main, "127.0.0.1", port)
    assert (status, err) == (10, f"refused: ECONNREFUSED connecting to 127.0.0.1 port {port}\n")
    with peer(socket.SOCK_STREAM, read_one_and_reset) as port:
        status, _, err = run_main(fill.main, "127.0.0.1", port)
    assert (status, err) == (11, f"reset: ECONNRESET writing to 127.0.0.1 port {port}\n")


@pytest.mark.parametrize("words", [["", "1"], ["::1"], ["::1", "1", "--limit", "-1"], ["::1", "1", "--hold", "0"]])
def test_fill_takes_a_wrong_command_line_with_one_line_and_status_64(words: list[str]) -> None:
    status, out, err = run_main(fill.main, *words)
    assert (status, out, err.count("\n")) == (64, "", 1)


def test_a_peer_that_finishes_is_kept_in_close_wait(sink: Running) -> None:
    with sink.connect() as connected:
        port = connected.getsockname()[1]
        connected.sendall(b"all that I have")
        connected.shutdown(socket.SHUT_WR)
        eventually(lambda: queues_by_ports(sink.port, port, "/proc/net/tcp6") != set(), "the sink has the connection")
        connected.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connected.recv(1)
        assert f" port {port}: " not in sink.journal


def test_200_peers_at_once_are_kept_and_sigterm_tells_what_lay_unread_of_each(tmp_path: Path) -> None:
    with started(SERVER, tmp_path / "journal") as server, ExitStack() as stack:
        before = descriptors(server)
        peers = [stack.enter_context(server.connect()) for _ in range(200)]
        for number, connected in enumerate(peers):
            connected.sendall(bytes(number))
        eventually(lambda: descriptors(server) >= before + 200, "all are accepted")
        assert server.terminate() < 2
        assert all(ended(connected) for connected in peers)
        for number, connected in enumerate(peers):
            said = f" port {connected.getsockname()[1]}: server stopped; {number} bytes in, 0 bytes out, "
            assert said in server.journal


def descriptors(server: Running) -> int:
    """How many files and sockets the server has open."""
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def test_one_more_than_the_most_is_closed_and_told(tmp_path: Path) -> None:
    with started(SERVER, tmp_path / "journal", "--connections", "2") as server:
        kept = [server.connect(), server.connect()]
        for connected in kept:
            connected.sendall(b".")
        with server.connect() as one_more:
            assert ended(one_more)
        server.wait_for_journal("closed: no more than 2 are kept")
        reset(kept.pop())
        server.wait_for_journal("ECONNRESET; 1 bytes in")
        with server.connect() as now_there_is_room:
            now_there_is_room.settimeout(0.2)
            with pytest.raises(TimeoutError):
                now_there_is_room.recv(1)
        kept.pop().close()


def test_a_sink_out_of_descriptors_pauses_and_goes_on_when_there_are_some(tmp_path: Path) -> None:
    with started(SERVER, tmp_path / "journal", files=20) as server:
        peers = [server.connect() for _ in range(30)]
        server.wait_for_journal("accepting again in 0.2 s: EMFILE")
        for connected in peers:
            reset(connected)
        server.wait_for_journal("ECONNRESET", times=30)
        before = descriptors(server)
        with server.connect() as connected:
            connected.sendall(b".")
            eventually(lambda: descriptors(server) > before, "the new peer is accepted")
            assert server.terminate() < 2
            server.wait_for_journal("server stopped; 1 bytes in")


def test_a_port_that_is_taken_and_a_wrong_command_line_are_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = run_main(server_poll.main, "127.0.0.1", port)
    assert (status, err) == (71, f"cannot listen on 127.0.0.1 port {port}: EADDRINUSE\n")
    status, _, err = run_main(server_poll.main, "127.0.0.1", 0, "--connections", "many")
    assert (status, err.count("\n")) == (64, 1)


LINE = (
    "   3: 0100007F:E450 0100007F:8B1B 01 0039B600:0001F600 04:0000000F 00000000  1000        0 1364656 2"
    " 000000001 20 0 0 16 -1"
)
LINE6 = (
    "   0: 00000000000000000000000001000000:2331 00000000000000000000000001000000:A3C4 01 00000000:0001D8FC"
    " 00:00000000 00000000  1000        0 77 1 0 20 4 30 10 -1"
)


def test_the_kernels_table_is_read_by_the_inode_and_in_hexadecimal() -> None:
    assert in_line(LINE, "1364656") == Queues(receive=0x1F600, send=0x39B600)
    assert in_line(LINE6, "77") == Queues(receive=0x1D8FC, send=0)


def test_a_line_of_another_socket_is_not_taken_for_it() -> None:
    """Not even when the number stands elsewhere in the line, or the line is cut."""
    assert in_line(LINE, "1000") is None
    assert in_line(LINE[:60], "1364656") is None


def test_a_socket_that_is_not_in_the_table_is_an_error() -> None:
    with socket.socket() as unconnected, pytest.raises(LookupError, match=r"is not in /proc/net/tcp$"):
        queues_in_table(unconnected)


def test_a_table_that_lacks_the_line_while_others_come_and_go_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Table:
        def __init__(self) -> None:
            line = LINE.replace("1364656", str(os.fstat(connected.fileno()).st_ino))
            self.read: Iterator[str] = iter(["header\n", f"header\n{line}\n"])

        def read_text(self, encoding: str) -> str:
            assert encoding == "ascii"
            return next(self.read)

    with socket.socket() as connected:
        monkeypatch.setitem(TABLES, socket.AF_INET, Table())  # it is read as a file is
        assert queues_in_table(connected) == Queues(receive=0x1F600, send=0x39B600)
