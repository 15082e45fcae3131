"""The example's jobs as a CI service runs them, from a clean clone: its tests, a drill, a matrix in parts, their merge.

They install packages from an index, so they are `long`.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ci_service
from tests.ci_service import Machine, in_lab, pipeline_job
from tests.conftest import free_lab

pytestmark = pytest.mark.long
WITHIN_S = 500


@pytest.fixture(scope="module")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ci_service.clone(tmp_path_factory.mktemp("service") / "faultwire")


@pytest.fixture
def lab() -> Iterator[int]:
    found = free_lab()
    try:
        yield found.number
    finally:
        found.down()


def repository(cloned: Path, place: Path) -> Path:
    """The example, checked out by itself."""
    return Path(shutil.copytree(cloned / "examples" / "orders", place))


def test_the_examples_tests_run_as_its_workflow_says(cloned: Path, tmp_path: Path, lab: int) -> None:
    machine = Machine.new(tmp_path / "machine", repository(cloned, tmp_path / "orders"))
    said = machine.run_steps("tests", images="base", lab=lab, action=cloned, within_s=WITHIN_S)
    ended = dict(re.findall(r"::(test_\w+) (PASSED|FAILED|ERROR)", said))
    assert len(ended) == 4, said
    assert {*ended.values()} == {"PASSED"}, said
    assert (machine.repository / "faultwire-images.tar").stat().st_size > 10 << 20
    # and with the images there: nothing is built
    said = machine.run_steps("tests", images="base", lab=lab, action=cloned, within_s=WITHIN_S)
    assert "images are loaded" in said


def test_a_matrix_in_parts_is_put_together_and_stands_on_the_page_of_the_job(
    cloned: Path, tmp_path: Path, lab: int
) -> None:
    machine = Machine.new(tmp_path / "machine", repository(cloned, tmp_path / "orders"))
    for part in ("1", "2", "3"):
        machine.run_steps("matrix", part=part, lab=lab, action=cloned, within_s=WITHIN_S)
        runs = machine.repository / "runs"
        (newest,) = [each for each in runs.iterdir() if not each.is_symlink()]
        kept = machine.repository / "parts" / f"part-{part}"  # as the artifacts of the jobs are put there
        kept.mkdir(parents=True)
        newest.rename(kept / newest.name)
    machine.run_steps("whole", lab=lab, action=cloned, within_s=WITHIN_S)
    whole = json.loads((machine.repository / "runs" / "whole" / "summary.json").read_text("utf-8"))
    assert {cell["drill"] for cell in whole["cells"]} == {"any-lost-syn", "any-refused"}
    assert whole["run"] == whole["asked"] > 0
    assert "any-lost-syn" in (tmp_path / "machine" / "summary.md").read_text("utf-8")


def test_a_drill_runs_as_the_pipeline_says(cloned: Path, tmp_path: Path, lab: int) -> None:
    machine = Machine.new(tmp_path / "machine", repository(cloned, tmp_path / "orders"))
    script, variables = pipeline_job("tests")
    command = in_lab("faultwire run shop-lost-answer --one-pair", lab)
    own = {**variables, "FAULTWIRE_RUN": command, "FAULTWIRE": str(cloned), "FAULTWIRE_IMAGES": ""}
    said = machine.run("tests", script, {"GITLAB_CI": "true", **ci_service.expanded(own)}, WITHIN_S)
    assert "1 pass of 1" in said
    assert [*machine.repository.glob("runs/*/junit.xml")]
