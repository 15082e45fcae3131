"""A program that nobody here wrote joins with a folder: redis, from the distribution's package, with its own client."""

from __future__ import annotations

import pytest

from scenarios import engine, images
from scenarios.exchange import call, exchange, leg_checks, serving
from scenarios.lab import GUEST_LABEL, Lab
from scenarios.service import Family, named
from scenarios.verdict import Verdict


@pytest.fixture(scope="module", autouse=True)
def redis_image() -> None:
    recipe = images.service_recipe("redis", named("redis").service.folder)
    images.build(print, {recipe.name: recipe})


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_its_ordinary_client_is_answered_across_the_firewall(lab: Lab, family: Family) -> None:
    client, server = lab.topology.hosts["client"], lab.topology.hosts["server"]
    made = exchange(lab, named("redis"), client, server, family, print)
    assert (made.call.status, made.call.stdout) == (0, "OK\n")
    assert {each.holds for each in leg_checks(made)} == {Verdict.PASS}
    carried = b"".join(frame.payload for frame in made.frames["server-leg"])
    assert b"Follow the white rabbit." in carried


def test_it_has_no_more_rights_than_a_program_of_the_host_and_goes_with_it(lab: Lab) -> None:
    server = lab.topology.hosts["server"]
    guests: dict[str, str | list[str] | bool] = {"label": [GUEST_LABEL, f"{engine.LAB_LABEL}={lab.number}"]}
    with serving(lab, named("redis"), server, "ipv4"):
        (guest,) = engine.client().containers.list(filters=guests)
        settings = guest.attrs["HostConfig"]
        assert (settings["CapDrop"], settings["CapAdd"], settings["ReadonlyRootfs"]) == (["ALL"], None, True)
        assert guest.attrs["Config"]["User"] == "1000"
        assert call(lab, named("redis", "ping"), lab.topology.hosts["client"], server, "ipv4").stdout == "PONG\n"
    assert engine.client().containers.list(all=True, filters=guests) == []


def test_its_wrong_outcome_is_told_from_its_right_one(lab: Lab) -> None:
    server = lab.topology.hosts["server"]
    with serving(lab, named("redis"), server, "ipv4"):
        wrong = call(lab, named("redis", "wrong"), lab.topology.hosts["client"], server, "ipv4")
    assert wrong.status == named("redis", "wrong").client.status == 1
    assert "unknown command" in wrong.printed
