"""What a run leaves for machines: summary.json, JUnit XML, and the exit status."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from scenarios.run import summary
from scenarios.spec.catalogue import chosen_service
from scenarios.spec.cell import Cell
from scenarios.verdict.check import Verdict
from scenarios.verdict.result import Result
from scenarios.verdict.survival import Survival
from tests.report.making import catalogue, offered

SENTENCES = {
    Verdict.PASS: "It holds.",
    Verdict.FAIL: 'outcome: expected "answered" & got <reset>\x00',
    Verdict.UNPROVEN: "hits: expected at least 1, saw 0",
    Verdict.UNSUPPORTED: "this kernel has no sch_tbf",
}


@pytest.fixture(autouse=True)
def no_ci_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs of these tests are made up, and have no place on the page of a CI job that runs them."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def result(run_folder: Path, verdict: Verdict, repeat: int = 1) -> Result:
    drill = catalogue()["lost-syn"]
    cell = Cell(drill, chosen_service(drill, None, offered()), "be-le", repeat=repeat)
    folder = run_folder / drill.drill / "search-selectors" / f"{verdict.value}-{repeat}"
    (folder / "fault").mkdir(parents=True)
    (folder / "fault" / "client-leg.pcapng").write_bytes(b"")
    return Result(cell, verdict, SENTENCES[verdict], [], [], {}, folder, 1.25, broke_off=False)


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ([Verdict.PASS, Verdict.PASS], 0),
        ([Verdict.PASS, Verdict.UNPROVEN, Verdict.FAIL], 1),
        ([Verdict.PASS, Verdict.UNPROVEN], 2),
        ([Verdict.PASS, Verdict.UNSUPPORTED], 2),
        ([], 2),
    ],
)
def test_the_exit_status_says_the_worst(tmp_path: Path, verdicts: list[Verdict], status: int) -> None:
    assert summary.exit_status([result(tmp_path, each, n) for n, each in enumerate(verdicts, 1)]) == status


def test_the_summary_counts_every_verdict_and_names_what_was_not_run(tmp_path: Path) -> None:
    results = [result(tmp_path, verdict) for verdict in Verdict]
    asked = [each.cell for each in results] + [results[0].cell]
    junit = tmp_path / "elsewhere.xml"
    summary.write(tmp_path, results, len(asked), 9.0, junit)
    stored = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert (stored["asked"], stored["run"]) == (5, 4)
    assert stored["verdicts"] == {"pass": 1, "fail": 1, "unproven": 1, "unsupported": 1}
    assert [each["verdict"] for each in stored["cells"]] == [each.value for each in Verdict]
    assert (tmp_path / "junit.xml").read_bytes() == junit.read_bytes()


def test_junit_has_failures_errors_and_skips_apart_and_the_captures_attached(tmp_path: Path) -> None:
    results = [result(tmp_path, verdict) for verdict in Verdict]
    summary.write(tmp_path, results, len(results), 9.0)
    suite = Xml.parse(tmp_path / "junit.xml").getroot().find("testsuite")  # noqa: S314 (our own file)
    assert suite is not None
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    cases = suite.findall("testcase")
    assert [[child.tag for child in case] for case in cases] == [
        ["system-out"],
        ["failure", "system-out"],
        ["error", "system-out"],
        ["skipped", "system-out"],
    ]
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.get("message") == 'outcome: expected "answered" & got <reset>\N{REPLACEMENT CHARACTER}'
    assert "lost-syn/search-selectors/fail-1/fault/client-leg.pcapng" in (cases[1].findtext("system-out") or "")


@pytest.mark.parametrize(("others", "failures"), [("not served: within 3 s", "1"), ("served", "0")])
def test_what_the_matrix_finds_otherwise_than_promised_is_a_failure_in_junit_too(
    tmp_path: Path, others: str, failures: str
) -> None:
    """Its exit status is 1 then: who reads the file must not be told that all went well."""
    as_promised = failures == "0"
    met = Survival("survived", "survived", "survived", True, others, "served", as_promised, "well", "well", True)
    ran = replace(result(tmp_path, Verdict.PASS), survival=met)
    summary.write(tmp_path, [ran], 1, 9.0)
    suite = Xml.parse(tmp_path / "junit.xml").getroot().find("testsuite")  # noqa: S314 (our own file)
    assert suite is not None
    assert suite.get("failures") == failures
    told = suite.find("testcase/failure")
    words = "others meanwhile: not served: within 3 s, promised: served"
    assert (told.get("message") if told is not None else None) == (None if as_promised else words)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (0, "1 of 1 were run; all faults are undone"),
        (1, "1 of 2 were run; all faults are undone; `matrix --resume` runs the rest; not run: lost-syn · "),
    ],
)
def test_a_run_that_is_ended_after_its_last_cell_has_no_rest(tmp_path: Path, more: int, told: str) -> None:
    done = result(tmp_path, Verdict.PASS)
    left = [replace(done.cell, repeat=2 + number) for number in range(more)]
    said = summary.not_run([done], [done.cell, *left], "matrix --resume")
    assert said.startswith(told) if more else said == told
