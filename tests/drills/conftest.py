"""The catalogue, run once for all tests of this folder: every drill, from a little- and from a big-endian client.

Of the drills for any program only one of the two, and both with --long (`cells` says why).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scenarios.evidence import run_folder
from scenarios.lab.lab import Lab
from scenarios.run.campaign import Campaign
from scenarios.run.session import Stage
from scenarios.spec.catalogue import drills
from scenarios.spec.service import services
from scenarios.verdict.check import Verdict
from scenarios.verdict.result import Result
from tests.conftest import free_numbers, lab_for_a_while
from tests.drills.cells import cells_of

LABS = 3  # side by side: a drill mostly waits; and each other test process has a lab of its own


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What running it came to, and where the evidence is."""

    results: list[Result]
    folder: Path
    took_s: float

    def passed_once(self) -> list[Result]:
        """One result of each drill that passed: that of le-le, where it was run there."""
        passed = [each for each in self.results if each.verdict is Verdict.PASS]
        le_le_last = sorted(passed, key=lambda each: (each.cell.drill.drill, each.cell.pair == "le-le"))
        return list({each.cell.drill.drill: each for each in le_le_last}.values())


@pytest.fixture(scope="session")
def catalogue(pytestconfig: pytest.Config) -> Iterator[Catalogue]:
    """Every drill that there is, with its own service."""
    known = services()
    labs = [Lab(number) for number in free_numbers(LABS)]
    cells = cells_of(drills(), known, repeated=pytestconfig.getoption("long"))
    folder = run_folder.new_run()
    began_s = time.monotonic()
    results: list[Result] = []  # with their evidence, which a campaign does not keep
    try:
        Campaign(folder, labs, results.append, took_s={}).run(cells)
        if unproven := [each for each in results if each.verdict is Verdict.UNPROVEN]:
            results = [each for each in results if each.verdict is not Verdict.UNPROVEN]
            # One at a time, on one lab: there are processors enough
            Campaign(run_folder.new_run(), labs[:1], results.append).run([each.cell for each in unproven])
        yield Catalogue(results, folder, time.monotonic() - began_s)
    finally:
        for lab in labs:
            lab.down()


@pytest.fixture(scope="module")
def own_lab() -> Iterator[Lab]:
    """A lab that no other test holds."""
    with lab_for_a_while() as lab:
        yield lab


@pytest.fixture(scope="module")
def stage(own_lab: Lab) -> Iterator[Stage]:
    with Stage(own_lab) as stage:
        yield stage
