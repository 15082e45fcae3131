"""One lab: bringing its machines up and down, and running programs on them.

Knows Docker and Compose; knows nothing of what the programs say to each other, of captures or of verdicts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from scenarios import engine
from scenarios.programs import STOP_WITHIN_S, Finished, LabProblem, Running
from scenarios.topology import COMPOSE_FILE, ROOT, Topology, topology
from scenarios.waiting import DeadlinePassed, wait_for

UP_WITHIN_S = 90
# Every process that this program starts on a machine of a lab carries this variable, so that what a killed run left
# running is found by the next one.
MARK = "FAULTWIRE_RUN"
GUEST_LABEL = "faultwire.guest"  # on each container that runs in the network of a machine
_SWEEP = f"""
for process in /proc/[0-9]*; do
    if tr '\\0' '\\n' <"$process/environ" 2>/dev/null | grep -q '^{MARK}='; then
        kill -KILL "${{process#/proc/}}" 2>/dev/null && echo "${{process#/proc/}}"
    fi
done
true
"""


class Lab:
    """The lab of this number on this engine."""

    def __init__(self, number: int) -> None:
        self.topology: Topology = topology(number)
        self.number = number

    def _compose(self, *words: str, timeout_s: float) -> str:
        environment = {**os.environ, "LAB": str(self.number), "COMPOSE_PROGRESS": "plain"}
        return engine.docker_command(
            "compose", "--file", str(COMPOSE_FILE), *words, timeout_s=timeout_s, cwd=ROOT, env=environment
        )

    def container(self, machine: str) -> str:
        """The name of the container of a machine. Raises LabProblem for a machine that the lab does not have."""
        if machine not in self.topology.machines:
            raise LabProblem(f"the lab has no machine {machine!r}; it has {', '.join(self.topology.machines)}")
        return f"{self.topology.project}-{machine}-1"

    def _containers(self) -> list[Container]:
        project: dict[str, str | list[str] | bool] = {"label": f"com.docker.compose.project={self.topology.project}"}
        return engine.client().containers.list(all=True, filters=project)

    def states(self) -> dict[str, str]:
        """Each machine with the state of its container: "healthy", "running", "exited", …, or "absent"."""
        found = {}
        for container in self._containers():
            health = container.attrs["State"].get("Health", {}).get("Status") if container.status == "running" else None
            if health == "starting" and _is_well(container):
                health = "healthy"
            found[container.labels["com.docker.compose.service"]] = health or container.status
        return {machine: found.get(machine, "absent") for machine in self.topology.machines}

    def is_up(self) -> bool:
        """Whether every machine runs, from the image that its tag names now, and the firewall is healthy."""
        states = self.states()
        if states.pop("firewall") != "healthy" or set(states.values()) != {"running"}:
            return False
        containers = self._containers()
        return all(each.attrs["Image"] == engine.image_id(each.attrs["Config"]["Image"]) for each in containers)

    def up(self) -> float:
        """Bring every machine up and wait until the lab is routed and healthy; the seconds that it took."""
        started = time.monotonic()
        try:
            self._compose("up", "--detach", timeout_s=UP_WITHIN_S)
            # Compose's own --wait would look once a second, as the engine does.
            wait_for(self._is_ready, "the firewall to be ready", UP_WITHIN_S, every_s=0.05)
        except (engine.CommandFailed, DeadlinePassed, LabProblem) as error:
            logs = self._compose("logs", "--no-color", "firewall", "cables", "names", "web", timeout_s=30)
            raise LabProblem(f"lab {self.number} did not come up.\n{error}\n{logs}".rstrip()) from error
        return time.monotonic() - started

    def _is_ready(self) -> bool:
        states = self.states()
        if ended := [machine for machine, state in states.items() if state in ("exited", "dead", "unhealthy")]:
            raise LabProblem(f"{' and '.join(ended)} ended, or is not well")
        return states["firewall"] == "healthy"

    def down(self) -> None:
        """Remove the machines and networks of this lab. Without grace: nothing in a lab is worth saving."""
        self._compose("down", "--timeout", "0", "--volumes", timeout_s=60)

    def stop(self, machine: str) -> None:
        """Stop one machine, as `docker stop` does; `up` starts it again."""
        engine.client().containers.get(self.container(machine)).stop(timeout=1)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lab alone: two runs in one lab would be in each other's captures.

        The lock goes with the process that holds it, however it ends. What an earlier, killed, run left running
        on the machines is ended. Raises LabProblem when another process holds the lab.
        """
        path = Path(tempfile.gettempdir(), f"faultwire-lab-{self.number}.lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LabProblem(f"lab {self.number} is in use by another run; take another with LAB=…") from None
            self._sweep()
            yield
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        guests: dict[str, str | list[str] | bool] = {"label": [f"{engine.LAB_LABEL}={self.number}", GUEST_LABEL]}
        for container in engine.client().containers.list(all=True, filters=guests):
            container.remove(force=True)
        running = [machine for machine, state in self.states().items() if state in ("running", "healthy")]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda machine: self.run(machine, ["sh", "-c", _SWEEP], timeout_s=10, mark=False), running))

    def run(self, machine: str, argv: Sequence[str], *, timeout_s: float, mark: bool = True) -> Finished:
        """Run a program on a machine to its end, or until `timeout_s` seconds (its status is 124 then).

        Raises LabProblem when the machine does not run.
        """
        api = engine.client().api
        started = time.monotonic()
        try:
            execution = api.exec_create(
                self.container(machine),
                ["timeout", "--kill-after=1", f"{timeout_s:g}", *argv],
                environment={MARK: "call"} if mark else {},
            )
            out, err = api.exec_start(execution["Id"], demux=True)
        except APIError as error:  # 404: no such container; 409: it is stopped
            raise LabProblem(f"{machine} of lab {self.number} does not run; `make up` starts it") from error
        status = api.exec_inspect(execution["Id"])["ExitCode"]
        stdout, stderr = ((stream or b"").decode("utf-8", "backslashreplace") for stream in (out, err))
        return Finished(tuple(argv), status, stdout, stderr, time.monotonic() - started)

    def open(self, machine: str, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a program on a machine with its standard streams open to this process, as bytes.

        The caller ends it, by closing its standard input: ending the local process alone would leave it running.
        """
        command = ["docker", "exec", "--interactive", "--env", f"{MARK}=stream", self.container(machine), *argv]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    @contextlib.contextmanager
    def running(self, machine: str, argv: Sequence[str], image: str | None = None) -> Iterator[Running]:
        """A program that runs on a machine for the time of the `with` block, and is ended after it.

        With an `image` it is a guest: it brings its own files, and has the network of the machine and no more rights.
        """
        what = f"`{' '.join(argv)}` on {machine}"
        if image:
            name = f"{self.container(machine)}-guest-{secrets.token_hex(4)}"
            command = self._guest(machine, image, argv, name)
        else:
            script = 'echo "pid $$"; exec "$@"'
            command = ["exec", "--env", f"{MARK}=service", self.container(machine), "sh", "-c", script, "sh", *argv]
        stream = subprocess.Popen(
            ["docker", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
        )

        def signal_guest(signal: str) -> None:
            with contextlib.suppress(engine.CommandFailed):  # it ended meanwhile
                engine.docker_command("kill", "--signal", signal, name, timeout_s=STOP_WITHIN_S)

        def signal_process(signal: str) -> None:
            self.run(machine, ["kill", f"-{signal}", pid], timeout_s=STOP_WITHIN_S)

        program = Running(stream, what, signal_guest if image else signal_process)
        if not image:
            pid = program.wait_for_line(r"^pid (\d+)$", within_s=10)[1]
            program.lines.remove(f"pid {pid}")
        try:
            yield program
        finally:
            program.stop()

    def _guest(self, machine: str, image: str, argv: Sequence[str], name: str) -> list[str]:
        return [
            *("run", "--rm", "--init", "--name", name, "--network", f"container:{self.container(machine)}"),
            *("--label", f"{engine.LAB_LABEL}={self.number}", "--label", f"{GUEST_LABEL}={machine}"),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only", "--tmpfs", "/tmp"),  # noqa: S108
            *("--pids-limit", "256", "--memory", "512m", "--user", "1000", "--pull", "never", image, *argv),
        ]

    def run_guest(self, machine: str, image: str, argv: Sequence[str], *, timeout_s: float) -> Finished:
        """Run a program of another image to its end, in the network of a machine; status 124 at its deadline."""
        name = f"{self.container(machine)}-guest-{secrets.token_hex(4)}"
        command = ["docker", *self._guest(machine, image, ["timeout", "--kill-after=1", f"{timeout_s:g}", *argv], name)]
        started = time.monotonic()
        finished = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout_s + 30, check=False
        )
        stdout, stderr = (stream.decode("utf-8", "backslashreplace") for stream in (finished.stdout, finished.stderr))
        return Finished(tuple(argv), finished.returncode, stdout, stderr, time.monotonic() - started)


def _is_well(container: Container) -> bool:
    """What the container's health check says now: the engine runs it once a second only."""
    _, *test = container.attrs["Config"]["Healthcheck"]["Test"]
    with contextlib.suppress(APIError):  # it ended meanwhile
        return bool(container.exec_run(test).exit_code == 0)
    return False


def clean() -> list[str]:
    """Remove every container, network and volume of every lab, found by label; what was removed, by name.

    Images stay: they are what the next lab comes up from. images.remove() is for them.
    """
    removed = []
    of_ours: dict[str, str | list[str] | bool] = {"label": engine.LAB_LABEL}
    for container in engine.client().containers.list(all=True, filters=of_ours):
        with contextlib.suppress(NotFound):
            container.remove(force=True, v=True)
            removed.append(container.name or container.short_id)
    for network in engine.client().networks.list(filters=of_ours):
        with contextlib.suppress(NotFound):
            network.remove()
            removed.append(network.name or network.short_id)
    for volume in engine.client().volumes.list(filters=of_ours):
        with contextlib.suppress(NotFound):
            volume.remove(force=True)
            removed.append(volume.name)
    return removed


def labs_in_use() -> set[int]:
    """The numbers of the labs that have a network on this engine."""
    networks = engine.client().networks.list(filters={"label": engine.LAB_LABEL})
    return {int(network.attrs["Labels"][engine.LAB_LABEL]) for network in networks}
