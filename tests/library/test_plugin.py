"""The pytest plugin without a lab: what is collected, what importing it costs, and where there is no engine."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scenarios.lab.topology import ROOT
from tests.library.broken_off import PROGRAM

pytest_plugins = ["pytester"]
PLUGIN = ("-p", "scenarios.library.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:xdist")
AS_A_PROCESS = (*PLUGIN, "-p", "no:hypothesispytest")  # which takes a third of its start


def test_importing_it_imports_neither_docker_nor_yaml() -> None:
    program = "import sys; import scenarios.library.pytest_plugin; print(sorted({'docker', 'yaml'} & {*sys.modules}))"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_collecting_tests_of_a_lab_reaches_neither_docker_nor_yaml(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.faultwire(pairs=['le-le', 'be-le'])\ndef test_one(lab): pass")
    pytester.makeconftest(
        "import sys\ndef pytest_collection_finish(): print('there:', sorted({'docker', 'yaml'} & {*sys.modules}))"
    )
    ran = pytester.run(sys.executable, "-c", PROGRAM, *AS_A_PROCESS, "--collect-only", "-q", "-s")
    ran.stdout.fnmatch_lines(["there: []"])
    ran.stdout.fnmatch_lines(["*test_one?le-le?", "*test_one?be-le?"])


def test_without_an_engine_it_is_skipped_with_the_reason_or_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(lab): pass\ndef test_other(): pass")
    ran = pytester.runpytest_inprocess(*PLUGIN, "-rs")
    ran.assert_outcomes(skipped=1, passed=1)
    ran.stdout.fnmatch_lines(["SKIPPED*faultwire: Docker Engine: *"])
    ran = pytester.runpytest_inprocess(*PLUGIN, "--faultwire-required")
    ran.assert_outcomes(errors=1, passed=1)


def test_a_wrong_word_of_the_mark_is_told_with_the_nearest(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.faultwire(pare='be-le')\ndef test_one(lab): pass")
    ran = pytester.runpytest_inprocess(*PLUGIN)
    assert ran.ret != 0
    assert "unknown word 'pare'; did you mean 'pair'" in ran.stdout.str() + ran.stderr.str()


CONFTEST = """
import pytest
from scenarios.library import faulting, pytest_plugin
from tests.library.without_lab import LabWithoutMachines

@pytest.fixture(scope="session")
def lab(request):
    made = LabWithoutMachines()
    faulting.applied = made.apply
    request.config.stash[pytest_plugin._STATE].lab = made
    return made
"""
LEAVES = """
import pytest
WORDS = dict(from_="client", to="server", may_miss=True)

@pytest.fixture(scope="module")
def for_all(request):
    lab = request.getfixturevalue("lab")
    with lab.fault(mtu=1300, at="client-leg", called="for-all", may_miss=True):
        yield

@pytest.fixture
def for_one(lab):
    with lab.fault(drop="data", called="for-one", **WORDS):
        yield

def test_leaves_one_and_fails(lab, for_all, for_one):
    lab.fault(silence="data", **WORDS).__enter__()
    assert list(lab._session.applied) == ["for-all", "for-one", "silence-1"]
    assert False

def test_innocent(lab, for_all, for_one):
    assert list(lab._session.applied) == ["for-all", "for-one"]

def test_last(lab, for_all):
    assert lab.log[-1] == "for-one is undone"
"""


def test_what_a_test_left_open_is_its_error_and_meets_no_other_test(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(LEAVES)
    ran = pytester.run(sys.executable, "-c", PROGRAM, *AS_A_PROCESS)
    ran.assert_outcomes(failed=1, passed=2, errors=1)
    ran.stdout.fnmatch_lines(["*ERROR at teardown of test_leaves_one_and_fails*"])
    ran.stdout.fnmatch_lines(["*this test left open, and it was undone: the fault silence-1; use `with`"])


HOLDS = """
import pytest

@pytest.fixture(scope="module")
def server(lab):
    session, key = lab._session, object()
    session.servers["server"] = key
    session.blocks.add(key, "the server's program (mine)", lambda: session.servers.clear())

def test_uses_it(lab, server):
    pass

@pytest.mark.faultwire(drills="lost-syn")
def test_asks_for_no_such_fixture(drill):
    drill.run()
"""


def test_a_drill_beside_a_fixture_that_it_did_not_ask_for_is_told_what_can_be_done(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(HOLDS)
    ran = pytester.run(sys.executable, "-c", PROGRAM, *AS_A_PROCESS)
    ran.assert_outcomes(failed=1, passed=1)
    told = (
        "a drill starts its own server, and another one runs on server; a fixture of the scope 'module' holds the "
        "server's program (mine) open, perhaps for an earlier test; give that fixture the scope 'function', or move "
        "this test to another module"
    )
    assert f"UsageError: drill.run: {told}\n" in ran.stdout.str()


def test_a_mark_with_drills_on_a_test_that_runs_none_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.faultwire(drills='lost-syn')\ndef test_one(): pass")
    ran = pytester.runpytest_inprocess(*PLUGIN)
    assert ran.ret != 0
    assert "test_one runs no drill; use the fixture `drill` in it" in ran.stdout.str() + ran.stderr.str()


def test_a_pair_as_text_is_one_pair(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.faultwire(pairs='be-le')\ndef test_one(faultwire_pair): pass")
    ran = pytester.runpytest_inprocess(*PLUGIN, "--collect-only", "-q")
    ran.stdout.fnmatch_lines(["*test_one?be-le?", "*1 test collected*"])
