"""The pytest plugin without a lab: what is collected, what importing it costs, and where there is no engine."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scenarios.lab.topology import ROOT

pytest_plugins = ["pytester"]
PLUGIN = ("-p", "scenarios.library.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:xdist")


def test_importing_it_imports_neither_docker_nor_yaml() -> None:
    program = "import sys; import scenarios.library.pytest_plugin; print(sorted({'docker', 'yaml'} & {*sys.modules}))"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_collecting_tests_of_a_lab_reaches_neither_docker_nor_yaml(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.faultwire(pairs=['le-le', 'be-le'])\ndef test_one(lab): pass")
    pytester.makeconftest(
        "import sys\ndef pytest_collection_finish(): print('there:', sorted({'docker', 'yaml'} & {*sys.modules}))"
    )
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    ran = pytester.run(sys.executable, "-c", program, *PLUGIN, "--collect-only", "-q", "-s")
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
