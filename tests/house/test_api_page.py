"""docs/api.md: what is public is on it, with its signature, and nothing else is."""

from __future__ import annotations

import re
import signal
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from scenarios import library
from scenarios.cli.main import OF_MAKERS
from scenarios.lab.topology import ROOT
from scenarios.library import pytest_plugin
from scenarios.report.console import EX_IOERR, EX_UNAVAILABLE, EX_USAGE
from scenarios.spec import roles
from scenarios.spec.project import KEYS
from scenarios.verdict.check import Verdict
from scenarios.version import VERSION
from tests import api

TEXT = api.PAGE.read_text("utf-8")


def section(title: str) -> str:
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


def test_every_public_name_is_on_the_page_with_its_signature_and_no_other() -> None:
    assert api.page(TEXT) == TEXT, "python -m tests.api makes it anew; is it a change for the major number?"
    assert re.findall(r"^class (\w+)", api.block(), re.MULTILINE) == [*library.__all__]


def test_a_parameter_more_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def url(self: object, role: str, *, new: int = 1) -> str:
        return f"{self}{role}{new}"

    monkeypatch.setattr(library.Lab, "url", url)
    assert "lab.url(role: str, *, new: int=1) -> str" in api.block()
    assert api.page(TEXT) != TEXT


def test_no_name_of_the_package_is_public_beside_those(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "__all__", (*library.__all__, "Recording"))
    with pytest.raises(AttributeError):
        api.block()


def test_the_plugins_fixtures_options_and_mark_are_on_the_page_and_no_others() -> None:
    told = {*re.findall(r"^\| `([\w-]+)`", section("The pytest plugin"), re.MULTILINE)}
    code = Path(str(pytest_plugin.__file__)).read_text("utf-8")
    fixtures = {*re.findall(r"@pytest\.fixture[^\n]*\ndef (\w+)", code)}
    assert told == fixtures | {*re.findall(r'"(--[\w-]+)"', code)}
    (words,) = re.findall(r"`faultwire\((.*)\)` \| mark", TEXT)
    assert tuple(re.findall(r"(\w+)=", words)) == pytest_plugin.WORDS


def test_exit_statuses_are_those_of_the_code() -> None:
    told = [int(each) for each in re.findall(r"^\| (\d+) \|", section("Exit statuses"), re.MULTILINE)]
    verdicts = sorted({each.exit_status for each in Verdict})
    signals = [128 + each for each in (signal.SIGINT, signal.SIGPIPE, signal.SIGTERM)]
    assert told == [*verdicts, EX_USAGE, EX_UNAVAILABLE, EX_IOERR, *signals]


def test_what_is_named_elsewhere_is_as_the_page_says() -> None:
    (makers,) = re.findall(r"the lab's makers \((.*?)\)", TEXT)
    assert tuple(re.findall(r"`([\w-]+)`", makers)) == OF_MAKERS
    example = (ROOT / "docs" / "installed.md").read_text("utf-8").partition("# faultwire.toml;")[2].split("\n\n")[0]
    keys = tomllib.loads("\n".join(line.strip() for line in example.splitlines()[1:]))
    assert tuple(keys) == KEYS
    for kind, those in (("CallerRole", get_args(roles.CallerRole)), ("HostRole", ("names", "web", "backend"))):
        assert tuple(re.findall(r'"([\w-]+)"', re.findall(rf"^- {kind}: .*", TEXT, re.MULTILINE)[0])) == those
    assert {*get_args(roles.HostRole)} == {*get_args(roles.CallerRole), "names", "web", "backend"}
    schemas = {path.name for path in (ROOT / "docs").glob("*.schema.json")}
    assert {*re.findall(r"\((\w+\.schema\.json)\)", section("Files of a run"))} == schemas


def test_the_changes_have_a_heading_for_this_version() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert VERSION in headings
    assert all(re.fullmatch(r"\d+\.\d+\.\d+|Unreleased", each) for each in headings)
