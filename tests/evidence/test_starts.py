"""How long a program took to start is what the lab gives its call beyond its time."""

from __future__ import annotations

from dataclasses import replace

from scenarios.evidence.starts import starts_s
from tests.verdict.test_behaviour import DRILL, ONE, call, evidence


def test_the_longest_start_of_a_name_counts_and_none_of_a_program_that_is_warm() -> None:
    seen = evidence(call(started_s=97.5, duration_s=3.0), ONE, silent=True)
    assert starts_s(seen, DRILL) == {"hello": 2.5}
    assert starts_s(replace(seen, calls={"hello": [call(warm=True)]}), DRILL) == {"hello": 0.0}
    assert starts_s(replace(seen, frames={}), DRILL) == {"hello": 0.0}, "nothing of it was captured"
