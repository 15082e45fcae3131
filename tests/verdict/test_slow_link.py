"""What the drill slow-link tells of the segments of a message: none is sent again or lost, however many there are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scenarios.spec.catalogue import DRILLS, load_drill
from scenarios.spec.drill import Drill
from scenarios.spec.service import services
from scenarios.verdict.check import Verdict, combine
from scenarios.verdict.judge import judged
from tests.verdict.test_judging import frame, run_with


@pytest.fixture(scope="module")
def drill() -> Drill:
    return load_drill(DRILLS / "slow-link.yaml", services())


def verdict_for(drill: Drill, sent: int, *, again: int = 0, lost: int = 0) -> Verdict:
    """What the drill says of so many segments, the last of which are sent again, or lost at the firewall."""
    filters = {each.packets.where for each in drill.expect if each.packets and each.packets.where.startswith("tcp.len")}

    def marks(number: int) -> list[str]:
        is_again = number > sent - again
        return [each for each in filters if is_again or "retransmission" not in each]

    # one each 50 ms, behind a queue that grows
    client_leg = [frame(number, 0.001 * number, *marks(number)) for number in range(1, sent + 1)]
    server_leg = [
        replace(each, time_ns=int(0.05e9 * each.number), ttl=63) for each in client_leg if each.number <= sent - lost
    ]
    evidence = run_with(frames={"client-leg": client_leg, "server-leg": server_leg})
    checks = judged(drill, run_with(armed=False), evidence)[1]
    return combine([each for each in checks if "where tcp.len > 0" in each.rule])


@pytest.mark.parametrize("sent", [46, 47, 48])
def test_a_message_may_be_cut_into_more_segments_than_those_that_are_full(drill: Drill, sent: int) -> None:
    """A segment that carries a SACK option too has 12 bytes less of the message: what is left over is one more."""
    assert verdict_for(drill, sent) is Verdict.PASS


def test_a_segment_that_is_sent_again_and_one_that_is_lost_refute_the_claim(drill: Drill) -> None:
    assert verdict_for(drill, 47, again=1) is Verdict.FAIL
    assert verdict_for(drill, 47, lost=1) is Verdict.FAIL
    assert verdict_for(drill, 45) is Verdict.FAIL
