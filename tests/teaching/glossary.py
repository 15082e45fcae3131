"""The second table of docs/glossary.md, made from the words that lessons explain.

    python -m tests.teaching.glossary        # writes it anew

A test compares the page with what this makes (tests/teaching/test_lessons.py).
"""

from __future__ import annotations

from typing import Final

from scenarios.lab.topology import ROOT
from scenarios.teaching.lesson import terms
from tests.made_part import with_part

PAGE: Final = ROOT / "docs" / "glossary.md"


def table() -> str:
    """Return the table of the words, as Markdown."""
    rows = [f"| {word} | {meaning} |" for word, meaning in sorted(terms().items(), key=lambda each: each[0].lower())]
    return "\n".join(["| word | what it is |", "|---|---|", *rows]) + "\n"


def page(text: str) -> str:
    """Return the text of the page with the table made anew."""
    return with_part(text, "tests.teaching.glossary", table())


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
