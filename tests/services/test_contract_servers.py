"""One suite for every server of every protocol (`contract`): the same peers, the right answers, the same journal.

Here it is on loopback; tests/infra/test_contract_in_lab.py has the same tests between the hosts of a lab.
"""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.services.contract import ECHO, LARGE, SERVERS, Protocol, Server, servers
from tests.services.running import (
    LONG_GRACE,
    LOOPBACK,
    PATIENCE_S,
    SHORT_WRITES,
    UNHEARD_SIGTERM,
    Family,
    Place,
    Running,
    ended,
    eventually,
    exactly,
    refused_to_run,
    reset,
    running,
    unacknowledged,
    until_end,
)

SHORT_IDLE = ("--idle-timeout", "0.5")


@pytest.fixture(scope="module")
def place() -> Place:
    return LOOPBACK


@pytest.fixture
def subject(request: pytest.FixtureRequest, place: Place) -> Server:
    """The server under test, as it is in its place."""
    server: Server = request.param
    return server.on(place.byteorder)


@contextmanager
def started(
    place: Place,
    subject: Server,
    written: Path,
    *flags: str,
    bind: str | None = None,
    port: int = 0,
    files: int = 0,
    within: str = "",
) -> Iterator[Running]:
    flags = (*subject.flags, *flags)
    with running(
        subject.module, written, *flags, bind=bind, port=port, files=files, within=within, place=place
    ) as server:
        yield server


class Shared:
    """A server of each subject, started when first asked for, for all tests that do it no harm: which they show."""

    def __init__(self, place: Place, folder: Path, stack: ExitStack) -> None:
        self.place, self.folder, self.stack = place, folder, stack
        self.running: dict[str, Running] = {}

    def __call__(self, subject: Server) -> Running:
        found = self.running.get(subject.name)
        if found is None or not subject.again:
            written = self.folder / f"{subject.name.replace('/', '-')}-{time.monotonic_ns()}"
            found = self.stack.enter_context(started(self.place, subject, written, bind=""))
            self.running[subject.name] = found
        return found


