"""A composition of the user's own in a lab: brought up in its seats, kept well from drill to drill, and removed.

Docker Compose starts it, from a file that this program writes; the user's files, volumes and images are not touched.
All of it has the lab's labels: so what a killed run leaves is swept when the next one takes the lab.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from docker.errors import APIError, NotFound

from scenarios.lab import build_output, endpoint, engine
from scenarios.lab.backend_leg import make_leg
from scenarios.lab.box import Box
from scenarios.lab.control_sequences import without_controls
from scenarios.lab.engine import LAB_LABEL
from scenarios.lab.errors import CommandFailed, DeadlinePassed, LabProblem
from scenarios.lab.guest import Guest
from scenarios.lab.lab import Lab
from scenarios.lab.or_undo import OrUndo
from scenarios.lab.process import STOP_WITHIN_S, ended_with
from scenarios.lab.seats import Plan, image_of, programs_document, seats_document
from scenarios.lab.sweep import COMPOSITION_LABEL
from scenarios.lab.topology import Topology
from scenarios.lab.waiting import Meanwhile, nothing, wait_for
from scenarios.lab.way_out import open_way

UP_WITHIN_S: Final = 180
BUILT_WITHIN_S: Final = 900
RESTARTED_WITHIN_S: Final = 60
WELL_WITHIN_S: Final = 3.0  # so long a service has to be well again by itself after a drill
LOOKS_EVERY_S: Final = 0.1
WELL: Final = "the composition to be well"
LAST_LINES: Final = 10  # of a service's log, where it is not as it should be
COMPOSE_ENVIRONMENT: Final = {"COMPOSE_PROGRESS": "plain", "COMPOSE_IGNORE_ORPHANS": "1", "COMPOSE_PROFILES": ""}
NOT_WELL: Final = ("(unhealthy)", "(health: starting)", "(Paused)")
SECRET_FILE: Final = 0o600  # what the user's .env files gave is in it


class Service(Guest):
    """One service of a composition, as the program that a drill pauses, kills and restarts; its log from now on."""

    kills_as = ("--user", "0", "--cap-add", "KILL")  # its processes may be of any user

    def __init__(self, container: str, what: str) -> None:
        stream = subprocess.Popen(
            ["docker", "logs", "--follow", "--since", f"{time.time():.6f}", container],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C comes to us alone
        )
        super().__init__(stream, what, container, Box(""))

    @property
    def ended(self) -> bool:
        """Whether its container runs no more; its log ends a little later."""
        with contextlib.suppress(NotFound), engine.request(f"say how {self._container} is"):
            return str(engine.client().containers.get(self._container).status) not in ("running", "paused")
        return True

    def stop(self) -> int:
        """Read its log no longer. The service goes on: it is for many drills."""
        self._stream.kill()
        status = self._stream.wait()
        self._reader.join(STOP_WITHIN_S)
        return status


def compose_is_here() -> bool:
    """Whether Docker Compose can be asked: to read a composition it needs no engine."""
    try:
        engine.docker_command("compose", "version", "--short", timeout_s=30)
    except (CommandFailed, OSError):
        return False
    return True


def resolved(files: Sequence[Path], profiles: str | None = None) -> dict[str, Any]:
    """The composition of these files, as Docker Compose resolves it with these profiles (default: those of the caller).

    Raises CommandFailed with what it said.
    """
    environment = {**os.environ, **({} if profiles is None else {"COMPOSE_PROFILES": profiles})}
    words = [word for each in files for word in ("--file", str(each))]
    printed = engine.docker_command(
        *("compose", *words, "config", "--format", "json"), timeout_s=60, cwd=files[0].parent, env=environment
    )
    found: dict[str, Any] = json.loads(printed)
    return found


def build(plan: Plan, topology: Topology, tell: Callable[[str], None] = lambda _: None) -> None:
    """Build the images of the services that have `build`, under names of the lab's. `tell` is given the steps that run.

    Raises CommandFailed with the cause, the last lines of the step that failed, and where the whole log is.
    """
    built = [name for name, each in plan.resolved["services"].items() if each.get("build")]
    with _file(programs_document(plan, topology)) as path:
        builder = _compose_words(path, f"faultwire-build-{plan.name}")

        def make(service: str, stop: threading.Event) -> None:
            build_output.build(
                image_of(plan, service),
                ["build", service],
                within_s=BUILT_WITHIN_S,
                tell=tell,
                stop=stop,
                builder=builder,
                environment=COMPOSE_ENVIRONMENT,
            )

        build_output.side_by_side({name: functools.partial(make, name) for name in built})


def missing_images(plan: Plan) -> list[str]:
    """The images of the composition that are not on this engine."""
    images = dict.fromkeys(image_of(plan, each.service) for each in plan.members)
    return [each for each in images if engine.image_id(each) is None]


@contextlib.contextmanager
def _file(document: dict[str, Any]) -> Iterator[Path]:
    """A compose file, for as long as Docker Compose needs it: values of the user's are in it."""
    with tempfile.TemporaryDirectory(prefix="faultwire-") as folder:
        path = Path(folder) / "compose.json"
        path.touch(SECRET_FILE)
        path.write_text(json.dumps(document), encoding="utf-8")
        yield path


