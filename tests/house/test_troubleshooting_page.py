"""docs/troubleshooting.md quotes what is printed: each of its messages stands in a string of the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIRST_CELLS = re.findall(r"^\| (`[^|]+?) \|", (ROOT / "docs" / "troubleshooting.md").read_text("utf-8"), re.MULTILINE)
QUOTED = [message for cell in FIRST_CELLS for message in re.findall(r"`([^`]+)`", cell)]


def _strings(path: Path) -> Iterator[str]:
    """The strings of a module that are used: docstrings and comments are not printed."""
    nodes = [*ast.walk(ast.parse(path.read_text("utf-8")))]
    unused = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in unused:
            yield node.value


@pytest.fixture(scope="module")
def printed() -> str:
    """Every string of the code, and the whole of the set-up's script."""
    strings = [each for path in (ROOT / "scenarios").rglob("*.py") for each in _strings(path)]
    return "\n".join([*strings, (ROOT / "scenarios" / "setup.sh").read_text("utf-8")])


@pytest.mark.parametrize("message", QUOTED)
def test_a_message_that_is_quoted_is_one_that_is_printed(message: str, printed: str) -> None:
    assert message in printed


def test_the_page_quotes_messages() -> None:
    assert len(QUOTED) >= 10
