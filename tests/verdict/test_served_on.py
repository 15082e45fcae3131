"""A kill reaches one process: of a server that goes on in another nothing is refuted, and nothing proven."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scenarios.evidence.frame import Frame
from scenarios.evidence.record import Seen
from scenarios.spec.catalogue import drills
from scenarios.verdict.check import Check, Verdict
from scenarios.verdict.served_on import unless_served_on
from tests.verdict.test_behaviour import PORT, data, syn
from tests.verdict.test_judging import CLIENT, SERVER

KILLED_S = 100.3
REFUTED = Check("packets from the server", "at least 1", "saw 0", Verdict.FAIL)
PROVEN = Check("hits of the fault on-the-way", "at least 1", "1", Verdict.PASS)
SYN = replace(syn(1, 100.0, 40000), flags=frozenset({"SYN"}), destination_port=PORT)


def request(at_s: float, seq: int = 8) -> Frame:
    return replace(syn(2, at_s, 40000), destination_port=PORT, flags=frozenset({"ACK"}), seq=seq, payload=b"question")


def answer(at_s: float, ack: int, payload: bytes = b"answer") -> Frame:
    return replace(data(3, at_s, 40000, 1), ack=ack, payload=payload)


END = replace(answer(100.8, ack=16, payload=b""), flags=frozenset({"FIN", "ACK"}))


def judged(*frames: Frame, drill: str = "any-closed-while-idle", fault: str = "closes") -> list[Check]:
    at_ns = round(KILLED_S * 1e9)
    seen = Seen(
        armed=True, port=PORT, addresses={"client": (CLIENT,), "server": (SERVER,)}, client_side=frozenset({CLIENT}),
        calls={}, caught={}, looks={}, logs={}, captures={}, frames={"server-leg": frames}, events=(),
        spans={fault: [(at_ns, at_ns + 10**9)]},
    )  # fmt: skip
    return unless_served_on([REFUTED, PROVEN], drills()[drill], seen)


def test_a_server_that_answers_what_came_after_it_was_killed_refutes_nothing() -> None:
    served, refuted, proven = judged(SYN, request(100.6), answer(100.7, ack=16))
    assert served.holds is Verdict.UNPROVEN
    assert "another of its processes goes on" in served.seen
    assert (refuted.holds, proven.holds) == (Verdict.UNPROVEN, Verdict.PASS)


def test_a_connection_that_nobody_closes_is_had_by_another_process() -> None:
    whole = replace(request(100.05), payload=b"")
    kept, refuted, proven = judged(SYN, whole)
    assert "another of its processes has it" in kept.seen
    assert (kept.holds, refuted.holds, proven.holds) == (Verdict.UNPROVEN, Verdict.UNPROVEN, Verdict.PASS)
    closed = replace(answer(100.29, ack=8), flags=frozenset({"RST", "ACK"}))
    assert judged(SYN, whole, closed) == [REFUTED, PROVEN]
    assert judged(SYN) == [REFUTED, PROVEN], "it was never whole"


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([SYN, request(100.6)], id="nothing is answered"),
        pytest.param([SYN, request(100.6), answer(100.7, ack=16, payload=b"")], id="a kernel acknowledges"),
        pytest.param([SYN, request(100.1), answer(100.4, ack=16), END], id="what waited is sent after the kill"),
        pytest.param([SYN, request(100.1), request(100.6), answer(100.7, ack=16), END], id="a request is sent again"),
        pytest.param([SYN, request(100.6), answer(100.7, ack=8)], id="an older request is answered"),
        pytest.param([replace(SYN, time_ns=round(100.5e9)), request(100.6), answer(100.7, ack=16)], id="a new server"),
    ],
)
def test_what_a_kernel_sends_and_a_server_that_was_started_anew_say_nothing_of_another_process(
    frames: list[Frame],
) -> None:
    assert judged(*frames) == [REFUTED, PROVEN]


def test_a_drill_that_knows_its_server_is_judged_as_it_says() -> None:
    name, kill = next(
        (name, fault.name)
        for name, each in drills().items()
        if not each.is_general
        for fault in each.faults
        if fault.kill
    )
    assert judged(SYN, request(100.6), answer(100.7, ack=16), drill=name, fault=kill) == [REFUTED, PROVEN]
