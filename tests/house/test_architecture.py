"""docs/architecture.md is true: its picture is the code's, and each file and function that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from scenarios.lab.topology import ROOT
from tests import architecture, rooms_picture

TEXT = architecture.PAGE.read_text("utf-8")
# `scenarios/run/cell.py`, or with what is in it: `scenarios/run/cell.py: run`
NAMED = re.compile(r"`((?:scenarios|images|services|tests)/[\w./-]+\.\w+)(?:: ([\w.]+))?`")


def test_the_picture_is_what_the_code_imports() -> None:
    assert architecture.page(TEXT) == TEXT, "python -m tests.architecture makes it anew"


def test_an_arrow_more_is_seen() -> None:
    imports = architecture.arrows()
    assert "report" not in imports["verdict"]
    wrong = {**imports, "verdict": {*imports["verdict"], "report"}, "report": set[str]()}
    assert architecture.picture(architecture.rooms(), wrong) not in TEXT


def boxes(svg: str) -> dict[str, tuple[float, float, float, float]]:
    """Return each room's box: left, top, right, bottom."""
    drawn = re.findall(
        r'<rect x="([\d.]+)" y="(\d+)" width="(\d+)" height="(\d+)" rx="5"/>\n<text class="name"[^>]*>(\w+)<', svg
    )
    numbers = ((name, *map(float, rest)) for *rest, name in drawn)
    return {name: (left, top, left + width, top + height) for name, left, top, width, height in numbers}


def test_the_drawn_picture_has_each_room_below_those_that_import_it_and_each_arrow_once() -> None:
    at, arrows = boxes(architecture.drawn()), architecture.reduced(architecture.arrows())
    assert set(at) == set(architecture.rooms())
    assert all(at[one][3] < at[other][1] for one, other in arrows)
    lines = re.findall(r'<path d="M([\d.]+) (\d+)C.*?([\d.]+) (\d+)" marker', architecture.drawn())
    ends = {name: ((left + right) / 2, top, bottom) for name, (left, top, right, bottom) in at.items()}
    wanted = [(ends[one][0], ends[one][2], ends[other][0], ends[other][1]) for one, other in arrows]
    assert sorted(tuple(map(float, each)) for each in lines) == sorted(wanted)


def test_an_arrow_over_several_rows_passes_beside_the_rooms_between() -> None:
    svg = architecture.drawn()
    straight = [  # where an arrow passes a row
        (float(x), float(top), float(bottom)) for x, top, bottom in re.findall(r" ([\d.]+) (\d+)V(\d+)", svg)
    ]
    assert straight
    for x, top, bottom in straight:
        crossed = [
            name
            for name, (left, y, right, end) in boxes(svg).items()
            if left <= x <= right and y < bottom and top < end
        ]
        assert not crossed


def test_rows_are_ordered_so_that_no_arrows_cross_where_they_need_not() -> None:
    rows = rooms_picture.rows(["a", "b", "c", "d", "e"], [("a", "b"), ("a", "c"), ("b", "e"), ("c", "d")])
    ways = [*rooms_picture.steps(rows, [("a", "b"), ("a", "c"), ("b", "e"), ("c", "d")])]
    assert rooms_picture.crossings(rows, ways) == 0
    assert rooms_picture.crossings([["a"], ["b", "c"], ["d", "e"]], ways) == 1


def names_in(path: Path) -> set[str]:
    """Return the functions and classes of a module, and the methods of its classes as `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return found


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED.findall(TEXT))))
def test_each_file_that_the_page_names_is_there_with_what_the_page_says_is_in_it(file: str, name: str) -> None:
    path = ROOT / file
    assert path.is_file()
    if name:
        assert name in names_in(path)
