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

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from scenarios.lab import engine, locks
from scenarios.lab.engine import is_well
from scenarios.lab.errors import CommandFailed, DeadlinePassed, LabInUse, LabProblem
from scenarios.lab.guest import GUEST_LABEL, LATE_S, Guest, guest_words, remove_guest, run_guest
from scenarios.lab.process import ENDED_AT_DEADLINE, STOP_WITHIN_S, Finished, Kept, Running
from scenarios.lab.sweep import MARK, SWEEP
from scenarios.lab.topology import COMPOSE_FILE, ROOT, Topology, topology
from scenarios.lab.waiting import wait_for

UP_WITHIN_S = 90
ANSWERS_WITHIN_S = 10


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
            if health in ("starting", "unhealthy") and is_well(container):  # unhealthy: it was paused until now, say
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
                    remove_guest(name)

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
        # In the network namespace of its host it has that host's address, so the topology stays as it is. It has no
        # more rights than the host's own programs. Each start costs 0.6 s.
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
