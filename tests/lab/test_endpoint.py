"""Which engine is spoken to: the one that the `docker` command itself would use."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from docker.errors import DockerException

from scenarios.cli.main import main
from scenarios.lab import build_output, composition, endpoint, engine
from scenarios.lab.errors import NoEngine
from scenarios.lab.lab import Lab

pytestmark = pytest.mark.skipif(shutil.which("docker") is None, reason="the docker command makes the contexts")
KEYS = ("ca", "cert", "key")


class Engine(BaseHTTPRequestHandler):
    """An engine that says its version, and no more."""

    def do_GET(self) -> None:
        said = json.dumps({"ApiVersion": "1.41", "Version": "of the context"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[str]:
    """The address of another engine."""
    path = tmp_path / "engine.sock"
    with socketserver.UnixStreamServer(str(path), Engine) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"unix://{path}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docker").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)


def docker_context(*words: str) -> None:
    subprocess.run(["docker", "context", *words], check=True, capture_output=True, timeout=60)


def test_without_a_context_it_is_the_machines_own_or_that_of_docker_host(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (endpoint.chosen_context(), endpoint.address()) == (None, "unix:///var/run/docker.sock")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert (endpoint.chosen_context(), endpoint.address()) == (None, "tcp://127.0.0.1:1")


@pytest.mark.parametrize("is_used", [True, False], ids=["docker context use", "DOCKER_CONTEXT"])
def test_the_engine_of_the_chosen_context_is_the_one_that_is_asked(
    other: str, monkeypatch: pytest.MonkeyPatch, is_used: bool
) -> None:
    docker_context("create", "other", "--docker", f"host={other}")
    if is_used:
        docker_context("use", "other")
    else:
        monkeypatch.setenv("DOCKER_CONTEXT", "other")
    assert (endpoint.chosen_context(), endpoint.address()) == ("other", other)
    with contextlib.closing(endpoint.connect(10)) as client:
        assert client.version()["Version"] == "of the context"
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")  # which the command obeys before any context
    assert (endpoint.chosen_context(), endpoint.address()) == (None, "unix:///nonexistent.sock")


def test_the_default_context_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    docker_context("use", "default")
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert endpoint.chosen_context() is None


@pytest.mark.parametrize(
    ("is_used", "way"), [(True, "docker context use default"), (False, "unset DOCKER_CONTEXT")], ids=["use", "variable"]
)
def test_a_context_that_is_not_there_is_named_with_the_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_used: bool, way: str
) -> None:
    if is_used:
        (tmp_path / "docker" / "config.json").write_text('{"currentContext": "gone"}', "utf-8")
    else:
        monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    said = rf"the docker context 'gone' cannot be used \(.*not found.*\).*`{way}` goes back to the machine's own engine"
    with pytest.raises(NoEngine, match=said):
        endpoint.connect(10)
    with pytest.raises(NoEngine, match=said):
        endpoint.address()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the program openssl, which makes the keys, is not here")
def test_the_keys_of_a_context_are_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"], check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    shutil.copy(tmp_path / "cert.pem", tmp_path / "ca.pem")
    keys = ",".join(f"{each}={tmp_path / each}.pem" for each in KEYS)
    docker_context("create", "far", "--docker", f"host=tcp://127.0.0.1:1,{keys}")
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    for each in KEYS:
        (tmp_path / f"{each}.pem").unlink()  # the context has copies
    made = endpoint._tls(endpoint._inspected("far"))
    assert made is not None
    assert made.verify is True
    assert made.cert
    assert [Path(str(each)).name for each in (made.ca_cert, *made.cert)] == ["ca.pem", "cert.pem", "key.pem"]
    with pytest.raises(DockerException, match=r"127\.0\.0\.1"):
        endpoint.connect(10).ping()


# What somebody has set for compositions and builds of his own.
HIS_OWN = {
    "COMPOSE_PROJECT_NAME": "his",
    "COMPOSE_FILE": "/his.yaml",
    "COMPOSE_PROFILES": "his",
    "DOCKER_DEFAULT_PLATFORM": "linux/arm64",
    "BUILDX_BUILDER": "his",
}
SAYS_ITS_ENVIRONMENT = '#!/bin/sh\nenv >"$0.said"\n'


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a `docker` command that is first on the path writes its environment, in a shell with all of his own."""
    program = tmp_path / "programs" / "docker"
    program.parent.mkdir()
    program.write_text(SAYS_ITS_ENVIRONMENT, "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    for name, value in HIS_OWN.items():
        monkeypatch.setenv(name, value)
    return program.with_name("docker.said")


def own(said: Path) -> dict[str, str]:
    lines = (line.partition("=") for line in said.read_text("utf-8").splitlines())
    return {name: value for name, _, value in lines if name in {*HIS_OWN, "LAB", "DOCKER_CONFIG"}}


def test_what_somebody_has_set_for_his_own_compositions_changes_nothing_of_a_lab(said: Path, tmp_path: Path) -> None:
    kept = {"DOCKER_CONFIG": str(tmp_path / "docker"), "BUILDX_BUILDER": "default"}
    Lab(7)._compose("ps", timeout_s=20)
    assert own(said) == kept | {"LAB": "7", "COMPOSE_PROFILES": ""}
    engine.docker_command("run", timeout_s=20)
    assert own(said) == kept
    build_output.build("faultwire/host", ["."], within_s=20, logs=tmp_path)
    assert own(said) == kept
    assert main(["logs", "--lab", "7"]) == 0
    assert own(said) == kept | {"LAB": "7", "COMPOSE_PROFILES": "be64,m68k"}


def test_his_own_composition_is_read_with_all_that_he_has_set(said: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Expecting value"):  # this docker prints nothing
        composition.resolved([tmp_path / "compose.yaml"])
    assert own(said) == HIS_OWN | {"DOCKER_CONFIG": str(tmp_path / "docker")}


def test_the_proxies_of_his_programs_in_containers_are_none_of_a_labs(said: Path, tmp_path: Path) -> None:
    """A client in the lab asked them, and nobody else, and had no answer without any failure."""
    proxies = {"default": {"httpProxy": "http://192.0.2.1:3128"}}
    his = {"auths": {"his.example": {"auth": "c2VjcmV0"}}, "proxies": proxies, "psFormat": "table {{.ID}}"}
    (tmp_path / "docker" / "config.json").write_text(json.dumps(his), "utf-8")
    (tmp_path / "docker" / "contexts").mkdir()
    engine.docker_command("run", timeout_s=20)
    folder = Path(own(said)["DOCKER_CONFIG"])
    assert json.loads((folder / "config.json").read_text("utf-8")) == {"psFormat": "table {{.ID}}"}
    assert (folder / "contexts").resolve() == tmp_path / "docker" / "contexts"
    Lab(7)._compose("ps", timeout_s=20)
    assert own(said)["DOCKER_CONFIG"] == str(folder)
    build_output.build("faultwire/host", ["."], within_s=20, logs=tmp_path)
    assert own(said)["DOCKER_CONFIG"] == str(tmp_path / "docker")
