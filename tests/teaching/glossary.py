"""The second table of docs/glossary.md, made from the words that lessons explain.

    python -m tests.teaching.glossary        # writes it anew

A test compares the page with what this makes (tests/teaching/test_lessons.py).
"""

from __future__ import annotations

from typing import Final

from scenarios.lab.topology import ROOT
from scenarios.teaching.lesson import terms

PAGE: Final = ROOT / "docs" / "glossary.md"
BEGIN: Final = "<!-- made by `python -m tests.teaching.glossary` -->\n"
END: Final = "<!-- end of what was made -->\n"


def table() -> str:
    """Return the table of the words, as Markdown."""
    rows = [f"| {word} | {meaning} |" for word, meaning in sorted(terms().items(), key=lambda each: each[0].lower())]
    return "\n".join(["| word | what it is |", "|---|---|", *rows]) + "\n"


def page(text: str) -> str:
    """Return the text of the page with the table made anew."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
