"""The programs that tutorials teach, in a lab: under the drill that tells them apart the naive one fails, and the
repaired one does not.

Three pairs are always run; --long runs them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from scenarios.calls import contract
from scenarios.run.cell import run
from scenarios.run.session import Stage
from scenarios.spec.catalogue import chosen_service, drills
from scenarios.spec.cell import Cell
from scenarios.spec.service import services
from scenarios.spec.tutorials import Pair, load_pairs
from scenarios.verdict.check import Verdict
from tests.conftest import lab_for_a_while

KNOWN = services()
ALWAYS: Final = ("one_recv.py", "no_timeout.py", "udp_once.py")
PAIRS: Final = [
    pytest.param(pair, id=pair.naive, marks=[] if pair.naive in ALWAYS else pytest.mark.long)
    for pair in load_pairs().pairs
]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    contract.ready([KNOWN["tutorial"]], print)
    with lab_for_a_while() as lab, Stage(lab) as found:
        yield found


@pytest.mark.parametrize("pair", PAIRS)
def test_the_naive_program_fails_where_the_repaired_one_does_not(stage: Stage, tmp_path: Path, pair: Pair) -> None:
    drill = drills(known=KNOWN)[pair.drill]
    seen = []
    for number, column in enumerate(pair.columns):
        cell = Cell(drill, chosen_service(drill, column, KNOWN), "le-le")
        result = run(stage, cell, tmp_path / str(number))
        red = not drill.is_general and number == 0  # a drill for every program claims nothing of one
        assert result.verdict is (Verdict.FAIL if red else Verdict.PASS), (column, result.sentence)
        assert result.did is not None
        seen.append(result.did)
    for did, words in zip(seen, pair.words, strict=True):
        assert did.kind in words, [each.word for each in seen]
    assert seen[0].word != seen[1].word


@pytest.mark.long
def test_a_server_that_cannot_have_its_port_yet_waits_for_it_and_then_proves_as_much_as_before(
    stage: Stage, tmp_path: Path
) -> None:
    """It sets no SO_REUSEADDR, and is killed in each try: the next one finds the port in TIME-WAIT."""
    cell = Cell(
        drills(known=KNOWN)["killed-and-back"],
        chosen_service(drills(known=KNOWN)["killed-and-back"], "tutorial/no-reuseaddr:ask", KNOWN),
        "le-le",
    )
    for number in range(2):
        result = run(stage, cell, tmp_path / str(number))
        assert "did not finish" not in result.sentence, result.sentence
    assert any("it is started again" in event.what for event in result.seen["control"].events)
