"""action.yml, ci/gitlab.yml and the example's CI: each step can be read, and the two services are given the same."""

from __future__ import annotations

import re

import pytest
import yaml

from scenarios.lab.topology import ROOT
from scenarios.spec.catalogue import drills
from scenarios.spec.project import nearest
from scenarios.spec.service import SERVICES, services
from scenarios.version import VERSION
from tests import ci_service
from tests.ci_service import pipeline_job, workflow_steps

CONTEXT = {"matrix.part": "2", "steps.images.outputs.key": "a-key"}


def test_each_job_of_the_workflow_ends_with_its_own_command() -> None:
    jobs = yaml.safe_load(ci_service.WORKFLOW.read_text("utf-8"))["jobs"]
    last = {job: [*workflow_steps(job, CONTEXT, "all")][-1] for job in jobs}
    assert {job: step.environment for job, step in last.items()} == {
        "tests": {"FAULTWIRE_RUN": "pytest --faultwire-required"},
        "matrix": {"FAULTWIRE_RUN": "faultwire matrix --service shop --shard 2/3"},
        "whole": {"FAULTWIRE_RUN": "faultwire merge parts/*/* --out runs/whole"},
    }
    assert {step.script for step in last.values()} == {'bash -euo pipefail -c "$FAULTWIRE_RUN"'}


def test_the_pipeline_runs_what_the_workflow_does() -> None:
    of_action = [step.script.strip() for step in workflow_steps("tests", CONTEXT, "all")]
    script, variables = pipeline_job("tests")
    assert variables["FAULTWIRE_RUN"] == "pytest --faultwire-required"
    for command in (
        "faultwire doctor || true",
        'bash -euo pipefail -c "$FAULTWIRE_RUN"',
        of_action[0],
    ):
        assert command in of_action
        assert command in script
    images = "faultwire images\n faultwire bundle faultwire-images.tar $(printf -- '--image %s ' $FAULTWIRE_IMAGES)"
    for text in (script, *[each for each in of_action if "faultwire bundle" in each]):
        assert images in re.sub(r"\n +", "\n ", text).replace("\nfaultwire bundle", "\n faultwire bundle")
    _, of_matrix = pipeline_job("matrix")
    filled = ci_service.expanded({**of_matrix, "CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "3"})
    assert filled["FAULTWIRE_RUN"] == 'faultwire matrix --service "shop" --shard "2/3"'
    _, of_whole = pipeline_job("whole")
    assert (of_whole["FAULTWIRE_RUN"], of_whole["FAULTWIRE_IMAGES"]) == (
        "faultwire merge runs/20* --out runs/whole",
        "",
    )


def test_without_images_to_keep_no_step_is_about_them() -> None:
    names = [step.name for step in workflow_steps("tests", CONTEXT, "")]
    assert names == ["run", "Install Faultwire", "Say what this machine has", "Run"]


def test_an_input_that_the_action_lacks_and_an_unknown_expression_are_refused() -> None:
    with pytest.raises(AssertionError, match="no input"):
        [*ci_service.action_steps({"run": "x", "image": "all"}, CONTEXT)]
    with pytest.raises(KeyError):
        ci_service.filled("${{ secrets.x }}", CONTEXT)


def test_the_examples_own_service_and_drill_are_right() -> None:
    project = nearest(ci_service.EXAMPLE / "tests")
    assert project is not None
    known = services(SERVICES, *project.services)
    assert known.wrong == {}
    assert {*drills(*project.drills, known=known)} == {"shop-lost-answer"}


def test_the_example_wants_this_version_and_names_it() -> None:
    major = VERSION.partition(".")[0]
    text = (ci_service.EXAMPLE / "pyproject.toml").read_text("utf-8")
    assert f'"faultwire>={major},<{int(major) + 1}"' in text
    assert f"faultwire-{VERSION}-py3-none-any.whl" in (ci_service.EXAMPLE / "README.md").read_text("utf-8")
    assert f"@v{major}" in ci_service.OURS
    assert (ROOT / "docs" / "ci.md").read_text("utf-8").count(ci_service.OURS) >= 1
