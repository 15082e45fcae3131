"""The load generator and the textbook servers: what is counted is what was answered, and a wrong answer is not."""

import json
import math
import signal
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from services.bench.content import request_and_answer as large
from services.bench.exchanges import ASKED, Exchanges, echo, search
from services.bench.histogram import WIDER, Histogram
from services.bench.usage import Stat, family, pss, stat
from services.search.client import request
from services.wire import Connection
from tests.services.forking import ran
from tests.services.running import ROOT, answers, ended, exactly, search_request
from tests.services.starting import peer, started

SEARCH = search(sys.byteorder)


def test_a_quantile_is_one_of_the_values_to_one_percent() -> None:
    took = Histogram()
    values = [0.001 * number for number in range(1, 1001)]
    for value in values:
        took.record(value)
    for part, right in ((0.5, 0.5), (0.99, 0.99), (1.0, 1.0), (0.0, 0.001)):
        assert took.quantile_s(part) == pytest.approx(right, rel=WIDER - 1)
    assert took.quantile_s(0.5) == pytest.approx(statistics.median(values), rel=0.02)


def test_many_requests_that_took_the_same_count_each() -> None:
    took = Histogram()
    took.record(0.001, 98)
    took.record(1.0, 2)
    assert took.count == 100
    assert took.quantile_s(0.98) == pytest.approx(0.001, rel=0.02)
    assert took.quantile_s(0.99) == pytest.approx(1.0, rel=0.02)


def test_a_histogram_of_nothing_has_no_quantile() -> None:
    assert Histogram().quantile_s(0.5) is None


@pytest.mark.parametrize("took_s", [0.0, 1e-9, 1e9])
def test_a_time_outside_of_the_histogram_is_in_its_first_or_last_bucket(took_s: float) -> None:
    took = Histogram()
    took.record(took_s)
    found = took.quantile_s(1.0)
    assert found is not None
    assert math.isfinite(found)


@pytest.mark.parametrize("part", [-0.1, 1.1, float("nan")])
def test_a_quantile_of_no_part_is_refused(part: float) -> None:
    with pytest.raises(ValueError, match="part from 0 to 1"):
        Histogram().quantile_s(part)


def test_what_is_asked_is_what_our_own_client_asks() -> None:
    """The generator's bytes are made by json alone; the client's by services.wire."""
    assert list(SEARCH.requests) == [request("search", word, Connection()) for word in ASKED]


