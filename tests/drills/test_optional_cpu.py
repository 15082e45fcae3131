"""A CPU that is a line of the table more: its hosts are in a lab, and it takes part as either end of a pair."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scenarios.lab.lab import Lab
from scenarios.lab.topology import OPTIONAL_IMAGES, topology
from scenarios.run.cell import run
from scenarios.run.session import Stage
from scenarios.spec.catalogue import chosen_service, drills
from scenarios.spec.cell import Cell
from scenarios.spec.pairs import EVERY_PAIR, USUAL_PAIRS, profiles
from scenarios.verdict.check import Verdict
from tests.conftest import free_lab

OPTIONAL = [pair for pair in EVERY_PAIR if pair not in USUAL_PAIRS]


def missing() -> str:
    """Why nothing can run here; "": it can."""
    for image in OPTIONAL_IMAGES & {*topology().machines.values()}:
        asked = subprocess.run(["docker", "image", "inspect", image], capture_output=True, timeout=60, check=False)
        if asked.returncode:
            return f"no image {image}: make images CPU={image.partition('-')[2]}"
    return ""


def test_a_drill_passes_with_the_optional_cpu_at_either_end(tmp_path: Path) -> None:
    if reason := missing():
        pytest.skip(reason)
    lab: Lab = free_lab(*profiles(OPTIONAL))
    drill = drills()["lost-syn"]
    try:
        lab.up()
        with Stage(lab) as stage:
            results = [run(stage, Cell(drill, chosen_service(drill, None), pair), tmp_path / pair) for pair in OPTIONAL]
    finally:
        lab.down()
    assert [
        (result.cell.pair, result.verdict, result.sentence) for result in results if result.verdict is not Verdict.PASS
    ] == []
    assert results[0].machines["client"]["said"] == "big-endian, 32 bits, m68k"
