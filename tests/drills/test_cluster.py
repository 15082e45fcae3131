"""Two workers with a lab each: the same verdicts as on one machine, and the same evidence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from scenarios.lab.cleanup import labs_in_use
from scenarios.lab.topology import ROOT
from tests.conftest import free_numbers

PROGRAM = """
import sys
from pathlib import Path
from scenarios.cli.main import main
from scenarios.evidence import run_folder
run_folder.RUNS = Path(sys.argv[1])
sys.exit(main(sys.argv[2:]))
"""


def test_two_workers_come_to_the_verdicts_of_one_machine_and_leave_no_lab(tmp_path: Path) -> None:
    """The third drill claims what is not so: evidence that comes home must be able to fail."""
    claims = (ROOT / "scenarios" / "drills" / "lost-syn.yaml").read_text("utf-8")
    wrong = tmp_path / "wrong-syn.yaml"
    wrong.write_text(claims.replace("drill: lost-syn", "drill: wrong-syn").replace("exactly: 2", "exactly: 3"), "utf-8")
    labs = free_numbers(2)
    words = ["run", "lost-syn", "refused-closed-port", str(wrong), "--pair", "le-le", "--cluster", "local:2"]
    environment = {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), *words, "--labs", ",".join(map(str, labs))],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert ran.returncode == 1, ran.stdout + ran.stderr
    folder = tmp_path / "latest"
    cells = json.loads((folder / "summary.json").read_text("utf-8"))["cells"]
    assert {each["drill"]: each["verdict"] for each in cells} == {
        "lost-syn": "pass",
        "refused-closed-port": "pass",
        "wrong-syn": "fail",
    }, ran.stdout
    for each in cells:
        stored = json.loads((folder / each["folder"] / "result.json").read_text("utf-8"))
        assert stored["versions"]["machine"] in ("local-1", "local-2")
        assert (folder / each["folder"] / "fault" / "client-leg.pcapng").stat().st_size > 0
    assert not {*labs} & {*labs_in_use()}
