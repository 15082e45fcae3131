"""The pytest plugin on a lab: one run of a stranger's tests and of docs/pytest.md, and what is told and kept."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import jsonschema
import pytest

from scenarios.lab.cleanup import labs_in_use
from scenarios.lab.topology import ROOT
from tests.conftest import free_lab

pytestmark = pytest.mark.engine
pytest_plugins = ["pytester"]
PAGE = ROOT / "docs" / "pytest.md"
TESTS = """
import pytest

LOST = dict(drop="syn", first=1, from_="client", to="server")
SYN = "tcp.flags.syn == 1 && tcp.flags.ack == 0"


@pytest.mark.faultwire(drills="reset-by-firewall", service="echo/select")
def test_a_drill(drill):
    drill.run()


@pytest.fixture(scope="module")
def server(lab):
    with lab.serve(service="echo/select") as server:
        yield server


def test_a_lost_syn_is_survived(lab, server):
    with lab.recording() as packets, lab.fault(**LOST) as lost:
        call = lab.call(service="echo/select", within_s=20)
    assert lost.hits == 1
    assert call.outcome == "answered"
    packets.on("client-leg").expect(where=SYN, at_least=2)


def test_it_is_refused_and_told_so(lab, server):
    with lab.recording(), lab.fault(refuse="syn", by="tcp-reset", from_="client", to="server"):
        call = lab.call(service="echo/select", within_s=20)
    assert call.outcome == "no such outcome"


def test_the_fault_misses(lab):
    with lab.fault(**LOST):
        pass


@pytest.mark.faultwire(pairs=["be-le"])
def test_from_a_big_endian_machine(lab, server, faultwire_pair):
    assert faultwire_pair == "be-le"
    assert lab.call(service="echo/select", within_s=20).outcome == "answered"
"""
SUMMARY_SCHEMA = json.loads((ROOT / "docs" / "summary.schema.json").read_text("utf-8"))
PROGRAM = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import pytest; sys.exit(pytest.main(sys.argv[1:]))"
WORDS = ("-p", "scenarios.library.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:xdist", "-v")


def test_a_strangers_tests_and_every_block_of_the_page(
    pytester: pytest.Pytester,
    docker_engine: None,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page_of_job = pytester.path / "page-of-the-job.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page_of_job))
    blocks = re.findall(r"```python\n# (test_\w+)\.py\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == PAGE.read_text("utf-8").count("```python")
    pytester.makepyfile(**dict(blocks), test_strangers=TESTS)
    junit = pytester.path / "junit.xml"
    machines = free_lab()
    numbered = f"--faultwire-lab={machines.number}", f"--junit-xml={junit}"
    try:
        ran = pytester.run(sys.executable, "-c", PROGRAM, *WORDS, *numbered)
    finally:
        machines.down()
    told = ran.stdout.str()
    # A stall of the machine makes an error of what would pass or fail; it never makes a pass or a failure.
    ended = dict(re.findall(r"::(test_\w+)\S* (PASSED|FAILED|ERROR)", told))
    for name, right in ENDS.items():
        assert ended.get(name) in (right, "ERROR"), (name, told)
    assert ended["test_the_fault_misses"] == "ERROR"
    assert "PASSED" in ended.values()
    assert "ERROR at proof of test_the_fault_misses" in told
    assert re.search(r"faultwire: recording 1.*\n(.*\n)*?.*SYN.*\n(.*\n)*?.*RST", told), told
    kept = [Path(each) for each in re.findall(r"^(/\S+/runs/\S+)$", told, re.MULTILINE) if "test_it_is_refused" in each]
    assert kept, told
    assert (kept[0] / "fault" / "client-leg.pcapng").is_file()
    assert "RST" in (kept[0] / "index.html").read_text("utf-8")
    assert "<error" in junit.read_text("utf-8")
    stored = json.loads((kept[0].parents[2] / "summary.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(SUMMARY_SCHEMA).validate(stored)
    assert {each["verdict"] for each in stored["cells"]} & {"fail", "unproven"}
    drills = [(each["drill"], each["repeat"]) for each in stored["cells"] if each["drill"] == "reset-by-firewall"]
    assert sorted(drills) == [("reset-by-firewall", 1), ("reset-by-firewall", 2)], "it is in two of the tests"
    assert "could not be stored" not in told
    assert "test\\_it\\_is\\_refused\\_and\\_told\\_so" in page_of_job.read_text("utf-8")


ENDS = {
    "test_a_lost_syn_is_survived": "PASSED",
    "test_it_is_refused_and_told_so": "FAILED",
    "test_the_fault_misses": "ERROR",
    "test_from_a_big_endian_machine": "PASSED",
    "test_a_drill": "PASSED",
    "test_a_lost_syn_is_survived_by_this_process": "PASSED",
    "test_a_client_without_a_timeout_ends": "FAILED",
    "test_a_refused_connection_is_told_with_a_control": "PASSED",
    "test_every_tcp_drill": "PASSED",
    "test_a_host_calls_this_process": "PASSED",
}

ON_TWO_LABS = """
import pathlib

import pytest


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_each(lab, number):
    pathlib.Path(f"lab-of-{number}").write_text(str(lab.number))
    with lab.serve(service="echo/select"):
        assert lab.call(service="echo/select").outcome == "answered"


def test_the_fault_misses(lab):
    with lab.fault(drop="syn", first=1, from_="client", to="server"):
        pass
"""


@pytest.mark.long
def test_of_two_test_processes_each_has_a_lab_of_its_own(pytester: pytest.Pytester, docker_engine: None) -> None:  # noqa: ARG001
    pytester.makepyfile(test_side_by_side=ON_TWO_LABS)
    machines = free_lab()
    words = ("-p", "scenarios.library.pytest_plugin", "-p", "no:cacheprovider", "-n", "2", "-v")
    try:
        ran = pytester.run(sys.executable, "-c", PROGRAM, *words, f"--faultwire-lab={machines.number}")
    finally:
        machines.down()
    told = ran.stdout.str()
    numbers = {int(path.read_text()) for path in pytester.path.glob("lab-of-*")}
    assert len(numbers) == 2, told
    assert machines.number in numbers
    assert "FAILED" not in told
    assert "PASSED" in told
    assert "ERROR at proof of test_the_fault_misses" in told, told
    (other,) = numbers - {machines.number}
    assert other not in labs_in_use(), "a lab that was borrowed is given back"
