"""What a message says that one may type: in a clone, of a wheel, and of which lab."""

from __future__ import annotations

import pytest

from scenarios.lab import places
from scenarios.lab.places import DEFAULT_LAB, document, typed


@pytest.mark.parametrize(
    ("is_installed", "lab", "told"),
    [
        (False, DEFAULT_LAB, ["make down", "make up WITH=m68k"]),
        (False, 7, ["make down LAB=7", "make up WITH=m68k LAB=7"]),
        (True, DEFAULT_LAB, ["faultwire down", "faultwire up --with m68k"]),
        (True, 7, ["faultwire down --lab 7", "faultwire up --with m68k --lab 7"]),
    ],
)
def test_a_command_is_about_the_lab_of_the_message(
    monkeypatch: pytest.MonkeyPatch, is_installed: bool, lab: int, told: list[str]
) -> None:
    monkeypatch.setattr(places, "IS_INSTALLED", is_installed)
    assert [typed("down", lab=lab), typed("up", "WITH=m68k", "--with m68k", lab=lab)] == told


def test_a_page_of_the_documentation_is_in_a_clone_and_in_no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "IS_INSTALLED", False)
    assert document("docs/cpus.md") == "docs/cpus.md"
    monkeypatch.setattr(places, "IS_INSTALLED", True)
    assert document("docs/cpus.md") == "docs/cpus.md in Faultwire's repository"


@pytest.mark.parametrize(
    ("is_installed", "told"), [(False, "make drill NAME=lost-syn"), (True, "faultwire run lost-syn")]
)
def test_what_runs_a_drill_has_another_name_in_a_clone(
    monkeypatch: pytest.MonkeyPatch, is_installed: bool, told: str
) -> None:
    monkeypatch.setattr(places, "IS_INSTALLED", is_installed)
    assert typed("run", "NAME=lost-syn", "lost-syn") == told
