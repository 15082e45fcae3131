"""docs/architecture.md is true: its picture is the code's, and each file and function that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from scenarios.lab.topology import ROOT
from tests import architecture

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
