"""The packets of a recording, asked without a lab: what was not recorded is told, and never counted as nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scenarios.evidence.stalls import MACHINE, RUNNER, Stall, Stalls
from scenarios.lab.errors import UsageError
from scenarios.library.lab import Lab
from scenarios.library.packets import Packets, Recorded
from scenarios.library.session import Session
from scenarios.spec.roles import LegName
from tests.report.making import evidence, handshake_with_a_lost_syn, through_a_proxy


@pytest.fixture
def recorded() -> Recorded:
    story = SimpleNamespace(calls={}, is_counted=False)
    found = Recorded(cast("Session", SimpleNamespace(story=story, stalls=Stalls())))
    found.base = evidence(*handshake_with_a_lost_syn())
    return found


LEG: LegName = "client-leg"
ASKED: dict[str, Callable[[Packets], Any]] = {
    "frames": lambda packets: packets.frames,
    "count": lambda packets: packets.count,
    "alone": lambda packets: packets.alone,
    "where": lambda packets: packets.where("tcp"),
    "expect": lambda packets: packets.expect(where="tcp", exactly=0),
}


@pytest.mark.parametrize("asked", ASKED)
def test_packets_of_a_leg_that_was_not_recorded_are_not_counted_as_none(recorded: Recorded, asked: str) -> None:
    told = "the backend-leg was not recorded: this lab has no such leg; expected one of: client-leg, server-leg"
    with pytest.raises(UsageError, match=told):
        ASKED[asked](Packets(recorded).on("backend-leg"))


WRONG: dict[str, Callable[[Any], Any]] = {
    "packets.on: unknown leg 'clientleg'; did you mean 'client-leg'": lambda packets: packets.on("clientleg"),
    "packets.on: unknown leg '3'": lambda packets: packets.on(3),
    "packets.where: no leg was chosen": lambda packets: packets.where("tcp"),
    "packets.where: display_filter: expected a display filter, got 3": lambda packets: packets.on(LEG).where(3),
    "packets.where: display_filter: expected a display filter, got ''": lambda packets: packets.on(LEG).where(""),
    "packets.from_: unknown role 'clint'; did you mean 'client'": lambda packets: packets.from_("clint"),
    "packets.from_: unknown role '3'": lambda packets: packets.from_(3),
    "packets.to: unknown role \"['server']\"": lambda packets: packets.to(["server"]),
    "packets.expect: exactly: expected a whole number, got '10'": lambda packets: packets.on(LEG).expect(exactly="10"),
    "packets.expect: unknown key 'exact'; did you mean 'exactly'": lambda packets: packets.on(LEG).expect(exact=1),
    **{
        f"packets.assert_count: expected: expected a whole number, 0 or more, got {wrong!r}": (
            lambda packets, wrong=wrong: packets.on(LEG).assert_count(wrong)  # type: ignore[misc]
        )
        for wrong in ("10", 1.0, True, None, -1)
    },
}


@pytest.mark.parametrize("told", WRONG)
def test_a_wrong_argument_is_told_by_its_name_and_is_no_failed_assertion(recorded: Recorded, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        WRONG[told](Packets(recorded))
    assert str(raised.value).startswith(told)


def test_packets_of_a_fault_s_time_are_refused_by_the_name_of_what_records_them(recorded: Recorded) -> None:
    with pytest.raises(UsageError, match=r"use a `with lab\.(\w+)\(\)` of that time") as raised:
        Packets(recorded).on("client-leg").expect(where="tcp", exactly=1, during="lost")
    (named,) = re.findall(r"lab\.(\w+)\(\)", str(raised.value))
    assert hasattr(Lab, named)


def test_packets_of_a_leg_to_a_backend_are_those_of_its_way(recorded: Recorded) -> None:
    recorded.base = replace(through_a_proxy(), stalls=Stalls())
    packets = Packets(recorded).on("backend-leg")
    assert (packets.count, packets.alone.count, packets.to("backend").count) == (2, 1, 1)
    assert (Packets(recorded).on("server-leg").count, Packets(recorded).on("client-leg").count) == (2, 1)


def test_a_stall_counts_that_may_have_changed_what_was_recorded(recorded: Recorded) -> None:
    recorded.began_ns = 10_000_000_000
    assert recorded.base is not None
    recorded.base = replace(recorded.base, captured_until_ns=20_000_000_000)

    def stall(machine: str, began_s: float, ended_s: float) -> Stall:
        return Stall(machine, "still", round(began_s * 1e9), round(ended_s * 1e9))

    counts = [stall(RUNNER, 9.5, 10.5), stall("server", 7, 8), stall(MACHINE, 12, 13), stall(RUNNER, 19, 21)]
    others = [stall(RUNNER, 7, 9.9), stall("server", 1, 6.9), stall(MACHINE, 20, 22), stall(RUNNER, 21, 22)]
    recorded.session.stalls = Stalls(found=[*others, *counts])  # type: ignore[misc]
    assert recorded.evidence().stalls.found == counts
