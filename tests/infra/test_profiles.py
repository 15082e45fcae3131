"""The machines of a profile of compose.yaml: up where they are asked for, beside a lab that goes on; gone with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scenarios.lab import engine
from scenarios.lab.cleanup import labs_in_use
from scenarios.lab.lab import Lab
from tests.conftest import lab_for_a_while

OF_PROFILE = {"client-be64", "server-be64"}


@pytest.fixture(name="plain")
def lab_that_is_up_without_a_profile() -> Iterator[Lab]:
    with lab_for_a_while() as lab:
        yield lab


def ids(lab: Lab) -> dict[str, str | None]:
    """The container of each machine that is there."""
    return {name: engine.client().containers.get(lab.container(name)).id for name in lab.states()}


def test_a_profile_adds_its_machines_to_a_lab_that_is_up_and_restarts_nobody(plain: Lab) -> None:
    before = ids(plain)
    assert not OF_PROFILE & set(before)
    whole = Lab(plain.number, "be64")
    assert plain.is_up()
    assert not whole.is_up(), "its machines are wanted and absent"
    assert {whole.states()[name] for name in OF_PROFILE} == {"absent"}

    whole.up()
    after = ids(whole)
    assert set(after) - set(before) == OF_PROFILE
    assert {name: after[name] for name in before} == before
    assert whole.is_up()
    assert set(plain.states()) >= OF_PROFILE, "they are shown where they are, asked for or not"
    ping = ["ping", "-c", "1", "-W", "2", whole.topology.hosts["server-be64"].ipv6]
    assert plain.run("client-be64", ping, timeout_s=5).status == 0

    plain.up()  # asked for without it, the lab keeps what it has
    assert ids(plain) == after


def test_a_lab_that_goes_down_takes_the_machines_of_every_profile_with_it(plain: Lab) -> None:
    Lab(plain.number, "be64").up()
    plain.down()
    assert plain.number not in labs_in_use(), "a machine that is left would keep its network"
    assert set(Lab(plain.number, "be64").states().values()) == {"absent"}
