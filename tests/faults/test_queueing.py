"""The queue in front of a slow link, packet by packet: who goes when, and who is lost."""

from __future__ import annotations

import pytest

from images.firewall.inject.declared import Pick, read_action, to_json
from images.firewall.inject.queueing import FRAME, Discipline, Queue
from images.firewall.inject.wire import Fault, Step, Verb, Wire
from tests.faults.test_injector import CLIENT, SERVER, datagram

SIZE = 1000  # bytes of a packet: 28 are headers
RATE = 800_000  # bits a second: one goes in 10 ms
MS = 1_000_000


def simulate(
    discipline: Discipline, arrivals: list[int], *, limit_packets: int = 10, seed: int = 1
) -> tuple[dict[int, int], list[int]]:
    """When each packet that came at these times (ms) went on, in ms, by its place; and those lost, in their order."""
    wire = Wire()
    declared = Queue(RATE, limit_packets * SIZE, discipline)
    wire.apply(Fault("queue", declared, Pick(CLIENT, SERVER), seed))
    gone: dict[int, int] = {}
    lost: list[int] = []

    def take(steps: list[Step], now: int) -> None:
        for step in steps:
            if step.verb is Verb.LOSE:
                lost.append(step.original)
            else:
                gone[step.original] = now // MS

    coming = [(at * MS, place) for place, at in enumerate(arrivals)]
    for now, place in coming:
        while wire.due is not None and wire.due <= now:
            due = wire.due
            take(wire.tick(due), due)
        take(wire.arrive(datagram(bytes(SIZE - 28)), place, now), now)
    while wire.due is not None:
        due = wire.due
        take(wire.tick(due), due)
    assert sorted([*gone, *lost]) == list(range(len(arrivals))), "each packet goes on, or is lost, once"
    return gone, lost


def test_a_packet_alone_is_out_when_its_bits_are() -> None:
    assert simulate("drop-tail", [0, 100]) == ({0: 10, 1: 110}, [])


def test_packets_go_one_behind_the_other_in_their_order() -> None:
    assert simulate("drop-tail", [0, 0, 5]) == ({0: 10, 1: 20, 2: 30}, [])


def test_what_finds_no_place_is_lost_and_one_place_less_would_lose_one_more() -> None:
    gone, lost = simulate("drop-tail", [0] * 6, limit_packets=4)
    assert (list(gone), lost) == ([0, 1, 2, 3], [4, 5])
    assert simulate("drop-tail", [0] * 6, limit_packets=3)[1] == [3, 4, 5]


def test_a_long_queue_is_all_delay_and_codel_does_not_let_it_stand() -> None:
    arrivals = list(range(0, 1000, 5))  # twice as many as the link takes
    bloated, lost = simulate("drop-tail", arrivals, limit_packets=200)
    assert lost == []
    assert max(out - arrivals[place] for place, out in bloated.items()) > 900
    controlled, dropped = simulate("codel", arrivals, limit_packets=200)
    assert dropped
    assert max(out - arrivals[place] for place, out in controlled.items()) < 900


def test_codel_lets_a_burst_be_and_drops_at_the_head_once_it_has_stood_for_an_interval() -> None:
    assert simulate("codel", [0] * 8, limit_packets=20)[1] == [], "80 ms: less than an interval of 100 ms"
    _, lost = simulate("codel", [0] * 40, limit_packets=40)
    assert lost[0] == 11, "at the head at 110 ms: 100 ms after number 1, the first that had waited for 5 ms"


def test_codel_lets_a_queue_of_one_frame_be() -> None:
    assert simulate("codel", list(range(0, 2000, 10)), limit_packets=20)[1] == []


def test_red_drops_some_before_the_queue_is_full_and_the_same_ones_by_the_same_seed() -> None:
    # A steady queue, long enough for an average that moves by 0.002 a packet
    arrivals = sorted([*[1] * 60, *range(0, 20_000, 10)])
    first = simulate("red", arrivals, limit_packets=100, seed=3)
    assert 0 < len(first[1]) < len(arrivals) / 4
    assert first == simulate("red", arrivals, limit_packets=100, seed=3)
    assert first[1] != simulate("red", arrivals, limit_packets=100, seed=4)[1]
    assert simulate("drop-tail", arrivals, limit_packets=100)[1] == []


def test_what_waits_goes_on_when_it_is_healed() -> None:
    wire = Wire()
    wire.apply(Fault("queue", Queue(RATE, 10 * SIZE), Pick(CLIENT, SERVER), 0))
    data = [datagram(b"%d" % number) for number in range(3)]
    for place, each in enumerate(data):
        assert wire.arrive(each, place, 0) == []
    assert wire.faults["queue"].hits(0)["held"] == 3
    assert [step.original for step in wire.heal("queue", 1)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"bits_per_s": 999, "limit_bytes": FRAME}, "bits_per_s is 1000 to 1000000000, not 999"),
        ({"bits_per_s": 1000, "limit_bytes": FRAME - 1}, "limit_bytes is 1514 to 16777216, not 1513"),
        (
            {"bits_per_s": 1000, "limit_bytes": FRAME, "discipline": "blue"},
            "queue.discipline is drop-tail or red or codel",
        ),
    ],
)
def test_wrong_words_are_told_what_would_be_right(words: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_action({"queue": words})


def test_the_words_are_the_same_after_their_json() -> None:
    declared = Queue(1_000_000, 65536, "codel")
    assert read_action(to_json(declared)) == declared
