"""What a command does now, and for how long: no command is silent for ten seconds.

Whoever begins what may take a while says so with `under_way`. On a terminal all that is under way stands below what was
printed, each with its time. Elsewhere (a pipe, CI) a line says it, whenever nothing was printed for SILENT_FOR_S.
One thread looks at when the console printed last, for nobody can know beforehand what will take long: a lab that comes
up in four seconds takes thirty on a busy machine.
This module knows nothing of labs, images or drills.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from scenarios.lab import signals
from scenarios.lab.errors import OutputLost
from scenarios.lab.markup import escape

SILENT_FOR_S: Final = 8.0  # the rule is 10 s, and a busy machine may wake us late
SHOWN_AFTER_S: Final = 1.0  # on a terminal: what is over sooner draws nothing
LOOKS_EVERY_S: Final = 0.25
REFRESHES_PER_S: Final = 4
LONGEST_PART: Final = 100  # characters, in a line that is not on a terminal
WIDTH_OF_A_PIPE: Final = 160  # columns, where no terminal says
WHEEL: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

Clock = Callable[[], float]


class Voice(Console):
    """rich's console, which knows when it printed last."""

    def __init__(self, clock: Clock = time.monotonic, **options: Any) -> None:
        super().__init__(highlight=False, soft_wrap=True, emoji=False, **options)
        self._clock = clock
        self._spoke_s = clock()

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich's. Raises OutputLost."""
        try:
            super().print(*objects, **options)
        except OSError as error:
            raise _lost(error) from error
        self.note_output()

    def emit(self, text: str) -> None:
        """Write to standard output as it is, at once: what a program or a file is to have. Raises OutputLost."""
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            _end_without_reader(sys.stdout)
        except OSError as error:
            raise _lost(error) from error

    def on_broken_pipe(self) -> None:
        _end_without_reader(self.file)

    def note_output(self) -> None:
        """Note that somebody has just been told something."""
        self._spoke_s = self._clock()

    @property
    def silent_for_s(self) -> float:
        return self._clock() - self._spoke_s

    @property
    def can_draw(self) -> bool:
        """Whether a picture can be drawn again and again: on a terminal, unless standard output is for other words."""
        return self.is_terminal and not self.is_dumb_terminal and not self.stderr


class Activity(Protocol):
    """Something under way."""

    def lines(self) -> Sequence[str]:
        """What to say of it where no terminal is."""

    def picture(self) -> RenderableType:
        """What to draw of it on a terminal."""


