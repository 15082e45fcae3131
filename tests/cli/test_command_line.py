"""What a person types: usage errors, the list of verbs, and set-up on a machine that lacks something."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.cli import lab
from scenarios.cli.main import COMMANDS, main, parser
from scenarios.lab import ping
from scenarios.lab.lab import Lab
from scenarios.lab.topology import LAB_NUMBERS, ROOT, Host, Leg, topology
from tests.services.starting import run_main

VERBS = "setup demo test up down status shell logs clean images doctor lint".split()


def scenarios(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the program in this process: a second of imports less."""
    status, stdout, stderr = run_main(lambda: sys.exit(main()), *words)
    return subprocess.CompletedProcess(words, status, stdout, stderr)


def test_the_program_says_as_a_process_what_it_says_here() -> None:
    words = ("demo", "--lab", "256")
    argv = [sys.executable, "-m", "scenarios", *words]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    here = scenarios(*words)
    assert (ran.returncode, ran.stdout, ran.stderr) == (here.returncode, here.stdout, here.stderr)
    assert ran.returncode == 64


def commands_of(typed: str | None) -> list[str]:
    (commands,) = (each for each in parser(typed)._actions if isinstance(each, argparse._SubParsersAction))
    return list(commands.choices)


@pytest.mark.parametrize("module", COMMANDS)
def test_a_command_that_is_typed_imports_the_one_module_that_has_it(module: str) -> None:
    for name in COMMANDS[module]:
        assert commands_of(name) == list(COMMANDS[module])


@pytest.mark.parametrize("typed", [None, "--help", "dmeo"])
def test_what_is_no_command_is_held_against_all_commands(typed: str | None) -> None:
    assert commands_of(typed) == [name for names in COMMANDS.values() for name in names]


def test_the_version_is_told_without_the_import_of_a_command() -> None:
    assert commands_of("--version") == []


def test_reading_a_drill_imports_neither_docker_nor_pages() -> None:
    program = (
        "import sys; from scenarios.cli.main import main; main(['explain', 'lost-syn']);"
        " sys.exit(bool({'docker', 'jinja2', 'scenarios.run'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((), "COMMAND"),
        (("dmeo",), "dmeo"),
        (("demo", "--lab", "256"), "0 to 255"),
        (("demo", "--lab", "-1"), "0 to 255"),
        (("demo", "--lab", "one"), "'one'"),
        (("shell",), "HOST"),
        (("demo", "--fast"), "--fast"),
        (("ping", "--count", "0"), "--count: expected 1 to 1000, not '0'"),
        (("soak", "--for", "5"), "such as 90s, 30min or 1h"),
        (("soak", "--for", "25h"), "more than 24h"),
    ],
)
def test_a_usage_error_is_status_64_and_names_the_word(words: tuple[str, ...], named: str) -> None:
    said = scenarios(*words)
    assert said.returncode == 64
    assert named in said.stderr
    assert "usage:" in said.stderr


def test_a_shell_on_a_machine_that_does_not_exist_lists_those_that_do() -> None:
    said = scenarios("shell", "sever", "--lab", "199")
    assert said.returncode == 64
    assert "'sever'" in said.stdout
    assert "server-be" in said.stdout


def test_bare_make_lists_every_target_with_a_sentence() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True).stdout
    about = dict(re.findall(r"^  make (\S+) +(\S.*)$", listed, re.MULTILINE))
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(about) == sorted(targets)
    assert set(VERBS) <= set(about)
    assert all(len(sentence.split()) > 2 for sentence in about.values())


