"""The programs of a service: its servers and clients, and how each is started."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Final, Literal, get_args

from scenarios.lab.topology import topology
from scenarios.spec.command_line import PLACEHOLDERS_OF_GUESTS, problems_of_command
from scenarios.spec.container_settings import ContainerSettings
from scenarios.spec.declaration import declaration
from scenarios.spec.declaration_error import advice, check_all, quoted
from scenarios.spec.outcome import OF_STATUS, Outcome
from scenarios.spec.strict_yaml import problems_of_pattern
from scenarios.spec.units import Seconds

Transport = Literal["tcp", "udp"]
# Who speaks: the client asks, is answered, a segment each, and closes; the server speaks first; the client asks again
# on the same connection when it was answered; it stays connected, and waits; or none of these is so.
Conversation = Literal["request", "greeting", "exchanges", "stays", "other"]
# How many clients a server serves: many at once; one, and the next when that has gone; or one in all, and then it ends.
Serves = Literal["many", "one at a time", "one"]
# What a drill can fit without naming a service: any over this transport; and over TCP those whose client, where it is
# not let in, does not try again; and those whose conversation is of this kind. So a new program fits drills that are
# older than it is. What a service says of itself is believed; where it is wrong, a control run is unproven.
Kind = Literal["tcp", "udp", "connects-once", "request", "greeting", "exchanges", "stays"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# The outcomes that a client which nobody here wrote can tell by what it prints, or by its exit status.
TOLD = tuple(each.value for each in OF_STATUS.values() if each is not Outcome.USAGE)


OUR_PROGRAM: Final = re.compile(r"python -m services(?:\.[a-z0-9_]+)+(?: |$)")
LISTENS_WITHIN: Final = Seconds(30.0)  # an emulated interpreter takes a second or two to start, beside others more
COMMANDS_AT_MOST: Final = 20  # before a server, and after it


def problems_of_port(port: int | None, key: str = "port") -> Iterator[str]:
    """What is wrong with the number of a port."""
    if port is not None and not 1 <= port <= 65535:
        yield f"{key}: expected 1 to 65535, got {port}"


def _is_there(file: Path) -> bool:
    """As Path.exists, which from Python 3.14 on says no of a name that is none. Raises OSError of such a one."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def problems_of_our_program(command: str, services: Path) -> Iterator[str]:
    """What is wrong with the command of a program that runs on a host itself, out of the folder of the services."""
    if not (module := OUR_PROGRAM.match(command)):
        yield (
            f"run: {quoted(command.split()[0])} is not a program of the lab's hosts, and the folder brings "
            "none: put a Dockerfile beside this file, or name an image that is here (`image: NAME`)"
        )
        return
    parts = module[0].split()[2].split(".")[1:]
    file = services.joinpath(*parts)
    try:
        is_there = _is_there(file.with_suffix(".py")) or _is_there(file / "__main__.py")
    except OSError:
        yield f"run: {quoted(module[0])} cannot be the name of a file"
        return
    if not is_there:
        yield f"run: no such file: {file.with_suffix('.py')}"