@pytest.fixture(scope="module")
def shared(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with ExitStack() as stack:
        yield Shared(place, tmp_path_factory.mktemp("shared"), stack)


def at_once(
    place: Place, check: Callable[[Server, Path], None], folder: Path, which: Callable[[Server], bool], some: int = 5
) -> None:
    """The check of every server of which this holds, some at once: for tests that mostly wait."""
    subjects = [subject.on(place.byteorder) for subject in SERVERS if which(subject)]
    with ThreadPoolExecutor(some) as pool:
        checks = [pool.submit(check, subject, folder / str(number)) for number, subject in enumerate(subjects)]
    for subject, checked in zip(subjects, checks, strict=True):
        if error := checked.exception():
            error.add_note(f"This is of {subject.name}.")
            raise error


def ask(protocol: Protocol, peer: socket.socket, *texts: str) -> None:
    """Send these requests, whole and at once."""
    peer.sendall(b"".join(protocol.asking(text) for text in texts))
    if protocol.one_a_stream:
        peer.shutdown(socket.SHUT_WR)


def assert_answered(protocol: Protocol, peer: socket.socket, *texts: str) -> None:
    expected = b"".join(protocol.answer(text) for text in texts)
    received = exactly(peer, len(expected))
    assert received == expected, f"got {received[:100]!r} ({len(received)} bytes, expected {len(expected)})"


def assert_accepted(subject: Server, server: Running, peer: socket.socket) -> None:
    """It is a peer of the server's, and not only of the kernel's, which would reset it if SIGTERM came now."""
    if subject.protocol.one_a_stream:
        assert_serves(subject, server)  # connections are accepted in their order
    else:
        ask(subject.protocol, peer, "part")
        assert_answered(subject.protocol, peer, "part")


def assert_serves(subject: Server, server: Running) -> None:
    """Whatever happened to others: the next client is answered."""
    with server.connect() as peer:
        ask(subject.protocol, peer, "next")
        assert_answered(subject.protocol, peer, "next")


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@servers()
def test_a_request_is_answered_over_ipv4_and_ipv6_and_the_journal_tells_of_it(
    shared: Shared, subject: Server, family: Family
) -> None:
    server, protocol = shared(subject), subject.protocol
    with server.connect(family) as peer:
        own, own_port = peer.getsockname()[:2]
        ask(protocol, peer, "morphe")
        assert_answered(protocol, peer, "morphe")
    asked, answered = len(protocol.asking("morphe")), len(protocol.answer("morphe"))
    server.wait_for_journal(
        rf"\n{own} port {own_port}: finished; {asked} bytes in, {answered} bytes out, \d\.\d\d\d s\n",
    )
    assert server.journal.count(f"{own} port {own_port}: ") == 1


@servers()
def test_a_request_that_comes_byte_by_byte_is_answered(shared: Shared, subject: Server) -> None:
    with shared(subject).connect() as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in subject.protocol.asking("slow"):
            peer.sendall(bytes([byte]))
        ask(subject.protocol, peer)
        assert_answered(subject.protocol, peer, "slow")


@servers()
def test_an_answer_of_which_the_kernel_takes_seven_bytes_at_a_time_is_sent_whole(
    place: Place, subject: Server, tmp_path: Path
) -> None:
    texts = ["seven bytes and"] if subject.protocol.one_a_stream else ["seven bytes and", "no more"] * 20
    with started(place, subject, tmp_path / "journal", within=SHORT_WRITES) as server, server.connect() as peer:
        ask(subject.protocol, peer, *texts)
        assert_answered(subject.protocol, peer, *texts)


@servers(lambda server: not server.protocol.one_a_stream)
def test_two_requests_in_one_segment_are_answered_in_order(shared: Shared, subject: Server) -> None:
    with shared(subject).connect() as peer:
        ask(subject.protocol, peer, "one", "two")
        assert_answered(subject.protocol, peer, "one", "two")


@servers(lambda server: not server.protocol.one_a_stream)
def test_many_requests_one_after_another_and_then_many_at_once_are_answered_in_order(
    shared: Shared, subject: Server
) -> None:
    with shared(subject).connect() as peer:
        for number in range(50):
            ask(subject.protocol, peer, f"{number}")
            assert_answered(subject.protocol, peer, f"{number}")
        numbers = [f"{number}" for number in range(500)]
        ask(subject.protocol, peer, *numbers)
        assert_answered(subject.protocol, peer, *numbers)


@servers()
def test_a_peer_that_has_finished_sending_still_gets_its_answer_and_then_the_end(
    shared: Shared, subject: Server
) -> None:
    with shared(subject).connect() as peer:
        peer.sendall(subject.protocol.asking("last"))
        peer.shutdown(socket.SHUT_WR)
        assert until_end(peer) == subject.protocol.answer("last")


@servers()
def test_a_peer_that_finishes_without_a_word_gets_the_end_and_no_more(shared: Shared, subject: Server) -> None:
    with shared(subject).connect() as peer:
        peer.shutdown(socket.SHUT_WR)
        assert until_end(peer) == b""


@servers(lambda server: server.protocol.name not in ("echo", "fixed"))
def test_an_empty_request_is_answered(shared: Shared, subject: Server) -> None:
    with shared(subject).connect() as peer:
        ask(subject.protocol, peer, "")
        assert_answered(subject.protocol, peer, "")


@servers(lambda server: server.protocol is ECHO)
def test_eight_megabytes_come_back_to_a_peer_that_begins_to_read_when_nothing_moves_any_more(
    shared: Shared, subject: Server
) -> None:
    """The server's last send() was a short one then: 8 MB are more than it can have under way (tcp(7), tcp_wmem)."""
    sent = bytes(range(251)) * 32_000
    with shared(subject).connect() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)

        def send() -> None:
            peer.sendall(sent)
            peer.shutdown(socket.SHUT_WR)

        waiting: list[int] = []

        def nothing_moves() -> bool:
            waiting.append(unacknowledged(peer))
            begun = waiting[-1] > 0 or not sending.is_alive()  # a kernel with large buffers takes in all of it
            return begun and len(waiting) > 20 and set(waiting[-20:]) == {waiting[-1]}

        sending = threading.Thread(target=send, daemon=True)
        sending.start()
        eventually(nothing_moves, "nothing moves")
        assert until_end(peer) == sent
        sending.join(PATIENCE_S)