@pytest.mark.parametrize("exchanges", [SEARCH, echo()], ids=["search", "echo"])
def test_answers_are_right_from_any_position_and_counted_when_they_are_whole(exchanges: Exchanges) -> None:
    stream = b"".join(exchanges.answers) * 3
    ends = [len(stream[:0])]
    for each in exchanges.answers * 3:
        ends.append(ends[-1] + len(each))
    for start in range(0, len(stream) // 2, 7):
        assert exchanges.right(start, stream[start : start + 200])
        assert not exchanges.right(start, stream[start : start + 200] + b"?")
    for number, end in enumerate(ends):
        assert exchanges.whole(end) == number
        assert exchanges.whole(end + 1) == number
        assert exchanges.whole(max(0, end - 1)) == max(0, number - 1)


@pytest.mark.parametrize("exchanges", [SEARCH, echo()], ids=["search", "echo"])
def test_requests_are_asked_in_their_order_whatever_number_they_start_with(exchanges: Exchanges) -> None:
    cycle = exchanges.requests
    for number in range(3 * len(cycle)):
        expected = b"".join(cycle[(number + more) % len(cycle)] for more in range(16))
        assert exchanges.request_bytes(number, 16) == expected


def load(port: int, *flags: str, protocol: str = "search") -> tuple[int, dict[str, object]]:
    """The exit status of a generator, and what it told."""
    loaded = ran(["-m", "services.bench.load", "127.0.0.1", str(port), "--protocol", protocol, *flags], 60)
    assert loaded.stdout.count(b"\n") == 1, loaded.stderr
    told: dict[str, object] = json.loads(loaded.stdout)
    return loaded.returncode, told


TEXTBOOKS = {"echo": "bench.textbook_echo", "search": "bench.textbook_search"}


@pytest.mark.parametrize("protocol", TEXTBOOKS)
@pytest.mark.parametrize(
    "flags",
    [
        ("--in-flight", "16", "--connections", "5"),
        ("--connections", "5"),
        ("--connections", "5", "--per-connection", "1"),
    ],
    ids=["16 in flight", "1 in flight", "one request a connection"],
)
def test_the_generator_asks_exactly_so_many_and_all_are_answered(
    protocol: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    with started(TEXTBOOKS[protocol], tmp_path / "journal") as server:
        status, told = load(server.port, *flags, "--requests", "203", "--seconds", "30", protocol=protocol)
    assert (status, told["requests"], told["errors"]) == (0, 203, {})
    assert isinstance(told["p50_s"], float)
    assert isinstance(told["p99_s"], float)
    assert 0 < told["p50_s"] <= told["p99_s"]


def test_the_generator_stops_when_its_time_is_over(tmp_path: Path) -> None:
    with started("bench.textbook_echo", tmp_path / "journal") as server:
        status, told = load(server.port, "--seconds", "0.1", protocol="echo")
    assert (status, told["errors"]) == (0, {})
    assert isinstance(told["requests"], int)
    assert 0 < told["requests"] < 1_000_000


def answered_with(change: Callable[[bytes], bytes]) -> tuple[int, dict[str, object]]:
    """What the generator says of a server whose second answer is `change` of the right one."""

    def serve(connected: socket.socket) -> None:
        for number in range(2):
            exactly(connected, len(SEARCH.requests[number]))
            connected.sendall(change(SEARCH.answers[1]) if number else SEARCH.answers[0])

    with peer(socket.SOCK_STREAM, serve) as port:
        return load(port, "--requests", "1", "--seconds", "5")


def test_the_generator_is_content_with_the_right_answers() -> None:
    status, told = answered_with(lambda right: right)
    assert (status, told["requests"], told["errors"]) == (0, 1, {})


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda right: right[:-3] + b"?" + right[-2:], "wrong answer"),
        (lambda right: SEARCH.answers[0], "wrong answer"),  # noqa: ARG005
        (lambda right: right + b"x", "wrong answer"),
        (lambda right: right[:-1], "finished"),
        (lambda right: b"", "finished"),  # noqa: ARG005
    ],
    ids=["one byte is another", "the answer to another request", "a byte too many", "a byte too few", "none"],
)
def test_a_wrong_answer_is_an_error_and_not_a_fast_answer(change: Callable[[bytes], bytes], error: str) -> None:
    status, told = answered_with(change)
    assert (status, told["errors"]) == (1, {error: 1})


def test_a_refused_connection_is_counted_by_its_errno_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    status, told = load(port, "--connections", "3")
    assert (status, told["requests"], told["errors"]) == (1, 0, {"ECONNREFUSED": 3})


def test_a_steered_generator_holds_its_connections_and_runs_once_for_each_line(tmp_path: Path) -> None:
    words = [
        "services.bench.load",
        "127.0.0.1",
        "--protocol",
        "echo",
        "--connections",
        "4",
        "--requests",
        "8",
        "--steered",
    ]
    with started("bench.textbook_echo", tmp_path / "journal") as server:
        command = [sys.executable, "-m", *words[:2], str(server.port), *words[2:]]
        lines = "".join(json.dumps({"id": number, "seconds": 5}) + "\n" for number in (7, 9))
        ran = subprocess.run(command, cwd=ROOT, input=lines, capture_output=True, text=True, timeout=60)
    ready, *rounds = map(json.loads, ran.stdout.splitlines())
    assert (ran.returncode, ready) == (0, {"ready": 4, "errors": {}})
    assert [(each["id"], each["requests"]) for each in rounds] == [(7, 8), (9, 8)]


@pytest.mark.parametrize(
    "flags", [("--connections", "15001"), ("--in-flight", "65"), ("--seconds", "61"), ("--requests", "0")]
)
def test_an_unbounded_load_is_refused(flags: tuple[str, ...]) -> None:
    assert ran(["-m", "services.bench.load", "127.0.0.1", "9", "--protocol", "echo", *flags], 60).returncode == 64


