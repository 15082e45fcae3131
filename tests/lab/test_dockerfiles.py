"""The Dockerfiles build with the engine's own builder: a fresh machine has no buildx, and so no BuildKit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scenarios.lab.topology import ROOT

DOCKERFILES = sorted(
    [
        *ROOT.glob("images/*/Dockerfile"),
        *ROOT.glob("services/*/Dockerfile"),
        *ROOT.glob("scenarios/spec/templates/Dockerfile"),
    ]
)
# https://docs.docker.com/reference/dockerfile/: what needs BuildKit
NEEDS_BUILDKIT = re.compile(
    r"^\s*(?:COPY|ADD)\s.*--(?:chmod|link|parents|exclude)\b|^\s*RUN\s+--|<<-?['\"]?[A-Z]", re.MULTILINE
)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_dockerfile_needs_no_buildkit(path: Path) -> None:
    assert NEEDS_BUILDKIT.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line", ["COPY --chmod=755 program /program", "RUN --mount=type=cache,target=/x y", "RUN <<EOF"]
)
def test_what_needs_buildkit_is_found(line: str) -> None:
    assert NEEDS_BUILDKIT.search(f"FROM faultwire/base\n{line}\n")
