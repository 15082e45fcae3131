"""Live: the two frames of a packet are put together as they come, in the order of time, and little is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scenarios.cli import calls
from scenarios.cli.main import main
from scenarios.cli.watch import HOLD_S, LINES_A_SECOND, PENDING_LIMIT, Pairing, Picture, ReadyRung, Within
from scenarios.evidence.tshark_fields import FIELDS, live_frame
from scenarios.lab.lab import Lab
from scenarios.lab.places import typed
from scenarios.spec.roles import LegName
from tests.evidence.test_ladder import CLIENT, DATA, SERVER, SYN, SYN_ACK, crossed, segment

NAMES = {CLIENT: "client-be", SERVER: "server"}


def ready(pairing: Pairing, now_s: float) -> list[tuple[int | None, bool, bool]]:
    """Sequence number, and whether each leg had it."""
    return [
        (each.rung.frame.seq, each.rung.client_leg is not None, each.rung.server_leg is not None)
        for each in pairing.due(now_s)
    ]


def test_a_packet_is_ready_as_soon_as_both_legs_have_told_whichever_told_first() -> None:
    ways: tuple[tuple[LegName, LegName], ...] = (("client-leg", "server-leg"), ("server-leg", "client-leg"))
    for first, second in ways:
        frames = {"client-leg": SYN, "server-leg": crossed(SYN)}
        pairing = Pairing({CLIENT})
        pairing.add(first, frames[first], 0.0)
        assert ready(pairing, 0.1) == []
        pairing.add(second, frames[second], 0.1)
        assert ready(pairing, 0.1) == [(99, True, True)]
        assert ready(pairing, 9.0) == []


def test_one_that_only_its_first_leg_had_is_lost_when_the_other_was_waited_for() -> None:
    pairing = Pairing({CLIENT})
    pairing.add("client-leg", SYN, 0.0)
    assert pairing.next_s() == HOLD_S
    assert ready(pairing, HOLD_S - 0.01) == []
    assert ready(pairing, HOLD_S) == [(99, True, False)]
    assert pairing.next_s() is None


def test_packets_come_in_the_order_of_time_so_a_later_one_waits_for_an_earlier() -> None:
    pairing = Pairing({CLIENT})
    pairing.add("client-leg", DATA, 0.0)
    pairing.add("server-leg", crossed(DATA), 0.0)
    pairing.add("client-leg", SYN, 0.01)
    assert ready(pairing, 0.02) == []
    pairing.add("server-leg", crossed(SYN), 0.03)
    assert ready(pairing, 0.03) == [(99, True, True), (100, True, True)]


def test_an_answer_is_told_by_the_servers_leg_first() -> None:
    pairing = Pairing({CLIENT})
    pairing.add("server-leg", crossed(SYN_ACK), 0.0)
    assert ready(pairing, HOLD_S) == [(7, False, True)]


def test_one_that_was_held_is_drawn_when_it_comes_with_the_time_that_it_took() -> None:
    pairing = Pairing({CLIENT})
    pairing.add("client-leg", SYN, 0.0)
    assert ready(pairing, 1.0) == [(99, True, False)]
    pairing.add("server-leg", replace(crossed(SYN), time_ns=SYN.time_ns + 2_000_000_000), 2.0)
    (held,) = pairing.due(3.0)
    assert held.after_s == 2.0
    drawn = [line.plain for line in Picture(NAMES).lines(held)]
    assert drawn[-1].endswith("it was held at the firewall for 2.000 s")


def test_of_two_that_are_equal_the_lost_one_is_the_one_that_cannot_have_come() -> None:
    again = replace(SYN, number=2, time_ns=SYN.time_ns + 300_000_000)
    pairing = Pairing({CLIENT})
    pairing.add("client-leg", SYN, 0.0)
    pairing.add("client-leg", again, 0.3)
    pairing.add("server-leg", crossed(again), 0.31)
    assert [each.rung.server_leg is None for each in pairing.due(1.0)] == [True, False]


def test_where_a_leg_does_not_tell_all_nothing_is_drawn_as_lost_but_counted() -> None:
    pairing = Pairing({CLIENT})
    pairing.skips("server-leg", 0)
    pairing.add("client-leg", SYN, 0.0)
    assert ready(pairing, 1.0) == []
    assert pairing.unknown == 1


def test_it_keeps_no_more_than_its_limit() -> None:
    pairing = Pairing({CLIENT})
    for number in range(3 * PENDING_LIMIT):
        pairing.add("client-leg", segment(number, number, seq=number), 0.0)
        list(pairing.due(0.0))
    assert len(pairing._waiting) <= PENDING_LIMIT
    assert len(pairing._halves) <= PENDING_LIMIT
    list(pairing.due(100.0))
    assert not pairing._waiting
    assert not pairing._halves
    assert len(pairing._lost) <= PENDING_LIMIT


def whole(frame: object) -> ReadyRung:
    pairing = Pairing({CLIENT})
    pairing.add("client-leg", frame, 0.0)  # type: ignore[arg-type]
    pairing.add("server-leg", crossed(frame), 0.0)  # type: ignore[arg-type]
    (shown,) = pairing.due(0.0)
    return shown


def test_a_conversation_stands_under_its_ends_once() -> None:
    picture = Picture(NAMES)
    lines = [line.plain for frame in (SYN, SYN_ACK, DATA) for line in picture.lines(whole(frame))]
    assert lines[0].split() == ["client-be", "198.18.1.11:40000", "server", "198.18.1.138:65432"]
    assert sum("198.18.1.138" in line for line in lines) == 1
    assert "a message" in lines[-1]
    other = replace(SYN, source_port=40001)
    assert "198.18.1.11:40001" in next(picture.lines(whole(other))).plain
    assert picture.packets == 4


def test_more_packets_than_a_person_can_read_in_a_second_are_counted() -> None:
    picture = Picture(NAMES)
    lines = [
        line.plain
        for number in range(LINES_A_SECOND + 5)
        for line in picture.lines(whole(segment(number, number / 10, seq=number)))
    ]
    assert len(lines) == LINES_A_SECOND + 1
    (rest,) = picture.rest()
    assert "5 packets more in this second" in rest.plain
    assert list(picture.rest()) == []


def test_a_line_of_another_form_is_an_error() -> None:
    with pytest.raises(ValueError, match=f"expected {len(FIELDS)} fields, got 1"):
        live_frame("tshark: something went wrong")


BACKEND = "198.18.1.96"
ASKED = replace(DATA, source=SERVER, destination=BACKEND)


def test_what_a_program_in_the_middle_asks_of_its_backend_is_one_packet_on_the_two_legs_of_that_way() -> None:
    pairing = Pairing({CLIENT}, Within(["198.18.1.64/26"]), ("backend-leg", "client-leg", "server-leg"))
    pairing.add("server-leg", ASKED, 0.0)
    pairing.add("backend-leg", replace(ASKED, number=7, time_ns=ASKED.time_ns + 10_000), 0.1)
    (found,) = pairing.due(0.1)
    assert (found.rung.way, found.rung.rightwards) == (("server-leg", "backend-leg"), True)
    assert (found.rung.left, found.rung.right and found.rung.right.number) == (ASKED, 7)


def test_of_a_way_whose_other_leg_nobody_follows_nothing_is_drawn_as_lost() -> None:
    pairing = Pairing({CLIENT}, Within(["198.18.1.64/26"]))  # from before the composition came up
    pairing.add("server-leg", ASKED, 0.0)
    assert ready(pairing, 9.0) == []
    assert pairing.unknown == 1


def test_what_is_no_address_is_within_no_network() -> None:
    found = Within(["198.18.1.64/26", "2001:db8:1:3::/64"], ["198.18.1.190"])
    inside = ("198.18.1.96", "2001:db8:1:3::120", "198.18.1.190")
    assert [each in found for each in (*inside, "198.18.1.128", "", "fe80::1")] == [True] * 3 + [False] * 3


@pytest.mark.parametrize("was_up", [True, False])
def test_a_lab_that_watch_brought_up_stays_and_the_end_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], was_up: bool
) -> None:
    """It said that nothing is left in the lab, and left the lab."""
    brought: list[int] = []
    monkeypatch.setattr(Lab, "states", lambda _: {"firewall": "healthy" if was_up else "absent"})
    monkeypatch.setattr(calls, "bring_up", lambda lab: brought.append(lab.number))
    monkeypatch.setattr("scenarios.cli.watch.watch", lambda *_: 7)
    assert main(["watch", "--lab", "36"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert brought == ([] if was_up else [36])
    assert "7 packets were seen" in said
    assert (f"lab 36 was not up, and is now; `{typed('down', lab=36)}` removes it" in said) is not was_up
    assert ("nothing is left in the lab" in said) is was_up
