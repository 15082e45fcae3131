"""One `docker build`: which of its steps runs, why it failed, and its whole log in a file.

`Reading` reads what `--progress=plain` prints, a line at a time, and does nothing else. `build` runs the builder. When
the builder fails the message has the cause first, then what the failing step printed last, then where the log is.

--quiet would hide what a failed step printed, and the other formats of the builder change from version to version. Of
steps that run at once `plain` prints one at a time, so the step that is shown may be some seconds old.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final

from scenarios.lab import endpoint
from scenarios.lab.control_sequences import without_controls
from scenarios.lab.errors import CommandFailed
from scenarios.lab.futures import is_any_left
from scenarios.lab.places import LOGS, ROOT, display_path
from scenarios.lab.process_group import end_group

LAST_LINES: Final = 20  # that are shown of a step which failed
BUILDER: Final = 0  # the number of the line that names the builder, and is no step
LONGEST_LINE: Final = 400  # characters that are shown of one; the log has all of it
LOOKS_EVERY_S: Final = 0.2
DOCKER_BUILD: Final = ("docker", "build", "--progress=plain")
BUILDKIT: Final = {"DOCKER_BUILDKIT": "1", "BUILDKIT_COLORS": "", "NO_COLOR": "1"}

Job = Callable[[threading.Event], None]

_OF_STEP: Final = re.compile(r"#(?P<number>\d+) (?P<said>.*)", re.DOTALL)
_PRINTED: Final = re.compile(r"\d+\.\d+ ?(?P<text>.*)", re.DOTALL)
_OVER: Final = re.compile(r"DONE \d+\.\d+s|CACHED|CANCELED")
_FAILED: Final = re.compile(r"ERROR: (?P<reason>.*)", re.DOTALL)
_STATUS: Final = re.compile(r"exit code: (?P<status>\d+)$")
_NAME: Final = re.compile(r"\[(?P<stage>[^]]*?) ?(?P<count>\d+/\d+)\] (?P<command>.*)", re.DOTALL)


class BuildEnded(CommandFailed):
    """A build was ended before its time, because another failed or somebody interrupted."""


@dataclass(slots=True)
class Step:
    """A step of a build, by its name: `[openssl 2/3] RUN make`, or `[internal] load build context`."""

    name: str
    printed: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    is_over: bool = False
    reason: str = ""  # why it failed, in the builder's words

    @property
    def is_internal(self) -> bool:
        """Whether it is the builder's own, and no line of a Dockerfile."""
        return _NAME.match(self.name) is None

    @property
    def cause(self) -> str:
        """Which stage and command failed, and how."""
        status = _STATUS.search(self.reason)
        how = f"ended with exit code {status['status']}" if status else self.reason
        named = _NAME.match(self.name)
        if named is None:
            return f"`{_cut(self.name)}`: {_cut(how)}"
        stage = f"stage {named['stage']}, " if named["stage"] else ""
        return f"{stage}step {named['count']}: `{_cut(named['command'])}`{' ' if status else ': '}{_cut(how)}"


class Reading:
    """What a builder has printed so far with `--progress=plain`. It is fed its lines, without their ends."""

    def __init__(self) -> None:
        self._steps: dict[int, Step] = {}
        self._others: deque[str] = deque(maxlen=LAST_LINES)  # lines that are of no step
        self._latest: Step | None = None

    def feed(self, line: str) -> None:
        """Read one more line."""
        of_step = _OF_STEP.match(line)
        if of_step is None:
            if line.strip():
                self._others.append(without_controls(line))
            return
        number, said = int(of_step["number"]), of_step["said"].rstrip("\r")
        step = self._steps.get(number)
        if step is None:
            self._steps[number] = self._latest = Step(said, is_over=number == BUILDER)
            return
        self._latest = step
        if _OVER.fullmatch(said):
            step.is_over = True
        elif failed := _FAILED.fullmatch(said):
            step.is_over, step.reason = True, failed["reason"]
        elif printed := _PRINTED.fullmatch(said):
            step.printed.append(without_controls(printed["text"]))

    @property
    def failed(self) -> Step | None:
        """The step that failed first; None while none has."""
        return next((step for step in self._steps.values() if step.reason), None)

    @property
    def at(self) -> str:
        """The steps that run now, the one that spoke last before the others; empty between two."""
        running = [step for step in self._steps.values() if not step.is_over]
        shown = [step for step in running if not step.is_internal] or running
        return "; ".join(step.name for step in sorted(shown, key=lambda step: step is not self._latest))

    @property
    def why(self) -> str:
        """Why the build failed: the cause, then what the step that failed printed last."""
        if step := self.failed:
            return "\n".join([step.cause, *(f"  {_cut(line)}" for line in step.printed)])
        # No step: the Dockerfile cannot be read, or no builder answers. Its last words say it, the very last the best.
        *before, last = self._others or ["it printed nothing"]
        return "\n".join([_cut(last), *(f"  {_cut(line)}" for line in before)])

    @property
    def so_far(self) -> str:
        """Where a build is that has not ended: what runs, and what that printed last."""
        step = self._latest
        if step is None or step.is_over:
            return "it was between two steps"
        return "\n".join([f"it was at `{_cut(step.name)}`", *(f"  {_cut(line)}" for line in step.printed)])


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE - 1]}…"


