"""A path as a link: rates, queues, distances, losses in bursts, and traces; the same seed, the same packets."""

from __future__ import annotations

import random

import pytest

from images.firewall.inject.declared import read_action, to_json
from images.firewall.inject.path_words import OPPORTUNITY_BYTES, TRACE_LIMIT, Path, opportunities
from images.firewall.inject.pathing import Link
from images.firewall.inject.wire import Verb
from tests.faults.test_injector import a_pick, datagram, wire_with

MS = 1_000_000


def link(seed: int = 1, **words: object) -> Link:
    return Link(Path(**words), random.Random(f"{seed} action"))  # type: ignore[arg-type]  # noqa: S311 (foretold, as it is to be)


def test_packets_leave_one_behind_the_other_at_the_rate_and_arrive_a_distance_later() -> None:
    path = link(bits_per_s=1_000_000, delay_s=0.05)
    assert [path.arrives(0, 1250)[1] for _ in range(3)] == [60 * MS, 70 * MS, 80 * MS]
    assert path.arrives(200 * MS, 1250)[1] == 260 * MS  # the link was idle


def test_what_finds_no_room_is_dropped_and_there_is_room_again_when_something_was_sent() -> None:
    path = link(bits_per_s=1_000_000, queue_bytes=2500)
    assert [bool(path.arrives(0, 1250)[1]) for _ in range(3)] == [True, True, False]
    assert path.arrives(10 * MS - 1, 1250)[1] == 0
    assert path.arrives(10 * MS, 1250)[1] == 30 * MS


def test_jitter_is_within_its_bounds_and_keeps_the_order() -> None:
    path = link(bits_per_s=1_000_000_000, delay_s=0.05, jitter_s=0.02)
    took, last = [], 0
    for number in range(2000):
        arrived = path.arrives(number * 50 * MS, 100)[1]
        assert arrived >= last
        took.append(arrived - number * 50 * MS)
        last = arrived
    assert 30 * MS <= min(took) < 31 * MS
    assert 69 * MS < max(took) <= 70 * MS + 1000
    close = [path.arrives(200_000 * MS + number, 100)[1] for number in range(50)]
    assert close == sorted(close)


def test_losses_come_in_bursts_as_often_and_as_long_as_the_two_states_say() -> None:
    """Gilbert: a share of worsens / (worsens + recovers) is lost, in bursts of 1 / recovers packets on average."""
    path = link(bits_per_s=1_000_000_000, worsens=1.0, recovers=25.0)
    lost = "".join("x" if not path.arrives(number * MS, 100)[1] else "." for number in range(200_000))
    assert lost.count("x") / len(lost) == pytest.approx(1 / 26, rel=0.05)
    bursts = [burst for burst in lost.split(".") if burst]
    assert sum(map(len, bursts)) / len(bursts) == pytest.approx(4, rel=0.05)


def test_the_good_state_may_lose_too_and_the_bad_one_not_all() -> None:
    path = link(bits_per_s=1_000_000_000, worsens=50.0, recovers=50.0, loss_bad=30.0, loss_good=10.0)
    lost = sum(not path.arrives(number * MS, 100)[1] for number in range(100_000))
    assert lost / 100_000 == pytest.approx(0.2, rel=0.05)


def test_the_same_seed_is_the_same_fate_whenever_the_packets_come() -> None:
    words = {"bits_per_s": 1_000_000_000, "worsens": 5.0, "recovers": 30.0, "delay_s": 0.05, "jitter_s": 0.02}

    def fates(seed: int, every: int) -> list[bool]:
        path = link(seed, **words)
        return [bool(path.arrives(number * every, 100)[1]) for number in range(1000)]

    assert fates(1, MS) == fates(1, 7 * MS)
    assert fates(1, MS) != fates(2, MS)


