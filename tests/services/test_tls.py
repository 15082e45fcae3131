"""The search service over TLS on loopback: who is trusted, and what a bad peer does to it and to the others."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from services import tls
from tests.services import playing_server
from tests.services.running import PATIENCE_S, ROOT, Running, answers, ended, reset, run, running, search_request

AUTHORITY = ROOT / "images" / "names" / "authority"
RABBIT = "Follow the white rabbit. 🐰"
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # how a ClientHello of 512 bytes begins


@dataclass(frozen=True, slots=True)
class Authority:
    ca: Path
    keys: Path

    def connect(self, server: Running, name: str = "localhost") -> ssl.SSLSocket:
        return tls.trusts(self.ca).wrap_socket(server.connect(), server_hostname=name)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority as the lab makes it, by the same program."""
    if not shutil.which("openssl"):
        pytest.skip("the program openssl, which makes the certificates, is not on this machine")
    folder = tmp_path_factory.mktemp("authority")
    (folder / "keys").mkdir()
    names = "server=DNS:localhost,DNS:server.lab,IP:127.0.0.1,IP:::1"
    subprocess.run([AUTHORITY, folder / "private", folder, folder / "keys", names], check=True, timeout=PATIENCE_S)
    return Authority(folder / "ca.pem", folder / "keys")


@contextmanager
def serving(
    authority: Authority, written: Path, *flags: str, shows: str = "server", bind: str = ""
) -> Iterator[Running]:
    certificate = authority.keys / f"{shows}.pem"
    with running(
        "search.server_tls", written / "journal", "--certificate", str(certificate), *flags, bind=bind
    ) as server:
        yield server


