"""One lab: bringing its machines up and down, and running programs on them.

Knows Docker and Compose; knows nothing of what the programs say to each other, of captures or of verdicts.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from scenarios.lab import engine, locks
from scenarios.lab.errors import CommandFailed, DeadlinePassed, LabInUse, LabProblem
from scenarios.lab.process import ENDED_AT_DEADLINE, STOP_WITHIN_S, Finished, Kept, Running
from scenarios.lab.topology import COMPOSE_FILE, ROOT, Topology, topology
from scenarios.lab.waiting import wait_for

UP_WITHIN_S = 90
ANSWERS_WITHIN_S = 10
NO_LAB = -1  # the number of what is of ours, and of no lab
GUEST_MEMORY = "512m"
GUEST_FILES = "256m"  # of its /tmp, which is in that memory
GUEST_OPEN_FILES = 16384  # as a host has
GUEST_BEGINS_WITHIN_S = 60
GUEST_KILLS = 3
LATE_S = 40  # so long a machine, or the engine, may take beyond the time that a program was given
CLEANS_TIMES = 3
# Every process that this program starts on a machine of a lab carries this variable, so that what a killed run left
# running is found by the next one.
MARK = "FAULTWIRE_RUN"
GUEST_LABEL = "faultwire.guest"  # on each container that runs in the network of a machine
# Kills every process whose environment has a variable, as `name=value`, that the first word, a pattern, finds.
SWEEP = """
for process in /proc/[0-9]*; do
    if tr '\\0' '\\n' <"$process/environ" 2>/dev/null | grep -q -e "$0"; then
        kill -KILL "${process#/proc/}" 2>/dev/null && echo "${process#/proc/}"
    fi