def test_a_trace_gives_1500_bytes_at_each_of_its_times_and_begins_anew() -> None:
    path = link(trace="1\n3\n3\n10")
    # the trace begins with the first packet; a large one takes two opportunities
    assert path.arrives(0, 1500)[1] == 1 * MS
    assert path.arrives(0, 3000)[1] == 3 * MS
    assert path.arrives(0, 1500)[1] == 10 * MS
    assert path.arrives(0, 1500)[1] == 11 * MS
    assert path.arrives(12 * MS, 1500)[1] == 13 * MS  # 12 ms is behind that of 11 ms
    assert path.arrives(35 * MS, 500)[1] == 40 * MS  # of those at 31, 33 and 33 ms nothing was there
    assert path.arrives(36 * MS, 500)[1] == 40 * MS  # small ones share an opportunity
    assert path.arrives(36 * MS, 500)[1] == 40 * MS
    assert path.arrives(36 * MS, 1)[1] == 41 * MS


def test_a_trace_of_one_line_is_a_rate_and_its_queue_drops_what_is_too_much() -> None:
    path = link(trace="1", queue_bytes=10 * OPPORTUNITY_BYTES)
    arrivals = [path.arrives(0, 1500)[1] for _ in range(12)]
    assert arrivals == [*(number * MS for number in range(1, 11)), 0, 0]


@pytest.mark.parametrize(
    ("trace", "problem"),
    [
        ("", f"trace has 1 to {TRACE_LIMIT} opportunities, not 0"),
        ("1 " * (TRACE_LIMIT + 1), f"not {TRACE_LIMIT + 1}"),
        ("1\nx\n", "opportunity 2 is milliseconds, 0 to 3600000, not 'x'"),
        ("1\n-2", "opportunity 2 is milliseconds"),
        ("5\n4", "opportunity 2 is 4 ms, and the one before it 5 ms"),
        ("0\n0", "its last opportunity is more than 0 ms"),
        ("3600001", "opportunity 1 is milliseconds"),
    ],
)
def test_a_trace_that_is_none_is_refused_by_its_line(trace: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        opportunities(trace)


def test_the_limit_of_a_trace_is_taken() -> None:
    assert len(opportunities("1 " * TRACE_LIMIT)) == TRACE_LIMIT


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({}, "either bits_per_s or a trace"),
        ({"bits_per_s": 1000, "trace": "1"}, "either bits_per_s or a trace"),
        ({"bits_per_s": 999}, "bits_per_s is 1000 to"),
        ({"bits_per_s": 1000, "jitter_s": 0.1}, "jitter_s is 0 to 0.0, not 0.1"),
        ({"bits_per_s": 1000, "queue_bytes": 1499}, "queue_bytes is 1500 to"),
        ({"bits_per_s": 1000, "worsens": 100.1}, "worsens is 0 to 100"),
    ],
)
def test_a_path_that_cannot_be_is_refused(words: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Path(**words)  # type: ignore[arg-type]


def test_its_words_are_the_same_behind_json() -> None:
    for path in (Path(bits_per_s=1000), Path(0.1, 0.05, trace="1\n2", queue_bytes=1500, worsens=1.5, recovers=20.0)):
        assert read_action(to_json(path)) == path


def test_on_the_wire_a_packet_waits_for_its_time_and_a_lost_one_never_comes() -> None:
    wire, fault = wire_with(Path(delay_s=0.01, bits_per_s=1_000_000_000), a_pick(of="udp"))
    assert wire.arrive(datagram(b"a"), "it", 0) == []
    assert wire.due is not None
    assert wire.tick(wire.due - 1) == []
    assert wire.tick(wire.due) == [(Verb.ACCEPT, "it", b"")]
    assert fault.hit_count == 1
    wire, _ = wire_with(Path(bits_per_s=1_000_000, worsens=100.0, recovers=0.0), a_pick(of="udp"))
    assert wire.arrive(datagram(b"a"), "it", 0) == [(Verb.LOSE, "it", b"")]
