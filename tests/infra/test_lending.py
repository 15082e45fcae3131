"""A lab goes from one test to the next only as it was when it came up: what a test left on it is seen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scenarios.lab.cleanup import labs_in_use
from tests import lending
from tests.conftest import free_numbers


@pytest.fixture(autouse=True)
def none_before(monkeypatch: pytest.MonkeyPatch, docker_engine: None) -> Iterator[None]:  # noqa: ARG001
    """No lab that another test handed on: it stays for the next one. None of these tests' own is left, if one fails."""
    monkeypatch.setattr(lending, "_as_it_came_up", {})
    yield
    lending.take_down()


def new_number() -> int:
    return free_numbers(1)[0]


def test_a_lab_is_handed_on_until_a_test_leaves_something_on_it() -> None:
    with lending.lab(new_number) as first:
        first.run("server", ["ping", "-c", "1", first.topology.hosts["client"].ipv4], timeout_s=5)
        first.open("server", ["sleep", "1000"]).kill()  # the local process; what it started is ended in between
    with lending.lab(new_number) as second:
        assert second.number == first.number
        second.run("client", ["touch", "/tmp/left"], timeout_s=5)  # noqa: S108 (a host's own)
    assert second.number not in labs_in_use()
    with lending.lab(new_number) as third:
        third.stop("firewall")
    assert third.number not in labs_in_use()


def test_a_lab_in_which_a_test_was_broken_off_is_taken_down() -> None:
    with pytest.raises(KeyboardInterrupt), lending.lab(new_number) as broken:
        raise KeyboardInterrupt
    assert broken.number not in labs_in_use()


def test_what_was_handed_on_is_taken_down_in_the_end() -> None:
    with lending.lab(new_number) as lent:
        pass
    assert lent.number in labs_in_use()
    lending.take_down()
    assert lent.number not in labs_in_use()
