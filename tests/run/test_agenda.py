"""Which cell a lab runs next: every cell once, a lab with its drill, and long and short ones beside each other."""

from __future__ import annotations

import random
import threading
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.run.agenda import Balanced, InOrder
from scenarios.spec.cell import Cell
from tests.run.faking import cells

(ONE,) = cells(1)


def of_drill(name: str, count: int) -> list[Cell]:
    drill = replace(ONE.drill, drill=name)
    return [replace(ONE, drill=drill, repeat=number) for number in range(1, count + 1)]


def took_s(**each_s: float) -> dict[str, float]:
    return {cell.title: seconds for name, seconds in each_s.items() for cell in of_drill(name, 20)}


@settings(max_examples=50)
@given(st.lists(st.integers(1, 5), max_size=6), st.integers(1, 8), st.randoms(use_true_random=False))
def test_every_cell_is_run_once(counts: list[int], labs: int, chance: random.Random) -> None:
    asked = [cell for number, count in enumerate(counts) for cell in of_drill(f"drill-{number}", count)]
    known = {cell.title: chance.choice([0.0, 1.5, 20.0]) for cell in asked if chance.random() < 0.5}
    for agenda in (InOrder(asked), Balanced(asked, known)):
        given_out = []
        while agenda:
            given_out.append(agenda.next_of(chance.randrange(labs)))
        assert agenda.next_of(0) is None
        assert sorted(map(id, given_out)) == sorted(map(id, asked))


def test_cells_are_given_in_their_order_where_that_is_wanted() -> None:
    asked = [*of_drill("b", 2), *of_drill("a", 2)]
    agenda = InOrder(asked)
    assert [agenda.next_of(lab) for lab in (1, 2, 1, 2, 1)] == [*asked, None]


def test_a_lab_stays_with_its_drill_and_then_helps_with_what_has_most_left() -> None:
    one, other = of_drill("one", 3), of_drill("other", 6)
    agenda = Balanced([*one, *other], took_s(one=2, other=2))
    assert agenda.next_of(1) == one[0]
    assert [agenda.next_of(2) for _ in range(2)] == other[:2]
    assert [agenda.next_of(1) for _ in range(2)] == one[1:]
    assert agenda.next_of(1) == other[2]
    assert agenda.next_of(2) == other[3]


def test_long_cells_begin_first_and_short_ones_beside_them() -> None:
    asked = [cell for name in ("a", "b", "c", "d", "e", "f") for cell in of_drill(name, 4)]
    agenda = Balanced(asked, took_s(a=1, b=20, c=2, d=15, e=1.2, f=10))
    begun = [cell.drill.drill for lab in range(6) if (cell := agenda.next_of(lab))]
    assert begun == ["b", "a", "d", "f", "c", "e"]  # after the shortest, two long ones until it is made up for


def test_a_drill_of_which_nothing_is_known_is_an_ordinary_one() -> None:
    agenda = Balanced([*of_drill("new", 2), *of_drill("long", 2), *of_drill("short", 2)], took_s(long=20, short=1))
    begun = [cell.drill.drill for lab in range(3) if (cell := agenda.next_of(lab))]
    assert begun == ["long", "short", "new"]
    unknown = [*of_drill("x", 1), *of_drill("y", 1), *of_drill("z", 1)]
    agenda = Balanced(unknown, {})
    assert [agenda.next_of(lab) for lab in range(3)] == unknown


def test_labs_in_threads_of_their_own_get_each_cell_once() -> None:
    asked = [cell for number in range(20) for cell in of_drill(f"drill-{number}", 20)]
    agenda, got = Balanced(asked, {}), []

    def work(lab: int) -> None:
        while cell := agenda.next_of(lab):
            got.append(cell)

    threads = [threading.Thread(target=work, args=[lab]) for lab in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(map(id, got)) == sorted(map(id, asked))
