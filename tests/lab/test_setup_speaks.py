"""What set-up says while it installs and makes: a line now and then, the end of what failed, and where the whole is.

The script is a copy in a folder of the test's own, on a machine whose programs are the test's: nothing is installed.
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scenarios.lab.topology import ROOT

TOOLS = "sh dirname cat tail sed grep rm mktemp mkdir sha256sum sleep date timeout env cp".split()
ROOT_ID = 'case "$1" in -un) echo root;; *) echo 0;; esac'
LONG_S = 60


class Machine:
    """A machine that has the ordinary tools and these programs, and a repository with the script in it."""

    def __init__(self, folder: Path, told_every_s: int) -> None:
        self.repository = folder / "repository"
        (self.repository / "scenarios").mkdir(parents=True)
        text = (ROOT / "scenarios" / "setup.sh").read_text("utf-8")
        self.script = self.repository / "scenarios" / "setup.sh"
        self.script.write_text(re.sub(r"^told=7 ", f"told={told_every_s} ", text, flags=re.MULTILINE), "utf-8")
        self.script.chmod(0o755)
        self.programs = folder / "programs"
        self.programs.mkdir()
        for tool in TOOLS:
            (self.programs / tool).symlink_to(shutil.which(tool) or "")
        self.has(id=ROOT_ID)
        self.everybodys = folder / "tmp"
        self.everybodys.mkdir()

    @property
    def log(self) -> Path:
        return self.repository / ".logs" / "setup.log"

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": str(self.programs), "TMPDIR": str(self.everybodys), "HOME": os.environ["HOME"]}

    def has(self, **programs: str) -> None:
        """Put these programs on it, each with its body."""
        for name, body in programs.items():
            path = self.programs / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
            path.chmod(0o755)

    @property
    def said(self) -> Path:
        """What set-up has said so far."""
        return self.repository / "said"

    def sets_up(self, *words: str) -> subprocess.CompletedProcess[str]:
        with self.said.open("wb") as out:
            ended = subprocess.run(
                [self.script, *words],
                env=self.environment,
                stdout=out,
                stderr=subprocess.PIPE,
                text=True,
                timeout=LONG_S,
                check=False,
            )
        ended.stdout = self.said.read_text("utf-8")
        return ended


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, told_every_s=1)


# An engine without the base image and without a registry: what mmdebstrap makes is imported.
NO_IMAGE = 'case "$1" in image|pull) exit 1;; import) exit 0;; esac'


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*[mK]", "", text)


def test_while_a_step_takes_its_time_a_line_says_so_and_for_how_long(machine: Machine) -> None:
    """The step ends when it has been told of twice."""
    told = f"grep -c 'making faultwire/debian:trixie (' {machine.said}"
    machine.has(docker=NO_IMAGE, mmdebstrap=f'until [ "$({told})" -ge 2 ]; do sleep 0.1; done')
    said = machine.sets_up("base-image")
    assert said.returncode == 0, said.stderr
    first, *lines = plain(said.stdout).splitlines()
    assert first == "setup: no image registry is reached: making faultwire/debian:trixie with mmdebstrap"
    assert {line.rpartition(" (")[0] for line in lines} == {"setup: … making faultwire/debian:trixie"}
    seconds = [int(line.rpartition("(")[2].removesuffix(" s)")) for line in lines]
    assert len(seconds) >= 2
    assert seconds == sorted({*seconds})


def test_a_step_that_fails_is_named_first_then_its_own_last_lines_then_the_whole_log(machine: Machine) -> None:
    fetch = "for n in $(seq 30); do echo fetching $n; done; echo 'E: Failed to fetch zlib 404 Not Found' >&2; exit 100"
    (machine.programs / "seq").symlink_to("/usr/bin/seq")
    machine.has(docker=f'[ "$1" != pull ] || echo "no such host"; {NO_IMAGE}', mmdebstrap=fetch)
    said = machine.sets_up("base-image")
    assert said.returncode == 1
    first, *shown, last = said.stderr.splitlines()
    assert first.startswith("setup: 'timeout 1800 mmdebstrap --variant=minbase")
    assert first.endswith("failed with status 100:")
    assert shown == [*(f"  fetching {n}" for n in range(12, 31)), "  E: Failed to fetch zlib 404 Not Found"]
    assert last == f"setup: the whole log: {machine.log}"
    whole = machine.log.read_text("utf-8")
    assert "no such host" in whole  # of the step before
    assert "fetching 1\n" in whole


def test_a_step_that_fails_in_silence_shows_no_words_of_the_step_before(machine: Machine) -> None:
    machine.has(docker=f'[ "$1" != pull ] || echo "no such host"; {NO_IMAGE}', mmdebstrap="exit 3")
    said = machine.sets_up("base-image")
    assert [line.partition(":")[0] for line in said.stderr.splitlines()] == ["setup", "setup"]
    assert "status 3" in said.stderr


def test_the_log_is_begun_anew_in_a_folder_of_its_own_and_no_link_is_followed(machine: Machine) -> None:
    """A link in /tmp or at the log's own path could make root write into any file."""
    precious = machine.repository / "precious"
    precious.write_text("precious", "utf-8")
    for link in (machine.everybodys / "faultwire-setup.0.log", machine.log):
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(precious)
    machine.has(docker=NO_IMAGE, mmdebstrap="echo made")
    assert machine.sets_up("base-image").returncode == 0
    assert precious.read_text("utf-8") == "precious"
    assert "made" in machine.log.read_text("utf-8")
    machine.has(mmdebstrap="echo again")
    assert machine.sets_up("base-image").returncode == 0
    assert "made\n" not in machine.log.read_text("utf-8")


