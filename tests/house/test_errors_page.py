"""docs/errors.md says what is true: of Python's classes, and of the drills that it names."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.report.making import catalogue as drills

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
ERRNO = re.compile(r"\bE[A-Z]{3,}\b")
SAME = {"EWOULDBLOCK": "EAGAIN", "ENOTSUP": "EOPNOTSUPP"}  # on Linux


def _rows(heading: str) -> list[list[str]]:
    """The cells of each row of the table below a heading."""
    part = PAGE.read_text("utf-8").partition(f"## {heading}")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
    return rows[2:]


BY_ERRNO = {row[0]: row for row in _rows("What stands behind each")}
NAMED = [
    (heading, drill)
    for heading in ("What stands behind each", "Names that are not found", "Where no error comes")
    for row in _rows(heading)
    for drill in row[-1].split(", ")
    if drill
]


@pytest.mark.parametrize("name", BY_ERRNO)
def test_the_class_is_the_one_that_python_raises(name: str) -> None:
    assert type(OSError(getattr(errno, name), "")).__name__ == BY_ERRNO[name][1]


def test_numbers_that_are_said_to_be_the_same_are() -> None:
    for one, other in SAME.items():
        assert getattr(errno, one) == getattr(errno, other)
        assert one in BY_ERRNO[other][2]


def test_every_drill_that_is_named_is_in_the_catalogue() -> None:
    assert NAMED
    assert not [drill for _, drill in NAMED if drill not in drills()]


@pytest.mark.parametrize(("name", "of"), [(row[0], row[3].split(", ")) for row in BY_ERRNO.values() if row[3]])
def test_a_drill_that_is_named_beside_an_errno_speaks_of_it(name: str, of: Sequence[str]) -> None:
    for drill in of:
        spoken_of = {SAME.get(each, each) for each in ERRNO.findall(drills()[drill].text)}
        assert name in spoken_of, drill


def test_every_errno_of_the_catalogue_has_its_row() -> None:
    spoken_of = {SAME.get(each, each) for drill in drills().values() for each in ERRNO.findall(drill.text)}
    known = {each for each in spoken_of if hasattr(errno, each)}
    assert known - set(BY_ERRNO) == set()
    assert {name for name in known if not BY_ERRNO[name][3]} == set()
