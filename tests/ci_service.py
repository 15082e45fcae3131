"""A CI service as small as can be: the jobs of a workflow (with this repository's action) and of a GitLab pipeline, as
the shell scripts and the environment that the service would give them. What it does not know, it refuses.
"""

from __future__ import annotations

import os
import re
import subprocess
import venv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from scenarios.lab.topology import ROOT
from tests import processes

ACTION: Final = ROOT / "action.yml"
TEMPLATE: Final = ROOT / "ci" / "gitlab.yml"
EXAMPLE: Final = ROOT / "examples" / "orders"
WORKFLOW: Final = EXAMPLE / ".github" / "workflows" / "faultwire.yml"
PIPELINE: Final = EXAMPLE / ".gitlab-ci.yml"
OURS: Final = "OWNER/faultwire@v1"
# What others provide, and what stands in its place here: nothing, for the clone and the environment are there.
OF_OTHERS: Final = (
    *("actions/checkout@v4", "actions/setup-python@v5", "actions/cache@v4"),
    *("actions/upload-artifact@v4", "actions/download-artifact@v4"),
)
EXPRESSION: Final = re.compile(r"\$\{\{ *([\w.]+) *\}\}")
SHELL: Final = ("bash", "--noprofile", "--norc", "-eo", "pipefail")  # as both services start it


@dataclass(frozen=True, slots=True)
class Step:
    """A step with commands, and what stands in its environment."""

    name: str
    script: str
    environment: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""  # under which its outputs are known


def filled(text: Any, context: Mapping[str, str]) -> str:
    """Return a text of a workflow with its expressions filled in. Raise KeyError for one that is not known."""
    return EXPRESSION.sub(lambda found: context[found[1]], str(text))


def _holds(condition: str | None, context: Mapping[str, str]) -> bool:
    if condition in (None, "always()"):
        return True
    name, _, value = str(condition).partition(" != ")
    return context[name] != value.strip("'")


def action_steps(inputs: Mapping[str, Any], context: Mapping[str, str]) -> Iterator[Step]:
    """Yield the steps of our action that have commands; a later one may use the outputs of an earlier one."""
    action = yaml.safe_load(ACTION.read_text("utf-8"))
    wrong = {*inputs} - {*action["inputs"]}
    assert not wrong, f"the action has no input {wrong}"
    given = {f"inputs.{name}": str(inputs.get(name, each.get("default"))) for name, each in action["inputs"].items()}
    missing = [name for name, each in action["inputs"].items() if each.get("required") and name not in inputs]
    assert not missing, f"the action wants {missing}"
    for step in action["runs"]["steps"]:
        known = {**context, **given}
        if not _holds(step.get("if"), known):
            continue
        if "uses" in step:
            assert step["uses"] in OF_OTHERS, step
            continue
        assert step["shell"] == "bash", step
        environment = {name: filled(value, known) for name, value in step.get("env", {}).items()}
        yield Step(step["name"], step["run"], environment, step.get("id", ""))


def workflow_steps(job: str, context: Mapping[str, str], images: str = "") -> Iterator[Step]:
    """Yield the steps with commands of a job of the example's workflow. `images`: which the action keeps, at most."""
    for step in yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"][job]["steps"]:
        if "run" in step:
            yield Step("run", filled(step["run"], context))
        elif step["uses"] == OURS:
            inputs = {name: filled(value, context) for name, value in step["with"].items()}
            yield from action_steps({"images": images, **inputs}, context)
        else:
            assert step["uses"] in OF_OTHERS, step


class _Loader(yaml.SafeLoader):
    """YAML with GitLab's tag `!reference [job, key]`."""


def _reference(loader: yaml.SafeLoader, node: yaml.Node) -> tuple[str, ...]:
    assert isinstance(node, yaml.SequenceNode)
    return ("reference", *loader.construct_sequence(node))


_Loader.add_constructor("!reference", _reference)


def pipeline_job(name: str) -> tuple[str, dict[str, str]]:
    """Return the script of a job of the example's pipeline, and its variables."""
    template = yaml.load(TEMPLATE.read_text("utf-8"), _Loader)  # noqa: S506 (a safe loader, with one tag more)
    jobs = {**template, **yaml.load(PIPELINE.read_text("utf-8"), _Loader)}  # noqa: S506

    def whole(job: str) -> dict[str, Any]:
        own = jobs[job]
        base = whole(own["extends"]) if "extends" in own else {}
        return {**base, **own, "variables": {**base.get("variables", {}), **own.get("variables", {})}}

    def lines(written: Any) -> Iterator[str]:
        for each in written:
            if isinstance(each, tuple):
                yield from lines(whole(each[1])[each[2]])
            else:
                yield each

    job = whole(name)
    script = "\n".join([*lines(job["before_script"]), *lines(job["script"])])
    return script, {**template["variables"], **job["variables"]}


def expanded(variables: Mapping[str, str]) -> dict[str, str]:
    """Return variables with those in them filled in, as GitLab does; one that is not there is empty."""
    found = dict(variables)
    for _ in variables:
        found = {name: _expanded(value, found) for name, value in found.items()}
    return found


def _expanded(text: str, known: Mapping[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda each: known.get(each[1], ""), text)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine of the service: a folder with the checked-out repository, and a Python of its own."""

    place: Path
    repository: Path

    @classmethod
    def new(cls, place: Path, repository: Path) -> Machine:
        place.mkdir()
        venv.create(place / "python", with_pip=True)
        return cls(place, repository)

    def run(self, name: str, script: str, variables: Mapping[str, str], within_s: float) -> str:
        """Run a script as the service does; what it printed. Raise AssertionError with that when it fails."""
        own = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL", "PYTEST"))
        }
        own["PATH"] = f"{self.place / 'python' / 'bin'}{os.pathsep}{own['PATH']}"
        file = self.place / "script.sh"
        file.write_text(script, "utf-8")
        env = {**own, "CI": "true", **variables}
        ran = processes.run([*SHELL, str(file)], within_s=within_s, cwd=self.repository, env=env)
        assert ran.returncode == 0, f"{name}: exit status {ran.returncode}\n{ran.stdout}"
        return ran.stdout

    def run_steps(self, job: str, *, part: str = "", images: str = "", lab: int, action: Path, within_s: float) -> str:
        """Run a job of the workflow; what its steps printed. `lab` is the one that its commands take."""
        output = self.place / "output"
        output.touch()
        context = {"matrix.part": part}
        variables = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(action),
            "GITHUB_WORKSPACE": str(self.repository),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.place / "summary.md"),
            "RUNNER_TEMP": str(self.place),
            "PYTEST_ADDOPTS": f"--faultwire-lab={lab} -p no:cacheprovider -v",
        }
        printed = []
        for step in workflow_steps(job, context, images):
            own = {name: in_lab(value, lab) for name, value in step.environment.items()}
            printed.append(self.run(step.name, step.script, {**variables, **own}, within_s))
            for line in output.read_text("utf-8").splitlines():
                name, _, value = line.partition("=")
                context[f"steps.{step.identity}.outputs.{name}"] = value
        return "\n".join(printed)


def in_lab(command: str, lab: int) -> str:
    """Return a command of a job for this lab, and a matrix with two drills: nobody else's lab is taken, or for long."""
    command = re.sub(r"^faultwire matrix ", "faultwire matrix any-lost-syn any-refused ", command)
    return re.sub(r"^(faultwire (?:matrix|run) .*)", rf"\1 --lab {lab}", command)


def clone(into: Path) -> Path:
    """Clone what is committed here, as a service checks it out."""
    argv = ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(into)]
    subprocess.run(argv, check=True, timeout=120)
    return into
