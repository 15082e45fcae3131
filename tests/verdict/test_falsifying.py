"""A check that cannot fail is a mutant: each expectation of each drill holds on some evidence, and fails on other.

The evidence is made (falsifying.py), a change for each thing that an expectation demands.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from scenarios.evidence.record import Seen
from scenarios.spec.catalogue import drills
from scenarios.spec.drill import Drill
from scenarios.spec.expectations import Expectation, Sockets
from scenarios.spec.service import services
from scenarios.verdict.check import Check, Verdict
from scenarios.verdict.judge import judged
from tests.spec.test_nonsense import RIGHT, read
from tests.verdict.falsifying import NoEvidence, bare, right, wrong

KNOWN = services()
CATALOGUE = drills(known=KNOWN)


def expectations(drill: Drill) -> Iterator[tuple[str, Sequence[Expectation], int]]:
    """Each expectation: the run it is of, all of that run, and which it is."""
    for key, of_run in (("expect", drill.expect), ("control", drill.control)):
        for number in range(len(of_run)):
            yield key, of_run, number


def check(drill: Drill, key: str, number: int, seen: Seen, before: Seen) -> Check:
    """What becomes of one expectation with this evidence. The checks of a run end with its expectations.

    `before` is the control of one that is held against it. The others are left out: each has evidence of its own.
    """
    of_run = getattr(drill, key)[number]
    alone = copy.copy(drill)
    for each in ("expect", "control"):
        object.__setattr__(alone, each, (of_run,) if each == key else ())
    control, armed = judged(alone, before if of_run.alike and of_run.alike.beside else seen, seen)
    return (control if key == "control" else armed)[-1]


def unfalsified(drill: Drill) -> Iterator[str]:
    """The expectations of a drill that hold on no evidence, or on evidence that lacks what they demand."""
    for key, of_run, number in expectations(drill):
        expectation = of_run[number]
        at = f"{drill.drill}: {key}.{number + 1}: {expectation.says}"
        seen = bare(drill, KNOWN, armed=key == "expect")
        try:
            as_demanded = right(expectation, drill, seen)
            holds = check(drill, key, number, as_demanded, as_demanded)
        except NoEvidence as why:
            yield f"{at}: {why}"
            continue
        if holds.holds is not Verdict.PASS:
            yield f"{at}: is {holds.holds.value} where it holds ({holds.seen})"
        evidence = list(wrong(expectation, drill, seen))
        if not evidence:
            yield f"{at}: there is no evidence on which it fails"
        for what, other in evidence:
            if check(drill, key, number, other, as_demanded).holds is Verdict.PASS:
                yield f"{at}: passes, though: {what}"


@pytest.mark.parametrize("name", CATALOGUE)
def test_each_expectation_of_each_drill_fails_on_evidence_that_lacks_what_it_demands(name: str) -> None:
    assert not list(unfalsified(CATALOGUE[name]))


def test_every_kind_of_expectation_of_the_catalogue_is_falsified_more_than_once() -> None:
    told = Counter[str]()
    for drill in CATALOGUE.values():
        for key, of_run, number in expectations(drill):
            seen = bare(drill, KNOWN, armed=key == "expect")
            told[type(of_run[number].value).__name__] += sum(1 for _ in wrong(of_run[number], drill, seen))
    assert set(told) == {
        "Hits",
        "Outcomes",
        "Packets",
        "Order",
        "Sockets",
        "Log",
        "Duration",
        "Alike",
        "Bytes",
        "Counters",
    }
    assert min(told.values()) >= 3
    assert told.total() > 1000


@pytest.mark.parametrize("state", ["ESTABLISHD", "CLOSED", "ESTAB"])
def test_a_state_that_no_look_can_show_would_be_found_out(tmp_path: Path, state: str) -> None:
    drill = read(tmp_path, RIGHT)
    expected = drill.expect[4].value
    assert isinstance(expected, Sockets)
    made = replace(expected, state=state)  # type: ignore[arg-type] # past the reader, which refuses it
    object.__setattr__(drill, "expect", (*drill.expect[:4], Expectation(sockets=made), *drill.expect[5:]))
    found = [each for each in unfalsified(drill) if "expect.5" in each]
    assert len(found) == 1
    assert f"no socket is ever in the state '{state}'" in found[0]


@pytest.mark.parametrize(
    "judge", ["_hits", "_outcome", "check_packets", "check_order", "_sockets", "_log", "_duration"]
)
def test_a_judge_that_lets_all_pass_would_be_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judge: str
) -> None:
    drill = read(tmp_path, RIGHT)
    assert not list(unfalsified(drill))
    monkeypatch.setattr(f"scenarios.verdict.judge.{judge}", lambda *_: Check("all", "all", "all", Verdict.PASS))
    kind = judge.strip("_")
    found = list(unfalsified(drill))
    assert found
    assert all(re.search(rf"{re.escape(drill.drill)}: (expect|control)\.\d", each) for each in found), kind
