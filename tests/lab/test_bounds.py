"""Every container of ours is bounded: what its machine's engine keeps of it, and what a stranger's program may take."""

from __future__ import annotations

import itertools

import pytest
import yaml

from scenarios.lab.box import Box
from scenarios.lab.guest import GUEST_FILES, guest_words
from scenarios.lab.topology import COMPOSE_FILE

SERVICES = yaml.safe_load(COMPOSE_FILE.read_text())["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_the_log_of_each_machine_of_a_lab_has_a_limit(name: str) -> None:
    options = SERVICES[name]["logging"]["options"]
    assert options == {"max-size": "1m", "max-file": "2"}


def test_a_guest_has_no_log_no_rights_and_a_limit_for_each_thing_that_it_could_use_up() -> None:
    words = guest_words(7, Box("image", {"A": "b"}), ["a", "program"], "name")
    limits = dict(itertools.pairwise(words))
    assert limits["--log-driver"] == "none"
    assert (limits["--pids-limit"], limits["--memory"], limits["--user"]) == ("256", "512m", "1000")
    assert limits["--ulimit"] == "nofile=16384"
    assert limits["--tmpfs"] == f"/tmp:size={GUEST_FILES}"  # noqa: S108 (in its container)
    assert (limits["--cap-drop"], limits["--security-opt"]) == ("ALL", "no-new-privileges")
    assert "--read-only" in words
    assert limits["--label"] == "faultwire.lab=7"
    assert words[-3:] == ["image", "a", "program"]
