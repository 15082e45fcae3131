"""Docker, as this program uses it: the SDK for questions, the command line for builds, Compose and open streams."""

from __future__ import annotations

import functools
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.containers import Container

LAB_LABEL = "faultwire.lab"  # on each container and network of a lab; its value is the lab's number
IMAGE_LABEL = "faultwire.image"
FRAME: Final = struct.Struct(">BxxxL")  # which stream, and how many bytes of it follow
STDOUT: Final = 1


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


def run_exec(api: docker.APIClient, execution: str) -> tuple[bytes, bytes]:
    """Start what `exec_create` made, and wait for its end: what it wrote on standard output, and on standard error.

    The SDK's own `exec_start` reads beside the buffer in which the response's head has come, and loses what came with
    it: on a busy machine a quick program's whole output (docker-py issue 3332). Raises APIError.
    """
    url = f"{api.base_url}/v{api.api_version}/exec/{execution}/start"
    response = api.post(url, json={"Tty": False, "Detach": False})
    if not response.ok:
        raise APIError(url, response, response.text.strip())
    stdout, stderr, raw, at = bytearray(), bytearray(), response.content, 0
    while at + FRAME.size <= len(raw):  # Docker Engine API, "Attach to a container", stream format
        kind, length = FRAME.unpack_from(raw, at)
        at += FRAME.size
        (stdout if kind == STDOUT else stderr).extend(raw[at : at + length])
        at += length
    return bytes(stdout), bytes(stderr)


def containers(*labels: str) -> list[Container]:
    """Those that have all of these labels (`name`, or `name=value`), running or not; less what goes meanwhile."""
    return client().containers.list(all=True, filters={"label": [*labels]}, ignore_removed=True)


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