def _compose_up(path: Path, project: str, meanwhile: Meanwhile) -> None:
    _, *started = _compose_words(path, project)
    environment = endpoint.environment(**COMPOSE_ENVIRONMENT)
    engine.docker_command(*started, "up", "--detach", timeout_s=UP_WITHIN_S, env=environment, meanwhile=meanwhile)


def _compose_words(path: Path, project: str) -> list[str]:
    of_file = ("--project-directory", str(path.parent), "--file", str(path))
    return ["docker", "compose", "--project-name", project, *of_file]


def _printed(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, errors="replace", timeout=30, check=False)
    return without_controls(done.stdout + done.stderr).strip()


class Composition:
    """A composition that runs in a lab, which is held, for the time of the `with` block."""

    def __init__(self, lab: Lab, plan: Plan, meanwhile: Meanwhile = nothing) -> None:
        """`meanwhile` is called at each look of a wait; what it raises ends that (lab/waiting.py)."""
        self.lab, self.plan, self._meanwhile = lab, plan, meanwhile
        self._done: set[str] = set()  # the services that had work to do once, a migration say, and have done it
        self._doubted = ""  # why all of it is to be restarted before the next script
        self._doubts: set[str] = set()  # what a restart has not helped

    def __enter__(self) -> Composition:
        with OrUndo(self.lab.remove_composition):
            self._up()
        return self

    def __exit__(self, *_: object) -> None:
        self.lab.remove_composition()

    @property
    def _project(self) -> str:
        return f"{self.lab.topology.project}-own"

    def container(self, service: str) -> str:
        """The container of one of its services."""
        return f"{self._project}-{service}-1"

    def _up(self) -> None:
        topology = self.lab.topology
        try:
            with _file(seats_document(self.plan, topology)) as path:
                _compose_up(path, topology.project, self._meanwhile)
            if self.plan.has_backend:
                make_leg(topology)
            if self.plan.outside:
                open_way(topology)
            with _file(programs_document(self.plan, topology)) as path:
                _compose_up(path, self._project, self._meanwhile)
            wait_for(self._is_well, WELL, UP_WITHIN_S, LOOKS_EVERY_S, self._meanwhile)
        except (CommandFailed, DeadlinePassed) as problem:
            raise LabProblem(
                f"the composition {self.plan.name} did not come up: {problem}\n{self._logs()}"
            ) from problem
        self._done = {name for name, said in self._states().items() if said.startswith("Exited (0)")}
        for service in self.plan.needs_timeout:
            self._check_exec(service)

    def _check_exec(self, service: str) -> None:
        """Raise LabProblem unless a command can be run inside a service with a deadline."""
        try:
            engine.docker_command(
                "exec", self.container(service), "timeout", "9", "sh", "-c", ":", timeout_s=UP_WITHIN_S
            )
        except CommandFailed as problem:
            self.check_running(service, "a client could be run inside it")
            raise LabProblem(
                f"no client can be run inside {service}: its image needs `sh` and `timeout` (of coreutils or busybox), "
                f"so that a call ends at its deadline. Or give the client an image of its own. {problem}"
            ) from problem

    def _states(self) -> dict[str, str]:
        """Each service with what the engine says of it: `Up 3 seconds (healthy)`, `Exited (0) …`."""
        with engine.request("say how the composition is"):
            found = engine.client().api.containers(
                all=True, filters={"label": [f"{LAB_LABEL}={self.lab.number}", COMPOSITION_LABEL]}
            )
        said = {each["Names"][0].removeprefix("/"): str(each["Status"]) for each in found}
        return {each.service: said.get(self.container(each.service), "it is gone") for each in self.plan.members}

    def _ill(self) -> dict[str, str]:
        """The services that are not well, each with what the engine says of it."""
        return {
            name: said
            for name, said in self._states().items()
            if name not in self._done and (not said.startswith("Up") or any(each in said for each in NOT_WELL))
        }

    def check_running(self, service: str, until: str) -> None:
        """Raise LabProblem, with its status and its last lines, when a service has ended before `until` came about."""
        status = "it is gone"
        with contextlib.suppress(NotFound), engine.request(f"say how {service} is"):
            container = engine.client().containers.get(self.container(service))
            if container.status not in ("exited", "dead"):
                return
            status = ended_with(container.attrs["State"]["ExitCode"])
        raise LabProblem(f"{service} ended ({status}) before {until}; it printed: {self.last_lines(service)}")

    def last_lines(self, service: str) -> str:
        """What a service printed last."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return _printed("logs", "--tail", str(LAST_LINES), self.container(service)) or "nothing"
        return "nobody knows: the engine did not say it in time"

    def _is_well(self) -> bool:
        ill = {name: said for name, said in self._ill().items() if not said.startswith("Exited (0)")}
        if ended := [f"{name}: {said}" for name, said in ill.items() if said.startswith(("Exited", "Dead", "it is"))]:
            raise LabProblem(f"of the composition, {'; '.join(ended)}\n{self._logs()}")
        return not ill

    def _logs(self) -> str:
        printed = []
        for member in self.plan.members:
            with contextlib.suppress(subprocess.TimeoutExpired):
                words = ("logs", "--tail", "20", self.container(member.service))
                printed.append(f"{member.service}:\n{_printed(*words)}")
        return "\n".join(printed)

    def doubt(self, of: str, why: str) -> bool:
        """Have all that runs of it restarted before the next script, where that has not been tried in vain for this."""
        if of in self._doubts:
            return False
        self._doubts.add(of)
        self._doubted = why
        return True

    def trust(self, of: str) -> None:
        """It went well with this: the next time that it does not, a restart may help."""
        self._doubts.discard(of)

    def recover(self, *, listens: str = "") -> list[str]:
        """Have it well before a script; what had to be restarted for that, and why. Raises LabProblem.

        `listens` is a service that is to be restarted too, whatever the engine says of it.
        """
        why, self._doubted = self._doubted, ""
        if why:
            restart = {each.service: why for each in self.plan.members if each.service not in self._done}
        else:
            with contextlib.suppress(DeadlinePassed):
                wait_for(lambda: not self._waiting(), WELL, WELL_WITHIN_S, LOOKS_EVERY_S, self._meanwhile)
            restart = self._ill()
        if listens:
            restart.setdefault(listens, "it does not listen")
        for member in self.plan.members:
            if member.service in restart:
                self.restart(member.service)
        return [f"{service} was restarted: {reason}" for service, reason in restart.items()]

    def _waiting(self) -> bool:
        """Whether a service is not well, and may become so without being started anew."""
        return any(said.startswith("Up") and "Paused" not in said for said in self._ill().values())

    def restart(self, service: str) -> None:
        """End a service, start it again, and wait until it is well. Raises LabProblem."""
        name = self.container(service)
        try:
            with engine.request(f"restart {service}"):
                container = engine.client().containers.get(name)
                if container.status == "paused":
                    container.unpause()
                container.restart(timeout=0)
            what = f"{service} to be well again"
            wait_for(lambda: self._is_well_again(service), what, RESTARTED_WITHIN_S, meanwhile=self._meanwhile)
        except (APIError, CommandFailed) as problem:
            raise LabProblem(f"{service} did not come back: {problem}") from problem
        except DeadlinePassed as late:
            raise LabProblem(f"{service} did not come back: {late}; it printed: {self.last_lines(service)}") from late

    def _is_well_again(self, service: str) -> bool:
        """Whether a service is well. Raises LabProblem when it has ended: it is not waited for."""
        if service not in self._ill():
            return True
        self.check_running(service, "it was well again")
        return False

    @contextlib.contextmanager
    def running(self, service: str) -> Iterator[Service]:
        """A service as a program, whose log is read for the time of the `with` block."""
        program = Service(self.container(service), f"the service {service}")
        try:
            yield program
        finally:
            program.stop()
