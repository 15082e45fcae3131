"""A claim about which of several equal packets crossed is unproven, where nothing says which, and never refuted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from scenarios.evidence.frame import Frame
from scenarios.evidence.record import Seen
from scenarios.spec.packet_expectations import Bytes, Packets
from scenarios.spec.units import Band, Seconds
from scenarios.verdict.check import Verdict
from scenarios.verdict.packets import check_bytes, check_packets
from tests.verdict.test_judging import CLIENT, SERVER, frame, run_with

LATE = Band.parse("2.9s to 3.6s")
PASS, FAIL, UNPROVEN = Verdict.PASS, Verdict.FAIL, Verdict.UNPROVEN


def answers(sent_s: Sequence[float], arrive_s: Sequence[float]) -> Seen:
    """A run in which the server sends the same datagram at these times, and these arrive: IPv6 numbers none of them."""
    left, came = (
        [replace(frame(number, at_s, "udp", source=SERVER, to=CLIENT), identification=None) for number, at_s in of]
        for of in (enumerate(sent_s, 1), enumerate(arrive_s, 1))
    )
    return run_with(
        frames={"client-leg": [as_udp(each) for each in came], "server-leg": [as_udp(each) for each in left]}
    )


def as_udp(segment: Frame) -> Frame:
    return replace(segment, transport="udp", flags=frozenset(), seq=None, payload=b"2.05 Content")


ONE_OF_TWO = answers([0.003, 2.751], [3.004])  # each is late by three seconds, and one of them is lost
AT_ONCE = answers([0.003, 2.751], [2.7512])
BOTH = answers([0.003, 2.751], [3.003, 5.751])
SECOND_EACH = answers([0.0, 1.0, 2.0], [1.0005, 2.0005])  # late by as much as lies between them


@pytest.mark.parametrize(
    ("seen", "expected", "verdict"),
    [
        (ONE_OF_TWO, {"took": LATE, "exactly": 1}, UNPROVEN),
        (ONE_OF_TWO, {"took": LATE, "exactly": 0}, UNPROVEN),
        (ONE_OF_TWO, {"took": LATE, "at_least": 2}, FAIL),
        (ONE_OF_TWO, {"took": LATE, "at_most": 1}, PASS),
        (ONE_OF_TWO, {"took": Band.parse("0s to 5s"), "exactly": 1}, PASS),
        (ONE_OF_TWO, {"took": Band.parse("0s to 0.1s"), "exactly": 0}, PASS),
        (ONE_OF_TWO, {"alone": True, "exactly": 1}, PASS),
        (ONE_OF_TWO, {"exactly": 2}, PASS),
        (AT_ONCE, {"took": Band.parse("0s to 50ms"), "exactly": 1}, PASS),
        (AT_ONCE, {"took": LATE, "exactly": 0}, PASS),
        (BOTH, {"took": LATE, "exactly": 2}, PASS),
        (SECOND_EACH, {"took": Band.parse("0.9s to 1.5s"), "exactly": 2}, UNPROVEN),
    ],
)
def test_a_claim_holds_where_it_does_whichever_of_the_equal_packets_crossed(
    seen: Seen, expected: dict[str, object], verdict: Verdict
) -> None:
    for leg in ("server-leg", "client-leg") if "took" in expected else ("server-leg",):
        check = check_packets(Packets(at=leg, where="udp", from_="server", to="client", **expected), seen)  # type: ignore[arg-type]
        assert check.holds is verdict, check.sentence
        assert ("several packets are equal" in check.seen) == (verdict is UNPROVEN)


def test_which_of_them_was_lost_within_a_time_is_unproven() -> None:
    seen = replace(ONE_OF_TWO, spans={"first": [(0, 1_000_000_000)]})
    check = check_packets(Packets(at="server-leg", where="udp", alone=True, during="first", exactly=1), seen)
    assert check.holds is UNPROVEN
    check = check_packets(Packets(at="server-leg", where="udp", alone=True, during="first", exactly=0), seen)
    assert check.holds is UNPROVEN


def test_how_far_apart_or_together_those_are_that_may_have_crossed_is_unproven() -> None:
    seen = answers([0.0, 1.0, 3.0], [3.5])
    lost = Packets(at="server-leg", where="udp", alone=True, exactly=2, apart=Band.parse("0.5s to 1.5s"))
    assert check_packets(lost, seen).holds is UNPROVEN
    together = Packets(at="server-leg", where="udp", alone=True, at_least=2, in_any=Seconds.parse("1.5s"))
    assert check_packets(together, seen).holds is UNPROVEN


@pytest.mark.parametrize(("bytes_", "verdict"), [(12, UNPROVEN), (0, UNPROVEN), (24, FAIL)])
def test_the_bytes_of_packets_that_may_have_crossed_are_weighed_as_their_number_is(
    bytes_: int, verdict: Verdict
) -> None:
    check = check_bytes(Bytes(at="server-leg", where="udp", took=LATE, exactly=bytes_), ONE_OF_TWO)
    assert check.holds is verdict, check.sentence
