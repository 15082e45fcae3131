"""A second Docker Engine on this machine, with nothing in it and no way out: another machine, as Docker sees it.

It has a network namespace with a loopback interface alone, its own process ids and mounts, its own data, socket and
containerd. All of its processes end with it, because it is the init of its process namespace (pid_namespaces(7)), and
its mounts and interfaces with them. It needs root, and a kernel that lets a container start an engine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from scenarios.lab.errors import DeadlinePassed
from scenarios.lab.waiting import wait_for
from tests import processes

STARTS_WITHIN_S: Final = 60.0
STOPS_WITHIN_S: Final = 60.0
NEEDED: Final = ("dockerd", "containerd", "iptables", "ip", "unshare", "nsenter", "setpriv")
# Its containerd is to be its own: dockerd takes the machine's where it sees its socket.
START: Final = """
set -e
ip link set lo up
[ ! -d /run/containerd ] || mount -t tmpfs none /run/containerd
exec dockerd --config-file "$1/daemon.json" --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" \
    --host "unix://$1/docker.sock"
"""


@dataclass(frozen=True, slots=True)
class SecondEngine:
    """An engine that runs. `pid` is dockerd's, in this machine's numbers: nsenter(1) finds its namespaces by it."""

    folder: Path
    pid: int

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment in which Docker's programs speak to it, and pip finds nothing of this machine's."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "DOCKER_"))}
        return ours | {
            "DOCKER_HOST": f"unix://{self.folder}/docker.sock",
            "DOCKER_CONFIG": f"{self.folder}/config",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_CACHE_DIR": "1",
        }

    def run(
        self, argv: Sequence[str | Path], *, timeout_s: float, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of this machine in the engine's network: it reaches the engine, and nobody else.

        Its standard error is in `stdout` too, as a terminal shows it.
        """
        inside = ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *argv]
        return processes.run(inside, within_s=timeout_s, cwd=cwd, env=self.environment)

    def kill(self) -> None:
        """Kill it and all of its processes, as a machine that loses its power does."""
        os.kill(self.pid, signal.SIGKILL)

    def images(self) -> set[str]:
        """The tags of its images."""
        listed = self.run(["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"], timeout_s=20)
        assert listed.returncode == 0, listed.stdout
        return set(listed.stdout.split())


def why_not() -> str | None:
    """Why no second engine can be had on this machine; None where one can."""
    if os.geteuid() != 0:
        return "a second engine needs root"
    if missing := [program for program in NEEDED if not shutil.which(program)]:
        return f"a second engine needs {', '.join(missing)}, which this machine lacks"
    entered = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False
    )
    return f"no namespaces can be had: {entered.stderr.decode().strip()}" if entered.returncode else None


@contextlib.contextmanager
def second_engine() -> Iterator[SecondEngine]:
    """An engine without an image and without a way out, for the time of the `with` block; then nothing is left of it.

    The test is skipped, with the reason, where none can be had.
    """
    if reason := why_not():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="faultwire-engine-"))  # short: a socket's path has at most 107 bytes, unix(7)
    (folder / "daemon.json").write_text("{}")
    try:
        argv = [
            *("setpriv", "--pdeathsig", "KILL"),  # it goes with this process, however that ends
            *("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
            *("sh", "-c", START, "sh", str(folder)),
        ]
        outside = processes.start_with_log(argv, folder / "log")
        try:
            yield _answering(outside, folder)
        finally:
            _stop(outside)
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def cable(engine: SecondEngine, here: str, there: str) -> Iterator[None]:
    """A cable between this machine and the engine's, for the time of the `with` block (veth(4)), with addresses."""
    ours, theirs = f"fw{engine.pid}h", f"fw{engine.pid}t"  # a name has at most 15 bytes
    inside = ["nsenter", f"--net=/proc/{engine.pid}/ns/net", "--"]
    subprocess.run(
        ["ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", str(engine.pid)], check=True
    )
    try:
        for where, link, address in (([], ours, here), (inside, theirs, there)):
            subprocess.run([*where, "ip", "address", "add", address, "dev", link], check=True)
            subprocess.run([*where, "ip", "link", "set", link, "up"], check=True)
        yield
    finally:
        subprocess.run(
            ["ip", "link", "delete", ours], capture_output=True, check=False
        )  # it may have gone with the engine


def _child_of(pid: int) -> int | None:
    """The one process that unshare(1) has made; None when it has ended."""
    with contextlib.suppress(OSError, ValueError):
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())
    return None


def _answering(outside: subprocess.Popen[bytes], folder: Path) -> SecondEngine:
    argv = ["docker", "--host", f"unix://{folder}/docker.sock", "version"]

    def answers() -> bool:
        assert outside.poll() is None, f"the second engine has ended:\n{(folder / 'log').read_text()[-2000:]}"
        return subprocess.run(argv, capture_output=True, check=False, timeout=20).returncode == 0

    try:
        wait_for(answers, "an answer of the second engine", within_s=STARTS_WITHIN_S)
    except DeadlinePassed as error:
        raise AssertionError(f"{error}:\n{(folder / 'log').read_text()[-2000:]}") from error
    pid = _child_of(outside.pid)
    assert pid is not None
    return SecondEngine(folder, pid)


def _stop(outside: subprocess.Popen[bytes]) -> None:
    """End the engine, and with it all that it has started."""
    pid = _child_of(outside.pid)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
    try:
        outside.wait(STOPS_WITHIN_S)
    except subprocess.TimeoutExpired:
        outside.kill()  # and with it, by --kill-child, the init of the namespace
        outside.wait()
        raise
