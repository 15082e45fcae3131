"""The commands of a fork server: a line of JSON becomes a value, or an error that names what is wrong.

Knows no process and no clock.
"""

import json
import math
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

LINE_LIMIT: Final = 256 * 1024  # bytes; an argument list of execve(2) may be longer, a client's is not
NAME_LIMIT: Final = 64  # characters of the name of a call or of a barrier
LONGEST_S: Final = 3600.0
Hold = Literal["start", "connect"]


class CommandError(Exception):
    """A line that is no command. `about` is the part of the answer that says which one it was."""

    def __init__(self, why: str, about: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.about = about or {}


@dataclass(frozen=True, slots=True)
class Start:
    """Run a program as the call `name`.

    One that is `followed` runs until it is stopped, and what it prints is told as it comes; of another it is told at
    the end, and as it comes too where it is `told`.
    """

    name: str
    argv: tuple[str, ...]
    is_module: bool
    timeout_s: float
    barrier: str | None = None
    hold: Hold = "start"
    followed: bool = False
    told: bool = False


@dataclass(frozen=True, slots=True)
class Signal:
    """Send a signal to the process of a call, or of a program that is followed, and to none of its children."""

    name: str
    number: signal.Signals


@dataclass(frozen=True, slots=True)
class Stop:
    name: str


@dataclass(frozen=True, slots=True)
class Cancel:
    name: str


@dataclass(frozen=True, slots=True)
class Release:
    barrier: str


@dataclass(frozen=True, slots=True)
class Warm:
    module: str


Command = Start | Signal | Stop | Cancel | Release | Warm


def parse(line: bytes) -> Command:
    """The command of one line. Raises CommandError."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise CommandError(f"not JSON: {error}") from None
    if not isinstance(said, dict):
        raise CommandError(f"expected an object, got {type(said).__name__}")
    verbs = [verb for verb in _VERBS if verb in said]
    if len(verbs) != 1:
        raise CommandError(f"expected exactly one of {', '.join(_VERBS)}; got {', '.join(verbs) or 'none'}")
    about = {verbs[0]: said[verbs[0]]} if isinstance(said[verbs[0]], str) else {}
    try:
        command = _VERBS[verbs[0]](said)
        if said:  # each reader takes out what it knows
            raise CommandError(f"unknown key {', '.join(sorted(said))}")
    except CommandError as error:
        raise CommandError(str(error), about) from None
    return command


def _program(said: dict[str, object]) -> tuple[tuple[str, ...], bool]:
    """What is to be run, and whether that is a module."""
    if ("argv" in said) == ("exec" in said):
        raise CommandError("expected one of argv and exec")
    is_module = "argv" in said
    return _words(said, "argv" if is_module else "exec"), is_module


def _start(said: dict[str, object]) -> Start:
    name = _name(said, "call")
    argv, is_module = _program(said)
    timeout_s = _seconds(said, "timeout_s")
    if timeout_s == 0:
        raise CommandError("timeout_s: must be more than 0")
    barrier = _name(said, "barrier") if "barrier" in said else None
    if barrier is None and "hold" in said:
        raise CommandError("hold: without a barrier, nothing is held")
    told = said.pop("told", False)
    if not isinstance(told, bool):
        raise CommandError("told: expected true or false")
    match said.pop("hold", "start"):
        case "start":
            return Start(name, argv, is_module, timeout_s, barrier, told=told)
        case "connect" if is_module:
            return Start(name, argv, is_module, timeout_s, barrier, "connect", told=told)
    raise CommandError('hold: expected "start", or for a module "connect"')


def _serve(said: dict[str, object]) -> Start:
    name = _name(said, "serve")
    argv, is_module = _program(said)
    return Start(name, argv, is_module, math.inf, followed=True)


def _signal(said: dict[str, object]) -> Signal:
    word = _name(said, "signal")
    try:
        number = signal.Signals[f"SIG{word.removeprefix('SIG')}"]
    except KeyError:
        raise CommandError(f"signal: no signal has the name {word!r}") from None
    if "to" not in said:
        raise CommandError("signal: expected the name of a program, as to")
    return Signal(_name(said, "to"), number)


def _name(said: dict[str, object], key: str) -> str:
    value = said.pop(key)
    if not isinstance(value, str) or not 0 < len(value) <= NAME_LIMIT:
        raise CommandError(f"{key}: expected a string of 1 to {NAME_LIMIT} characters")
    return value


def _words(said: dict[str, object], key: str) -> tuple[str, ...]:
    value = said.pop(key)
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value) or not value[0]:
        raise CommandError(f"{key}: expected a list of strings, the first of which names the program")
    if any("\0" in word for word in value):
        raise CommandError(f"{key}: a word of a command line cannot hold NUL")
    return tuple(value)


def _seconds(said: dict[str, object], key: str) -> float:
    value = said.pop(key, None)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_S:
        raise CommandError(f"{key}: expected a number of seconds up to {LONGEST_S:g}")
    return float(value)


_VERBS: Final[Mapping[str, Callable[[dict[str, object]], Command]]] = {
    "call": _start,
    "serve": _serve,
    "signal": _signal,
    "stop": lambda said: Stop(_name(said, "stop")),
    "cancel": lambda said: Cancel(_name(said, "cancel")),
    "release": lambda said: Release(_name(said, "release")),
    "warm": lambda said: Warm(_name(said, "warm")),
}
