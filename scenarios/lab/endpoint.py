"""Which engine the `docker` command speaks to: that of DOCKER_HOST, of a context (docker-context(1)), or the machine's.

Docker's SDK knows DOCKER_HOST alone. Whoever has chosen a context, as Docker Desktop and other engines for one user do,
would have labs brought up by the command on one engine, and looked for by the SDK on another.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException
from docker.tls import TLSConfig
from docker.utils.config import find_config_file, load_general_config

from scenarios.lab.errors import NoEngine

SOCKET = "unix:///var/run/docker.sock"
DEFAULT = "default"
TELLS_WITHIN_S = 20
LEFT_OUT = ("proxies", "auths", "credsStore", "credHelpers", "HttpHeaders")


def chosen_context() -> str | None:
    """The name of the context that the command uses; None for the default one, as where DOCKER_HOST is set."""
    if os.environ.get("DOCKER_HOST"):
        return None
    name = os.environ.get("DOCKER_CONTEXT") or load_general_config().get("currentContext")
    return str(name) if name and name != DEFAULT else None


def environment(**own: str) -> dict[str, str]:
    """The environment of a `docker` command about what is the lab's, with these variables of our own.

    As `build_environment`. Nor does what it starts get the proxies that somebody's programs in containers are to use by
    his configuration (`proxies` in config.json, docker(1)): no lab has a way there, and a client would ask nobody else.
    """
    return {**build_environment(), **_without_proxies(), **own}


def build_environment(**own: str) -> dict[str, str]:
    """The environment of a `docker` command that builds, which has its proxies; with these variables of our own.

    What somebody has set for his own compositions and builds is not in it: COMPOSE_PROJECT_NAME would bring the lab up
    under another name, DOCKER_DEFAULT_PLATFORM ask for machines of another CPU, and a builder in a container of its own
    (BUILDX_BUILDER, `docker buildx use`) keep what it builds from the engine.
    """
    of_users = ("COMPOSE_", "DOCKER_DEFAULT_PLATFORM")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(of_users)}
    return {**kept, "BUILDX_BUILDER": chosen_context() or DEFAULT, **own}


def _without_proxies() -> dict[str, str]:
    """What leads a `docker` command to a configuration without `proxies`; nothing where there are none."""
    path = find_config_file()
    if path is None or "proxies" not in load_general_config(path):
        return {}
    return {"DOCKER_CONFIG": _configuration_without_proxies(Path(str(path))).name}


@cache
def _configuration_without_proxies(path: Path) -> tempfile.TemporaryDirectory[str]:
    """As the folder of this config.json, for as long as this process is there. What it holds of registries is left out:
    the lab pulls nothing.
    """
    folder = tempfile.TemporaryDirectory(prefix="faultwire-docker-")
    for each in path.parent.iterdir():
        if each.name != path.name:
            (Path(folder.name) / each.name).symlink_to(each.absolute())
    kept = {key: value for key, value in load_general_config(path).items() if key not in LEFT_OUT}
    (Path(folder.name) / "config.json").write_text(json.dumps(kept), encoding="utf-8")
    return folder


def way_back() -> str:
    """What to type where the chosen context is not the engine that is wanted."""
    command = "unset DOCKER_CONTEXT" if os.environ.get("DOCKER_CONTEXT") else "docker context use default"
    return f"`{command}` goes back to the machine's own engine"


def address() -> str:
    """Where the engine is: `unix:///var/run/docker.sock`. Raises NoEngine for a context that is not there."""
    if context := chosen_context():
        return str(_inspected(context)["Endpoints"]["docker"]["Host"])
    return os.environ.get("DOCKER_HOST") or SOCKET


def connect(timeout_s: int) -> docker.DockerClient:
    """A client of that engine. Raises DockerException, and NoEngine for a context that is not there."""
    if not (context := chosen_context()):
        return docker.from_env(timeout=timeout_s)
    told = _inspected(context)
    host = str(told["Endpoints"]["docker"]["Host"])
    is_ssh = host.startswith("ssh://")
    return docker.DockerClient(base_url=host, tls=_tls(told) or False, timeout=timeout_s, use_ssh_client=is_ssh)


def _inspected(context: str) -> dict[str, Any]:
    """What the command itself says of a context: where its files are is its own affair."""
    argv = ["docker", "context", "inspect", "--format", "{{json .}}", context]
    try:
        told = subprocess.run(argv, capture_output=True, text=True, timeout=TELLS_WITHIN_S, check=True).stdout
        found = json.loads(told)
        if not found["Endpoints"]["docker"]["Host"]:
            raise ValueError("it names no host")
    except (subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        said = getattr(error, "stderr", "") or str(error)
        why = f"the docker context {context!r} cannot be used ({said.strip()})"
        raise NoEngine(f"{why}; `docker context ls` lists those that there are, and {way_back()}") from error
    return dict(found)


def _tls(told: dict[str, Any]) -> TLSConfig | None:
    """The keys of a context: those of its files whose names say what they are."""
    folder = Path(told["Storage"]["TLSPath"]) / "docker"
    files = {name.partition(".")[0]: str(folder / name) for name in (told.get("TLSMaterial") or {}).get("docker") or ()}
    if not files:
        return None
    own = (files["cert"], files["key"]) if {"cert", "key"} <= {*files} else None
    is_verified = not told["Endpoints"]["docker"].get("SkipTLSVerify", False)
    try:
        return TLSConfig(client_cert=own, ca_cert=files.get("ca"), verify=is_verified)
    except DockerException as error:
        raise NoEngine(f"the keys of the docker context {told['Name']!r} cannot be used: {error}") from error
