"""A browser for the pages, where one can be had."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.report.browser import NoBrowser, chromium


@pytest.fixture(autouse=True)
def no_ci_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs of these tests are made up, and have no place on the page of a CI job that runs them."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@dataclass(frozen=True, slots=True)
class Chromium:
    """A browser, and the folder that it can read."""

    browser: Browser
    folder: Path


@pytest.fixture(scope="module")
def browser(docker_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:  # noqa: ARG001
    """One browser for all tests of a file; without one they fail, unless FAULTWIRE_NO_BROWSER says so.

    Not for the whole session: while Playwright is open, its thread has a running event loop, and asyncio.run() in a
    test that comes after would be refused.
    """
    if os.environ.get("FAULTWIRE_NO_BROWSER"):
        pytest.skip("FAULTWIRE_NO_BROWSER is set")
    folder = tmp_path_factory.mktemp("pages")
    folder.chmod(0o755)
    try:
        with chromium(folder) as found:
            yield Chromium(found, folder)
    except NoBrowser as reason:
        pytest.fail(f"no browser ({reason}); FAULTWIRE_NO_BROWSER=1 skips these tests", pytrace=False)


@dataclass(slots=True)
class Opened:
    """A page, and what went wrong on it: errors on its console, and what it asked for that is no file."""

    page: Page
    errors: list[str] = field(default_factory=list)
    asked_for: list[str] = field(default_factory=list)

    def go(self, path: Path, place: str = "") -> Page:
        self.page.goto(f"file://{path}{place}")
        return self.page


def opened(context: BrowserContext) -> Opened:
    """A new page, watched."""
    found = Opened(context.new_page())
    found.page.on("console", lambda said: found.errors.append(said.text) if said.type in ("error", "warning") else None)
    found.page.on("pageerror", lambda error: found.errors.append(str(error)))
    found.page.on("request", lambda request: found.asked_for.append(request.url))
    return found
