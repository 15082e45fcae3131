"""Programs of other images, run in the network of a host of the lab."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from signal import SIGKILL

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from scenarios.lab import endpoint, engine
from scenarios.lab.box import TEMPORARY, USER, Box
from scenarios.lab.errors import CommandFailed, DeadlinePassed, LabProblem
from scenarios.lab.image_notes import NOTES
from scenarios.lab.init_words import ASKS, without_words_of_init
from scenarios.lab.process import ENDED_AT_DEADLINE, STOP_WITHIN_S, BoundedOutput, Finished, Running, attached
from scenarios.lab.waiting import wait_for

NO_LAB = -1  # the number of what is of ours, and of no lab
GUEST_MEMORY = "512m"
GUEST_FILES = "256m"  # of its /tmp, which is in that memory
GUEST_OPEN_FILES = 16384  # as a host has
GUEST_BEGINS_WITHIN_S = 60
GUEST_KILLS = 3
KILLED = 128 + SIGKILL  # the ExitCode of a container that was killed
AFTER_WITHIN_S = 10  # each command of a box after its program
AFTER_LIMIT = 64 << 10  # bytes that are kept of what such a command prints
LATE_S = 40  # so long a machine, or the engine, may take beyond the time that a program was given
KILLER = "faultwire/host"  # an image that has a shell, and is there where a lab is up
# Every process but the first of the container, where there is another: a container may have no init, and one process.
KILL_OTHERS = "for each in /proc/[0-9]*; do case $each in /proc/1 | /proc/$$) ;; *) kill -9 -1; exit ;; esac; done"
GUEST_LABEL = "faultwire.guest"  # on each container that runs in the network of a machine


class Guest(Running):
    """A program of another image that runs until it is stopped. SIGSTOP and SIGCONT are for all of its processes."""

    kills_as: tuple[str, ...] = ("--user", f"{USER}")  # who may end its processes where it is paused

    def __init__(self, stream: subprocess.Popen[bytes], what: str, container: str, box: Box) -> None:
        self._container, self._box = container, box
        super().__init__(stream, what, self._send, box.hide)

    def _send(self, signal: str) -> None:
        if signal == "KILL" and self.is_paused:
            try:
                _kill_paused(self._container, self.kills_as)
            except CommandFailed:
                if self.is_paused:  # else it ended meanwhile
                    raise
        signal_guest(self._container, signal)

    @property
    def is_paused(self) -> bool:
        """Whether the engine has it paused."""
        with contextlib.suppress(NotFound), engine.request(f"say how {self._container} is"):
            return bool(engine.client().containers.get(self._container).status == "paused")
        return False

    @property
    def is_running(self) -> bool:
        """Whether the engine has it running, or paused; what it printed comes to an end a little after it."""
        with contextlib.suppress(NotFound), engine.request(f"say how {self._container} is"):
            return engine.client().containers.get(self._container).status in ("running", "paused")
        return False

    def stop(self) -> int:
        """As of any program; before it the box's last commands are run, where the program can still answer them."""
        if self._box.after and not self.ended and not self.is_paused:
            for argv in self._box.after:
                self.lines += _exec_for_log(self._container, argv, self._box)
        return super().stop()


def signal_guest(container: str, signal: str) -> bool:
    """Send a signal to a guest; whether it still ran."""
    # A signal goes to the container's first process, which hands it on; SIGSTOP it cannot, and the engine can.
    words = {"STOP": ("pause",), "CONT": ("unpause",)}.get(signal, ("kill", "--signal", signal))
    with contextlib.suppress(CommandFailed):  # it ended meanwhile
        engine.docker_command(*words, container, timeout_s=STOP_WITHIN_S)
        return True
    return False


