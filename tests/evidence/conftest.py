"""What the tests of the dissector share: a container in which tshark is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.evidence.dissecting import Tshark, tshark_container


@pytest.fixture(scope="session")
def tshark(docker_engine: None) -> Iterator[Tshark]:  # noqa: ARG001
    with tshark_container() as running:
        yield running
