"""The answers to a lesson's questions, read from packets that are made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scenarios.evidence.frame import Frame
from scenarios.teaching.answers import Evidence, answer
from scenarios.teaching.question import Made, Question, Sent
from tests.report import making

REQUEST = making.segment(1, 0, flags=frozenset({"PSH", "ACK"}), payload=b"Hello, world")
REACHES = Question(ask="How far?", reaches=Sent(of="data", from_="client"))
MADE = Question(ask="Who?", made_by=Made(of="data", at="server-leg"))


def told(tmp_path: Path, question: Question, client_leg: Sequence[Frame], server_leg: Sequence[Frame]) -> str:
    seen = making.evidence(client_leg, server_leg)
    made = making.result(tmp_path / "2026-11-21T10-00-00.000Z", of={"fault": seen})
    return answer(question, Evidence.of(made.folder)).words


def test_what_the_firewall_altered_has_crossed_it_and_the_firewall_did_not_make_it(tmp_path: Path) -> None:
    """A damaged segment, and the same again: the ladder draws both as crossing."""
    again = replace(REQUEST, number=2, time_ns=REQUEST.time_ns + 200_000_000, identification=2)
    there = [making.crossed(REQUEST, 1, payload=b"HEllo, world", checksum_good=False), making.crossed(again, 2)]
    assert told(tmp_path / "far", REACHES, [REQUEST, again], there) == "all cross (2 of 2)"
    assert told(tmp_path / "who", MADE, [REQUEST, again], there) == "the client"


def test_what_was_cut_into_pieces_has_crossed_too_and_what_was_dropped_has_not(tmp_path: Path) -> None:
    pieces = [
        making.crossed(replace(REQUEST, payload=REQUEST.payload[:5]), 1),
        making.crossed(replace(REQUEST, seq=6, payload=REQUEST.payload[5:]), 2),
    ]
    assert told(tmp_path / "pieces", REACHES, [REQUEST], pieces) == "all cross (1 of 1)"
    assert told(tmp_path / "dropped", REACHES, [REQUEST], []) == "none crosses (0 of 1)"
