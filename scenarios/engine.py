"""Docker, as this program uses it: the SDK for questions, the command line for builds, Compose and open streams."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound

LAB_LABEL = "faultwire.lab"  # on each container and network of a lab; its value is the lab's number
IMAGE_LABEL = "faultwire.image"


class CommandFailed(Exception):
    """A command that should have worked did not; the message holds the command and the end of what it printed."""


class NoEngine(Exception):
    """No Docker Engine answers."""


@functools.cache
def client() -> docker.DockerClient:
    """The engine that DOCKER_HOST or the ordinary socket names. Raises NoEngine."""
    try:
        found = docker.from_env(timeout=60)
        found.ping()
    except DockerException as error:
        raise NoEngine(f"no Docker Engine answers ({error}); `make setup` installs or starts one") from error
    return found


def image_id(tag: str) -> str | None:
    """The id of the image that a tag names, or None where there is none."""
    try:
        return str(client().images.get(tag).id)
    except ImageNotFound:
        return None


def docker_command(*words: str, timeout_s: float, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run the docker command line and return what it printed. Raises CommandFailed."""
    argv: Sequence[str] = ("docker", *words)
    try:
        finished = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            cwd=cwd,
            env=env,
            check=False,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C comes to us alone; we end the command
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"`{' '.join(argv)}` did not end within {timeout_s:g} s") from error
    if finished.returncode != 0:
        tail = "\n".join((finished.stdout + finished.stderr).strip().splitlines()[-20:])
        raise CommandFailed(f"`{' '.join(argv)}` ended with status {finished.returncode}:\n{tail}")
    return finished.stdout
