"""A drill run by the wheel, in a lab, from a folder that knows nothing of the clone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scenarios.lab.topology import ROOT
from tests.conftest import lab_for_a_while
from tests.installing import Installed, installed, shared_folder


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


@pytest.fixture(scope="session")
def with_pytest(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """An environment with the wheel and pytest, as docs/pytest.md has its reader make it."""
    made = installed(shared_folder(tmp_path_factory), "faultwire-and-pytest")
    made.add("pytest")
    return made


def test_a_stranger_sees_the_first_two_tests_of_the_page_one_green_and_one_red(
    with_pytest: Installed, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "pytest.md").read_text("utf-8")
    for name in ("test_page_first", "test_page_red"):
        (block,) = re.findall(rf"```python\n# {name}\.py\n(.*?)```", page, re.DOTALL)
        (tmp_path / f"{name}.py").write_text(block, "utf-8")
    with lab_for_a_while(up=False) as lab:
        words = (f"--faultwire-lab={lab.number}", "-v", "-p", "no:cacheprovider")
        argv = ("python", "-m", "pytest", *words)
        ran = with_pytest.run(*argv, cwd=tmp_path, within_s=240)
    ended = dict(re.findall(r"::(test_\w+) (PASSED|FAILED|ERROR)", ran.stdout))
    # an error is of a machine that stood still
    assert ended.get("test_a_lost_syn_is_survived_by_this_process") in ("PASSED", "ERROR"), ran.stdout + ran.stderr
    assert ended.get("test_a_client_without_a_timeout_ends") in ("FAILED", "ERROR"), ran.stdout
    assert "ERROR" in ended.values() or "assert 'hung' != 'hung'" in ran.stdout, ran.stdout
    assert re.search(r"faultwire: recording 1.*\n(.*\n)*?.*SYN ACK.*\n(.*\n)*?.*╳", ran.stdout), ran.stdout
    kept = [*(tmp_path / "runs" / (tmp_path / "runs" / "latest").readlink()).glob("*/test/le-le")]
    assert kept
    for each in kept:
        assert (each / "fault" / "client-leg.pcapng").is_file()
        assert str(each) in ran.stdout