def _kill_paused(container: str, as_whom: Sequence[str]) -> None:
    """Give SIGKILL to all processes of a paused container but its first, before the engine ends that one.

    The engine lets a paused container go on when it kills it, and a program that lives until its first process has
    ended may still answer (seen: Redis). One that goes on with SIGKILL pending does nothing more (signal(7)), and the
    first process has the engine's own signal by then. Raise CommandFailed.
    """
    words = (
        *("run", "--rm", "--label", f"{engine.LAB_LABEL}={NO_LAB}", "--network", "none", "--cap-drop", "ALL"),
        *("--pull", "never", "--pid", f"container:{container}", *as_whom, "--entrypoint", "sh", KILLER),
    )
    engine.docker_command(*words, "-c", KILL_OTHERS, timeout_s=GUEST_BEGINS_WITHIN_S)


def _exec_for_log(container: str, argv: Sequence[str], box: Box) -> list[str]:
    """Run a command in the container of a guest, and return what it came to, as lines of a log."""
    what = shlex.join(argv)
    process = subprocess.Popen(
        ["docker", "exec", container, *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout  # noqa: S101 (for mypy: it was opened as a pipe)
    kept = BoundedOutput(AFTER_LIMIT, box.hide)
    reader = threading.Thread(target=kept.read, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        came = f"status {process.wait(AFTER_WITHIN_S)}"
    except subprocess.TimeoutExpired:
        came = f"no end within {AFTER_WITHIN_S} s"
    finally:
        process.kill()  # after its end, nothing; what it runs ends with the container
        process.wait()
    reader.join(STOP_WITHIN_S)
    return [*kept.text().splitlines(), f"[teardown: {box.hide(what)}: {came}]"]


def _with_before(argv: Sequence[str], before: Sequence[Sequence[str]]) -> list[str]:
    """A command that runs those before it first, each to its end, and becomes the program itself then."""
    if not before:
        return list(argv)
    lines = [
        f"{shlex.join(each)} || {{ echo {shlex.quote(f'setup: {shlex.join(each)}: status')} $? >&2; exit 70; }}"
        for each in before
    ]
    return ["sh", "-c", "\n".join([*lines, 'exec "$@"']), "sh", *argv]


def guest_words(lab: int, box: Box, argv: Sequence[str], name: str) -> list[str]:
    """The words of `docker run` or `docker create` for a stranger's program: all of its limits, but for its network.

    The image's own entry point is not used: `argv` is all. A credential is named here, and has no value: the command
    is given it in its own environment (`environment_of`), for a command line can be read by everybody.
    """
    return [
        *("--init", "--name", name, "--label", f"{engine.LAB_LABEL}={lab}"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"),
        *("--tmpfs", f"{TEMPORARY}:size={GUEST_FILES}"),
        *("--pids-limit", "256", "--memory", GUEST_MEMORY, "--ulimit", f"nofile={GUEST_OPEN_FILES}"),
        *("--user", f"{USER}"),
        *(("--workdir", box.folder) if box.folder else ()),
        *("--log-driver", "none"),  # what it prints comes to us, and is bounded here
        *(word for key, value in box.environment.items() for word in ("--env", f"{key}={value}")),
        *(word for key in box.credentials for word in ("--env", key)),
        *(word for path, place in box.files.items() for word in ("--volume", f"{path}:{place}:ro")),
        *("--pull", "never", "--entrypoint", "", NOTES.id_of(box.image), *_with_before(argv, box.before)),
    ]


def environment_of(box: Box) -> dict[str, str]:
    """The environment of the `docker` command that makes this box."""
    return endpoint.environment(**box.credentials)


def run_guest(
    name: str,
    words: Sequence[str],
    argv: Sequence[str],
    timeout_s: float,
    box: Box,
    printed: tuple[BoundedOutput, BoundedOutput] | None = None,
    made: Callable[[str], None] = lambda _: None,
) -> Finished | None:
    """Run the guest of these `guest_words` to its end; status 124 at its deadline. None when it could not be started.

    `made` is given the id of its container, before it begins. Raises LabProblem, and CommandFailed, when it cannot be
    made, or cannot be ended.
    """
    try:
        _create(words, box)
        with engine.request(f"run {name}"):
            guest = engine.client().containers.get(name)
            made(str(guest.id))
            return _attended(
                guest, argv, timeout_s, *(printed or (BoundedOutput(hide=box.hide), BoundedOutput(hide=box.hide)))
            )
    finally:
        remove_guest(name)


def _create(words: Sequence[str], box: Box) -> None:
    """Make the container of a guest. Raises CommandFailed, which calls the image by its name."""
    try:
        engine.docker_command("create", "--env", ASKS, *words, timeout_s=GUEST_BEGINS_WITHIN_S, env=environment_of(box))
    except CommandFailed as error:
        raise CommandFailed(str(error).replace(NOTES.id_of(box.image), box.image)) from error


def _attended(
    guest: Container, argv: Sequence[str], timeout_s: float, out: BoundedOutput, err: BoundedOutput
) -> Finished | None:
    with attached(["docker", "start", "--attach", str(guest.name)], out, err) as stream:
        killed_s = _wait_for_guest(guest, stream, timeout_s)
    try:
        wait_for(lambda: not _still_runs(guest), f"the end of {guest.name}", STOP_WITHIN_S)
    except DeadlinePassed:
        raise LabProblem(f"{guest.name} still ran when its output was at an end: the engine let go of it") from None
    state = guest.attrs["State"]
    # The engine's own times: making a container takes half a second on a busy machine, which is not the guest's time.
    began_s, ended_s = (_unix_s(state[key]) for key in ("StartedAt", "FinishedAt"))
    status = int(state["ExitCode"])
    if began_s < 0 and status not in (126, 127):  # these two: there is no such program in its image
        return None
    # On a busy machine it may end by itself while the engine is asked to end it; its status is its own then.
    killed_s = killed_s if status == KILLED else None
    status = status if killed_s is None else ENDED_AT_DEADLINE
    # the engine notes the beginning after it, and a program that is quick enough has ended by then
    took_s = max(0.0, ended_s - began_s)
    dropped = out.dropped + err.dropped
    printed, is_own_status = without_words_of_init(out.text(), status)
    return Finished(
        tuple(argv),
        status,
        printed,
        err.text(),
        took_s,
        began_s,
        dropped,
        hung=killed_s is not None,
        is_own_status=is_own_status,
        killed_s=killed_s,
    )


def _still_runs(guest: Container) -> bool:
    """Whether it has not ended; its status is 0 until then."""
    guest.reload()
    return guest.attrs["State"]["Status"] in ("running", "paused")


def _wait_for_guest(guest: Container, stream: subprocess.Popen[bytes], timeout_s: float) -> float | None:
    """Wait until a guest has ended; the Unix time at which the engine was first asked to end it, or None where it was
    not asked. Raises LabProblem when it cannot be ended.
    """
    made_s, left_s = time.time(), timeout_s
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            stream.wait(left_s)
            return None
        guest.reload()
        # It has not had its time yet where the engine took some to start it.
        began_s = max(_unix_s(guest.attrs["State"]["StartedAt"]), made_s)
        until_s = began_s + (timeout_s if guest.status != "created" else GUEST_BEGINS_WITHIN_S)
        if (left_s := until_s - time.time()) <= 0:
            break
        left_s = min(left_s, timeout_s)
    killed_s = time.time()
    for _ in range(GUEST_KILLS):
        with contextlib.suppress(APIError):  # it ended meanwhile
            guest.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            stream.wait(STOP_WITHIN_S)
            return killed_s
    raise LabProblem(f"{guest.name} could not be ended within {GUEST_KILLS * STOP_WITHIN_S} s")


def remove_guest(name: str) -> None:
    with contextlib.suppress(NotFound), engine.request(f"remove {name}"):
        engine.client().containers.get(name).remove(force=True, v=True)


def _unix_s(time_of_engine: str) -> float:
    """Unix time of `2026-11-21T17:04:28.123456789Z`."""
    whole, _, fraction = time_of_engine.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
