"""The verdict follows from the checks, and each way in which it can go wrong is shown."""

from __future__ import annotations

import pytest

from scenarios.verdict.check import Check, Verdict, check, combine, proof

GOOD = check("a rule", 1, 1)
BAD = check("a rule", 1, 2)
BLIND = proof("the capture", "0 dropped", "3 dropped", proven=False)
UNTRIED = Check("the kernel", "sch_netem", "absent", Verdict.UNSUPPORTED)


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [
        ([GOOD], Verdict.PASS),
        ([GOOD, BAD], Verdict.FAIL),
        ([GOOD, BLIND], Verdict.UNPROVEN),
        ([BAD, BLIND], Verdict.UNPROVEN),
        ([GOOD, UNTRIED, BLIND], Verdict.UNSUPPORTED),
        ([], Verdict.UNPROVEN),
    ],
)
def test_what_the_evidence_does_not_carry_is_neither_a_pass_nor_a_fail(checks: list[Check], verdict: Verdict) -> None:
    assert combine(checks) is verdict


def test_only_a_pass_has_exit_status_zero() -> None:
    assert {verdict: verdict.exit_status for verdict in Verdict} == {
        Verdict.PASS: 0,
        Verdict.FAIL: 1,
        Verdict.UNPROVEN: 2,
        Verdict.UNSUPPORTED: 2,
    }


def test_a_check_keeps_what_was_expected_what_was_seen_and_the_frames() -> None:
    failed = check("bytes", b"ab", b"ac", {"client-leg": [4]})
    assert (failed.expected, failed.seen, failed.frames) == ("b'ab'", "b'ac'", {"client-leg": [4]})


def test_a_check_says_what_was_expected_only_where_there_is_something_to_compare() -> None:
    compared = Check("outcome of hello", "answered", "hung", Verdict.FAIL)
    assert compared.sentence == "outcome of hello: expected answered, saw hung"
    broken = proof("the script did not finish", "", "a call did not end", proven=False)
    assert broken.sentence == "the script did not finish: a call did not end"
