"""Scripts in the network of a host: what they may do there, and the container that stays for the next one."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

import pytest
from docker.errors import NotFound

from scenarios.lab import endpoint, engine
from scenarios.lab.box import Box
from scenarios.lab.errors import CommandFailed
from scenarios.lab.host_network import HELPER_LABEL
from scenarios.lab.lab import Lab
from scenarios.lab.waiting import wait_for
from tests.conftest import lab_for_a_while

ADD = 'ip address add "$ADDRESS" dev lo'
REMOVE = 'ip address del "$ADDRESS" dev lo'
ADDRESS = {"ADDRESS": "127.9.9.9/8"}


@pytest.fixture(scope="module")
def own() -> Iterator[Lab]:
    with lab_for_a_while() as lent:
        yield lent


def run(lab: Lab, script: str, *arguments: str) -> None:
    lab.host_networks.run("client", script, *arguments, environment=ADDRESS, within_s=20)


def helpers(lab: Lab) -> list[str]:
    return [str(each.id) for each in engine.containers(f"{engine.LAB_LABEL}={lab.number}", HELPER_LABEL)]


def addresses(lab: Lab) -> str:
    return lab.run("client", ["ip", "-o", "address", "show", "dev", "lo"], timeout_s=10).stdout


@pytest.mark.parametrize("stays", [True, False])
def test_a_script_changes_the_network_of_the_host_and_nothing_is_left_of_its_container(own: Lab, stays: bool) -> None:
    with own.hold_alone() if stays else contextlib.nullcontext():
        run(own, ADD)
        assert "127.9.9.9" in addresses(own)
        first = helpers(own)
        assert len(first) == int(stays)
        run(own, REMOVE)
        assert helpers(own) == first
        assert "127.9.9.9" not in addresses(own)
    assert helpers(own) == []


@pytest.mark.parametrize("stays", [True, False])
def test_one_that_fails_is_told_with_what_it_said_and_the_next_one_runs(own: Lab, stays: bool) -> None:
    with own.hold_alone() if stays else contextlib.nullcontext():
        for _ in range(2):
            with pytest.raises(CommandFailed, match="status 3:\nno such thing"):
                run(own, "echo no such $1 >&2; exit 3", "thing")
        run(own, 'export PATH=/; cd /; [ "$1" = thing ]', "thing")
        run(own, ADD)  # and it is as it was before the one that changed its own surroundings
        run(own, REMOVE)


def test_a_host_that_began_anew_is_changed_and_not_the_network_that_it_had(own: Lab) -> None:
    with own.hold_alone():
        run(own, "true")
        (first,) = helpers(own)
        engine.client().containers.get(own.container("client")).restart(timeout=0)
        run(own, ADD)
        assert "127.9.9.9" in addresses(own)
        assert first not in helpers(own)
        run(own, REMOVE)


def test_what_a_dead_run_left_is_removed_by_the_next_one(own: Lab) -> None:
    words = own.host_networks._words("client", "--detach", "--entrypoint", "sleep", "faultwire/firewall", "60")
    left = engine.docker_command(*words, timeout_s=20).strip()
    with own.hold_alone():
        assert helpers(own) == []
        with pytest.raises(NotFound):
            engine.client().containers.get(left)


def test_what_a_dead_run_left_goes_with_the_lab_when_it_goes_down() -> None:
    """A server in an image of its own, and a helper: both with the `docker` command that a killed run leaves behind."""
    with lab_for_a_while() as lab:
        box = Box("faultwire/host")
        of_lab = {"label": f"{engine.LAB_LABEL}={lab.number}"}
        guest = ["run", "--rm", *lab._guest("server", box, ["sleep", "300"], lab.guest_name("server"))]
        helper = [*lab.host_networks._words("client", "--entrypoint", "sleep", "faultwire/firewall", "300")]
        left = [
            subprocess.Popen(["docker", *words], stdin=subprocess.DEVNULL, env=endpoint.environment())
            for words in (guest, helper)
        ]
        try:
            wait_for(lambda: len(_beside_machines(lab)) == len(left), "both to run", 60)
            lab.down()
            assert _beside_machines(lab) == []
            assert all(each.wait(20) for each in left), "they go on, or ended well"
            client = engine.client()
            assert [client.networks.list(filters=of_lab), client.volumes.list(filters=of_lab)] == [[], []]
        finally:
            for each in left:
                each.kill()
                each.wait()


def _beside_machines(lab: Lab) -> list[str]:
    """The containers of a lab that Compose did not make, and that run."""
    found = engine.containers(f"{engine.LAB_LABEL}={lab.number}")
    return [
        str(each.name) for each in found if "com.docker.compose.service" not in each.labels and each.status == "running"
    ]