done
true
"""


class Guest(Running):
    """A program of another image that runs until it is stopped. SIGSTOP and SIGCONT are for all of its processes."""

    def __init__(self, stream: subprocess.Popen[bytes], what: str, container: str) -> None:
        self._container = container
        super().__init__(stream, what, self._send)

    def _send(self, signal: str) -> None:
        # A signal goes to the container's first process, which hands it on; SIGSTOP it cannot, and the engine can.
        words = {"STOP": ("pause",), "CONT": ("unpause",)}.get(signal, ("kill", "--signal", signal))
        with contextlib.suppress(CommandFailed):  # it ended meanwhile
            engine.docker_command(*words, self._container, timeout_s=STOP_WITHIN_S)

    @property
    def is_paused(self) -> bool:
        """Whether the engine has it paused."""
        with contextlib.suppress(NotFound), engine.asked(f"say how {self._container} is"):
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
        # Of each guest that was run to its end, its container's id and its machine, since Metering.begin forgot them
        self.guests: dict[str, str] = {}
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
            if health in ("starting", "unhealthy") and _is_well(container):  # unhealthy: it was paused until now, say
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
        self._unpause()
        try:
            self._compose("up", "--detach", timeout_s=UP_WITHIN_S, profiles=self.profiles)
            # Compose's own --wait would look once a second, as the engine does.
            wait_for(self._is_ready, "the firewall to be ready", UP_WITHIN_S, every_s=0.05)
            for name in self.wanted:
                if name in self.topology.profiles:  # of the others the firewall saw to it by itself
                    self._wait_for_answer(name)
        except (CommandFailed, DeadlinePassed, LabProblem) as error:
            try:
                logs = self._compose("logs", "--no-color", "firewall", "cables", "names", "web", "meter", timeout_s=30)
            except CommandFailed as of_logs:  # the engine is busy, or ill: the first error is what matters
                logs = str(of_logs)
            raise LabProblem(f"lab {self.number} did not come up.\n{error}\n{logs}".rstrip()) from error
        return time.monotonic() - started

    def _unpause(self) -> None:
        """Let machines go on that somebody paused, and whose run was killed, say: Compose does not start those."""
        for container in self._containers():
            if container.status == "paused":
                with contextlib.suppress(APIError), engine.asked(f"unpause {container.name}"):  # it ended meanwhile
                    container.unpause()

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
        on the machines is ended. Raises LabInUse when another process holds the lab.
        """
        try:
            lock = locks.take(locks.path_of(self.number, "lock"))
        except BlockingIOError:
            raise LabInUse(f"lab {self.number} is in use by another run; take another with LAB=…") from None
        try:
            self._sweep()
            yield
        finally:
            os.close(lock)

    def _sweep(self) -> None:
        for container in engine.containers(f"{engine.LAB_LABEL}={self.number}", GUEST_LABEL):
            with contextlib.suppress(NotFound), engine.asked(f"remove {container.name}"):
                container.remove(force=True)
        # The meter sees the processes of every lab, and would end those of another run; its own end with their input.
        running = [
            machine
            for machine, state in self.states().items()
            if state in ("running", "healthy") and machine != "meter"
        ]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda machine: self.sweep(machine, f"^{MARK}="), running))

    def sweep(self, machine: str, variable: str) -> None:
        """Kill every process of a machine whose environment has a variable, `name=value`, that this pattern finds."""
        self.run(machine, ["sh", "-c", SWEEP, variable], timeout_s=10, mark=False)

    def run(self, machine: str, argv: Sequence[str], *, timeout_s: float, mark: bool = True) -> Finished:
        """Run a program on a machine to its end, or until `timeout_s` seconds (its status is 124 then).

        Raises LabProblem when the machine does not run, and when it stands still.
        """
        api = engine.client().api
        started = time.monotonic()
        within_s = timeout_s + LATE_S
        try:
            with engine.asked(f"run `{argv[0]}` on {machine}"):
                execution = api.exec_create(
                    self.container(machine),
                    ["timeout", "--kill-after=1", f"{timeout_s:g}", *argv],
                    environment={MARK: "call"} if mark else {},
                )
                out, err = engine.run_exec(api, execution["Id"], within_s)
                status = api.exec_inspect(execution["Id"])["ExitCode"]
        except APIError as error:  # 404: no such container; 409: it is stopped, or paused
            profile = self.topology.profiles.get(machine)
            how = f"make up WITH={profile}" if profile else "make up"
            raise LabProblem(f"{machine} of lab {self.number} {self._state(machine)}; `{how}` mends it") from error
        except TimeoutError as error:
            what = f"`{argv[0]}` on {machine} of lab {self.number} did not end within {within_s:g} s"
            raise LabProblem(f"{what}; {machine} {self._state(machine)}") from error
        took_s, dropped = time.monotonic() - started, out.dropped + err.dropped
        return Finished(tuple(argv), status, out.text(), err.text(), took_s, dropped_bytes=dropped)

    def _state(self, machine: str) -> str:
        """What the engine says of a machine, for a person: "runs", "is paused", "does not run"."""
        try:
            with engine.asked(f"say how {machine} is"):
                state = engine.client().containers.get(self.container(machine)).status
        except (NotFound, CommandFailed):
            return "does not run"
        return {"running": "runs", "paused": "is paused"}.get(state, "does not run")

    def check_machines(self) -> None:
        """Raise LabProblem when a machine that is wanted does not run: what was seen meanwhile proves nothing."""
        with engine.asked("say how the machines are"):  # one question, for it is asked twice a cell
            found = engine.client().api.containers(
                all=True, filters={"label": f"com.docker.compose.project={self.topology.project}"}
            )
        states = {each["Labels"]["com.docker.compose.service"]: each["State"] for each in found}
        if ill := [f"{name} is {states.get(name, 'gone')}" for name in self.wanted if states.get(name) != "running"]:
            raise LabProblem(f"of lab {self.number}, {', '.join(ill)}")

    def open(self, machine: str, argv: Sequence[str], *, mark: bool = True) -> subprocess.Popen[bytes]:
        """Start a program on a machine with its standard streams open to this process, as bytes.

        The caller ends it, by closing its standard input: ending the local process alone would leave it running. A
        program that has no mark goes on when the next run takes the lab.
        """
        marked = ["--env", f"{MARK}=stream"] if mark else []
        return subprocess.Popen(
            ["docker", "exec", "--interactive", *marked, self.container(machine), *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C comes to us alone; we end the program
        )

    def feed(self, machine: str, argv: Sequence[str], content: bytes, timeout_s: float) -> tuple[int, bytes, str]:
        """Run a program on a machine, give it `content`, and wait for its end.

        Return its exit status, what it printed, and what it said on standard error. Raises LabProblem when it does not
        end in time; it is ended then.
        """
        stream = self.open(machine, ["timeout", "--kill-after=1", f"{timeout_s:g}", *argv])
        late = LabProblem(f"`{argv[0]}` on {machine} of lab {self.number} did not end within {timeout_s:g} s")
        with stream:
            try:
                out, err = stream.communicate(content, timeout=timeout_s + LATE_S)
            except subprocess.TimeoutExpired:
                raise late from None
            finally:
                stream.kill()  # after its end, nothing
        if (status := stream.wait()) == ENDED_AT_DEADLINE:
            raise late
        return status, out, err.decode("utf-8", "replace")

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
        name, mark = self.guest_name(machine), f"{MARK}=service-{secrets.token_hex(4)}"
        if image:
            command = ["run", "--rm", *self._guest(machine, image, argv, name, environment or {})]
        else:
            script = 'echo "pid $$"; exec "$@"'
            command = ["exec", "--env", mark, self.container(machine), "sh", "-c", script, "sh", *argv]
        stream = subprocess.Popen(
            ["docker", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C comes to us alone; we end the program
        )
        if image:
            program: Running = Guest(stream, what, name)
        else:
            program = Running(stream, what, lambda signal: self._signal(machine, pid, signal))
            try:
                pid = program.wait_for_line(r"^pid (\d+)$", within_s=10)[1]
                program.lines.remove(f"pid {pid}")
            except BaseException:  # it may have begun all the same
                stream.kill()
                stream.wait()
                with contextlib.suppress(LabProblem):
                    self.sweep(machine, f"^{mark}$")
                raise
        try:
            yield program
        finally:
            try:
                program.stop()
            finally:
                if image:
                    _remove_guest(name)

    def _signal(self, machine: str, pid: str, signal: str) -> None:
        self.run(machine, ["kill", f"-{signal}", pid], timeout_s=STOP_WITHIN_S)

    def guest_name(self, machine: str) -> str:
        """A name for the container of a guest."""
        return f"{self.container(machine)}-guest-{secrets.token_hex(4)}"

    def end_guest(self, name: str) -> None:
        """End a guest at once, where it runs."""
        # 409: it does not run yet, or no longer
        with contextlib.suppress(NotFound, APIError, CommandFailed), engine.asked(f"end {name}"):
            engine.client().containers.get(name).kill()

    def _guest(
        self, machine: str, image: str, argv: Sequence[str], name: str, environment: Mapping[str, str]
    ) -> list[str]:
        place = ["--network", f"container:{self.container(machine)}", "--label", f"{GUEST_LABEL}={machine}"]
        return [*place, *guest_words(self.number, image, argv, name, environment)]

    def run_guest(
        self,
        machine: str,
        image: str,
        argv: Sequence[str],
        *,
        timeout_s: float,
        environment: Mapping[str, str] | None = None,
        name: str = "",
        printed: tuple[Kept, Kept] | None = None,
    ) -> Finished:
        """Run a program of another image to its end, in the network of a machine; status 124 at its deadline.

        `name` is its container's, of `guest_name`, for whoever may want to end it before. `printed` takes its standard
        output and its standard error while it runs, for whoever may want to read them before.

        Its times are the program's own, as the engine has them, to some milliseconds: the making of its container is
        not in them.
        """
        name = name or self.guest_name(machine)

        def made(container: str) -> None:
            self.guests[container] = machine

        words = self._guest(machine, image, argv, name, environment or {})
        ran = run_guest(name, words, argv, timeout_s, printed, made)
        if ran is None:
            raise LabProblem(
                f"a guest on {machine} of lab {self.number} did not begin; {machine} {self._state(machine)}"
            )
        return ran


def guest_words(lab: int, image: str, argv: Sequence[str], name: str, environment: Mapping[str, str]) -> list[str]:
    """The words of `docker run` or `docker create` for a stranger's program: all of its limits, but for its network.

    The image's own entry point is not used: `argv` is all.
    """
    return [
        *("--init", "--name", name, "--label", f"{engine.LAB_LABEL}={lab}"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"),
        *("--tmpfs", f"/tmp:size={GUEST_FILES}"),  # noqa: S108
        *("--pids-limit", "256", "--memory", GUEST_MEMORY, "--ulimit", f"nofile={GUEST_OPEN_FILES}", "--user", "1000"),
        *("--log-driver", "none"),  # what it prints comes to us, and is bounded here
        *(word for key, value in environment.items() for word in ("--env", f"{key}={value}")),
        *("--pull", "never", "--entrypoint", "", image, *argv),
    ]


def run_guest(
    name: str,
    words: Sequence[str],
    argv: Sequence[str],
    timeout_s: float,
    printed: tuple[Kept, Kept] | None = None,
    made: Callable[[str], None] = lambda _: None,
) -> Finished | None:
    """Run the guest of these `guest_words` to its end; status 124 at its deadline. None when it could not be started.

    `made` is given the id of its container, before it begins. Raises LabProblem, and CommandFailed, when it cannot be
    made, or cannot be ended.
    """
    try:
        engine.docker_command("create", *words, timeout_s=GUEST_BEGINS_WITHIN_S)
        with engine.asked(f"run {name}"):
            guest = engine.client().containers.get(name)
            made(str(guest.id))
            return _attended(guest, argv, timeout_s, *(printed or (Kept(), Kept())))
    finally:
        _remove_guest(name)


def _attended(guest: Container, argv: Sequence[str], timeout_s: float, out: Kept, err: Kept) -> Finished | None:
    stream = subprocess.Popen(
        ["docker", "start", "--attach", str(guest.name)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C comes to us alone; we end the guest
    )
    assert stream.stdout and stream.stderr  # noqa: S101, PT018 (for mypy: they were opened as pipes)
    readers = [
        threading.Thread(target=kept.read, args=(pipe,), daemon=True)
        for kept, pipe in ((out, stream.stdout), (err, stream.stderr))
    ]
    for reader in readers:
        reader.start()
    try:
        ended_by_us = _wait_for_guest(guest, stream, timeout_s)
    finally:
        stream.kill()  # after its end, nothing
        stream.wait()
    for reader in readers:
        reader.join(STOP_WITHIN_S)
    guest.reload()
    state = guest.attrs["State"]
    began_s, ended_s = (_unix_s(state[key]) for key in ("StartedAt", "FinishedAt"))
    status = int(state["ExitCode"])
    if began_s < 0 and status not in (126, 127):  # these two: there is no such program in its image
        return None
    status = ENDED_AT_DEADLINE if ended_by_us else status
    # the engine notes the beginning after it, and a program that is quick enough has ended by then
    took_s = max(0.0, ended_s - began_s)
    return Finished(tuple(argv), status, out.text(), err.text(), took_s, began_s, out.dropped + err.dropped)


def _wait_for_guest(guest: Container, stream: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Wait until a guest has ended; whether it had to be ended. Raises LabProblem when it cannot be."""
    made_s, left_s = time.time(), timeout_s
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            stream.wait(left_s)
            return False
        guest.reload()
        # It has not had its time yet where the engine took some to start it.
        began_s = max(_unix_s(guest.attrs["State"]["StartedAt"]), made_s)
        until_s = began_s + (timeout_s if guest.status != "created" else GUEST_BEGINS_WITHIN_S)
        if (left_s := until_s - time.time()) <= 0:
            break
        left_s = min(left_s, timeout_s)
    for _ in range(GUEST_KILLS):
        with contextlib.suppress(APIError):  # it ended meanwhile
            guest.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            stream.wait(STOP_WITHIN_S)
            return True
    raise LabProblem(f"{guest.name} could not be ended within {GUEST_KILLS * STOP_WITHIN_S} s")


def _remove_guest(name: str) -> None:
    with contextlib.suppress(NotFound), engine.asked(f"remove {name}"):
        engine.client().containers.get(name).remove(force=True)


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
