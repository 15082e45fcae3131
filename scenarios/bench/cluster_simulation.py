"""How long many machines take for very many cells, computed from recorded times, stragglers and lost machines.

    python -m scenarios.bench.cluster_simulation

The head hands out cells as cluster/campaign.py does: one to each lab that is free, the longest first, a lost one once
more. It takes HEAD_S for a cell, and does one after the other. Nothing here is measured but that, and the times.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from typing import Final

from scenarios.lab.valueclass import valueclass

# The 0th, 5th, … 100th percentile of 231 cells of the catalogue, in seconds, on a machine that had other work as well.
RECORDED_S: Final = (
    *(0.49, 0.92, 1.45, 1.73, 2.16, 2.59, 3.09, 3.69, 4.98, 5.31, 5.97),
    *(6.88, 7.73, 8.37, 9.72, 10.58, 12.02, 16.71, 29.97, 45.42, 94.52),
)
HEAD_S: Final = 0.005  # of processor for a cell, in the head or the scheduler, whichever takes more (docs/scale.md)
LABS: Final = 4  # of a machine
SLOW_PART, SLOW_TIMES = 0.02, 3.0  # of the machines, and how much longer a cell takes there
LOST_A_DAY: Final = 0.05  # of the machines
SECONDS_A_DAY: Final = 86_400.0
UNLIKE: Final = 0.2  # how far a cell's time is from that of the last time: a standard deviation, as a part
SEED: Final = 1


@valueclass
class Outcome:
    """What came of it. `ideal_s`: with no head, no slow and no lost machine, and no cell's end waited for."""

    machines: int
    cells: int
    took_s: float
    ideal_s: float
    head_busy: float  # a part of the time
    lost_machines: int
    again: int  # cells that were run once more
    unproven: int  # whose machine was lost twice

    @property
    def efficiency(self) -> float:
        return self.ideal_s / self.took_s


def times_s(count: int, dice: random.Random) -> list[float]:
    """Return times of so many cells, as the recorded ones are distributed, the longest first."""
    steps = len(RECORDED_S) - 1

    def one() -> float:
        whole, part = divmod(dice.random() * steps, 1)
        at = int(whole)
        return RECORDED_S[at] + part * (RECORDED_S[at + 1] - RECORDED_S[at])

    return sorted((one() for _ in range(count)), reverse=True)


def simulate(
    machines: int, cells: int, seed: int = SEED, head_s: float = HEAD_S, lost_a_day: float = LOST_A_DAY
) -> Outcome:
    """Run so many cells on so many machines. Raise ValueError where all machines are lost before the end."""
    dice = random.Random(seed)  # noqa: S311 (no secret)
    waiting = times_s(cells, dice)
    total_s = sum(waiting)
    waiting.reverse()  # the next is at the end
    lost_at_s = [dice.expovariate(lost_a_day / SECONDS_A_DAY) if lost_a_day else float("inf") for _ in range(machines)]
    slow = [dice.random() < SLOW_PART for _ in range(machines)]
    free = [(0.0, number % machines) for number in range(machines * LABS)]  # when, and the machine of the lab
    head_free_s = head_busy_s = done_s = 0.0
    again: list[float] = []  # lost once, and first in the row
    lost_once = unproven = 0
    pending: list[tuple[float, float, bool]] = []  # (when its loss is seen, its time, whether it was lost before)
    while waiting or again or pending:
        if pending and (not free or pending[0][0] <= free[0][0]):
            _, cell_s, before = heapq.heappop(pending)
            if before:
                unproven += 1
            else:
                lost_once += 1
                again.append(cell_s)
            continue
        if not free:
            raise ValueError("every machine was lost")
        if not waiting and not again:
            at_s, machine = free[0]
            heapq.heapreplace(free, (max(at_s, pending[0][0]), machine))
            continue
        at_s, machine = heapq.heappop(free)
        if at_s >= lost_at_s[machine]:
            continue
        began_s = max(at_s, head_free_s)
        head_free_s = began_s + head_s
        head_busy_s += head_s
        is_again = bool(again)
        cell_s = again.pop() if is_again else waiting.pop()
        took_s = cell_s * max(0.1, dice.gauss(1, UNLIKE)) * (SLOW_TIMES if slow[machine] else 1.0)
        ends_s = head_free_s + took_s
        if ends_s > lost_at_s[machine]:
            heapq.heappush(pending, (max(lost_at_s[machine], began_s), cell_s, is_again))
            continue
        done_s = max(done_s, ends_s)
        heapq.heappush(free, (ends_s, machine))
    lost = sum(each < done_s for each in lost_at_s)
    ideal_s = total_s / (machines * LABS)
    return Outcome(machines, cells, done_s, ideal_s, head_busy_s / done_s, lost, lost_once, unproven)


def table(found: Sequence[Outcome]) -> list[str]:
    """The outcomes as a table of Markdown."""
    lines = ["| machines | cells | took | of the ideal | head busy | machines lost | cells again | unproven |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for each in found:
        hours = each.took_s / 3600
        took = f"{hours:,.1f} h" if hours >= 1 else f"{each.took_s / 60:.0f} min"
        lines.append(
            f"| {each.machines:,} | {each.cells:,} | {took} | {each.efficiency:.0%} | {each.head_busy:.0%} | "
            f"{each.lost_machines} | {each.again} | {each.unproven} |"
        )
    return lines


def main() -> None:
    found = [simulate(machines, cells) for cells in (100_000, 1_000_000) for machines in (10, 100, 1_000)]
    for line in table(found):
        print(line)


if __name__ == "__main__":
    main()
