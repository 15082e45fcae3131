"""The catalogue, run once for all tests of this folder: every drill, from a little- and from a big-endian client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scenarios.evidence import run_folder
from scenarios.lab.cleanup import labs_in_use
from scenarios.lab.lab import Lab
from scenarios.run.campaign import Campaign
from scenarios.run.session import Stage
from scenarios.spec.catalogue import chosen_service, drills
from scenarios.spec.cell import Cell
from scenarios.spec.pairs import DEFAULT_PAIRS
from scenarios.spec.service import services
from scenarios.verdict.result import Result
from tests.conftest import TEST_LABS, lab_for_a_while

LABS = 2  # side by side: a drill mostly waits; and each other test process has a lab of its own


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What running it came to, and where the evidence is."""

    results: list[Result]
    folder: Path
    took_s: float


@pytest.fixture(scope="session")
def catalogue() -> Iterator[Catalogue]:
    """Every drill that there is, with its own service."""
    known = services()
    taken = labs_in_use()
    labs = [Lab(number) for number in TEST_LABS if number not in taken][:LABS]
    cells = [
        Cell(drill, chosen_service(drill, None, known), pair) for drill in drills().values() for pair in DEFAULT_PAIRS
    ]
    folder = run_folder.new_run()
    began_s = time.monotonic()
    results: list[Result] = []  # with their evidence, which a campaign does not keep
    try:
        Campaign(folder, labs, results.append).run(cells)
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