def build(
    tag: str,
    words: Sequence[str],
    *,
    within_s: float,
    tell: Callable[[str], None] = lambda _: None,
    stop: threading.Event | None = None,
    logs: Path | None = None,
    builder: Sequence[str] = DOCKER_BUILD,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> float:
    """Build an image, and return the seconds that it took. `words` follow `docker build`, the tag is among them.

    `builder` is another command that prints as `docker build --progress=plain` does; `environment` is for it.

    `tell` is given the steps that run, whenever they change; `stop`, once set, ends the build. The log comes into
    `logs` (default: LOGS).
    Raises CommandFailed with the cause, the last lines of the step that failed, and the path of the whole log; and
    BuildEnded when it was ended by `stop`. Nothing of the builder is left then.
    """
    command = [*builder, *words]
    began_s, reading, told = time.monotonic(), Reading(), ""
    with _log(tag, logs or LOGS) as (log, path):
        whole_log = f"the whole log: {display_path(path)}"
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=endpoint.build_environment(**BUILDKIT, **environment),
            start_new_session=True,  # Ctrl-C comes to us alone; we end the builder, and the plugin below it
        ) as building:
            try:
                for line in _lines(building, log, began_s + within_s, stop):
                    reading.feed(line)
                    if reading.at != told:
                        tell(told := reading.at)
                if stop is not None and stop.is_set():
                    end_group(building)
                status = building.wait(max(0.0, began_s + within_s - time.monotonic()))
            except (TimeoutError, subprocess.TimeoutExpired):
                problem = f"{tag} was not built within {within_s:g} s: {reading.so_far}\n{whole_log}"
                raise CommandFailed(problem) from None
            finally:
                end_group(building)
    if status == 0:
        if path.parent != (logs or LOGS):
            path.unlink(missing_ok=True)  # no later build would find it there
        return time.monotonic() - began_s
    if stop is not None and stop.is_set():
        raise BuildEnded(f"the build of {tag} was ended: {reading.so_far}\n{whole_log}")
    raise CommandFailed(f"{tag} could not be built: {reading.why}\n{whole_log}")


def side_by_side(jobs: Mapping[str, Job], after: Mapping[str, Collection[str]] = MappingProxyType({})) -> None:
    """Do these at once, by name; `after` names those that one has to wait for, where they are among the jobs.

    Each stands after those that it waits for. It is given the event that is to end it, which is set when another fails,
    and on Ctrl-C; none begins then. When all have ended, this raises what the first raised that failed.
    """
    stop, problems = threading.Event(), list[BaseException]()
    done: dict[str, Future[None]] = {}

    def do(name: str, job: Job) -> None:
        try:
            wait([done[other] for other in after.get(name, ()) if other in done])
            if not stop.is_set():
                job(stop)
        except BaseException as problem:
            problems.append(problem)
            stop.set()

    with ThreadPoolExecutor(max(1, len(jobs))) as pool:
        for name, job in jobs.items():
            done[name] = pool.submit(do, name, job)
        try:
            while is_any_left(done.values()):
                pass
        except KeyboardInterrupt:
            stop.set()
            raise
    if problems:
        raise problems[0]


@contextlib.contextmanager
def _log(tag: str, folder: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """A new file for a build's log, and its lasting path, at which the newest build of an image has its log.

    It is made under a name that nobody knows, and then renamed: no link that stands at the path is followed. Where the
    folder takes none, as of a user without a home, it stays under that name in the folder for temporary files.
    """
    name = f"build-{re.sub(r'[^A-Za-z0-9.-]+', '-', tag.removeprefix('faultwire/'))}"
    path = folder / f"{name}.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, made = tempfile.mkstemp(prefix="build-", suffix=".log", dir=folder)
    except OSError as error:
        try:
            descriptor, made = tempfile.mkstemp(prefix=f"faultwire-{name}-", suffix=".log")
        except OSError:
            raise CommandFailed(f"{path}: the log of a build cannot be written: {error.strerror}") from error
        path = Path(made)
    with os.fdopen(descriptor, "wb", buffering=0) as log:
        Path(made).replace(path)
        yield log, path


def _lines(
    builder: subprocess.Popen[bytes], log: IO[bytes], deadline_s: float, stop: threading.Event | None
) -> Iterator[str]:
    """What it prints, line by line, into the log too, until it ends or is to be ended. Raises TimeoutError."""
    assert builder.stdout is not None  # noqa: S101 (for mypy: it was opened as a pipe)
    rest = b""
    while stop is None or not stop.is_set():
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        if not select.select([builder.stdout], [], [], min(left_s, LOOKS_EVERY_S))[0]:
            continue
        piece = os.read(builder.stdout.fileno(), 1 << 16)
        if not piece:
            break
        log.write(piece)
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in whole)
    if rest:
        yield rest.decode("utf-8", "replace")
