"""The machines of one lab: their containers brought up and down, how each is, and a program run on one to its end.

Knows Docker and Compose; knows nothing of what the programs say to each other, of captures or of verdicts.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterable, Sequence

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from scenarios.lab import endpoint, engine
from scenarios.lab.backend_leg import unmake_leg
from scenarios.lab.cleanup import why_kept
from scenarios.lab.control_sequences import without_controls
from scenarios.lab.engine import is_well
from scenarios.lab.errors import CommandFailed, DeadlinePassed, LabProblem
from scenarios.lab.guest import GUEST_LABEL, LATE_S
from scenarios.lab.host_network import HELPER_LABEL
from scenarios.lab.places import typed
from scenarios.lab.process import BoundedOutput, Finished
from scenarios.lab.shell import Shell, ShellEnded, Shells
from scenarios.lab.sweep import COMPOSITION_LABEL, MARK
from scenarios.lab.topology import COMPOSE_FILE, Topology, topology
from scenarios.lab.waiting import Meanwhile, nothing, wait_for
from scenarios.lab.way_out import close_way

UP_WITHIN_S = 90
ANSWERS_WITHIN_S = 10
CROSSES_WITHIN_S = 10
# Which of two addresses take a connection on port 53, by family.
CONNECTS = 'for it in "$0 IPv4" "$1 IPv6"; do timeout 3 bash -c "</dev/tcp/${it% *}/53" && echo "${it#* }"; done'
RUNS = "runs"


class Machines:
    """The machines of the lab of this number on this engine.

    `profiles` are those of compose.yaml whose machines are wanted too. A lab may have more machines up than are wanted.
    """

    def __init__(self, number: int, *profiles: str) -> None:
        self.topology: Topology = topology(number)
        self.number = number
        self.profiles = profiles
        self._seen_well: set[str] = set()  # names of containers, each with since when it runs
        self._mark = f"{MARK}=call"  # what is run to its end has it, and the shells in which that is done
        self._shells = Shells(lambda machine: Shell(self._open(machine, ["sh"], ["--env", self._mark])))
        for profile in profiles:
            if profile not in self.topology.profiles.values():
                there_are = ", ".join(sorted({*self.topology.profiles.values()}))
                raise ValueError(f"compose.yaml has no profile {profile!r}; there are: {there_are}")

    @property
    def required_machines(self) -> tuple[str, ...]:
        """The machines that are up when this lab is."""
        return self.topology.machines_of(self.profiles)

    def _compose(
        self, *words: str, timeout_s: float, profiles: Iterable[str] = (), meanwhile: Meanwhile = nothing
    ) -> str:
        wanted = ",".join(sorted({*profiles}))
        environment = endpoint.environment(LAB=str(self.number), COMPOSE_PROGRESS="plain", COMPOSE_PROFILES=wanted)
        return engine.docker_command(
            "compose",
            "--file",
            str(COMPOSE_FILE),
            *words,
            timeout_s=timeout_s,
            cwd=COMPOSE_FILE.parent,
            env=environment,
            meanwhile=meanwhile,
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
            started = f"{container.name} {container.attrs['State']['StartedAt']}"
            if health == "starting" and started in self._seen_well:
                health = "healthy"
            if health in ("starting", "unhealthy") and is_well(container):  # unhealthy: it was paused until now, say
                self._seen_well.add(started)
                health = "healthy"
            found[container.labels["com.docker.compose.service"]] = health or container.status
        wanted = self.required_machines
        return {
            machine: found.get(machine, "absent")
            for machine in self.topology.machines
            if machine in wanted or machine in found
        }

    def is_up(self) -> bool:
        """Whether every wanted machine runs, from the image that its tag names now, and the firewall is healthy."""
        states, wanted = self.states(), self.required_machines
        if any(states[name] != ("healthy" if name == "firewall" else "running") for name in wanted):
            return False
        containers = [each for each in self._containers() if each.labels["com.docker.compose.service"] in wanted]
        return all(each.attrs["Image"] == engine.image_id(each.attrs["Config"]["Image"]) for each in containers)

    def up(self, meanwhile: Meanwhile = nothing) -> float:
        """Bring every wanted machine up and wait until the lab is routed and healthy; the seconds that it took.

        What `meanwhile` raises ends that (lab/waiting.py).
        """
        started = time.monotonic()
        self._unpause()
        try:
            self._compose("up", "--detach", timeout_s=UP_WITHIN_S, profiles=self.profiles, meanwhile=meanwhile)
            # Compose's own --wait would look once a second, as the engine does.
            wait_for(self._is_ready, "the firewall to be ready", UP_WITHIN_S, 0.05, meanwhile)
            for name in self.required_machines:
                if name in self.topology.profiles:  # of the others the firewall saw to it by itself
                    self._wait_for_answer(name, meanwhile)
            self._wait_for_crossing(meanwhile)
        except (CommandFailed, DeadlinePassed, LabProblem) as error:
            try:
                logs = self._compose("logs", "--no-color", "firewall", "cables", "names", "web", "meter", timeout_s=30)
            except CommandFailed as of_logs:  # the engine is busy, or ill: the first error is what matters
                logs = str(of_logs)
            raise LabProblem(
                f"lab {self.number} did not come up.\n{error}\n{without_controls(logs)}".rstrip()
            ) from error
        return time.monotonic() - started

    def _unpause(self) -> None:
        """Let machines go on that somebody paused, and whose run was killed, say: Compose does not start those."""
        for container in self._containers():
            if container.status == "paused":
                with contextlib.suppress(APIError), engine.request(f"unpause {container.name}"):  # it ended meanwhile
                    container.unpause()

    def _is_ready(self) -> bool:
        states, wanted = self.states(), self.required_machines
        if ended := [name for name in wanted if states[name] in ("exited", "dead", "unhealthy")]:
            raise LabProblem(f"{' and '.join(ended)} ended, or is not well")
        return states["firewall"] == "healthy"

    def _wait_for_answer(self, name: str, meanwhile: Meanwhile) -> None:
        """Until a host answers the firewall's ping, over both families."""
        host = self.topology.hosts[name]
        for address in (host.ipv4, host.ipv6):
            ping = ["ping", "-q", "-c", "1", "-W", "1", address]

            def answers(ping: list[str] = ping) -> bool:
                return self.run("firewall", ping, timeout_s=5).status == 0

            wait_for(answers, f"{name} to answer a ping at {address}", ANSWERS_WITHIN_S, 0.1, meanwhile)

    def _wait_for_crossing(self, meanwhile: Meanwhile) -> None:
        """Until a client reaches a server across the firewall, over both families.

        What passes a bridge may be seen by the machine's own packet filter, and dropped, by a rule of Docker's or of
        anybody's. The firewall's pings do not show that: they are for neighbours.
        """
        names = self.topology.standing["names"]
        came: list[str] = []

        def crosses() -> bool:
            connects = ["bash", "-c", CONNECTS, names.ipv4, names.ipv6]
            came[:] = self.run("client", connects, timeout_s=ANSWERS_WITHIN_S).stdout.split()
            return len(came) == 2

        try:
            wait_for(crosses, "client to reach names", CROSSES_WITHIN_S, 0.1, meanwhile)
        except DeadlinePassed:
            over = " and ".join(each for each in ("IPv4", "IPv6") if each not in came)
            raise LabProblem(
                f"no packet of client comes to names across the firewall, over {over}: a packet filter of this machine "
                "drops it, or the engine does. Where `sysctl net.bridge.bridge-nf-call-iptables` says 1, iptables "
                "sees what passes between the lab's machines; `iptables-save` and `nft list ruleset` have the rules"
            ) from None

    def down(self) -> None:
        """Remove the machines and networks of this lab, and what a killed run left in them.

        Without grace: nothing in a lab is worth saving.
        """
        labelled = ("--filter", f"label={engine.LAB_LABEL}={self.number}", "--filter", f"label={COMPOSITION_LABEL}")
        kinds = ("ps", "--all", "--quiet"), ("network", "ls", "--quiet")
        if any(engine.docker_command(*each, *labelled, timeout_s=60).strip() for each in kinds):
            self.remove_composition()  # it would hold the networks
        self.remove_guests()
        every = self.topology.profiles.values()  # Compose leaves the machines of other profiles, and so the networks
        try:
            self._compose("down", "--timeout", "0", "--volumes", timeout_s=60, profiles=every)
        except CommandFailed as error:
            kept = engine.client().networks.list(filters={"label": f"{engine.LAB_LABEL}={self.number}"})
            if self._containers() or not kept:
                raise
            raise LabProblem(f"lab {self.number} is down, but {'; '.join(map(why_kept, kept))}") from error

    def remove_guests(self) -> None:
        """Remove the containers in the networks of its hosts, which are none of Compose's; found by their labels.

        The `docker run` on this machine that one was started with ends by that.
        """
        for label in (GUEST_LABEL, HELPER_LABEL):
            for container in engine.containers(f"{engine.LAB_LABEL}={self.number}", label):
                with contextlib.suppress(NotFound), engine.request(f"remove {container.name}"):
                    container.remove(force=True, v=True)

    def remove_composition(self) -> None:
        """Remove what there is of a user's composition in this lab, found by its labels."""
        labels = [f"{engine.LAB_LABEL}={self.number}", COMPOSITION_LABEL]
        for container in engine.containers(*labels):
            with contextlib.suppress(NotFound), engine.request(f"remove {container.name}"):
                container.remove(force=True, v=True)
        with engine.request("remove what is left of a composition"):
            for volume in engine.client().volumes.list(filters={"label": labels}):
                with contextlib.suppress(NotFound):
                    volume.remove(force=True)
            networks = engine.client().networks.list(filters={"label": labels})
            if networks:
                with contextlib.suppress(CommandFailed):  # the firewall does not run, and so has no leg
                    unmake_leg(self.topology)
            close_way(self.topology, networks)
            for network in networks:
                with contextlib.suppress(NotFound):
                    network.remove()

    def stop(self, machine: str) -> None:
        """Stop one machine, as `docker stop` does; `up` starts it again."""
        engine.client().containers.get(self.container(machine)).stop(timeout=1)

    def open(self, machine: str, argv: Sequence[str], *, mark: bool = True) -> subprocess.Popen[bytes]:
        """Start a program on a machine with its standard streams open to this process, as bytes.

        The caller ends it, by closing its standard input: ending the local process alone would leave it running. A
        program that has no mark goes on when the next run takes the lab.
        """
        return self._open(machine, argv, ["--env", f"{MARK}=stream"] if mark else [])

    def _open(self, machine: str, argv: Sequence[str], options: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["docker", "exec", "--interactive", *options, self.container(machine), *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C comes to us alone; we end the program
        )

    def run(self, machine: str, argv: Sequence[str], *, timeout_s: float, mark: bool = True) -> Finished:
        """Run a program on a machine to its end, or until `timeout_s` seconds (its status is 124 then).

        Raises LabProblem when the machine does not run, and when it stands still.
        """
        started = time.monotonic()
        within_s = timeout_s + LATE_S
        bounded = ["timeout", "--kill-after=1", f"{timeout_s:g}", *argv]
        try:
            with engine.request(f"run `{argv[0]}` on {machine}"):
                status, out, err = self._run(machine, bounded, within_s, mark=mark)
        except APIError as error:  # 404: no such container; 409: it is stopped, or paused
            raise self._does_not_run(machine, self.state_of(machine)) from error
        except TimeoutError as error:
            what = f"`{argv[0]}` on {machine} of lab {self.number} did not end within {within_s:g} s"
            raise LabProblem(f"{what}; {machine} {self.state_of(machine)}") from error
        took_s, dropped = time.monotonic() - started, out.dropped + err.dropped
        return Finished(tuple(argv), status, out.text(), err.text(), took_s, dropped_bytes=dropped)

    def _run(
        self, machine: str, bounded: Sequence[str], within_s: float, *, mark: bool
    ) -> tuple[int, BoundedOutput, BoundedOutput]:
        """In the open shell of the machine, where there is one, else by the engine. Raises APIError, TimeoutError."""
        in_shell = self._shells.borrow(machine) if mark else contextlib.nullcontext()  # what a shell runs is marked
        with contextlib.suppress(ShellEnded), in_shell as shell:
            if shell:
                return shell.run(bounded, within_s, engine.EXEC_LIMIT, lambda: self._check_runs(machine))
        api = engine.client().api
        execution = api.exec_create(self.container(machine), bounded, environment=[self._mark] if mark else [])
        out, err = engine.run_exec(api, execution["Id"], within_s)
        return api.exec_inspect(execution["Id"])["ExitCode"], out, err

    def _does_not_run(self, machine: str, state: str) -> LabProblem:
        profile = self.topology.profiles.get(machine)
        wanted = (f"WITH={profile}", f"--with {profile}") if profile else ()
        how = typed("up", *wanted, lab=self.number)
        return LabProblem(f"{machine} of lab {self.number} {state}; `{how}` mends it")

    def _check_runs(self, machine: str) -> None:
        """Raise LabProblem when a machine does not run, or stands still."""
        if (state := self.state_of(machine)) != RUNS:
            raise self._does_not_run(machine, state)

    def state_of(self, machine: str) -> str:
        """What the engine says of a machine, for a person: "runs", "is paused", "does not run"."""
        try:
            with engine.request(f"say how {machine} is"):
                state = engine.client().containers.get(self.container(machine)).status
        except (NotFound, CommandFailed):
            return "does not run"
        return {"running": RUNS, "paused": "is paused"}.get(state, "does not run")

    def check_machines(self) -> None:
        """Raise LabProblem when a machine that is wanted does not run: what was seen meanwhile proves nothing."""
        with engine.request("say how the machines are"):  # one question, for it is asked twice a cell
            found = engine.client().api.containers(
                all=True, filters={"label": f"com.docker.compose.project={self.topology.project}"}
            )
        states = {each["Labels"]["com.docker.compose.service"]: each["State"] for each in found}
        if ill := [
            f"{name} is {states.get(name, 'gone')}" for name in self.required_machines if states.get(name) != "running"
        ]:
            raise LabProblem(f"lab {self.number}: {', '.join(ill)}")