@servers(lambda server: server.protocol.largest is not None)
def test_the_largest_request_is_answered_and_one_byte_more_is_refused(
    place: Place, subject: Server, tmp_path: Path
) -> None:
    protocol = subject.protocol
    assert protocol.largest is not None
    with started(place, subject, tmp_path / "journal", *protocol.largest(40)) as server:
        with server.connect() as peer:
            ask(protocol, peer, "x" * 40)
            assert_answered(protocol, peer, "x" * 40)
        with server.connect() as peer:
            peer.sendall(protocol.asking("x" * 41))
            peer.shutdown(socket.SHUT_WR)
            assert until_end(peer) != protocol.answer("x" * 41)
        server.wait_for_journal(protocol.too_large)


@servers(lambda server: server.protocol.largest is not None)
def test_a_request_of_twelve_megabytes_is_answered(place: Place, subject: Server, tmp_path: Path) -> None:
    protocol = subject.protocol
    assert protocol.largest is not None
    with started(place, subject, tmp_path / "journal", *protocol.largest(LARGE)) as server, server.connect() as peer:
        ask(protocol, peer, "x" * LARGE)
        assert_answered(protocol, peer, "x" * LARGE)


@servers(lambda server: server.again)
def test_a_peer_that_finishes_at_any_byte_gets_what_its_bytes_are_worth_and_the_end(
    shared: Shared, subject: Server
) -> None:
    whole, server = subject.protocol.asking("whole"), shared(subject)
    for cut in range(1, len(whole)):
        with server.connect() as peer:
            own_port = peer.getsockname()[1]
            peer.sendall(whole[:cut])
            peer.shutdown(socket.SHUT_WR)
            assert until_end(peer) == subject.protocol.answer_to_cut(whole[:cut]), f"cut at {cut}"
        server.wait_for_journal(rf" port {own_port}: .*; {cut} bytes in, ")


@servers(lambda server: server.again)
def test_a_peer_that_vanishes_or_resets_at_any_byte_touches_no_other(shared: Shared, subject: Server) -> None:
    whole, server = subject.protocol.asking("whole"), shared(subject)
    for leave in (socket.socket.close, reset):
        for cut in range(len(whole) + 1):
            with server.connect() as peer:
                own_port = peer.getsockname()[1]
                peer.sendall(whole[:cut])
                leave(peer)
            server.wait_for_journal(rf" port {own_port}: ")
        assert_serves(subject, server)


@servers(lambda server: server.many)
def test_two_hundred_clients_at_once_are_all_answered(shared: Shared, subject: Server) -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(shared(subject).connect()) for _ in range(200)]
        for number, peer in enumerate(peers):
            ask(subject.protocol, peer, f"{number}")
        for number, peer in reversed(list(enumerate(peers))):
            assert_answered(subject.protocol, peer, f"{number}")


def test_a_peer_that_says_nothing_is_closed_after_the_idle_time(place: Place, tmp_path: Path) -> None:
    def check(subject: Server, journal: Path) -> None:
        with started(place, subject, journal, *SHORT_IDLE) as server, server.connect() as silent:
            began_s = time.monotonic()
            assert ended(silent)
            assert 0.4 <= time.monotonic() - began_s < 3
            server.wait_for_journal("idle for 0.5 s; 0 bytes in, 0 bytes out")

    at_once(place, check, tmp_path, lambda _: True)


def test_a_peer_that_talks_is_not_idle_however_long_it_is_there(place: Place, tmp_path: Path) -> None:
    def check(subject: Server, journal: Path) -> None:
        with started(place, subject, journal, "--idle-timeout", "2") as server, server.connect() as talking:
            silent = server.connect()

            def talk_until_a_silent_one_is_closed() -> bool:
                ask(subject.protocol, talking, "hello")
                assert_answered(subject.protocol, talking, "hello")
                return "idle for 2 s; 0 bytes in" in server.journal

            with silent:
                eventually(talk_until_a_silent_one_is_closed, "the silent peer is closed")
            ask(subject.protocol, talking, "hello")
            assert_answered(subject.protocol, talking, "hello")

    at_once(place, check, tmp_path, lambda server: server.many and not server.protocol.one_a_stream)