def test_the_textbook_search_server_answers_by_the_protocol_however_it_is_cut(tmp_path: Path) -> None:
    with started("bench.textbook_search", tmp_path / "journal") as server:
        with server.connect() as connected:
            for byte in search_request("ring"):
                connected.sendall(bytes([byte]))
            connected.sendall(search_request("unicorn") + search_request("x", action="binary"))
            ring, unicorn, binary = answers(connected, 3)
            assert "Misty Mountains" in ring
            assert unicorn == "No match for 'unicorn'."
            assert binary == repr(b"First 10 bytes of request: binaryx")
        with server.connect() as connected:
            connected.sendall(Connection().send_message(b"[1", "text/json", "utf-8") + search_request("ring"))
            assert answers(connected, 2)[0].startswith("Error: invalid request: ")
        for wrong in (b"\x00\x02[]", b"\x00\x01{", search_request("ring").replace(b'"utf-8"', b'"utf-7"')):
            with server.connect() as connected:
                connected.sendall(wrong)
                assert ended(connected), wrong
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0


def test_the_textbook_echo_server_sends_all_back_and_then_the_end(tmp_path: Path) -> None:
    with started("bench.textbook_echo", tmp_path / "journal") as server, server.connect() as connected:
        connected.sendall(b"x" * 100_000)
        assert exactly(connected, 100_000) == b"x" * 100_000
        connected.shutdown(socket.SHUT_WR)
        assert ended(connected)


@pytest.mark.parametrize("kind", ["binary", "text"])
@pytest.mark.parametrize("module", ["bench.textbook_search", "search.server_selectors", "search.server_asyncio"])
def test_a_large_content_is_asked_and_its_answer_compared(module: str, kind: str, tmp_path: Path) -> None:
    with started(module, tmp_path / "journal") as server:
        words = [sys.executable, "-m", "services.bench.content", "127.0.0.1", str(server.port)]
        words += ["--kind", kind, "--sizes", "1000", "1000000", "--rounds", "2"]
        told = json.loads(subprocess.run(words, cwd=ROOT, capture_output=True, timeout=60, check=True).stdout)
    assert {size: len(seconds) for size, seconds in told["seconds"].items()} == {"1000": 2, "1000000": 2}


def test_a_large_content_has_the_size_that_was_asked_for() -> None:
    for kind in ("binary", "text"):
        for size in (64, 1000, 100_001):
            asked, _ = large(kind, size, "little")
            assert asked.endswith((b"}", b"f", b"x", b"7"))
            assert len(asked) == 2 + int.from_bytes(asked[:2], "big") + size


def test_the_stat_of_a_process_is_read_though_its_name_has_spaces_and_parentheses() -> None:
    text = "42 (a) b (c)) S 7 42 42 0 -1 4194304 1 2 3 4 100 50 25 25 20 0 3 0 9 9 9"
    assert stat(text) == Stat(parent=7, cpu_s=2.0, threads=3)


def test_a_family_is_a_process_with_its_children_and_theirs_and_nobody_else() -> None:
    stats = {pid: Stat(parent, 0.0, 1) for pid, parent in ((1, 0), (2, 1), (3, 2), (4, 3), (5, 1))}
    assert family(2, stats) == {2, 3, 4}
    assert family(9, stats) == set()


def test_the_shared_memory_is_read_in_bytes() -> None:
    assert pss("00400000-7ffe [rollup]\nRss:  9000 kB\nPss:  2048 kB\nPss_Dirty:  12 kB\n") == 2048 * 1024


def test_several_servers_run_side_by_side_until_sigterm() -> None:
    commands = [[sys.executable, "-m", f"services.{module}", "127.0.0.1", "0"] for module in TEXTBOOKS.values()]
    argv = [sys.executable, "-m", "services.bench.servers", json.dumps(commands)]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as several:
        assert several.stdout is not None
        pids = json.loads(several.stdout.readline())["pids"]
        assert len(set(pids)) == 2
        several.terminate()
        assert several.wait(10) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_server_that_does_not_listen_is_told_of_with_what_it_said() -> None:
    commands = [[sys.executable, "-m", "services.bench.textbook_echo", "127.0.0.1", "no port"]]
    argv = [sys.executable, "-m", "services.bench.servers", json.dumps(commands)]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    assert "'no port' is not a whole number" in json.loads(ran.stdout)["failed"]
