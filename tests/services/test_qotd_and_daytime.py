"""One contract for the services that answer whoever comes: qotd and daytime, over TCP and UDP, servers and clients."""

import errno
import re
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path

import pytest

from services.datagrams import LOOPING_PORTS, Datagram, arriving, receiver
from services.daytime import client_tcp as daytime_tcp
from services.daytime import client_udp as daytime_udp
from services.qotd import client_tcp as qotd_tcp
from services.qotd import client_udp as qotd_udp
from tests.services.running import PATIENCE_S, Running, ended, reset
from tests.services.starting import peer, run_main, started

ANSWERS = {"qotd": rb"[\x20-\x7e]+\r\n    -- [A-Z][A-Za-z ]+\r\n", "daytime": rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\r\n"}
SERVICES = sorted(ANSWERS)
SERVERS = [f"{service}.server_{transport}" for service in SERVICES for transport in ("tcp", "udp")]
TCP_CLIENTS = {"qotd": qotd_tcp.main, "daytime": daytime_tcp.main}
UDP_CLIENTS = {"qotd": qotd_udp.main, "daytime": daytime_udp.main}
LARGEST = 65_507  # RFC 768: 65,535 less the headers of IPv4 and UDP
LINE = b"One line of an answer.\r\n"
PRINTED = "One line of an answer.\n"
SO_TIMESTAMPNS = 35  # socket(7); Python has no name for it
BUSY_S = 1.0  # by which a busy machine may be late


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SERVICES, scope="module")
def over_tcp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    journal = tmp_path_factory.mktemp("tcp") / "journal"
    with started(f"{request.param}.server_tcp", journal, bind="") as server:
        yield server, request.param


@pytest.fixture(params=SERVICES, scope="module")
def over_udp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    journal = tmp_path_factory.mktemp("udp") / "journal"
    with started(f"{request.param}.server_udp", journal, bind="") as server:
        yield server, request.param


def main_of(server: str) -> Callable[[], None]:
    """To be called in this process, for what ends before it listens."""
    main: Callable[[], None] = import_module(f"services.{server}").main
    return main


def until_closed(connected: socket.socket) -> bytes:
    return b"".join(iter(lambda: connected.recv(65536), b""))


def is_answer(service: str, answer: bytes) -> bool:
    return re.fullmatch(ANSWERS[service], answer) is not None


