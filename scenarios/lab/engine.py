"""Docker, as this program uses it: the SDK for questions, the command line for builds, Compose and open streams."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.containers import Container

from scenarios.lab import endpoint, signals
from scenarios.lab.control_sequences import without_controls
from scenarios.lab.errors import CommandFailed, NoEngine
from scenarios.lab.places import typed
from scenarios.lab.process import BoundedOutput
from scenarios.lab.waiting import Meanwhile, nothing

LAB_LABEL = "faultwire.lab"  # on each container and network of a lab; its value is the lab's number
IMAGE_LABEL = "faultwire.image"
INPUTS_LABEL = "faultwire.inputs"  # the digest of all that an image of ours was built from
FRAME: Final = struct.Struct(">BxxxL")  # which stream, and how many bytes of it follow
STDOUT: Final = 1
LOOKS_EVERY_S: Final = 0.2  # whether a command is to be ended
ANSWERS_WITHIN_S: Final = 60  # a question; what takes its time by itself says how long
READ_BYTES: Final = 64 << 10
EXEC_LIMIT: Final = 16 << 20  # bytes that are kept of each stream of a program that is run on a machine
TOLD_LINES: Final = 20  # of a command that failed, from the end


@functools.cache
def client() -> docker.DockerClient:
    """The engine that the `docker` command speaks to. Raises NoEngine."""
    try:
        found = endpoint.connect(ANSWERS_WITHIN_S)
        found.ping()
    except DockerException as error:
        if context := endpoint.chosen_context():
            why = f"no Docker Engine answers at {endpoint.address()}, of the docker context {context!r} ({error})"
            raise NoEngine(f"{why}; {endpoint.way_back()}") from error
        raise NoEngine(f"no Docker Engine answers ({error}); `{typed('setup')}` installs or starts one") from error
    return found


@contextlib.contextmanager
def request(to: str) -> Iterator[None]:
    """For what asks the engine: raise CommandFailed, with what it was to do, when it does not answer in time."""
    try:
        yield
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise CommandFailed(f"the engine did not {to} within {ANSWERS_WITHIN_S} s") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        if isinstance(error, APIError):  # it answered
            raise
        raise CommandFailed(f"the engine could not be asked to {to}: {error}") from error


def run_exec(api: docker.APIClient, execution: str, within_s: float) -> tuple[BoundedOutput, BoundedOutput]:
    """Start what `exec_create` made, and wait for its end: what it wrote on standard output, and on standard error.

    The SDK's own `exec_start` reads beside the buffer in which the response's head has come, and loses what came with
    it: on a busy machine a quick program's whole output (docker-py issue 3332). Raises APIError, and TimeoutError when
    the program has not ended within `within_s`, as that of a machine that is paused.
    """
    until_s = time.monotonic() + within_s
    url = f"{api.base_url}/v{api.api_version}/exec/{execution}/start"
    try:
        response = api.post(url, json={"Tty": False, "Detach": False}, stream=True, timeout=within_s)
        with contextlib.closing(response):
            if not response.ok:
                raise APIError(url, response, response.text.strip())
            return _demultiplexed(response.raw, until_s)
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise TimeoutError(f"not within {within_s:g} s") from error


def _demultiplexed(raw: urllib3.HTTPResponse, until_s: float) -> tuple[BoundedOutput, BoundedOutput]:
    """Both streams of an exec (Docker Engine API, "Attach to a container", stream format), until their end.

    Each read has a deadline of its own, the socket's; a program that goes on printing is held to `until_s`.
    """
    stdout, stderr = BoundedOutput(EXEC_LIMIT), BoundedOutput(EXEC_LIMIT)
    head, of, left = b"", stdout, 0
    while data := raw.read1(READ_BYTES):
        at = 0
        while at < len(data):
            if not left:
                wanted = FRAME.size - len(head)
                head, at = head + data[at : at + wanted], at + wanted
                if len(head) == FRAME.size:
                    (kind, left), head = FRAME.unpack(head), b""
                    of = stdout if kind == STDOUT else stderr
                continue
            of.take(data[at : at + left])
            at, left = at + left, max(0, left - (len(data) - at))
        if time.monotonic() > until_s:
            raise TimeoutError("it goes on printing")
    return stdout, stderr


def containers(*labels: str) -> list[Container]:
    """Those that have all of these labels (`name`, or `name=value`), running or not; less what goes meanwhile."""
    with request("list the containers"):
        return client().containers.list(all=True, filters={"label": [*labels]}, ignore_removed=True)


def image_id(tag: str) -> str | None:
    """The id of the image that a tag names, or None where there is none."""
    try:
        with request(f"look for the image {tag}"):
            return str(client().images.get(tag).id)
    except ImageNotFound:
        return None


def image_layers(tag: str) -> str | None:
    """The digests of the layers of the image that a tag names, or None where there is none.

    Unlike an image's id they are the same on every engine: the id is the digest of the configuration, or with the
    containerd image store (Engine 29's own) that of the manifest.
    """
    try:
        return " ".join(client().images.get(tag).attrs["RootFS"]["Layers"])
    except ImageNotFound:
        return None


def docker_command(
    *words: str,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    meanwhile: Meanwhile = nothing,
) -> str:
    """Run the docker command line and return what it printed. Raises CommandFailed.

    `env` is its environment (default: that of a command about what is the lab's, endpoint.environment()).
    At its deadline, and when this process is interrupted, it is ended with all that it started: Compose is a plugin,
    a process of its own, which would go on bringing machines up. So it is when `meanwhile` raises (lab/waiting.py).
    """
    argv: Sequence[str] = ("docker", *words)
    with contextlib.ExitStack() as started:
        with signals.held_back():  # a signal between its start and our knowing of it would leave it running
            process = started.enter_context(
                subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="backslashreplace",
                    cwd=cwd,
                    env=endpoint.environment() if env is None else env,
                    start_new_session=True,  # Ctrl-C comes to us alone; we end the command
                )
            )
            started.callback(_kill_group, process)
        try:
            out, err = _communicate(process, timeout_s, meanwhile)
        except subprocess.TimeoutExpired as error:
            _kill_group(process)
            printed = _tail("".join(process.communicate()))
            raise CommandFailed(f"`{' '.join(argv)}` did not end within {timeout_s:g} s\n{printed}".rstrip()) from error
    if process.returncode != 0:
        raise CommandFailed(f"`{' '.join(argv)}` ended with status {process.returncode}:\n{_tail(out + err)}")
    return out


def _kill_group(process: subprocess.Popen[str]) -> None:
    """End it with all that it started, where its end has not been seen: till then the group's number is its own."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _communicate(process: subprocess.Popen[str], timeout_s: float, meanwhile: Meanwhile) -> tuple[str, str]:
    until_s = time.monotonic() + timeout_s
    while True:
        meanwhile()
        left_s = max(0.0, until_s - time.monotonic())
        try:
            return process.communicate(timeout=min(left_s, LOOKS_EVERY_S))
        except subprocess.TimeoutExpired:  # what it printed by then is kept
            if left_s <= LOOKS_EVERY_S:
                raise


def _tail(printed: str) -> str:
    return "\n".join(without_controls(printed).strip().splitlines()[-TOLD_LINES:])


def is_well(container: Container) -> bool:
    """What the container's health check says now: the engine runs it once a second only."""
    _, *test = container.attrs["Config"]["Healthcheck"]["Test"]
    with contextlib.suppress(APIError):  # it ended meanwhile
        return bool(container.exec_run(test).exit_code == 0)
    return False
