"""Every link from one of the repository's documents to another leads somewhere, to the heading too."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

from scenarios.lab.topology import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^ {4}.*$", re.MULTILINE)
INLINE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.*?)\s*#*$", re.MULTILINE)


def links(page: Path) -> Iterator[str]:
    """Where the links of a page lead, but for those to other sites."""
    text = page.read_text("utf-8")
    for pattern in (FENCED, BLOCK, INLINE):
        text = pattern.sub(lambda found: "`" if found[0].startswith("`") else "", text)
    return (each for each in LINK.findall(text) if not re.match(r"[a-z]+:", each))


@functools.cache
def anchors(page: Path) -> frozenset[str]:
    """The names of a page's headings, as GitHub and MkDocs make them of their words."""
    found = HEADING.findall(FENCED.sub("", page.read_text("utf-8")))
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found)


def test_the_pages_have_links_at_all() -> None:
    assert sum(1 for page in PAGES for _ in links(page)) > 500


def test_each_link_leads_to_a_file_that_is_there_and_to_a_heading_of_it() -> None:
    wrong = []
    for page in PAGES:
        for each in links(page):
            name, _, anchor = each.partition("#")
            to = (page.parent / name).resolve() if name else page
            if not to.exists() or (anchor and to.suffix == ".md" and anchor not in anchors(to)):
                wrong.append(f"{page.relative_to(ROOT)}: {each}")
    assert not wrong, "\n".join(wrong)
