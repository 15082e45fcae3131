"""A drill: one claim about one failure, read from a file under scenarios/drills/. Reading it needs no lab.

A drill that cannot be judged is no drill: one without an outcome, without packets, or without a fault is refused here,
as is one that speaks of a fault, a call or a look that its script does not have.
"""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from scenarios.declaration import DeclarationError, advice, line_of, load
from scenarios.expecting import Duration, Expectation, Hits, Log, Outcomes, Packets, Sockets
from scenarios.script import SERVER, Call, Fault, Step, given_keys
from scenarios.service import Family, Named, Service, named, services
from scenarios.topology import ROOT

DRILLS = ROOT / "scenarios" / "drills"
Pair = Literal["le-le", "be-le", "le-be", "be-be"]
PAIRS: tuple[Pair, ...] = ("le-le", "be-le", "le-be", "be-be")
DEFAULT_PAIRS: tuple[Pair, ...] = ("le-le", "be-le")


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How the service under drill is started: more words for its command line, on which roles, bound to what.

    `bind` is the address of the drill's family, or `all`: every interface, both families.
    """

    args: str = ""
    on: tuple[Literal["server", "other-server"], ...] = ("server",)
    bind: Literal["address", "all"] = "address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A drill file. `service` is what it runs with by default; `fits` are patterns of others that it can run with.

    `source` names the RFC or man page of the claim. `unsupported_on` says of a pair why the drill cannot be run there.
    """

    drill: str
    claim: str
    why: str
    source: tuple[str, ...]
    tags: tuple[str, ...]
    service: str
    script: tuple[Step, ...]
    expect: tuple[Expectation, ...]
    control: tuple[Expectation, ...]
    client: str | None = None
    fits: tuple[str, ...] = ()
    family: Family = "ipv4"
    server: Serving = Serving()
    unsupported_on: Mapping[Pair, str] = field(default_factory=dict)
    path: Path = field(default=Path(), init=False)

    def __post_init__(self) -> None:
        for key in ("claim", "why"):
            if not getattr(self, key).strip():
                raise ValueError(f"{key}: it is empty")
        for key in ("source", "tags", "script", "expect", "control"):
            if not getattr(self, key):
                raise ValueError(f"{key}: it is empty; at least one is needed")
        self._check_script()
        for key in ("expect", "control"):
            self._check_expectations(getattr(self, key), key)
        kinds = {type(each.value) for each in self.expect}
        if not {Outcomes, Packets} <= kinds:
            raise ValueError("expect: a verdict needs both the application's outcome and packets: one is missing")

    def _check_script(self) -> None:
        named_so_far: set[str] = set()
        for number, step in enumerate(self.script, 1):
            at = f"script.{number}"
            for kind in ("given", "fault", "call", "start", "look"):
                if (made := getattr(step, kind)) is not None:
                    if made.name in named_so_far:
                        raise ValueError(f"{at}.{kind}: the name {made.name!r} is taken by an earlier step")
                    named_so_far.add(made.name)
            if step.heal is not None:
                _check_known(step.heal, [each.name for each in self.faults], f"{at}.heal", "fault")
            if step.await_ is not None:
                started = [each.start.name for each in self.script if each.start]
                _check_known(step.await_, started, f"{at}.await", "started call")
            if step.until and step.until.fault:
                _check_known(step.until.fault, [each.name for each in self.faults], f"{at}.until.fault", "fault")
            if step.until and step.until.log:
                _check_known(step.until.log, self.programs, f"{at}.until.log", "program")
            fault = step.fault or step.given
            if fault and fault.replace:
                _check_known(fault.replace.who, self.programs, f"{at}.{fault.name}.who", "program")
            if fault and fault.rebind:
                nats = [each.name for each in self.faults if each.nat]
                _check_known(fault.rebind.nat, nats, f"{at}.{fault.name}.nat", "NAT")
            if fault and fault.replace and fault.name not in self.from_the_start:
                restarted = any(each.restart for each in self.script[number:])
                if fault.replace.who != SERVER or not restarted:
                    raise ValueError(
                        f"{at}: a program is replaced from the start, so this step must come before every call; or it "
                        "is the server, from a restart on, so one must follow"
                    )
        if not any(step.fault for step in self.script):
            raise ValueError("script: nothing fails here; a drill has a fault")
        if not self.calls:
            raise ValueError("script: nobody calls; a drill has a call or a start")

    def _check_expectations(self, expectations: Sequence[Expectation], key: str) -> None:
        looks = [step.look.name for step in self.script if step.look]
        for number, each in enumerate(expectations, 1):
            at = f"{key}.{number}.{given_keys(each)[0]}"
            match each.value:
                case Hits() as hits:
                    armed = [fault.name for fault in (self.faults if key == "expect" else self.givens)]
                    _check_known(hits.fault, armed, at, "fault" if key == "expect" else "given")
                case Outcomes() | Duration() as of_call:
                    _check_known(of_call.call, list(self.calls), at, "call")
                case Sockets() as sockets:
                    _check_known(sockets.look, looks, at, "look")
                case Log() as log:
                    _check_known(log.of, self.programs, at, "program")

    @property
    def calls(self) -> dict[str, Call]:
        """The calls of the script by name, those that are started in the background too."""
        return {call.name: call for step in self.script if (call := step.call or step.start)}

    @property
    def programs(self) -> list[str]:
        """Those that print: the server, what runs beside it on another role, and the calls."""
        return [SERVER, *(role for role in self.server.on if role != SERVER), *self.calls]

    @property
    def from_the_start(self) -> list[str]:
        """The faults that come before every call. A program that one replaces later is replaced from a restart on."""
        before = itertools.takewhile(lambda step: not (step.call or step.start), self.script)
        return [fault.name for step in before if (fault := step.fault or step.given)]

    @property
    def faults(self) -> list[Fault]:
        """What can be healed and counted: the faults, and what is given."""
        return [fault for step in self.script if (fault := step.fault or step.given)]

    @property
    def givens(self) -> list[Fault]:
        return [step.given for step in self.script if step.given]

    @property
    def filters(self) -> list[str]:
        """Every display filter of its expectations, in both runs."""
        found = [each.packets.where for each in (*self.expect, *self.control) if each.packets]
        return found + [where for each in (*self.expect, *self.control) if each.order for where in each.order.of]

    def fits_service(self, name: str) -> bool:
        """Whether it can be run with this service, `echo/select` say."""
        return name == self.service or any(fnmatch.fnmatchcase(name, pattern) for pattern in self.fits)


