"""One lab: bringing its machines up and down, and running programs on them.

Knows Docker and Compose; knows nothing of what the programs say to each other, of captures or of verdicts.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from scenarios import engine, locking
from scenarios.programs import ENDED_AT_DEADLINE, STOP_WITHIN_S, Finished, LabProblem, Running
from scenarios.topology import COMPOSE_FILE, ROOT, Topology, topology
from scenarios.waiting import DeadlinePassed, wait_for

UP_WITHIN_S = 90
ANSWERS_WITHIN_S = 10
CLEANS_TIMES = 3
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


class Guest(Running):
    """A program of another image that runs until it is stopped. SIGSTOP and SIGCONT are for all of its processes."""

    def __init__(self, stream: subprocess.Popen[str], what: str, container: str) -> None:
        self._container = container
        super().__init__(stream, what, self._send)

    def _send(self, signal: str) -> None:
        # A signal goes to the container's first process, which hands it on; SIGSTOP it cannot, and the engine can.
        words = {"STOP": ("pause",), "CONT": ("unpause",)}.get(signal, ("kill", "--signal", signal))
        with contextlib.suppress(engine.CommandFailed):  # it ended meanwhile
            engine.docker_command(*words, self._container, timeout_s=STOP_WITHIN_S)

    @property
    def is_paused(self) -> bool:
        """Whether the engine has it paused."""
        with contextlib.suppress(NotFound):
            return bool(engine.client().containers.get(self._container).status == "paused")
        return False


class Lab:
    """The lab of this number on this engine.

    `profiles` are those of compose.yaml whose machines are wanted too. A lab may have more machines up than are wanted.
    """

    def __init__(self, number: int, *profiles: str) -> None:
        self.topology: Topology = topology(number)
        self.number = number
        self.profiles = profiles
        self.guests: dict[str, str] = {}  # of each guest that was run to its end: its container's id, and its machine
        for profile in profiles:
            if profile not in self.topology.profiles.values():
                there_are = ", ".join(sorted({*self.topology.profiles.values()}))
                raise ValueError(f"compose.yaml has no profile {profile!r}; there are: {there_are}")

    @property
    def wanted(self) -> tuple[str, ...]:
        """The machines that are up when this lab is."""
        return self.topology.machines_of(self.profiles)

    def _compose(self, *words: str, timeout_s: float, profiles: Iterable[str] = ()) -> str:
        environment = {**os.environ, "LAB": str(self.number), "COMPOSE_PROGRESS": "plain"}
        environment["COMPOSE_PROFILES"] = ",".join(sorted({*profiles}))
        return engine.docker_command(
            "compose", "--file", str(COMPOSE_FILE), *words, timeout_s=timeout_s, cwd=ROOT, env=environment
        )

    def container(self, machine: str) -> str:
        """The name of the container of a machine. Raises LabProblem for a machine that the lab does not have."""
        if machine not in self.topology.machines:
            raise LabProblem(f"the lab has no machine {machine!r}; it has {', '.join(self.topology.machines)}")
        return f"{self.topology.project}-{machine}-1"

    def _containers(self) -> list[Container]:
        return engine.containers(f"com.docker.compose.project={self.topology.project}")

    def states(self) -> dict[str, str]:
        """Each machine with the state of its container: "healthy", "running", "exited", …, or "absent".

        Those of a profile that is not wanted are here only where they are there all the same.
        """
        found = {}
        for container in self._containers():
            health = container.attrs["State"].get("Health", {}).get("Status") if container.status == "running" else None
            if health == "starting" and _is_well(container):
                health = "healthy"
            found[container.labels["com.docker.compose.service"]] = health or container.status
        wanted = self.wanted
        return {
            machine: found.get(machine, "absent")
            for machine in self.topology.machines
            if machine in wanted or machine in found
        }

    def is_up(self) -> bool:
        """Whether every wanted machine runs, from the image that its tag names now, and the firewall is healthy."""
        states, wanted = self.states(), self.wanted
        if any(states[name] != ("healthy" if name == "firewall" else "running") for name in wanted):
            return False
        containers = [each for each in self._containers() if each.labels["com.docker.compose.service"] in wanted]
        return all(each.attrs["Image"] == engine.image_id(each.attrs["Config"]["Image"]) for each in containers)

    def up(self) -> float:
        """Bring every wanted machine up and wait until the lab is routed and healthy; the seconds that it took."""
        started = time.monotonic()
        try:
            self._compose("up", "--detach", timeout_s=UP_WITHIN_S, profiles=self.profiles)
            # Compose's own --wait would look once a second, as the engine does.
            wait_for(self._is_ready, "the firewall to be ready", UP_WITHIN_S, every_s=0.05)
            for name in self.wanted:
                if name in self.topology.profiles:  # of the others the firewall saw to it by itself
                    self._wait_for_answer(name)
        except (engine.CommandFailed, DeadlinePassed, LabProblem) as error:
            logs = self._compose("logs", "--no-color", "firewall", "cables", "names", "web", timeout_s=30)
            raise LabProblem(f"lab {self.number} did not come up.\n{error}\n{logs}".rstrip()) from error
        return time.monotonic() - started

    def _is_ready(self) -> bool:
        states, wanted = self.states(), self.wanted
        if ended := [name for name in wanted if states[name] in ("exited", "dead", "unhealthy")]:
            raise LabProblem(f"{' and '.join(ended)} ended, or is not well")
        return states["firewall"] == "healthy"

    def _wait_for_answer(self, name: str) -> None:
        """Until a host answers the firewall's ping, over both families."""
        host = self.topology.hosts[name]
        for address in (host.ipv4, host.ipv6):
            ping = ["ping", "-q", "-c", "1", "-W", "1", address]

            def answers(ping: list[str] = ping) -> bool:
                return self.run("firewall", ping, timeout_s=5).status == 0

            wait_for(answers, f"{name} to answer a ping at {address}", ANSWERS_WITHIN_S, every_s=0.1)

    def down(self) -> None:
        """Remove the machines and networks of this lab. Without grace: nothing in a lab is worth saving."""
        every = self.topology.profiles.values()  # Compose leaves the machines of other profiles, and so the networks
        self._compose("down", "--timeout", "0", "--volumes", timeout_s=60, profiles=every)

    def stop(self, machine: str) -> None:
        """Stop one machine, as `docker stop` does; `up` starts it again."""
        engine.client().containers.get(self.container(machine)).stop(timeout=1)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lab alone: two runs in one lab would be in each other's captures.

        The lock goes with the process that holds it, however it ends. What an earlier, killed, run left running
        on the machines is ended. Raises LabProblem when another process holds the lab.
        """
        try:
            lock = locking.take(locking.path_of(self.number, "lock"))
        except BlockingIOError:
            raise LabProblem(f"lab {self.number} is in use by another run; take another with LAB=…") from None
        try:
            self._sweep()
            yield
        finally:
            os.close(lock)

    def _sweep(self) -> None:
        for container in engine.containers(f"{engine.LAB_LABEL}={self.number}", GUEST_LABEL):
            with contextlib.suppress(NotFound):
                container.remove(force=True)
        # The meter sees the processes of every lab, and would end those of another run; its own end with their input.
        running = [
            machine
            for machine, state in self.states().items()
            if state in ("running", "healthy") and machine != "meter"
        ]
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
            out, err = engine.run_exec(api, execution["Id"])
        except APIError as error:  # 404: no such container; 409: it is stopped
            profile = self.topology.profiles.get(machine)
            how = f"make up WITH={profile}" if profile else "make up"
            raise LabProblem(f"{machine} of lab {self.number} does not run; `{how}` starts it") from error
        status = api.exec_inspect(execution["Id"])["ExitCode"]
        stdout, stderr = (stream.decode("utf-8", "backslashreplace") for stream in (out, err))
        return Finished(tuple(argv), status, stdout, stderr, time.monotonic() - started)

    def open(self, machine: str, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a program on a machine with its standard streams open to this process, as bytes.

        The caller ends it, by closing its standard input: ending the local process alone would leave it running.
        """
        command = ["docker", "exec", "--interactive", "--env", f"{MARK}=stream", self.container(machine), *argv]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    @contextlib.contextmanager
    def running(
        self,
        machine: str,
        argv: Sequence[str],
        image: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Running]:
        """A program that runs on a machine for the time of the `with` block, and is ended after it.

        With an `image` it is a guest: it brings its own files, and has the network of the machine and no more rights.
        `environment` is for a guest.
        """
        what = f"`{' '.join(argv)}` on {machine}"
        name = self.guest_name(machine)
        if image:
            command = ["run", "--rm", *self._guest(machine, image, argv, name, environment or {})]
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

        def signal_process(signal: str) -> None:
            self.run(machine, ["kill", f"-{signal}", pid], timeout_s=STOP_WITHIN_S)

        program = Guest(stream, what, name) if image else Running(stream, what, signal_process)
        if not image:
            pid = program.wait_for_line(r"^pid (\d+)$", within_s=10)[1]
            program.lines.remove(f"pid {pid}")
        try:
            yield program
        finally:
            program.stop()

    def guest_name(self, machine: str) -> str:
        """A name for the container of a guest."""
        return f"{self.container(machine)}-guest-{secrets.token_hex(4)}"

    def end_guest(self, name: str) -> None:
        """End a guest at once, where it runs."""
        with contextlib.suppress(NotFound, APIError):  # 409: it does not run yet, or no longer
            engine.client().containers.get(name).kill()

    def _guest(
        self, machine: str, image: str, argv: Sequence[str], name: str, environment: Mapping[str, str]
    ) -> list[str]:
        """The words of `docker run` or `docker create`. The image's own entry point is not used: `argv` is all."""
        return [
            *("--init", "--name", name, "--network", f"container:{self.container(machine)}"),
            *("--label", f"{engine.LAB_LABEL}={self.number}", "--label", f"{GUEST_LABEL}={machine}"),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only", "--tmpfs", "/tmp"),  # noqa: S108
            *(word for key, value in environment.items() for word in ("--env", f"{key}={value}")),
            *("--pids-limit", "256", "--memory", "512m", "--user", "1000", "--pull", "never", "--entrypoint", ""),
            *(image, *argv),
        ]

    def run_guest(
        self,
        machine: str,
        image: str,
        argv: Sequence[str],
        *,
        timeout_s: float,
        environment: Mapping[str, str] | None = None,
        name: str = "",
    ) -> Finished:
        """Run a program of another image to its end, in the network of a machine; status 124 at its deadline.

        `name` is its container's, of `guest_name`, for whoever may want to end it before.

        Its times are the program's own, as the engine has them, to some milliseconds: the making of its container is
        not in them.
        """
        name = name or self.guest_name(machine)
        engine.docker_command("create", *self._guest(machine, image, argv, name, environment or {}), timeout_s=60)
        guest = engine.client().containers.get(name)
        self.guests[str(guest.id)] = machine
        try:
            stream = subprocess.Popen(
                ["docker", "start", "--attach", name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C comes to us alone; we end the guest
            )
            ended_by_us = False
            left_s = timeout_s
            while True:
                try:
                    out, err = stream.communicate(timeout=left_s)
                    break
                except subprocess.TimeoutExpired:
                    guest.reload()
                # it has not had its time yet where the engine took some to start it
                left_s = _unix_s(guest.attrs["State"]["StartedAt"]) + timeout_s - time.time()
                if left_s <= 0:
                    ended_by_us, left_s = True, STOP_WITHIN_S
                    with contextlib.suppress(APIError):  # it ended meanwhile
                        guest.kill()
            guest.reload()
            state = guest.attrs["State"]
            began_s, ended_s = (_unix_s(state[key]) for key in ("StartedAt", "FinishedAt"))
            status = ENDED_AT_DEADLINE if ended_by_us else int(state["ExitCode"])
        finally:
            with contextlib.suppress(NotFound):
                guest.remove(force=True)
        stdout, stderr = (each.decode("utf-8", "backslashreplace") for each in (out, err))
        # the engine notes the beginning after it, and a program that is quick enough has ended by then
        return Finished(tuple(argv), status, stdout, stderr, max(0.0, ended_s - began_s), began_s)


def _unix_s(time_of_engine: str) -> float:
    """Unix time of `2026-11-21T17:04:28.123456789Z`."""
    whole, _, fraction = time_of_engine.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


def _is_well(container: Container) -> bool:
    """What the container's health check says now: the engine runs it once a second only."""
    _, *test = container.attrs["Config"]["Healthcheck"]["Test"]
    with contextlib.suppress(APIError):  # it ended meanwhile
        return bool(container.exec_run(test).exit_code == 0)
    return False


def clean() -> list[str]:
    """Remove every container, network and volume of every lab, found by label; what was removed, by name.

    Images stay: they are what the next lab comes up from. images.remove() is for them. Raises LabProblem when somebody
    brings labs up meanwhile.
    """
    removed: list[str] = []
    for _ in range(CLEANS_TIMES):
        try:
            _remove_all(removed)
        except APIError as error:  # of a network that has a machine again, say
            problem = error
        else:
            return removed
    raise LabProblem(f"not all could be removed, for something brings labs up meanwhile: {problem}")


def _remove_all(removed: list[str]) -> None:
    of_ours: dict[str, str | list[str] | bool] = {"label": engine.LAB_LABEL}
    for container in engine.containers(engine.LAB_LABEL):
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


def labs_in_use() -> set[int]:
    """The numbers of the labs that have a network on this engine."""
    networks = engine.client().networks.list(filters={"label": engine.LAB_LABEL})
    return {int(network.attrs["Labels"][engine.LAB_LABEL]) for network in networks}
