"""What ab prints is read to the letter."""

from __future__ import annotations

import pytest

from scenarios.bench.apache_bench import Measured, parse

PRINTED = """
Complete requests:      1000
Failed requests:        2
   (Connect: 0, Receive: 0, Length: 2, Exceptions: 0)
Non-2xx responses:      1
Requests per second:    2345.67 [#/sec] (mean)

Percentage of the requests served within a certain time (ms)
  50%      3
  66%      4
  99%     17
 100%     21 (longest request)
"""


def test_rates_failures_and_percentiles_are_read() -> None:
    assert parse(PRINTED, "threads") == Measured("threads", 1000, 2, 1, 2345.67, 3, 17, 21)


def test_without_the_line_of_other_answers_there_were_none() -> None:
    assert parse(PRINTED.replace("Non-2xx responses:      1\n", ""), "threads").other_than_2xx == 0


@pytest.mark.parametrize("missing", ["Complete requests", "Failed requests", "Requests per second", "  99%"])
def test_a_line_that_is_missing_is_an_error_that_names_it(missing: str) -> None:
    with pytest.raises(ValueError, match=missing.strip().replace("%", "%")):
        parse("\n".join(line for line in PRINTED.splitlines() if not line.startswith(missing)), "threads")
