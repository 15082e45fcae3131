"""One lab: its machines, held alone, and the programs that are started on them: ours, and guests of other images.

Knows Docker and Compose; knows nothing of what the programs say to each other, of captures or of verdicts.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from docker.errors import APIError, NotFound

from scenarios.lab import engine, locks
from scenarios.lab.box import Box
from scenarios.lab.errors import CommandFailed, LabInUse, LabProblem
from scenarios.lab.guest import GUEST_LABEL, LATE_S, Guest, environment_of, guest_words, remove_guest, run_guest
from scenarios.lab.host_network import NETWORK, HostNetworks
from scenarios.lab.machines import Machines
from scenarios.lab.places import either
from scenarios.lab.process import ENDED_AT_DEADLINE, STOP_WITHIN_S, BoundedOutput, Finished, Running
from scenarios.lab.sweep import LEFT_FILES, MARK, sweeping

ANOTHER = either("LAB=…", "--lab")


class Lab(Machines):
    """The lab of this number on this engine.

    `profiles` are those of compose.yaml whose machines are wanted too. A lab may have more machines up than are wanted.
    """

    def __init__(self, number: int, *profiles: str) -> None:
        super().__init__(number, *profiles)
        # Of each guest that was run to its end, its container's id and its machine, since Metering.begin forgot them
        self.guests: dict[str, str] = {}
        self.host_networks = HostNetworks(number, self.container, self._network_of)

    @contextlib.contextmanager
    def hold_alone(self) -> Iterator[None]:
        """Hold the lab alone: two runs in one lab would be in each other's captures.

        The lock goes with the process that holds it, however it ends. What an earlier, killed, run left running
        on the machines is ended. Meanwhile `run` uses a shell on each machine, which stays open (shell.py), and
        `host_networks` a container in the network of each host. Raises LabInUse when another process holds the lab.
        """
        try:
            lock = locks.take(locks.path_of(self.number, "lock"))
        except BlockingIOError:
            raise LabInUse(f"lab {self.number} is in use by another run; take another with {ANOTHER}") from None
        self._mark = f"{MARK}=call-{secrets.token_hex(4)}"  # its own shells are not among what is left of another run
        try:
            with self._shells.open(), self.host_networks.stay_open():
                self._sweep()
                yield
        finally:
            os.close(lock)

    def _network_of(self, host: str) -> str:
        return self.run(host, ["readlink", NETWORK], timeout_s=10).stdout.strip()

    def _sweep(self) -> None:
        self.remove_guests()
        self.remove_composition()
        # The meter sees the processes of every lab, and would end those of another run; its own end with their input.
        running = [
            machine
            for machine, state in self.states().items()
            if state in ("running", "healthy") and machine != "meter"
        ]
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._sweep_machine, running))

    def _sweep_machine(self, machine: str) -> None:
        script = f'"$@"; rm -f {LEFT_FILES}'
        self.run(machine, ["sh", "-c", script, "sh", *sweeping(f"{MARK}=", self._mark)], timeout_s=10)

    def sweep(self, machine: str, variable: str) -> None:
        """Kill every process of a machine whose environment has a variable, `name=value`."""
        self.run(machine, sweeping(variable, self._mark), timeout_s=10)

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
        box: Box | None = None,
    ) -> Iterator[Running]:
        """A program that runs on a machine for the time of the `with` block, and is ended after it.

        With a `box` it is a guest: it brings its own files, and has the network of the machine and no more rights.
        """
        what = f"`{' '.join(argv)}` on {machine}"
        name, mark = self.guest_name(machine), f"{MARK}=service-{secrets.token_hex(4)}"
        if box:
            command = ["run", "--rm", *self._guest(machine, box, argv, name)]
        else:
            script = 'echo "pid $$"; exec "$@"'
            command = ["exec", "--env", mark, self.container(machine), "sh", "-c", script, "sh", *argv]
        stream = subprocess.Popen(
            ["docker", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C comes to us alone; we end the program
            env=environment_of(box) if box else None,
        )
        if box:
            program: Running = Guest(stream, what, name, box)
        else:
            program = Running(stream, what, lambda signal: self._signal(machine, pid, signal))
            try:
                pid = program.wait_for_line(r"^pid (\d+)$", within_s=10)[1]
                program.lines.remove(f"pid {pid}")
            except BaseException:  # it may have begun all the same
                stream.kill()
                stream.wait()
                with contextlib.suppress(LabProblem):
                    self.sweep(machine, mark)
                raise
        try:
            yield program
        finally:
            try:
                program.stop()
            finally:
                if box:
                    remove_guest(name)

    def _signal(self, machine: str, pid: str, signal: str) -> None:
        self.run(machine, ["kill", f"-{signal}", pid], timeout_s=STOP_WITHIN_S)

    def guest_name(self, machine: str) -> str:
        """A name for the container of a guest."""
        return f"{self.container(machine)}-guest-{secrets.token_hex(4)}"

    def end_guest(self, name: str) -> None:
        """End a guest at once, where it runs."""
        # 409: it does not run yet, or no longer
        with contextlib.suppress(NotFound, APIError, CommandFailed), engine.request(f"end {name}"):
            engine.client().containers.get(name).kill()

    def _guest(self, machine: str, box: Box, argv: Sequence[str], name: str) -> list[str]:
        # In the network namespace of its host it has that host's address, so the topology stays as it is. It has no
        # more rights than the host's own programs, and finds the same certificates. Each start costs 0.6 s.
        host = self.container(machine)
        place = ["--network", f"container:{host}", "--volumes-from", f"{host}:ro"]
        return [*place, "--label", f"{GUEST_LABEL}={machine}", *guest_words(self.number, box, argv, name)]

    def run_guest(
        self,
        machine: str,
        box: Box,
        argv: Sequence[str],
        *,
        timeout_s: float,
        name: str = "",
        printed: tuple[BoundedOutput, BoundedOutput] | None = None,
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

        ran = run_guest(name, self._guest(machine, box, argv, name), argv, timeout_s, box, printed, made)
        if ran is None:
            raise LabProblem(
                f"a guest on {machine} of lab {self.number} did not begin; {machine} {self.state_of(machine)}"
            )
        return ran
