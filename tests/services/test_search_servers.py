"""What the search service promises beyond the contract of all (test_contract_servers), in every architecture."""

import itertools
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.services.running import (
    WRONG_COMMAND_LINES,
    Running,
    answers,
    assert_usage_error,
    drip_until_cut_off,
    ended,
    eventually,
    run,
    running,
    search_request,
)

RABBIT = "Follow the white rabbit. 🐰"
SERVERS = ["server_selectors", "server_asyncio"]
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
BAD_HEADER = b"\x00\x02[]"


@pytest.fixture(params=SERVERS, scope="module")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server on every interface, with its own defaults, for all tests that do it no harm: which they show."""
    with running(f"search.{request.param}", tmp_path_factory.mktemp("shared") / "journal", bind="") as server:
        yield server


@pytest.fixture(params=SERVERS)
def module(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_large_request_is_answered_whole(shared: Running) -> None:
    value = "🐰" * 2_000_000  # 8 MB each way: far more than any socket buffer
    with shared.connect() as peer:
        peer.sendall(search_request(value))
        assert answers(peer, 1) == [f"No match for '{value}'."]


def test_a_large_content_is_received_into_memory_that_an_earlier_one_had(module: str, tmp_path: Path) -> None:
    """Counted, not timed: once the kernel gives the process hardly a new page for one (proc_pid_stat(5))."""

    def new_pages() -> int:
        stat = Path(f"/proc/{server.process.pid}/stat").read_text(encoding="ascii")
        return int(stat.rpartition(")")[2].split()[7])  # minflt

    size = 48 << 20  # of more than 32 MiB, the GNU C library by itself makes each block anew (mallopt(3))
    with running(f"search.{module}", tmp_path / "journal", "--content-limit", str(size)) as server:
        taken = [new_pages()]
        for _ in range(6):
            with server.connect() as peer:
                peer.sendall(search_request("x" * (size - 5), "bench"))
                assert answers(peer, 1) == ["b'First 10 bytes of request: benchxxxxx'"]
            taken.append(new_pages())
    first, *others = (later - earlier for earlier, later in itertools.pairwise(taken))
    assert first > size // PAGE_BYTES > 10 * min(others)  # how the bytes are cut as they come may make a block move


def test_a_peer_that_ends_at_any_byte_is_told_of_once_and_is_answered_only_if_it_was_whole(
    shared: Running,
) -> None:
    whole = search_request("morpheus")
    before = shared.journal.count("end of stream inside a message")
    for cut in range(1, len(whole)):
        with shared.connect() as peer:
            peer.sendall(whole[:cut])
            peer.shutdown(socket.SHUT_WR)
            assert ended(peer), f"cut at {cut}"
    shared.wait_for_journal(
        "protocol error: message 1, byte .*: end of stream inside a message", before + len(whole) - 1
    )
    assert shared.journal.count("end of stream inside a message") == before + len(whole) - 1


def test_garbage_is_told_of_with_address_and_reason_and_touches_no_other(shared: Running) -> None:
    with shared.connect() as other, shared.connect() as peer:
        other.sendall(search_request("morpheus")[:60])
        own_port = peer.getsockname()[1]
        peer.sendall(search_request("morpheus") + BAD_HEADER)
        assert answers(peer, 1) == [RABBIT]
        assert ended(peer)
        shared.wait_for_journal(
            rf"127\.0\.0\.1 port {own_port}: protocol error: message 2, byte \d+: "
            "header: expected an object, got an array; "
        )
        other.sendall(search_request("morpheus")[60:])
        assert answers(other, 1) == [RABBIT]


def test_a_lone_surrogate_is_answered_as_the_escape_that_it_came_as(shared: Running) -> None:
    with shared.connect() as peer:
        peer.sendall(search_request("_").replace(b'"_"', b'"\\ud800"').replace(b": 34}", b": 39}"))
        assert answers(peer, 1) == ["No match for '\ud800'."]


def test_a_content_over_the_limit_is_refused_when_its_header_is_whole(module: str, tmp_path: Path) -> None:
    with running(f"search.{module}", tmp_path / "journal", "--content-limit", "40") as server:
        with server.connect() as peer:
            peer.sendall(search_request("morpheus")[:-41])  # its content is 41 bytes
            assert ended(peer)
        server.wait_for_journal(r"content-length: expected 0 to 40 bytes, got 41 \(content limit 40\)")
        with server.connect() as peer:
            peer.sendall(search_request("sevens7"))
            assert answers(peer, 1) == ["No match for 'sevens7'."]


def test_a_message_that_never_becomes_whole_is_cut_off_however_many_bytes_keep_coming(
    module: str, tmp_path: Path
) -> None:
    flags = ("--message-timeout", "0.5", "--idle-timeout", "30")
    with running(f"search.{module}", tmp_path / "journal", *flags) as server, server.connect() as peer:
        peer.settimeout(0.001)
        began_s = time.monotonic()
        drip_until_cut_off(peer, search_request("x" * 60_000))
        assert 0.4 <= time.monotonic() - began_s < 3
        server.wait_for_journal(r"message not whole within 0\.5 s; \d+ bytes in, 0 bytes out")


def test_peers_that_together_hold_too_much_are_cut_off_the_oldest_first_and_who_asks_little_is_served(
    module: str, tmp_path: Path
) -> None:
    """Each is within its own limits; before, a thousand of them were too."""
    flags = ("--content-limit", "100000", "--memory-limit", "250000")
    part = search_request("x" * 90_000)[:80_000]
    with running(f"search.{module}", tmp_path / "journal", *flags) as server, ExitStack() as stack:
        peers = []
        for number in range(6):
            peers.append(stack.enter_context(server.connect()))
            peers[-1].sendall(part)
            with server.connect() as small:  # whose answer shows that what was sent has been read
                small.sendall(search_request("morpheus"))
                assert answers(small, 1) == [RABBIT], f"beside {number + 1}"
        assert [ended(peer) for peer in peers[:3]] == [True] * 3
        server.wait_for_journal("all peers together held more than 250000 bytes, and this one the longest; ", 3)
        for peer in peers[3:]:
            peer.sendall(search_request("x" * 90_000)[80_000:])
            assert answers(peer, 1) == [f"No match for '{'x' * 90_000}'."]


def test_answers_that_nobody_reads_are_held_too(module: str, tmp_path: Path) -> None:
    flags = ("--content-limit", "8000000", "--memory-limit", "9000000")
    with running(f"search.{module}", tmp_path / "journal", *flags) as server, ExitStack() as stack:
        deaf = [stack.enter_context(server.connect()) for _ in range(3)]
        for peer in deaf:
            peer.sendall(search_request("x" * 7_900_000))
            assert peer.recv(1), "its answer has begun"
        server.wait_for_journal("all peers together held more than 9000000 bytes", 1)
        with server.connect() as small:
            small.sendall(search_request("morpheus"))
            assert answers(small, 1) == [RABBIT]


def test_the_time_of_a_message_begins_with_each_message(module: str, tmp_path: Path) -> None:
    """Each takes half of its time and a little; the two together, more than one may take."""
    flags = ("--message-timeout", "3", "--idle-timeout", "30")
    with running(f"search.{module}", tmp_path / "journal", *flags) as server, server.connect() as peer:
        whole = search_request("morpheus")
        peer.sendall(whole[:5])
        for _ in range(3):
            at_s = time.monotonic() + 1.8
            eventually(lambda at_s=at_s: time.monotonic() >= at_s, "1.8 s are over")  # type: ignore[misc]
            peer.sendall(whole[5:] + whole[:5])  # the end of one and the beginning of the next
            assert answers(peer, 1) == [RABBIT]


def test_sigterm_ends_within_two_seconds_though_a_peer_never_finishes(module: str, tmp_path: Path) -> None:
    with (
        running(f"search.{module}", tmp_path / "journal") as server,
        server.connect() as half,
        server.connect() as deaf,
    ):
        half.sendall(search_request("morpheus")[:50])
        deaf.sendall(search_request("x" * 12_000_000))
        assert deaf.recv(1)
        assert server.terminate() < 2
        assert server.journal.count("server stopped, not done within 1 s") == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        *WRONG_COMMAND_LINES,
        (["127.0.0.1", "1_0"], "'1_0' is not a whole number"),
        (["127.0.0.1", "0", "--content-limit", "-1"], "--content-limit"),
        (["127.0.0.1", "0", "--memory-limit", "1000"], "--memory-limit: 1000 bytes hold no content of 16777216"),
    ],
)
def test_a_wrong_command_line_is_one_line_that_names_what_is_wrong_and_status_64(words: list[str], says: str) -> None:
    assert_usage_error(run("search.server_selectors", *words), says)