@declaration
class Server(ContainerSettings):
    """One architecture. `run` is its command; `about` the idea, in a sentence; `serves` is what it promises to others.

    A server that a machine of the lab always runs has `runs_on`, the machine, in place of a command; one that is a
    service of the user's own composition has `in`, that service; one in the middle has a `backend`, the service that it
    asks. Of a program of an image: `setup` are commands that run before it in its container, each to its end;
    `teardown` are run there before it is stopped, and what they print is in its log.
    """

    about: str
    run: str | None = None
    runs_on: str | None = None
    in_: str | None = None  # the service of the composition that it is
    backend: str | None = None  # and the one that it asks, where it stands in the middle
    port: int | None = None  # where it is not that of the service
    ports: tuple[int, ...] = ()  # where it listens beside that: a client says with `port` which one it calls
    # How one knows that it listens: a regular expression for a line that it prints; if none, its socket is looked for.
    ready: str | None = None
    starts_within: Seconds = LISTENS_WITHIN  # until it listens, `setup` included
    transport: Transport | None = None  # where it is not that of the service
    serves: Serves = "many"
    setup: tuple[str, ...] = ()
    teardown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_all(self.rules())

    def rules(self) -> Iterator[str]:
        """What is wrong with it, as far as its own keys show it."""
        if [self.run, self.runs_on, self.in_].count(None) != 2:
            yield (
                "a server has one of `run`, its command, `runs_on`, the machine that always runs it, and `in`, the "
                "service of a composition that it is"
            )
        if self.run is not None:
            yield from problems_of_command(self.run, "run", PLACEHOLDERS_OF_GUESTS)
        standing = topology().standing
        if self.runs_on is not None and self.runs_on not in standing:
            yield f"runs_on: unknown machine {quoted(self.runs_on)}{advice(self.runs_on, standing)}"
        yield from problems_of_port(self.port)
        for number, port in enumerate(self.ports, 1):
            yield from problems_of_port(port, f"ports.{number}")
        yield from problems_of_pattern(self.ready or "", "ready")
        if not self.starts_within > 0:
            yield f"starts_within: expected more than 0, got {self.starts_within}"
        for key in ("setup", "teardown"):
            commands: tuple[str, ...] = getattr(self, key)
            if len(commands) > COMMANDS_AT_MOST:
                yield f"{key}: expected at most {COMMANDS_AT_MOST} commands, got {len(commands)}"
            for number, command in enumerate(commands, 1):
                yield from problems_of_command(command, f"{key}.{number}", PLACEHOLDERS_OF_GUESTS)
        yield from self.problems()


@declaration
class Client(ContainerSettings):
    """One way to call. `status` and `prints` (a regular expression, found in what it prints) are the right outcome.

    What became of a call is read from `says` (regular expressions, by outcome), then from the right outcome, then from
    the text of an errno, then from `exits` (exit statuses, by outcome). With `contract` its exit statuses are the
    lab's own, and it is asked once for a nonsense thing before they are believed.
    """

    run: str
    about: str
    in_: str | None = None  # the service of the composition inside which it is run
    prints: str = ""
    status: int = 0
    timeout_s: float = 20.0
    port: int | None = None  # of the server's ports the one that it calls, where that is not the first
    transport: Transport | None = None  # where it is not that of the service
    servers: tuple[str, ...] | None = None  # the servers that it fits, where it does not fit all of its transport
    # What it does where its first connect() fails: redis-cli tries again. A drill that counts exactly one SYN is not
    # for such a client; one that allowed two would pass a kernel that repeats the SYN.
    connects: Literal["once", "again"] = "once"
    conversation: Conversation | None = None  # where it is not that of the service
    says: Mapping[str, str] = field(default_factory=dict)
    exits: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)
    contract: bool = False

    def __post_init__(self) -> None:
        check_all(self.rules())

    def rules(self) -> Iterator[str]:
        """What is wrong with it, as far as its own keys show it."""
        yield from problems_of_command(self.run, "run", PLACEHOLDERS_OF_GUESTS)
        for key, pattern in (("prints", self.prints), *((f"says.{word}", each) for word, each in self.says.items())):
            yield from problems_of_pattern(pattern, key)
        if not 0 < self.timeout_s <= 600:
            yield f"timeout_s: expected more than 0, at most 600 seconds, got {self.timeout_s:g}"
        yield from problems_of_port(self.port)
        for key in ("says", "exits"):
            for word in getattr(self, key):
                if word not in TOLD:
                    yield f"{key}: unknown outcome {quoted(word)}{advice(word, TOLD)}"
        statuses = [("status", self.status)]
        statuses += [(f"exits.{word}", each) for word in self.exits for each in self.statuses(word)]
        for key, status in statuses:
            if not 0 <= status <= 255:
                yield f"{key}: expected an exit status, 0 to 255, got {status}"
        if self.contract and (self.says or self.exits or self.status):
            other = next(key for key in ("says", "exits", "status") if getattr(self, key))
            yield f"{other}: use either `contract`, with which the exit statuses say it all, or `{other}`"
        yield from self.problems()

    def statuses(self, outcome: str) -> tuple[int, ...]:
        """The exit statuses that mean this outcome."""
        found = self.exits.get(outcome, ())
        return (found,) if isinstance(found, int) else found
