"""The modes of the checkout come into no image: with a umask of 027 or 077 nobody but root could read what it holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scenarios.lab.topology import ROOT

DOCKERFILES = sorted(
    path
    for folder in ("images", "services", "examples", "scenarios/spec/templates")
    for path in (ROOT / folder).rglob("*Dockerfile")
)
# What root compiles in a stage before: no program reads it where it runs.
OF_A_BUILD = re.compile(r"COPY images/(bigendian/sources|firewall/zygote/)|COPY get\.go ")


def copied_with_its_modes(dockerfile: str) -> list[str]:
    """The lines that copy files of the checkout, where no later step says who may read them."""
    found = []
    for line in re.finditer(r"^COPY (?!--from|--chown).*", dockerfile, re.MULTILINE):
        if not OF_A_BUILD.match(line[0]) and not re.search(r"\bchmod ", dockerfile[line.end() :]):
            found.append(line[0])
    return found


def test_there_are_dockerfiles() -> None:
    assert {"images/host/Dockerfile", "images/firewall/Dockerfile", "scenarios/spec/templates/Dockerfile"} <= {
        str(path.relative_to(ROOT)) for path in DOCKERFILES
    }


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_copied_into_an_image_has_modes_of_its_own(path: Path) -> None:
    assert copied_with_its_modes(path.read_text("utf-8")) == []


def test_a_line_that_keeps_the_modes_is_found() -> None:
    told = "FROM x\nCOPY a /a\nRUN chmod 755 /a\nCOPY b /b\nCOPY --from=y /c /d\nCOPY --chown=lab e /e\n"
    assert copied_with_its_modes(told) == ["COPY b /b"]