def sent_until_stuck(peer: socket.socket, batch: bytes, at_most: int, still_s: float = 0.2) -> int:
    """Send the batch again and again, until nothing has gone for so long: how many bytes went.

    A server on an emulated CPU, on a busy machine, may take a moment and go on.
    """
    peer.settimeout(still_s)
    sent = 0
    try:
        while sent < at_most:
            sent += peer.send(memoryview(batch)[sent % len(batch) :])
    except (TimeoutError, ConnectionError):
        pass
    return sent


def test_a_peer_that_does_not_read_is_not_read_and_is_closed_after_the_idle_time(place: Place, tmp_path: Path) -> None:
    def check(subject: Server, journal: Path) -> None:
        protocol = subject.protocol
        size = 50_000
        flags = protocol.largest(size) if protocol.largest else ()
        with started(place, subject, journal, *SHORT_IDLE, *flags) as server, server.connect() as peer:
            sent = sent_until_stuck(peer, protocol.asking("x" * size) * 10, at_most=200_000_000)
            assert sent < 50_000_000, "the server took in what it could not answer"
            status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
            peak_kb = int(status.partition("VmHWM:")[2].split()[0])
            assert peak_kb < 120_000
            server.wait_for_journal("idle for 0.5 s; [1-9]")

    at_once(place, check, tmp_path, lambda server: not server.protocol.one_a_stream)


@servers()
def test_sigterm_finishes_the_answer_in_flight_and_ends_within_two_seconds(
    place: Place, subject: Server, tmp_path: Path
) -> None:
    """All of the request has arrived; the reader of its answer begins only when the server has been told to stop."""
    protocol = subject.protocol
    text = "x" * protocol.in_flight
    flags = protocol.largest(LARGE) if protocol.largest else ()
    with started(place, subject, tmp_path / "journal", *flags) as server, server.connect() as peer:
        ask(protocol, peer, text)
        eventually(lambda: unacknowledged(peer) == 0, "all of the request has arrived")
        assert peer.recv(1, socket.MSG_PEEK)  # the answer has begun
        began_s = time.monotonic()
        server.process.terminate()
        assert_answered(protocol, peer, text)
        assert ended(peer)
        assert server.process.wait(PATIENCE_S) == 0
        assert time.monotonic() - began_s < 2
        with pytest.raises(ConnectionRefusedError):
            server.connect()


@servers()
def test_sigterm_answers_what_had_arrived_and_nobody_is_waited_for(
    place: Place, subject: Server, tmp_path: Path
) -> None:
    protocol = subject.protocol
    with started(place, subject, tmp_path / "journal", within=LONG_GRACE) as server, server.connect() as peer:
        assert_accepted(subject, server, peer)
        ask(protocol, peer, "second")
        server.process.terminate()
        began_s = time.monotonic()
        assert until_end(peer) == protocol.answer("second")
        assert server.process.wait(PATIENCE_S) == 0
        assert time.monotonic() - began_s < 8, "the grace is for those who are busy"


@servers(lambda server: server.protocol.name not in ("echo", "search"))
def test_sigterm_does_not_make_a_whole_message_of_a_part(place: Place, subject: Server, tmp_path: Path) -> None:
    whole = subject.protocol.asking("part")
    with started(place, subject, tmp_path / "journal") as server, server.connect() as peer:
        assert_accepted(subject, server, peer)
        before = 0 if subject.protocol.one_a_stream else len(whole)
        peer.sendall(whole[:3])
        eventually(lambda: unacknowledged(peer) == 0, "the part has arrived")
        server.process.terminate()
        assert until_end(peer) == b""
        server.wait_for_journal(rf"server stopped; {before + 3} bytes in, {before} bytes out")


