"""The documents' site: all pages are in it, its sample report can be made, and it is built without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from scenarios.lab.topology import ROOT
from tests.house.site import REPORT, ROOMS, SITE, build, fetched, lay_out

CONFIGURATION = (ROOT / "mkdocs.yml").read_text("utf-8")


class Plain(yaml.SafeLoader):
    """Reads MkDocs's file, whose one function of Python is only a word here."""


Plain.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def files_of(nav: Any) -> Iterator[str]:
    """The files that a navigation names."""
    if isinstance(nav, str):
        yield nav
    for each in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from files_of(each)


def test_each_document_is_in_the_navigation() -> None:
    nav = set(files_of(yaml.load(CONFIGURATION, Plain)["nav"]))  # noqa: S506 (a safe loader, with one tag more)
    pages = {path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))}
    groups = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "drills").glob("*/README.md")}
    wrong = nav ^ (pages | groups | {f"{REPORT}/index.html"})
    assert not wrong, f"nav of mkdocs.yml, under Learn, Do, Look up or Understand: {', '.join(sorted(wrong))}"


def test_a_link_that_leads_nowhere_fails_the_build() -> None:
    configuration = yaml.load(CONFIGURATION, Plain)  # noqa: S506
    assert configuration["strict"] is True
    assert set(configuration["validation"]["links"].values()) == {"warn"}
    assert configuration["theme"]["font"] is False, "fonts would be fetched"


def test_the_sample_report_can_be_made_of_the_run_that_is_kept(tmp_path: Path) -> None:
    lay_out(tmp_path / "source")
    report = tmp_path / "source" / REPORT
    assert "lost-syn" in (report / "index.html").read_text("utf-8"), "python -m tests.house.site runs/… keeps another"
    assert len(list(report.glob("*/*/*/index.html"))) > 2
    assert (tmp_path / "source" / "docs" / "drills" / "reaching" / "lost-syn.md").is_file()
    texts = [page.read_text("utf-8") for page in (tmp_path / "source").rglob("*.md")]
    assert not [text[:60] for text in texts if "```mermaid" in text], "the site draws none of it"
    assert f"]({ROOMS})" in (tmp_path / "source" / "docs" / "architecture.md").read_text("utf-8")
    ElementTree.parse(tmp_path / "source" / "docs" / ROOMS)  # noqa: S314 (our own file)


def test_what_a_page_would_fetch_is_seen() -> None:
    page = '<script src="https://cdn.example/x.js"></script><img src="x.png"><link rel=preconnect href=//fonts.example>'
    assert fetched(page) == ["https://cdn.example/x.js", "//fonts.example"]


@pytest.mark.long
def test_the_site_is_built_and_fetches_nothing_from_elsewhere() -> None:
    build()
    pages = {path: path.read_text("utf-8") for path in SITE.rglob("*.html")}
    assert len(pages) > 200
    assert {path.relative_to(SITE).as_posix(): wrong for path, page in pages.items() if (wrong := fetched(page))} == {}
    assert "delays the client by about one second" in pages[SITE / "docs" / "drills" / "reaching" / "lost-syn.html"]
    assert SITE / REPORT / "index.html" in pages
