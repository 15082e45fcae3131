"""The simulation of many machines: what it must show in cases that can be reckoned by hand."""

from __future__ import annotations

import random

import pytest

from scenarios.bench.cluster_simulation import LABS, RECORDED_S, simulate, table, times_s


def test_the_times_are_as_the_recorded_ones_and_the_longest_comes_first() -> None:
    times = times_s(10_000, random.Random(1))  # noqa: S311
    assert times == sorted(times, reverse=True)
    assert RECORDED_S[0] <= times[-1] <= times[0] <= RECORDED_S[-1]
    assert times[5_000] == pytest.approx(RECORDED_S[10], rel=0.1)


def test_without_loss_every_cell_is_run_once_and_the_head_takes_its_time_for_each() -> None:
    found = simulate(10, 2_000, head_s=0.001, lost_a_day=0)
    assert (found.lost_machines, found.again, found.unproven) == (0, 0, 0)
    assert found.head_busy * found.took_s == pytest.approx(2_000 * 0.001)
    assert found.took_s >= found.ideal_s * 0.9


def test_a_head_that_is_slower_than_its_labs_bounds_the_run() -> None:
    found = simulate(1_000, 20_000, head_s=0.05, lost_a_day=0)
    assert found.took_s >= 20_000 * 0.05
    assert found.head_busy > 0.8


def test_cells_of_lost_machines_are_run_once_more_and_the_same_seed_loses_the_same() -> None:
    found = simulate(100, 20_000, lost_a_day=20)
    assert 0 < found.again <= found.lost_machines * LABS
    assert found.unproven < found.again
    assert simulate(100, 20_000, lost_a_day=20) == found
    assert simulate(100, 20_000, 2, lost_a_day=20) != found


def test_when_every_machine_is_lost_it_says_so() -> None:
    with pytest.raises(ValueError, match="every machine was lost"):
        simulate(2, 10_000, lost_a_day=5_000)


def test_the_table_has_a_line_for_each() -> None:
    assert table([simulate(10, 500)])[2].startswith("| 10 | 500 | ")
