"""A call as a value: how it ended, one that is under way, and a gate that holds some until all can begin.

Nothing here starts a program: that is caller.py's.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from typing import Any, Final, Literal, NamedTuple, Protocol

from scenarios.lab.control_sequences import without_sequences
from scenarios.lab.errors import LabProblem
from scenarios.lab.process import Finished
from scenarios.lab.valueclass import valueclass
from scenarios.lab.waiting import Meanwhile, nothing
from scenarios.spec.outcome import Outcome

ANSWERS_WITHIN_S: Final = 15.0  # beyond the time that a call was given: for ending it, and for a busy machine
HELD_WITHIN_S: Final = 30.0
PRINTED: Final = "what `prints` wants was printed, and it had not ended when its time was over"

Hold = Literal["start", "connect"]


class Ending(NamedTuple):
    """How a guest's call ended, and the errno by name, where it told one.

    `conflict`: its exit status and what it printed say two things; what, and which was believed.
    """

    outcome: Outcome
    errno: str | None
    conflict: str = ""


class Reader(Protocol):
    """Read how a guest's call ended from what is left of it; `hung`: the lab ended it."""

    def __call__(self, ran: Finished, *, hung: bool) -> Ending: ...


@valueclass
class Call:
    """A call that has ended. `warm`: no start of an interpreter, and of no container, is in its times."""

    host: str
    argv: tuple[str, ...]
    outcome: Outcome
    errno: str | None  # by name, where the client told one
    status: int | None
    signal: str | None  # by name, of what ended it
    stdout: str
    stderr: str
    dropped_bytes: int  # of what it printed beyond what is kept
    started_s: float | None  # Unix time by the kernel's clock, as a capture's; None: it was ended before it began
    duration_s: float | None
    cpu_s: float | None
    warm: bool
    guest: bool = False  # of an image of its own: what it prints and its exit status are in words of its own
    conflict: str = ""  # what its exit status and its words say, where these are two things
    is_start_exact: bool = False  # of a guest: it did not begin before `started_s`
    is_own_status: bool = False  # of a guest: exit() gave its status, and no signal; False where nobody says so
    killed_s: float | None = None  # Unix time, where the lab ended it: before it, all that it did was its own

    @property
    def printed(self) -> str:
        """What it printed, standard output first, for a person."""
        return (self.stdout + self.stderr).strip() or "(nothing)"

    @property
    def words(self) -> str:
        """What it printed, standard output first, without colours: for whoever reads words in it."""
        return without_sequences(f"{self.stdout}\n{self.stderr}")

    @property
    def printed_in_vain(self) -> bool:
        """Whether the lab had to end it though it had printed what `prints` wants: its answer, or words before it."""
        return self.outcome is Outcome.HUNG and self.conflict == PRINTED


def module_called(argv: Sequence[str]) -> tuple[str, ...]:
    """The module that a command line runs with Python, and its words; empty where it runs something else."""
    if len(argv) > 2 and argv[0] in ("python", "python3") and argv[1] == "-m":
        return tuple(argv[2:])
    return ()


class Signalled(NamedTuple):
    """Whether a signal was sent, and to which process of the host; of a guest, that is not known."""

    sent: bool
    pid: int | None = None


class Heard:
    """What a call has printed so far, the lines of its standard output before those of its standard error."""

    def __init__(self) -> None:
        self._texts = {"stdout": "", "stderr": ""}

    def take(self, text: str, on: str) -> None:
        self._texts[on] += text

    @property
    def lines(self) -> list[str]:
        """Those that have come whole."""
        return whole_lines(self._texts.values())


def whole_lines(texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in text[: text.rfind("\n") + 1].splitlines()]


class Pending:
    """A call that was started. `wait` for how it ended. `heard` is what it printed so far, if it was to be heard."""

    def __init__(
        self,
        host: str,
        argv: Sequence[str],
        timeout_s: float,
        future: Future[Call],
        cancel: Callable[[], None],
        heard: Heard | None = None,
        signal: Callable[[str], Signalled] = lambda name: Signalled(sent=False),  # noqa: ARG005
    ) -> None:
        self.host, self.argv, self.timeout_s = host, tuple(argv), timeout_s
        self.heard = heard or Heard()
        self.began_s = time.monotonic()
        self._future, self._cancel, self._signal = future, cancel, signal

    def wait(self) -> Call:
        """How the call ended, when it has. Raises LabProblem when that cannot be known."""
        try:
            return self._future.result(self.timeout_s + ANSWERS_WITHIN_S)
        except NotInTime:
            what = f"`{' '.join(self.argv)}` on {self.host}"
            raise LabProblem(
                f"{what} did not end within {ANSWERS_WITHIN_S:g} s after its deadline of {self.timeout_s:g} s"
            ) from None

    def cancel(self) -> None:
        """End it; `wait` says how it ended all the same."""
        if not self._future.done():
            self._cancel()

    def signal(self, name: str) -> Signalled:
        """Send a signal, `WINCH`, to the program; whether it still ran. STOP and CONT pause a guest as a whole.

        It has been sent when this returns. Raises LabProblem.
        """
        return Signalled(sent=False) if self.ended else self._signal(name)

    @property
    def ended(self) -> bool:
        return self._future.done()


class Holder(Protocol):
    """Who holds calls at a gate."""

    def wait_until_held(self, gate: str, calls: Sequence[Future[Call]], within_s: float, meanwhile: Meanwhile) -> None:
        """Return when all of these are held, or have ended. Raise LabProblem when that does not come, and what
        `meanwhile` raises (lab/waiting.py).
        """

    def say(self, command: Mapping[str, Any]) -> None:
        """Tell it something that it does not answer."""


class Gate:
    """Where calls are held until all of them can begin at once. Leave the `with` block to release them."""

    def __init__(self) -> None:
        self.name = secrets.token_hex(4)
        self.open = threading.Event()
        self.pending: list[Pending] = []
        self.fork_servers: dict[Holder, list[Future[Call]]] = {}  # with the calls that each holds

    def release(self, meanwhile: Meanwhile = nothing) -> None:
        """Let them begin, when all are held. Raises LabProblem when some never come to be."""
        for fork_server, calls in self.fork_servers.items():
            fork_server.wait_until_held(self.name, calls, HELD_WITHIN_S, meanwhile)
        for fork_server in self.fork_servers:
            fork_server.say({"release": self.name})
        self.open.set()