def test_sigterm_ends_within_two_seconds_though_a_peer_never_reads(place: Place, tmp_path: Path) -> None:
    """Each when all are stuck, so that none of them waits for a processor with which another works."""
    all_stuck = threading.Barrier(len(SERVERS), timeout=4 * PATIENCE_S)

    def stopped(subject: Server, journal: Path) -> None:
        protocol = subject.protocol
        flags = protocol.largest(LARGE) if protocol.largest else ()
        with started(place, subject, journal, *flags) as server, server.connect() as deaf:
            if protocol.largest:
                ask(protocol, deaf, "x" * LARGE)
                assert deaf.recv(1)
            else:
                sent_until_stuck(deaf, bytes(1 << 20), at_most=200_000_000, still_s=0.5)
            with suppress(threading.BrokenBarrierError):  # the failure of another is the one to be told
                all_stuck.wait()
            assert server.terminate() < 2
            server.wait_for_journal("server stopped, not done within 1 s")

    def check(subject: Server, journal: Path) -> None:
        try:
            stopped(subject, journal)
        except BaseException:
            all_stuck.abort()
            raise

    at_once(place, check, tmp_path, lambda _: True, some=len(SERVERS))


@servers()
def test_sigterm_ends_a_server_that_has_no_client_at_once(place: Place, subject: Server, tmp_path: Path) -> None:
    with started(place, subject, tmp_path / "journal", within=LONG_GRACE) as server:
        assert server.terminate() < 2
        assert server.journal.count("\n") == 1


@servers(lambda server: server.many and server.one_process)
def test_a_server_out_of_descriptors_pauses_and_goes_on_when_there_are_some(
    place: Place, subject: Server, tmp_path: Path
) -> None:
    with started(place, subject, tmp_path / "journal", files=20) as server:
        peers = [server.connect() for _ in range(30)]
        server.wait_for_journal("accepting again in 0.2 s: EMFILE")
        assert server.journal.count("EMFILE") < 20
        for peer in peers[:25]:
            peer.close()
        ask(subject.protocol, peers[29], "late")
        assert_answered(subject.protocol, peers[29], "late")
        for peer in peers[25:]:
            peer.close()


@pytest.mark.parametrize("peers", [0, 1])
def test_a_sigterm_that_interrupts_no_call_is_heard_all_the_same(place: Place, tmp_path: Path, peers: int) -> None:
    def check(subject: Server, journal: Path) -> None:
        with ExitStack() as stack:
            server = stack.enter_context(started(place, subject, journal, within=UNHEARD_SIGTERM))
            connected = [stack.enter_context(server.connect()) for _ in range(peers)]
            for peer in connected:
                assert_accepted(subject, server, peer)
            began_s = time.monotonic()
            server.process.send_signal(signal.SIGUSR1)
            assert server.process.wait(PATIENCE_S) == 0
            assert time.monotonic() - began_s < 2
            assert [until_end(peer) for peer in connected] == [b""] * peers

    at_once(place, check, tmp_path, lambda _: True)


@servers()
def test_a_port_that_is_taken_is_one_clear_line_and_status_71(place: Place, shared: Shared, subject: Server) -> None:
    host, port = place.address(), shared(subject).port
    refusal = refused_to_run(place, subject.module, host, str(port), *subject.flags)
    assert refusal == (71, f"cannot listen on {host} port {port}: EADDRINUSE\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [(("127.0.0.1", "65536"), "PORT: '65536' is not a whole number"), (("127.0.0.1", "0", "--colour"), "--colour")],
    ids=["port", "flag"],
)
@servers()
def test_a_wrong_command_line_is_one_line_that_names_what_is_wrong_and_status_64(
    place: Place, subject: Server, words: tuple[str, ...], says: str
) -> None:
    status, line = refused_to_run(place, subject.module, *words, *subject.flags)
    assert status == 64
    assert says in line
    assert line.count("\n") == 1


@servers()
def test_a_server_can_be_started_again_at_once_on_the_port_of_its_last_connections(
    place: Place, subject: Server, tmp_path: Path
) -> None:
    with started(place, subject, tmp_path / "first") as server, server.connect() as peer:
        port = server.port
        ask(subject.protocol, peer, "x")
        assert_answered(subject.protocol, peer, "x")
        server.terminate()  # the server closes first: TIME-WAIT is on its side
        assert until_end(peer) == b""
    with started(place, subject, tmp_path / "second", port=port) as again:
        assert again.port == port
