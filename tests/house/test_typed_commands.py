"""What a message says that one may type: its verb, its flags and its variables exist, in a clone and of a wheel."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.cli.gallery import GALLERY
from scenarios.cli.grade import GRADE
from scenarios.cli.main import OF_MAKERS, offered, parser
from scenarios.cli.matrix import MATRIX
from scenarios.lab.places import CODE, OF_MAKE, ROOT

MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
RECIPES = dict(re.findall(r"^([a-z][a-z-]*):.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE))
# A verb that is no constant, and what it may be.
NAMED = {"self.name": [MATRIX.name, GALLERY.name, GRADE.name], "name": [MATRIX.name, GALLERY.name, GRADE.name]}
FLAG, VARIABLE = re.compile(r"(?<!\S)--[a-z][a-z-]*"), re.compile(r"\b([A-Z_]{2,})=")
Advice = tuple[str, str, str, str]  # where it is said; the verb; what follows it in a clone, and of a wheel


def said(node: ast.expr | None) -> str:
    """The words of a string, with a 1 for whatever is not a constant."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(said(each) if isinstance(each, ast.Constant) else "1" for each in node.values)
    return ""


def advice_of(path: Path) -> Iterator[Advice]:
    """Each command that a module has somebody type."""
    text = path.read_text("utf-8")
    if "typed" not in text:  # no tree is made of it: each test process collects this file
        return
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, (ast.Name, ast.Attribute)):
            continue
        if ast.unparse(node.func) not in ("typed", "places.typed"):
            continue
        verb, *words = node.args
        verbs = [str(verb.value)] if isinstance(verb, ast.Constant) else NAMED[ast.unparse(verb)]
        make, of_wheel = (said(words[at]) if len(words) > at else "" for at in range(2))
        where = f"{path.name}:{node.lineno}"
        yield from ((where, each, make, of_wheel) for each in verbs)


def problems_of(verb: str, make: str, words: str) -> Iterator[str]:
    """What of a command does not exist."""
    target = OF_MAKE.get(verb, verb)
    if target not in RECIPES:
        yield f"make {target}"
    yield from (f"make {target} {each}=" for each in VARIABLE.findall(make) if f"$({each})" not in RECIPES[target])
    if verb not in offered() or verb in OF_MAKERS:
        yield f"faultwire {verb}"
        return
    helped = parser(verb)._subparsers
    assert helped is not None
    options = helped._group_actions[0].choices[verb]._option_string_actions  # type: ignore[index]
    yield from (f"faultwire {verb} {each}" for each in FLAG.findall(words) if each not in options)


ADVICE = [each for path in sorted(CODE.rglob("*.py")) if path.name != "places.py" for each in advice_of(path)]


def test_the_commands_of_messages_are_read() -> None:
    assert len(ADVICE) > 40
    assert {"run", "matrix", "gallery", "grade"} <= {verb for _, verb, _, _ in ADVICE}
    assert sum("--" in words for *_, words in ADVICE) > 10


@pytest.mark.parametrize(("where", "verb", "make", "words"), ADVICE)
def test_a_command_of_a_message_exists_in_a_clone_and_of_a_wheel(where: str, verb: str, make: str, words: str) -> None:
    assert [*problems_of(verb, make, words)] == [], where


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("drill", "", ""), ["faultwire drill"]),
        (("storm", "", ""), ["faultwire storm"]),
        (("nothing", "", ""), ["make nothing", "faultwire nothing"]),
        (("run", "NAEM=1", "--naem 1"), ["make drill NAEM=", "faultwire run --naem"]),
    ],
)
def test_a_command_that_does_not_exist_is_found(command: tuple[str, str, str], told: list[str]) -> None:
    assert [*problems_of(*command)] == told
