"""What somebody else has written is shown as it is written: a pattern, a path, what a program printed."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

import scenarios
from scenarios.lab.heartbeat import Voice
from scenarios.lab.markup import escape

PATTERN = r"^read \[258, 65535\]"


@pytest.mark.parametrize(
    "text", [PATTERN, r"\[/red]", "[bold]x", "x\\", r"\\[bold]", "[/]", "a [b", "\\\n[x]", "", ":key:"]
)
def test_foreign_text_is_shown_as_it_is(text: str) -> None:
    written = io.StringIO()
    Voice(file=written, width=200).print(f"[dim]{escape(text)}[/]|{escape(text)}]{escape(text)}")
    assert written.getvalue() == f"{text}|{text}]{text}\n"


def test_what_a_program_says_to_its_terminal_does_not_reach_that_of_whoever_reads_of_it() -> None:
    written = io.StringIO()
    printed = "\x1b[2J\x1b]0;mine\x07\x1b[31mno [route]\x1b[0m"
    Voice(file=written, width=200).print(f"[dim]{escape(printed)}[/]")
    assert written.getvalue() == "no [route]\n"


@given(st.text(alphabet="\\[]/a#@ :\n"), st.text(alphabet="\\[]/a#@ :\n"))
def test_whatever_stands_before_and_behind_it(one: str, other: str) -> None:
    markup = f"[dim]{escape(one)}[/] {escape(other)}{escape(one)}]"
    assert Text.from_markup(markup, emoji=False).plain == f"{one} {other}{one}]"


def test_nobody_uses_the_escape_that_changes_text() -> None:
    program = Path(scenarios.__file__).parent
    used = [path for path in program.rglob("*.py") if re.search(r"rich\.markup\b.*\bescape", path.read_text("utf-8"))]
    assert used == []
