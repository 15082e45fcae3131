"""The doctor says what a lab may do on this machine, and who else may do it."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path

import pytest

from scenarios.lab import doctor, endpoint
from scenarios.lab.doctor import State

ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.mark.parametrize(
    ("uid", "groups", "state", "says"),
    [
        (0, {}, State.GOOD, "root"),
        (1000, {998: "docker", 1000: "somebody"}, State.GOOD, "in the group docker, which is as much as root"),
        (1000, {1000: "somebody"}, State.NOTE, "neither root nor in the group docker"),
    ],
)
def test_by_what_right_the_engine_is_used_is_told(uid: int, groups: dict[int, str], state: State, says: str) -> None:
    found = doctor.rights(uid, groups, endpoint.SOCKET)
    assert found.state is state
    assert says in found.seen


@pytest.fixture
def engine_socket(tmp_path: Path) -> Path:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
    return path


def test_a_socket_that_all_may_write_to_is_told_with_its_cure(engine_socket: Path) -> None:
    engine_socket.chmod(0o666)
    found = doctor.others(f"unix://{engine_socket}")
    assert found.state is State.NOTE
    assert "every user of this machine" in found.seen
    assert found.cure == f"chmod o-rw {engine_socket}"


def test_the_members_of_the_sockets_group_are_named_only_where_the_group_may_write(
    engine_socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_members", lambda _: {"root", "trinity", "neo", ME})
    engine_socket.chmod(0o660)
    found = doctor.others(f"unix://{engine_socket}")
    assert (found.state, found.seen) == (State.NOTE, "neo, trinity: they may end your lab, and do what root can")
    engine_socket.chmod(0o600)
    assert doctor.others(f"unix://{engine_socket}").seen == "nobody but root and you"


def test_of_many_users_the_first_are_named_and_the_others_counted(
    engine_socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_members", lambda _: {f"user-{number}" for number in range(doctor.NAMED + 2)})
    engine_socket.chmod(0o660)
    assert "user-5 and 2 more:" in doctor.others(f"unix://{engine_socket}").seen


def test_an_engine_that_is_reached_over_a_network_is_told() -> None:
    assert "whoever reaches tcp://10.0.0.1:2375" in doctor.others("tcp://10.0.0.1:2375").seen
    assert "cannot be looked at" in doctor.others("unix:///nonexistent/docker.sock").seen


def test_an_engine_that_cannot_bound_programs_is_told() -> None:
    every = dict.fromkeys(doctor.LIMITS, True)
    assert doctor.limits(every).state is State.GOOD
    found = doctor.limits({**every, "PidsLimit": False})
    assert found.state is State.NOTE
    assert "cannot bound processes: run no program here that you distrust" in found.seen


@pytest.mark.parametrize(("free_mib", "state"), [(699, State.MISSING), (700, State.GOOD)])
def test_memory_is_enough_for_a_lab_or_missing(tmp_path: Path, free_mib: int, state: State) -> None:
    told = tmp_path / "meminfo"
    told.write_text(f"MemTotal: {8 << 20} kB\nMemFree: 1 kB\nMemAvailable: {free_mib << 10} kB\n", "ascii")
    found = doctor.memory(told)
    assert (found.what, found.state) == ("memory", state)
    assert "GiB free of 8.0" in found.seen
    assert bool(found.cure) == (state is State.MISSING)


def test_what_a_lab_does_without_is_a_note_and_nothing_missing(tmp_path: Path) -> None:
    found = doctor.binfmt(tmp_path / "absent")
    assert (found.state, found.seen) == (
        State.NOTE,
        "absent, and not needed: an image starts its emulator by itself",
    )
    status = tmp_path / "status"
    status.write_text("enabled\n", "ascii")
    assert doctor.binfmt(status).seen.startswith("enabled, and not needed")


@pytest.mark.engine
def test_on_this_machine_a_lab_may_do_what_the_doctor_says() -> None:
    found = {each.what: each for each in doctor.examine()}
    assert {"rights", "who else reaches the engine", "bounds on programs", "tc netem", "binfmt_misc", "memory"} < {
        *found
    }
    assert found["tc netem"].state is not State.MISSING
    assert all(each.seen for each in found.values())
