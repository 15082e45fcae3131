"""The programs of a service: its servers and clients, and how each is started."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from scenarios.lab.topology import topology
from scenarios.spec.declaration_error import advice, quoted
from scenarios.spec.outcome import OF_STATUS, Outcome
from scenarios.spec.strict_yaml import check_pattern

Transport = Literal["tcp", "udp"]
# How many clients a server serves: many at once; one, and the next when that has gone; or one in all, and then it ends.
Serves = Literal["many", "one at a time", "one"]

# The outcomes that a client which nobody here wrote can tell by what it prints, or by its exit status.
TOLD = tuple(each.value for each in OF_STATUS.values() if each is not Outcome.USAGE)
PLACEHOLDERS = ("host", "port", "bind")


def words(command: str, **values: object) -> list[str]:
    """The words of a command line, as a shell would cut it, with {host} and {port} (of the server) in their places."""
    cut = shlex.split(command)
    return [re.sub(r"\{(\w+)\}", lambda match: str(values[match[1]]), word) for word in cut]


def _check_command(command: str, key: str) -> None:
    try:
        cut = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"{key}: {quoted(command)} cannot be split into words: {str(error).lower()}") from error
    if not cut or not cut[0]:
        raise ValueError(f"{key}: the command is empty")
    for name in sorted({name for word in cut for name in re.findall(r"\{(\w+)\}", word)} - set(PLACEHOLDERS)):
        raise ValueError(f"{key}: unknown placeholder {{{name}}}{advice(name, PLACEHOLDERS)}")


def check_port(port: int | None) -> None:
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(f"port: expected 1 to 65535, got {port}")


@dataclass(frozen=True, slots=True)
class Server:
    """One architecture. `run` is its command; `about` the idea, in a sentence; `serves` is what it promises to others.

    A server that a machine of the lab always runs has `runs_on`, the machine, in place of a command.
    """

    about: str
    run: str | None = None
    runs_on: str | None = None
    port: int | None = None  # where it is not that of the service
    # How one knows that it listens: a regular expression for a line that it prints; if none, its socket is looked for.
    ready: str | None = None
    transport: Transport | None = None  # where it is not that of the service
    serves: Serves = "many"

    def __post_init__(self) -> None:
        if (self.run is None) == (self.runs_on is None):
            raise ValueError("a server has either `run`, its command, or `runs_on`, the machine that always runs it")
        if self.run is not None:
            _check_command(self.run, "run")
        if self.runs_on is not None and self.runs_on not in topology().standing:
            standing = topology().standing
            raise ValueError(f"runs_on: unknown machine {quoted(self.runs_on)}{advice(self.runs_on, standing)}")
        check_port(self.port)
        check_pattern(self.ready or "", "ready")


@dataclass(frozen=True, slots=True)
class Client:
    """One way to call. `status` and `prints` (a regular expression, found in what it prints) are the right outcome.

    What became of a call is read from `says` (regular expressions, by outcome), then from `exits` (exit statuses, by
    outcome), then from the right outcome, then from the text of an errno. With `contract` its exit statuses are the
    lab's own, and it is asked once for a nonsense thing before they are believed.
    """

    run: str
    about: str
    prints: str = ""
    status: int = 0
    timeout_s: float = 20.0
    transport: Transport | None = None  # where it is not that of the service
    servers: tuple[str, ...] | None = None  # the servers that it fits, where it does not fit all of its transport
    # What it does where its first connect() fails: redis-cli tries again. A drill that counts exactly one SYN is not
    # for such a client; one that allowed two would pass a kernel that repeats the SYN.
    connects: Literal["once", "again"] = "once"
    says: Mapping[str, str] = field(default_factory=dict)
    exits: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)
    contract: bool = False

    def __post_init__(self) -> None:
        _check_command(self.run, "run")
        for key, pattern in (("prints", self.prints), *((f"says.{word}", each) for word, each in self.says.items())):
            check_pattern(pattern, key)
        if not 0 < self.timeout_s <= 600:
            raise ValueError(f"timeout_s: expected more than 0, at most 600 seconds, got {self.timeout_s:g}")
        for key in ("says", "exits"):
            for word in getattr(self, key):
                if word not in TOLD:
                    raise ValueError(f"{key}: unknown outcome {quoted(word)}{advice(word, TOLD)}")
        statuses = [("status", self.status)]
        statuses += [(f"exits.{word}", each) for word in self.exits for each in self.statuses(word)]
        for key, status in statuses:
            if not 0 <= status <= 255:
                raise ValueError(f"{key}: expected an exit status, 0 to 255, got {status}")
        if self.contract and (self.says or self.exits or self.status):
            other = next(key for key in ("says", "exits", "status") if getattr(self, key))
            raise ValueError(f"{other}: use either `contract`, with which the exit statuses say it all, or `{other}`")

    def statuses(self, outcome: str) -> tuple[int, ...]:
        """The exit statuses that mean this outcome."""
        found = self.exits.get(outcome, ())
        return (found,) if isinstance(found, int) else found