@pytest.fixture(scope="module")
def shared(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for every test that changes nothing for the others: which they show."""
    flags = ("--handshake-timeout", "0.5", "--message-timeout", "0.5")
    with serving(authority, tmp_path_factory.mktemp("shared"), *flags) as server:
        yield server


def search(authority: Authority, host: str, port: int, *flags: str) -> subprocess.CompletedProcess[str]:
    return run("search.client_tls", host, str(port), "search", "morpheus", "--ca", str(authority.ca), *flags)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_request_is_answered_by_name_and_by_address_of_both_families(
    shared: Running, authority: Authority, host: str
) -> None:
    ran = search(authority, host, shared.port)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{RABBIT}\n", "")
    shared.wait_for_journal(r": finished; 14\d bytes in, 14\d bytes out, \d\.\d\d\d s\n")


def test_the_connection_is_tls_1_3_and_nothing_older_is_spoken(shared: Running, authority: Authority) -> None:
    with authority.connect(shared) as peer:
        assert peer.version() == "TLSv1.3"
    older = ssl.create_default_context(cafile=authority.ca)
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with shared.connect() as plain, pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        older.wrap_socket(plain, server_hostname="localhost")
    shared.wait_for_journal("TLS handshake: unsupported protocol")


@pytest.mark.parametrize(
    ("shows", "name", "says"),
    [
        ("server", "other.lab", "Hostname mismatch, certificate is not valid for 'other.lab'"),
        ("server", "198.18.1.138", "IP address mismatch, certificate is not valid for '198.18.1.138'"),
        ("elsewhere", "server.lab", "Hostname mismatch, certificate is not valid for 'server.lab'"),
        ("expired", "server.lab", "certificate has expired"),
        ("stranger", "server.lab", "unable to get local issuer certificate"),
    ],
)
def test_a_server_that_cannot_be_trusted_is_asked_nothing_and_is_status_16(
    authority: Authority, tmp_path: Path, shows: str, name: str, says: str
) -> None:
    with serving(authority, tmp_path, shows=shows, bind="127.0.0.1") as server:
        ran = search(authority, "127.0.0.1", server.port, "--name", name)
        assert (ran.returncode, ran.stdout) == (16, "")
        assert ran.stderr == f"untrusted: {says}, in the TLS handshake with 127.0.0.1 port {server.port}\n"
        server.wait_for_journal(r"127\.0\.0\.1 port \d+: TLS handshake: .* alert .*; 0 bytes in, 0 bytes out")


def test_each_of_the_bad_certificates_is_bad_in_one_thing_only(authority: Authority, tmp_path: Path) -> None:
    with serving(authority, tmp_path, shows="elsewhere", bind="127.0.0.1") as server:
        assert search(authority, "127.0.0.1", server.port, "--name", "elsewhere.lab").returncode == 0


def test_who_was_found_out_is_not_tried_at_the_next_address_and_a_refusal_is(
    authority: Authority, tmp_path: Path
) -> None:
    """`localhost` is ::1 and then 127.0.0.1; the server listens at the second alone."""
    with serving(authority, tmp_path, bind="127.0.0.1") as server:
        assert search(authority, "localhost", server.port).returncode == 0
        assert search(authority, "localhost", server.port, "--name", "other.lab").returncode == 16
        server.wait_for_journal("TLS handshake")
    assert server.journal.count("alert") == 1


@pytest.mark.parametrize(
    ("serve", "status", "says"),
    [
        (lambda _: None, 14, "broken off: end of stream, in the TLS handshake with "),
        (reset, 11, "reset: ECONNRESET in the TLS handshake with "),
        (lambda connected: connected.recv(65536), 12, "timed out: not done within 0.5 s, in the TLS handshake with "),
        (lambda connected: connected.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), 15, "wrong answer: "),
    ],
)
def test_a_handshake_that_fails_has_the_outcome_of_its_reason(
    authority: Authority, serve: Callable[[socket.socket], object], status: int, says: str
) -> None:
    with playing_server.serving(serve) as port:
        ran = search(authority, "127.0.0.1", int(port), "--timeout", "0.5" if status == 12 else "10")
    assert (ran.returncode, ran.stdout) == (status, "")
    assert ran.stderr.startswith(says)
    assert ran.stderr.count("\n") == 1


def test_a_client_without_an_authority_and_a_server_without_a_certificate_say_so_in_one_line(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    ran = run("search.client_tls", "127.0.0.1", "1", "search", "x", "--ca", missing)
    assert (ran.returncode, ran.stderr) == (66, f"cannot use the authority {missing}: No such file or directory\n")
    served = run("search.server_tls", "127.0.0.1", "0", "--certificate", missing)
    assert served.returncode == 66
    assert served.stderr == f"cannot use the certificate {missing}: No such file or directory\n"


def test_a_request_that_comes_byte_by_byte_and_two_at_once_are_answered(shared: Running, authority: Authority) -> None:
    with authority.connect(shared) as peer:
        for byte in search_request("morpheus"):  # each a TLS record of its own
            peer.sendall(bytes([byte]))
        assert answers(peer, 1) == [RABBIT]
        peer.sendall(search_request("x") + search_request("y"))
        assert answers(peer, 2) == ["No match for 'x'.", "No match for 'y'."]


def test_a_request_of_many_records_is_answered_whole(authority: Authority, tmp_path: Path) -> None:
    value = "🐰" * 500_000
    with serving(authority, tmp_path) as server, authority.connect(server) as peer:
        peer.sendall(search_request(value))
        assert answers(peer, 1) == [f"No match for '{value}'."]


def test_a_silent_or_dripping_handshake_is_cut_off_at_its_deadline_and_touches_no_other(
    shared: Running, authority: Authority
) -> None:
    """A byte each 50 ms: a deadline that began again with each byte would never come."""
    with shared.connect() as silent, shared.connect() as dripping, authority.connect(shared) as good:
        ports = [peer.getsockname()[1] for peer in (silent, dripping)]
        dripping.settimeout(0.05)
        began_s = time.monotonic()
        with suppress(ConnectionError):
            for byte in HELLO + bytes(500):
                dripping.sendall(bytes([byte]))
                with suppress(TimeoutError):
                    if not dripping.recv(1):
                        break
        assert 0.4 <= time.monotonic() - began_s < 5
        assert ended(silent)
        for port in ports:
            shared.wait_for_journal(rf"127\.0\.0\.1 port {port}: TLS handshake not done within 0\.5 s; 0 bytes in")
        good.sendall(search_request("morpheus"))
        assert answers(good, 1) == [RABBIT]


@pytest.mark.parametrize(
    ("garbage", "says"),
    [
        (b"GET / HTTP/1.1\r\nHost: server\r\n\r\n", "TLS handshake: http request"),
        (search_request("morpheus"), "TLS handshake: wrong version number"),
        (HELLO, "TLS handshake: end of stream"),
        (b"", "TLS handshake: end of stream"),
    ],
)
def test_what_is_no_handshake_is_told_in_one_line_with_its_reason(shared: Running, garbage: bytes, says: str) -> None:
    with shared.connect() as peer:
        port = peer.getsockname()[1]
        peer.sendall(garbage)
        with suppress(OSError):  # ENOTCONN, ECONNRESET: the server may have ended it by now
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(1024):  # an alert, perhaps
                pass
    shared.wait_for_journal(rf"127\.0\.0\.1 port {port}: {says}; 0 bytes in, 0 bytes out, \d")
    assert shared.journal.count(f" port {port}:") == 1


def test_a_reset_in_the_handshake_is_told(shared: Running) -> None:
    peer = shared.connect()
    port = peer.getsockname()[1]
    peer.sendall(HELLO)
    reset(peer)
    # Met in the handshake, or found when it was to begin
    shared.wait_for_journal(rf"port {port}: (ECONNRESET|ENOTCONN|TLS handshake: closed before tls handshake)")


def test_a_record_that_was_altered_ends_the_connection_and_is_told(shared: Running, authority: Authority) -> None:
    with authority.connect(shared) as peer:
        port = peer.getsockname()[1]
        peer.sendall(search_request("morpheus"))
        assert answers(peer, 1) == [RABBIT]
        socket.socket.sendall(peer, b"\x17\x03\x03\x00\x20" + bytes(32))  # in the clear, under the TLS of `peer`
        shared.wait_for_journal(rf"port {port}: TLS: (decryption failed or bad record mac|record layer failure)")


def test_an_end_without_close_notify_inside_a_message_is_seen(shared: Running, authority: Authority) -> None:
    peer = authority.connect(shared)
    port = peer.getsockname()[1]
    peer.sendall(search_request("morpheus")[:50])
    os.close(peer.detach())
    shared.wait_for_journal(rf"port {port}: protocol error: message 1, byte \d+: .*end of stream inside a message")


def test_a_message_that_never_becomes_whole_is_cut_off(shared: Running, authority: Authority) -> None:
    with authority.connect(shared) as peer:
        port = peer.getsockname()[1]
        peer.sendall(search_request("morpheus")[:50])
        shared.wait_for_journal(rf"port {port}: message not whole within 0\.5 s; 50 bytes in, 0 bytes out, 0\.[5-9]")


def test_peers_that_together_hold_too_much_are_cut_off_the_oldest_first(authority: Authority, tmp_path: Path) -> None:
    flags = ("--content-limit", "100000", "--memory-limit", "250000")
    whole = search_request("x" * 90_000)
    with serving(authority, tmp_path, *flags) as server, ExitStack() as stack:
        peers = []
        for number in range(5):
            peers.append(stack.enter_context(authority.connect(server)))
            peers[-1].sendall(whole[:80_000])
            with authority.connect(server) as small:
                small.sendall(search_request("morpheus"))
                assert answers(small, 1) == [RABBIT], f"beside {number + 1}"
        server.wait_for_journal("all peers together held more than 250000 bytes, and this one the longest; ", 2)
        for peer in peers[2:]:
            peer.sendall(whole[80_000:])
            assert answers(peer, 1) == [f"No match for '{'x' * 90_000}'."]


def test_a_peer_that_says_nothing_after_the_handshake_is_closed_and_told_by_close_notify(
    authority: Authority, tmp_path: Path
) -> None:
    with serving(authority, tmp_path, "--idle-timeout", "0.3") as server:
        plain = server.connect()
        context = tls.trusts(authority.ca)
        with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as peer:
            assert peer.recv(1) == b"", "an end without close_notify would raise SSLEOFError"
        server.wait_for_journal(r"idle for 0\.3 s; 0 bytes in")


def test_sigterm_ends_within_two_seconds_whatever_the_peers_are_at(authority: Authority, tmp_path: Path) -> None:
    with serving(authority, tmp_path) as server, server.connect() as silent:
        with authority.connect(server) as idle, authority.connect(server) as half:
            silent.sendall(HELLO)
            half.sendall(search_request("morpheus")[:50])
            idle.sendall(search_request("x"))
            assert answers(idle, 1) == ["No match for 'x'."]
            assert server.terminate() < 2
        assert server.journal.count("\n") == 4
