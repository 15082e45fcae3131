"""docs/grading.md names what is open in the marks of a class, as the code has it."""

from __future__ import annotations

import re

import pytest

from scenarios.lab.topology import ROOT
from scenarios.verdict.behaviour import DONE
from scenarios.verdict.not_ended import NOT_DONE, NOT_ENDED, SENDING, TRYING

PAGE = (ROOT / "docs" / "grading.md").read_text(encoding="utf-8")
OPEN = PAGE[PAGE.index("What is not clear is") : PAGE.index("A drill that you name")]


@pytest.mark.parametrize("kind", [TRYING, SENDING, NOT_DONE, NOT_ENDED, DONE])
def test_it_names_each_word_that_is_open_in_the_marks_of_a_class(kind: str) -> None:
    words = [" ".join(word.split()) for word in re.findall(r"`([^`]+)`", OPEN)]
    of_kind = "answered, not ended" if kind == NOT_ENDED else kind
    assert [word for word in words if word.startswith(of_kind)], (kind, words)