@dataclass(frozen=True, slots=True)
class Cell:
    """One drill with one service on one pair of machines."""

    drill: Drill
    chosen: Named
    pair: Pair
    seed: int = 1
    repeat: int = 1

    @property
    def title(self) -> str:
        again = f" · {self.repeat}" if self.repeat > 1 else ""
        return f"{self.drill.drill} · {self.chosen.name} · {self.pair}{again}"

    @property
    def command(self) -> str:
        """What repeats it."""
        words = f"--service {self.chosen.name} --pair {self.pair} --seed {self.seed}"
        return f"python -m scenarios run {self.drill.drill} {words}"


def _check_known(name: str, known: Sequence[str], at: str, what: str) -> None:
    if name not in known:
        there_are = advice(name, known) if known else "; there is none."
        raise ValueError(f"{at}: there is no {what} {name!r}{there_are}")


def load_drill(path: Path, known: Mapping[str, Service] | None = None) -> Drill:
    """Read a drill, and check it against the services. Raises DeclarationError."""
    known = known if known is not None else services()
    found = load(path, Drill)
    if found.drill != path.stem:
        raise DeclarationError(f"{path}:1: drill: the file is {path.name}, and the drill calls itself {found.drill!r}")
    try:
        chosen = named(found.service, found.client, known)
        if chosen.name != found.service:
            raise ValueError(f"say which server of {found.service}: {chosen.name}, for one")
        for call in found.calls.values():
            if call.client is not None:
                named(found.service, call.client, known)
    except ValueError as error:
        raise DeclarationError(f"{path}:{line_of(path, 'service')}: service: {error}") from error
    object.__setattr__(found, "path", path)
    return found


def drills(root: Path = DRILLS, known: Mapping[str, Service] | None = None) -> dict[str, Drill]:
    """Every drill by its name. Raises DeclarationError for the first file that is wrong."""
    known = known if known is not None else services()
    return {path.stem: load_drill(path, known) for path in sorted(root.glob("*.yaml"))}


def chosen_service(drill: Drill, service: str | None, known: Mapping[str, Service] | None = None) -> Named:
    """What the drill runs with: its own service, or another. Raises ValueError for one that it does not fit."""
    chosen = named(service or drill.service, drill.client if service in (None, drill.service) else None, known)
    if not drill.fits_service(chosen.name):
        fitting = ", ".join((drill.service, *drill.fits))
        raise ValueError(f"{drill.drill} does not fit {chosen.name}: it is for {fitting}")
    return chosen