def asker(server: Running, host: str = "127.0.0.1") -> socket.socket:
    """A UDP socket that takes answers only from where it asks."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(PATIENCE_S)
    made.connect((host, server.port))
    return made


# Servers, over TCP


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_connection_brings_an_answer_and_a_line_in_the_journal(over_tcp: tuple[Running, str], host: str) -> None:
    server, service = over_tcp
    with socket.create_connection((host, server.port), timeout=PATIENCE_S) as connected:
        port = connected.getsockname()[1]
        answer = until_closed(connected)
    assert is_answer(service, answer)
    server.wait_for_journal(rf"\n{host} port {port}: finished; 0 bytes in, {len(answer)} bytes out, \d\.\d\d\d s\n")


@pytest.mark.parametrize("sent", [b"\r\n", b"GET / HTTP/1.1\r\n\r\n" * 2, bytes(300_000)], ids=["one", "two", "much"])
def test_what_a_peer_sends_is_thrown_away_and_destroys_no_answer(over_tcp: tuple[Running, str], sent: bytes) -> None:
    server, service = over_tcp
    with server.connect() as connected:
        port = connected.getsockname()[1]
        connected.sendall(sent)
        assert is_answer(service, until_closed(connected))
    server.wait_for_journal(rf" port {port}: finished; {len(sent)} bytes in")


def test_a_peer_that_sends_byte_by_byte_is_answered(over_tcp: tuple[Running, str]) -> None:
    server, service = over_tcp
    with server.connect() as connected:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"quote?":
            connected.sendall(bytes([byte]))
        assert is_answer(service, until_closed(connected))


def test_peers_that_close_or_reset_after_any_number_of_bytes_do_no_harm(over_tcp: tuple[Running, str]) -> None:
    server, service = over_tcp
    for leave in (reset, socket.socket.close):
        for read in range(0, 22, 3):
            connected = server.connect()
            if read:
                connected.recv(read, socket.MSG_WAITALL)
            leave(connected)
    with server.connect() as connected:
        assert is_answer(service, until_closed(connected))
    server.wait_for_journal("ECONNRESET")


def test_200_peers_at_once_are_answered(over_tcp: tuple[Running, str]) -> None:
    server, service = over_tcp
    with ExitStack() as stack:
        peers = [stack.enter_context(server.connect()) for _ in range(200)]
        for connected in reversed(peers):
            connected.shutdown(socket.SHUT_WR)
        assert all(is_answer(service, until_closed(connected)) for connected in peers)


def test_a_peer_that_does_not_finish_is_closed_though_it_goes_on_sending(service: str, tmp_path: Path) -> None:
    """A byte each 50 ms for ever: a timeout that began again with each would never come."""
    flags = ("--finish-timeout", "0.4")
    with started(f"{service}.server_tcp", tmp_path / "journal", *flags) as server, server.connect() as slow:
        began_s = time.monotonic()
        while "did not finish" not in server.journal and time.monotonic() - began_s < PATIENCE_S:
            with suppress(ConnectionError):
                slow.sendall(b".")
            select.select([], [], [], 0.05)
        assert 0.3 < time.monotonic() - began_s < 3
        server.wait_for_journal(r"answered, but did not finish within 0\.4 s; [1-9]\d* bytes in, \d\d+ bytes out")


def test_a_peer_that_does_not_finish_holds_up_the_others_in_daytime_and_not_in_qotd(
    service: str, tmp_path: Path
) -> None:
    flags = ("--finish-timeout", "3")
    with started(f"{service}.server_tcp", tmp_path / "journal", *flags) as server, server.connect() as first:
        assert first.recv(1)  # its turn has begun
        began_s = time.monotonic()
        with server.connect() as second:
            assert is_answer(service, until_closed(second))
        assert (time.monotonic() - began_s > 2) == (service == "daytime")


def test_sigterm_while_busy_ends_within_two_seconds_and_loses_no_answer(service: str, tmp_path: Path) -> None:
    flags = ("--finish-timeout", "30")
    with started(f"{service}.server_tcp", tmp_path / "journal", *flags) as server, server.connect() as busy:
        assert busy.recv(1, socket.MSG_PEEK)
        assert server.terminate() < 2
        assert is_answer(service, until_closed(busy))
        assert server.journal.count(": server stopped; ") == 1


# Servers, over UDP


@pytest.mark.parametrize("size", [0, 1, 1472, 1473, LARGEST])
def test_a_datagram_of_any_size_brings_one_answer(over_udp: tuple[Running, str], size: int) -> None:
    server, service = over_udp
    with asker(server) as asking:
        asking.send(bytes(size))
        answer = asking.recv(65536)
        server.wait_for_journal(
            rf" port {asking.getsockname()[1]}: answered; {size} bytes in, {len(answer)} bytes out, "
        )
        asking.setblocking(False)
        with pytest.raises(BlockingIOError):
            asking.recv(65536)
    assert is_answer(service, answer)


def test_one_byte_more_than_the_largest_cannot_be_sent(over_udp: tuple[Running, str]) -> None:
    with asker(over_udp[0]) as asking, pytest.raises(OSError, match="Message too long") as refused:
        asking.send(bytes(LARGEST + 1))
    assert refused.value.errno == errno.EMSGSIZE


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1"])
def test_the_answer_comes_from_the_address_that_was_asked(over_udp: tuple[Running, str], host: str) -> None:
    """127.1.2.3 is not the address that the route to us prefers: a connected socket would not hear of the answer."""
    server, service = over_udp
    with asker(server, host) as asking:
        asking.send(b"")
        assert is_answer(service, asking.recv(65536))


def test_two_at_once_are_answered_twice(over_udp: tuple[Running, str]) -> None:
    server, service = over_udp
    with asker(server) as asking:
        asking.send(b"")
        asking.send(b"x")
        assert all(is_answer(service, asking.recv(65536)) for _ in range(2))


def test_200_askers_at_once_are_answered(over_udp: tuple[Running, str]) -> None:
    server, service = over_udp
    with ExitStack() as stack:
        asking = [stack.enter_context(asker(server)) for _ in range(200)]
        for each in asking:
            each.send(b"")
        assert all(is_answer(service, each.recv(65536)) for each in asking)


def test_askers_that_are_gone_do_no_harm(over_udp: tuple[Running, str]) -> None:
    """The kernel answers each answer with ICMP port unreachable."""
    server, service = over_udp
    for _ in range(5):
        with asker(server) as gone:
            gone.send(b"")
    with asker(server) as asking:
        asking.send(b"")
        assert is_answer(service, asking.recv(65536))


def test_sigterm_ends_a_udp_server_at_once_and_what_had_arrived_is_answered(service: str, tmp_path: Path) -> None:
    with started(f"{service}.server_udp", tmp_path / "journal") as server, asker(server) as asking:
        for _ in range(20):
            asking.send(b"")
        assert server.terminate() < 2
        assert all(is_answer(service, asking.recv(65536)) for _ in range(20))


def test_datagrams_that_were_there_when_sigterm_came_are_still_given() -> None:
    stop, signalling = socket.socketpair()
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver("127.0.0.1", 0) as receiving, stop, signalling, asking:
        for content in (b"one", b"two", b"three"):
            asking.sendto(content, receiving.getsockname())
        signalling.send(b"x")
        assert [datagram.content for datagram in arriving(receiving, stop)] == [b"one", b"two", b"three"]


@pytest.mark.parametrize("port", LOOPING_PORTS)
def test_a_datagram_from_a_port_whose_service_would_answer_back_is_not_answered(
    port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        Datagram(b"x", ("192.0.2.1", port), unused, []).answer(b"answer")
    said = f"192.0.2.1 port {port}: not answered: port {port} would answer the answer; 1 bytes in, 0 bytes out, "
    assert capsys.readouterr().err.startswith(said)


def test_a_datagram_that_cannot_be_answered_is_told_by_the_errno(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiving:
        Datagram(b"", ("127.0.0.1", 0), receiving, []).answer(b"answer")
    assert "not answered: EINVAL; 0 bytes in, 0 bytes out" in capsys.readouterr().err


# Servers that do not come to listen


@pytest.mark.parametrize("module", SERVERS)
def test_a_port_that_is_taken_is_one_clear_line_and_status_71(module: str) -> None:
    kind = socket.SOCK_STREAM if module.endswith("tcp") else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        status, _, err = run_main(main_of(module), "127.0.0.1", port)
    assert (status, err) == (71, f"cannot listen on 127.0.0.1 port {port}: EADDRINUSE\n")


@pytest.mark.parametrize("module", SERVERS)
@pytest.mark.parametrize(
    ("words", "says"),
    [(["127.0.0.1"], "PORT"), (["127.0.0.1", "65536"], "'65536' is not a whole"), (["::1", "0", "--x"], "--x")],
)
def test_a_wrong_command_line_is_one_line_and_status_64(module: str, words: list[str], says: str) -> None:
    status, _, err = run_main(main_of(module), *words)
    assert (status, err.count("\n")) == (64, 1)
    assert says in err


def test_an_address_that_is_not_ours_and_a_name_without_address_are_told() -> None:
    main = main_of("qotd.server_udp")
    assert run_main(main, "192.0.2.1", 0) == (71, "", "cannot listen on 192.0.2.1 port 0: EADDRNOTAVAIL\n")  # RFC 5737
    assert run_main(main, "no.such.host.invalid", 0)[0] == 68


# Clients, over TCP


def byte_by_byte(connected: socket.socket) -> None:
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in LINE:
        connected.sendall(bytes([byte]))


@pytest.mark.parametrize("say", [lambda connected: connected.sendall(LINE), byte_by_byte], ids=["whole", "by byte"])
def test_a_client_reads_until_the_server_closes(service: str, say: Callable[[socket.socket], None]) -> None:
    with peer(socket.SOCK_STREAM, say) as port:
        assert run_main(TCP_CLIENTS[service], "127.0.0.1", port) == (0, PRINTED, "")


def test_a_server_that_closes_before_the_end_of_the_line_has_broken_off(service: str) -> None:
    for cut in range(len(LINE)):
        with peer(socket.SOCK_STREAM, lambda connected, cut=cut: connected.sendall(LINE[:cut])) as port:  # type: ignore[misc]
            status, out, err = run_main(TCP_CLIENTS[service], "127.0.0.1", port)
        assert (status, out) == (14, "")
        assert err.startswith(f"broken off: 127.0.0.1 port {port} closed after {cut} bytes, before ")


def test_a_server_that_resets_is_told_by_econnreset(service: str) -> None:
    with peer(socket.SOCK_STREAM, reset) as port:
        status, _, err = run_main(TCP_CLIENTS[service], "127.0.0.1", port)
    assert status == 11
    assert re.fullmatch(rf"reset: ECONNRESET [a-z ]+ 127\.0\.0\.1 port {port}\n", err), err


def test_a_server_that_says_nothing_or_never_ends_is_left_at_the_deadline(service: str) -> None:
    def drip(connected: socket.socket) -> None:
        with suppress(ConnectionError):
            while True:
                connected.sendall(b".")
                connected.settimeout(0.05)
                with suppress(TimeoutError):
                    if connected.recv(1) == b"":
                        return

    for serve in (ended, drip):
        began_s = time.monotonic()
        with peer(socket.SOCK_STREAM, serve) as port:
            status, _, err = run_main(TCP_CLIENTS[service], "127.0.0.1", port, "--timeout", "0.3")
        assert status == 12
        assert err.startswith("timed out: not done within 0.3 s, ")
        assert time.monotonic() - began_s < 2


@pytest.mark.parametrize("answer", [bytes(1 << 20), b"x" * 513, b"\x07\r\n"], ids=["much", "513", "bell"])
def test_an_answer_that_is_too_long_or_no_text_is_wrong(service: str, answer: bytes) -> None:
    def say(connected: socket.socket) -> None:
        with suppress(ConnectionError):
            connected.sendall(answer)

    with peer(socket.SOCK_STREAM, say) as port:
        status, out, err = run_main(TCP_CLIENTS[service], "127.0.0.1", port)
    assert (status, out) == (15, "")
    assert err.startswith(f"wrong answer: 127.0.0.1 port {port}: ")


# Clients, over UDP


def test_a_lost_question_is_asked_again_and_answered(service: str) -> None:
    def lose_two(bound: socket.socket) -> None:
        for _ in range(2):
            bound.recv(1)
        asked, asker_address = bound.recvfrom(1)
        assert asked == b""
        bound.sendto(LINE, asker_address)

    with peer(socket.SOCK_DGRAM, lose_two) as port:
        assert run_main(UDP_CLIENTS[service], "127.0.0.1", port, "--wait", "0.1") == (0, PRINTED, "")


def test_the_waits_double_and_then_the_call_has_timed_out(service: str) -> None:
    came_s: list[float] = []

    def note_times(bound: socket.socket) -> None:
        bound.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)  # the kernel's time: this thread may have to wait
        for _ in range(4):
            _, told, _, _ = bound.recvmsg(1, 64)
            seconds, nanoseconds = struct.unpack("@qq", told[0][2])
            came_s.append(seconds + nanoseconds / 1e9)

    with peer(socket.SOCK_DGRAM, note_times) as port:
        status, _, err = run_main(UDP_CLIENTS[service], "127.0.0.1", port, "--wait", "0.1", "--retries", "3")
        over_s = time.time()
    assert (status, err) == (12, f"timed out: no answer from 127.0.0.1 port {port}; datagrams sent: 4\n")
    gaps = [later - earlier for earlier, later in zip(came_s, [*came_s[1:], over_s], strict=True)]
    for gap, expected in zip(gaps, (0.1, 0.2, 0.4, 0.8), strict=True):
        assert expected * 0.95 < gap < expected + BUSY_S


def test_the_deadline_is_over_all_of_the_asking(service: str) -> None:
    began_s = time.monotonic()
    with peer(socket.SOCK_DGRAM, lambda bound: bound.recv(1)) as port:
        status, _, err = run_main(UDP_CLIENTS[service], "127.0.0.1", port, "--timeout", "0.3", "--retries", "9")
    assert (status, time.monotonic() - began_s < 5) == (12, True)
    assert err.endswith("; datagrams sent: 1\n")


def test_a_port_where_nobody_is_is_refused_by_name_and_at_once(service: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unbound:
        unbound.bind(("127.0.0.1", 0))
        port = unbound.getsockname()[1]
    began_s = time.monotonic()
    status, _, err = run_main(UDP_CLIENTS[service], "127.0.0.1", port)
    assert (status, err) == (10, f"refused: ECONNREFUSED asking 127.0.0.1 port {port}\n")
    assert time.monotonic() - began_s < 5, "half of the time that it has"


def test_an_answer_from_elsewhere_is_not_heard_and_a_second_answer_does_no_harm(service: str) -> None:
    def answer_from_elsewhere_first(bound: socket.socket) -> None:
        _, asker_address = bound.recvfrom(1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
            elsewhere.sendto(b"A false answer.\r\n", asker_address)
        bound.sendto(LINE, asker_address)
        bound.sendto(LINE, asker_address)

    with peer(socket.SOCK_DGRAM, answer_from_elsewhere_first) as port:
        assert run_main(UDP_CLIENTS[service], "127.0.0.1", port) == (0, PRINTED, "")


@pytest.mark.parametrize("answer", [b"", b"x" * 513, bytes(LARGEST), b"\x07\r\n"], ids=["empty", "513", "most", "bell"])
def test_a_datagram_that_is_no_answer_is_wrong(service: str, answer: bytes) -> None:
    def say(bound: socket.socket) -> None:
        bound.sendto(answer, bound.recvfrom(1)[1])

    with peer(socket.SOCK_DGRAM, say) as port:
        status, out, err = run_main(UDP_CLIENTS[service], "127.0.0.1", port)
    assert (status, out) == (15, "")
    assert err.startswith(f"wrong answer: 127.0.0.1 port {port}: ")


@pytest.mark.parametrize("words", [[], ["", "17"], ["127.0.0.1", "17", "--retries", "-1"], ["::1", "x"]])
def test_a_client_takes_a_wrong_command_line_with_one_line_and_status_64(service: str, words: list[str]) -> None:
    status, out, err = run_main(UDP_CLIENTS[service], *words)
    assert (status, out, err.count("\n")) == (64, "", 1)