def on_a_machine(
    tmp_path: Path, *words: str, commands: dict[str, str], **more: str
) -> subprocess.CompletedProcess[str]:
    """Run setup.sh where these commands are all that there is, each with the body given, beside the ordinary tools."""
    for tool in ("sh", "dirname", "cat", "tail", "sha256sum", "seq", "sed", "grep", "rm", "mktemp", "sleep", "date"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    for name, body in commands.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": str(tmp_path), "TMPDIR": str(tmp_path), "HOME": os.environ["HOME"], **more}
    script = ROOT / "scenarios" / "setup.sh"
    return subprocess.run([script, *words], env=environment, capture_output=True, text=True, timeout=30, check=False)


ANSWERS_NOTHING = "exit 1"
NOT_ROOT = 'case "$1" in -un) echo somebody;; *) echo 1001;; esac'


def test_without_an_engine_and_not_root_set_up_stops_with_the_commands_to_run(tmp_path: Path) -> None:
    said = on_a_machine(tmp_path, commands={"docker": ANSWERS_NOTHING, "id": NOT_ROOT})
    assert said.returncode == 1
    assert "none is installed" in said.stderr
    assert "sudo apt-get install docker.io" in said.stderr
    assert "sudo systemctl start docker" in said.stderr


def test_with_an_engine_that_does_not_answer_set_up_says_how_to_start_it(tmp_path: Path) -> None:
    said = on_a_machine(tmp_path, commands={"docker": ANSWERS_NOTHING, "dockerd": "exit 1", "id": NOT_ROOT})
    assert said.returncode == 1
    assert "may not use it" in said.stderr
    assert "usermod -aG docker" in said.stderr


def test_an_engine_that_docker_host_names_is_never_replaced_by_one_of_ours(tmp_path: Path) -> None:
    apt_get = f"touch {tmp_path}/called"
    said = on_a_machine(
        tmp_path,
        commands={"docker": ANSWERS_NOTHING, "id": "echo 0", "apt-get": apt_get},
        DOCKER_HOST="tcp://127.0.0.1:1",
    )
    assert said.returncode == 1
    assert "DOCKER_HOST=tcp://127.0.0.1:1" in said.stderr
    assert not (tmp_path / "called").exists()


def test_without_the_compose_plugin_and_not_root_set_up_names_its_package(tmp_path: Path) -> None:
    body = 'test "$1" = info'
    said = on_a_machine(tmp_path, commands={"docker": body, "id": NOT_ROOT})
    assert said.returncode == 1
    assert "compose plugin is missing" in said.stderr
    assert "docker-compose" in said.stderr


def test_on_a_bare_machine_the_doctor_says_what_is_missing_and_changes_nothing(tmp_path: Path) -> None:
    said = on_a_machine(tmp_path, "doctor", commands={"docker": ANSWERS_NOTHING, "id": "echo 0"})
    assert said.returncode == 1
    assert "✗ Docker Engine: missing → make setup" in said.stdout
    assert "✗ Python 3.11 with venv: missing → make setup" in said.stdout


@pytest.mark.parametrize("number", [LAB_NUMBERS[0], 7, LAB_NUMBERS[-1]])
def test_every_address_of_a_lab_follows_from_its_number(number: int) -> None:
    found = topology(number)
    places: list[Host | Leg] = [*found.hosts.values(), *found.legs.values()]
    assert all(place.ipv4.startswith(f"198.18.{number}.") for place in places)
    assert all(place.ipv6.startswith(f"2001:db8:{number}:") for place in places)
    assert found.hosts["client"].network != found.hosts["server"].network


@pytest.mark.parametrize("number", [-1, 256])
def test_a_lab_beyond_the_last_number_is_an_error(number: int) -> None:
    with pytest.raises(ValueError, match=str(number)):
        topology(number)


def test_a_ping_is_sent_through_a_lab_that_is_held_and_has_none_of_a_dead_runs_faults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []

    @contextlib.contextmanager
    def without_faults(_: Lab) -> Iterator[None]:
        done.append("without faults")
        yield
        done.append("freed")

    def pinged(*_: object) -> ping.RoundTrips:
        done.append("pinged")
        return ping.RoundTrips(1, 1, 0.1, 0.1, 0.1)

    def traced(*_: object) -> list[ping.Hop]:
        done.append("traced")
        return []

    monkeypatch.setattr(lab, "bring_up", lambda _: done.append("up"))
    monkeypatch.setattr(lab, "held_without_faults", without_faults)
    monkeypatch.setattr(ping, "ping", pinged)
    monkeypatch.setattr(ping, "trace", traced)
    options = argparse.Namespace(lab=71, source="client", to="server", family="ipv4", count=1)
    assert lab.ping(options) == 0
    assert done == ["up", "without faults", "pinged", "traced", "freed"]
