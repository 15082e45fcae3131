"""What was begun is undone where a later step fails, and stays where none does."""

from __future__ import annotations

import pytest

from scenarios.lab.errors import LabProblem
from scenarios.lab.or_undo import OrUndo


@pytest.mark.parametrize("problem", [LabProblem("no"), KeyboardInterrupt(), SystemExit(1)], ids=lambda each: repr(each))
def test_any_exception_has_it_undone_and_goes_on(problem: BaseException) -> None:
    undone: list[str] = []
    with pytest.raises(type(problem)) as raised, OrUndo(lambda: undone.append("it")):
        raise problem
    assert raised.value is problem
    assert undone == ["it"]


def test_without_one_it_stays() -> None:
    undone: list[str] = []
    with OrUndo(lambda: undone.append("it")):
        pass
    assert undone == []