class Task:
    """One thing under way. `at` tells the part of it that runs now; empty where there are no parts."""

    def __init__(self, what: str, at: Callable[[], str] = str, clock: Clock = time.monotonic) -> None:
        self.what, self._at, self._clock = what, at, clock
        self._began_s = clock()

    def is_at(self, part: str) -> None:
        """Tell the part that runs now."""
        self._at = lambda: part

    @property
    def took_s(self) -> float:
        return self._clock() - self._began_s

    def lines(self) -> Sequence[str]:
        part = self._at()
        part = part if len(part) <= LONGEST_PART else f"{part[: LONGEST_PART - 1]}…"
        return [f"{self.what} ({minutes(self.took_s)})" + (f": {part}" if part else "")]

    def picture(self) -> RenderableType:
        took_s = self.took_s
        wheel = WHEEL[int(took_s * REFRESHES_PER_S) % len(WHEEL)]
        return Text.assemble(
            (f"{wheel} ", "green"),
            self.what,
            (f"  {minutes(took_s)}", "cyan"),
            (f"  {self._at()}", "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )


class Heartbeat:
    """All that a command has under way. It says so by itself for the time of `beating`."""

    def __init__(self, console: Voice, clock: Clock = time.monotonic, silent_for_s: float = SILENT_FOR_S) -> None:
        self._console, self._clock = console, clock
        self.silent_for_s = silent_for_s
        self._whole: Task | None = None  # the command itself; told where nothing more is known
        self._activities: list[Activity] = []
        self._over = threading.Event()
        self._handed_over = False
        self._live: Live | None = None
        # Two locks: whoever draws holds one of rich's, and asks for the picture, which takes `_lock`.
        self._lock, self._drawing = threading.Lock(), threading.Lock()

    @contextlib.contextmanager
    def beating(self, what: str) -> Iterator[None]:
        """Say what is under way, for the time of the `with` block; `what` is the command as a whole."""
        self._whole = Task(what, clock=self._clock)
        self._console.note_output()
        self._over.clear()
        thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            self._draw(on=False)
            self._whole = None

    @contextlib.contextmanager
    def under_way(self, what: str, at: Callable[[], str] = str) -> Iterator[Task]:
        """Have this told, with its time, for the time of the `with` block; `at` is asked for the part that runs now."""
        task = Task(what, at, self._clock)
        with self.display(task):
            yield task

    @contextlib.contextmanager
    def display(self, activity: Activity, *, at_once: bool = False) -> Iterator[None]:
        """The same for anything that has lines and a picture; `at_once`: it is drawn before anything was silent."""
        with self._lock:
            self._activities.append(activity)
        if at_once and self.draws:
            self._draw(on=True)
        try:
            yield
        finally:
            with self._lock:
                self._activities.remove(activity)

    @contextlib.contextmanager
    def handed_over(self) -> Iterator[None]:
        """Nothing is said for the time of the `with` block: the terminal belongs to a person and another program."""
        with self._lock:
            self._handed_over = True
        self._draw(on=False)
        try:
            yield
        finally:
            self._handed_over = False

    @property
    def draws(self) -> bool:
        """Whether what is under way is drawn, and not told in lines."""
        return self._whole is not None and self._console.can_draw and not self._handed_over

    def lines(self) -> list[str]:
        """What is to be said now."""
        return [f"… {line}" for activity in self._to_display() for line in activity.lines()]

    def picture(self) -> RenderableType:
        """What is to be drawn now."""
        return Group(*(activity.picture() for activity in self._to_display()))

    def _to_display(self) -> list[Activity]:
        with self._lock:
            return list(self._activities) or ([self._whole] if self._whole else [])

    def beat(self) -> float:
        """Say or draw what is under way, if it is time to; the seconds until it may be time again."""
        if self._handed_over:
            return LOOKS_EVERY_S
        if self.draws:
            if self._console.silent_for_s >= SHOWN_AFTER_S:
                self._draw(on=True)
            return LOOKS_EVERY_S
        if self._console.silent_for_s >= self.silent_for_s:
            for line in self.lines():
                self._console.print(f"[dim]{escape(line)}[/]")
        return max(0.01, self.silent_for_s - self._console.silent_for_s)

    def _beat(self) -> None:
        rest_s = 0.0
        with contextlib.suppress(OutputLost):  # the main thread meets it with its next word
            while not self._over.wait(rest_s):
                rest_s = self.beat()

    def _draw(self, *, on: bool) -> None:
        with self._drawing:
            if on and self._live is None and not self._handed_over:
                self._live = Live(
                    get_renderable=self.picture,
                    console=self._console,
                    refresh_per_second=REFRESHES_PER_S,
                    transient=True,
                )
                self._live.start(refresh=True)
            elif not on and self._live is not None:
                live, self._live = self._live, None
                live.stop()


def print_nowhere(stream: IO[str]) -> None:
    """What is still printed to the stream on the way out goes nowhere, as what is in its buffer."""
    with contextlib.suppress(OSError, ValueError), Path(os.devnull).open("w") as nowhere:  # it has no descriptor
        os.dup2(nowhere.fileno(), stream.fileno())


def _end_without_reader(stream: IO[str]) -> None:
    print_nowhere(stream)
    signals.end_without_reader()


def _lost(error: OSError) -> OutputLost:
    return OutputLost(f"what is printed cannot be written: {error.strerror or error}")


def minutes(seconds: float) -> str:
    """`12 s`, `3 min 20 s`."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02} s"


console: Final = Voice(width=None if sys.stdout.isatty() else WIDTH_OF_A_PIPE)
pulse: Final = Heartbeat(console)
under_way: Final = pulse.under_way
