"""How each connection of a call ended, and what had told its client so before it closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from scenarios.evidence.connection_ends import End, connection_ends
from scenarios.evidence.frame import Frame
from scenarios.evidence.tries import tries
from tests.verdict.test_behaviour import ONE, PORT, call, data, evidence, fin, reset, syn
from tests.verdict.test_judging import CLIENT, SERVER, frame

EOF = replace(data(2, 100.1, 40000, 1), flags=frozenset({"FIN", "ACK"}), payload=b"")
UNREACHABLE = replace(
    frame(2, 100.1, source=SERVER, to=CLIENT),
    transport="icmp",
    flags=frozenset(),
    quoted=((CLIENT, 40000), (SERVER, PORT)),
)


@pytest.mark.parametrize(
    ("frames", "ends"),
    [
        (ONE, [End()]),
        ([*ONE, fin(2, 100.1, 40000)], [End(over_s=100.1)]),
        ([*ONE, reset(2, 100.1, 40000)], [End(over_s=100.1, told_s=100.1)]),
        ([*ONE, EOF], [End(told_s=100.1)]),  # it is open for as long as the client leaves it so
        ([*ONE, EOF, fin(3, 100.3, 40000)], [End(over_s=100.3, told_s=100.1)]),
        # what answers its own FIN tells it nothing
        ([*ONE, fin(2, 100.1, 40000), reset(3, 100.2, 40000)], [End(over_s=100.1)]),
        ([*ONE, UNREACHABLE], [End(over_s=100.1, told_s=100.1)]),
        # an ICMP error ends no connection that stands (RFC 1122, 4.2.3.9)
        ([*ONE, data(2, 100.05, 40000, 1), replace(UNREACHABLE, number=3)], [End(), End(100.1, 100.1)]),
        ([*ONE, reset(2, 100.1, 40000), syn(3, 100.2, 40001)], [End(100.1, 100.1), End()]),
        ([*ONE, fin(2, 110.0, 40000)], [End()]),  # after the call
    ],
)
def test_a_connection_is_over_when_its_client_closed_it_or_it_was_reset(
    frames: Sequence[Frame], ends: Sequence[End]
) -> None:
    seen = evidence(call(), frames)
    assert connection_ends(seen, call(), tries(seen, call(), (CLIENT,)), (CLIENT,)) == ends
