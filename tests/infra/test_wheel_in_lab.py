"""A drill run by the wheel, in a lab, from a folder that knows nothing of the clone."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import lab_for_a_while
from tests.installing import Installed


def test_a_drill_of_the_wheel_passes_and_leaves_its_evidence_where_it_was_called(
    wheel: Installed, tmp_path: Path
) -> None:
    with lab_for_a_while(up=False) as lab:
        words = ("run", "lost-syn", "--one-pair", "--lab", str(lab.number))
        ran = wheel.run("faultwire", *words, cwd=tmp_path, within_s=240)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (summary,) = tmp_path.glob("runs/latest/summary.json")
    assert [cell["verdict"] for cell in json.loads(summary.read_text("utf-8"))["cells"]] == ["pass"]
    assert "evidence: runs/" in ran.stdout
    assert "`faultwire report` shows it" in ran.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