def test_where_nothing_is_to_be_done_nothing_is_said_and_no_log_is_left(machine: Machine) -> None:
    machine.has(docker="exit 0")
    said = machine.sets_up("base-image")
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    assert not machine.log.exists()
    assert list(machine.everybodys.iterdir()) == []


def test_on_a_terminal_a_step_is_one_line_whose_time_goes_on(machine: Machine) -> None:
    ours, its = pty.openpty()
    enough = machine.repository / "enough"
    machine.has(docker=NO_IMAGE, mmdebstrap=f"while ! [ -e {enough} ]; do sleep 0.1; done")
    drawn = b""
    with subprocess.Popen([machine.script, "base-image"], env=machine.environment, stdout=its, stderr=its) as process:
        os.close(its)
        while b"making faultwire/debian:trixie  2 s" not in drawn:
            drawn += os.read(ours, 4096)
        enough.touch()
        assert process.wait(LONG_S) == 0
    os.close(ours)
    text = drawn.decode("utf-8")
    assert "…" not in text
    assert "\r\x1b[2msetup:\x1b[0m making faultwire/debian:trixie  2 s\x1b[K" in text


def test_when_set_up_is_killed_what_tells_of_it_ends_too(machine: Machine) -> None:
    machine.has(docker=NO_IMAGE, mmdebstrap="exec sleep 3")
    process = subprocess.Popen([machine.script, "base-image"], env=machine.environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    line = process.stdout.readline() + process.stdout.readline()
    assert b"making faultwire/debian:trixie" in line
    process.kill()
    process.wait()
    process.communicate(timeout=LONG_S)  # the end of what it says comes: nobody holds it open


def test_no_engine_is_started_where_the_one_of_a_docker_context_does_not_answer(machine: Machine) -> None:
    """It would be another one, which the command does not speak to."""
    machine.has(docker='case "$1" in info) exit 1;; context) echo other;; esac', dockerd="echo started >$0.started")
    said = machine.sets_up("engine")
    assert said.returncode == 1
    assert said.stderr.splitlines() == [
        "setup: no Docker Engine answers at the docker context 'other'",
        "setup:     unset DOCKER_CONTEXT; docker context use default    # the machine's own engine",
    ]
    assert not (machine.programs / "dockerd.started").exists()


# The engine of a Debian that has the command in a package of its own: it answers, where there is somebody to ask it.
FROM_DEBIAN_13 = 'case "$*" in *docker-cli) cp "{}" "{}/docker" ;; esac'


def test_an_engine_that_came_without_its_command_is_given_it_and_is_not_started_again(machine: Machine) -> None:
    """As from Debian 13 on: set-up waited a minute for an engine that ran."""
    command = machine.programs.parent / "docker"
    command.write_text(f"#!/bin/sh\n{NO_IMAGE}\n", "utf-8")
    command.chmod(0o755)
    machine.has(dockerd="exit 1", apt_get=FROM_DEBIAN_13.format(command, machine.programs))
    ended = machine.sets_up("engine")
    assert ended.returncode == 0, ended.stderr
    assert "installing docker-cli" in ended.stdout
    assert "starting the Docker Engine" not in ended.stdout


def test_who_may_install_nothing_is_told_the_package_of_the_command(machine: Machine) -> None:
    machine.has(dockerd="exit 1", id='case "$1" in -un) echo somebody;; *) echo 1001;; esac')
    ended = machine.sets_up("engine")
    assert ended.returncode == 1
    assert "sudo apt-get install docker-cli" in ended.stderr
