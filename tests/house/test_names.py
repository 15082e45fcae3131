"""A function's name says the act or the thing: no bare participle, of which one cannot tell who did what."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from scenarios.lab.topology import ROOT

VAGUE: Final = frozenset(
    """
    asked asking began brought called came caught did done drawn found given gone got had heard held kept known learnt
    left made met named played said saying seen shown spoke spoken taken telling told took tried used wanted was
    """.split()
)
PUBLIC: Final = {("scenarios/library/lab.py", "given"), ("scenarios/library/packets.py", "shown")}  # docs/api.md


def functions(tree: ast.Module) -> Iterator[str]:
    """Yield the names of the functions and the methods of a module, but not those inside of a function."""
    for node in tree.body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        yield from (each.name for each in members if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))


def vague(path: Path, root: Path) -> list[str]:
    """Return what is named so in a module, itself included, but for what is public."""
    place = path.relative_to(root).as_posix()
    names = [path.stem, *functions(ast.parse(path.read_text("utf-8")))]
    return [f"{place}: {name}" for name in names if name.lstrip("_") in VAGUE and (place, name) not in PUBLIC]


@pytest.mark.parametrize("part", ["scenarios", "services"])
def test_no_function_and_no_module_has_a_bare_participle_for_a_name(part: str) -> None:
    paths = sorted((ROOT / part).rglob("*.py"))
    assert paths
    found = [each for path in paths for each in vague(path, ROOT)]
    assert not found, f"{found}: what does it do, or what is it? CONTRIBUTING.md"


def test_a_vague_name_is_found_in_a_class_and_at_the_top_and_a_plain_one_is_not(tmp_path: Path) -> None:
    module = tmp_path / "told.py"
    module.write_text("def _said(): ...\ndef describe(): ...\nclass A:\n    def seen(self): ...\n")
    assert vague(module, tmp_path) == ["told.py: told", "told.py: _said", "told.py: seen"]
