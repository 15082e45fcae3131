"""A drill: one claim about one failure, read from a file under scenarios/drills/. Reading it needs no lab.

A drill that cannot be judged is no drill: one without an outcome, without packets, or without a fault is refused here,
as is one that speaks of a fault, a call or a look that its script does not have.
"""

from __future__ import annotations

import contextlib
import fnmatch
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from scenarios.declaration import DeclarationError, advice, line_of, load
from scenarios.expecting import Duration, Expectation, Hits, Log, Outcomes, Packets, Sockets
from scenarios.script import SERVER, SERVICE_PLACE, Call, Fault, Step, given_keys
from scenarios.service import KINDS, Family, Named, Service, named, services
from scenarios.topology import ROOT, topology
from scenarios.usage import UsageError

DRILLS = ROOT / "scenarios" / "drills"
Meanwhile = Literal["served", "served late", "not served", "failed", "gone"]
PORT_NAMED = re.compile(r"\b(?:tcp|udp)\.(?:src|dst)?port == (\d+)")
Pair = str  # one of EVERY_PAIR
PAIRS: tuple[Pair, ...] = ("le-le", "be-le", "le-be", "be-be")  # of the machines that every lab has


def _with(ends: Iterable[str]) -> tuple[Pair, ...]:
    """A machine of another kind at either end, beside a little-endian one, and as the server of a big-endian one."""
    return tuple(pair for end in ends for pair in (f"{end}-le", f"le-{end}", f"be-{end}"))


# With the machines that come with a profile: of other word sizes and alignments, to be told apart from byte order.
_OF_PROFILES = {host.end: host.profile for host in topology().hosts.values() if host.profile}
USUAL_PAIRS: tuple[Pair, ...] = (
    *PAIRS,
    *_with(end for end, name in _OF_PROFILES.items() if name in topology().usual_profiles),
)
EVERY_PAIR: tuple[Pair, ...] = (*PAIRS, *_with(_OF_PROFILES))
DEFAULT_PAIRS: tuple[Pair, ...] = ("le-le", "be-le")


def profiles(pairs: Iterable[Pair]) -> tuple[str, ...]:
    """The profiles of compose.yaml that the machines of these pairs come with; none for those that every lab has."""
    ends = {end for pair in pairs for end in pair.split("-")}
    hosts = topology().hosts.values()
    return tuple(dict.fromkeys(host.profile for host in hosts if host.profile and host.end in ends))


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
    """A drill file. `service` is what it runs with by default; `fits` are patterns of others that it can run with, or
    a kind: `tcp` and `udp` are any service over it; over TCP, `connects-once` any whose client does not try again where
    it is not let in, and `request` any whose client asks, is answered, a segment each, and closes.

    `source` names the RFC or man page of the claim. `unsupported_on` says of a pair why the drill cannot be run there.
    `others` and `afterwards` are for the matrix: what the failure does to the server's other clients meanwhile, where
    it is theirs too (nothing said: the server's own promise holds), and whether there is a server when all is undone.
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
    others: tuple[Meanwhile, ...] = ()
    afterwards: Literal["well", "gone"] = "well"
    path: Path = field(default=Path(), init=False)
    text: str = field(default="", init=False, repr=False)  # of the file, when it was read

    def __post_init__(self) -> None:
        for key in ("claim", "why"):
            if not getattr(self, key).strip():
                raise ValueError(f"{key}: it is empty")
        for key in ("source", "tags", "script", "expect", "control"):
            if not getattr(self, key):
                raise ValueError(f"{key}: it is empty; at least one is needed")
        for pair in self.unsupported_on:
            _check_known(pair, EVERY_PAIR, "unsupported_on", "pair")
        self._check_script()
        self._check_fits()
        for key in ("expect", "control"):
            self._check_expectations(getattr(self, key), key)
        kinds = {type(each.value) for each in self.expect}
        if not {Outcomes, Packets} <= kinds:
            raise ValueError("expect: a verdict needs both the application's outcome and packets: one is missing")

    def _check_fits(self) -> None:
        for number, pattern in enumerate(self.fits, 1):
            if "/" not in pattern and pattern not in KINDS:
                raise ValueError(
                    f"fits.{number}: {pattern!r} is neither service/server nor a kind{advice(pattern, KINDS)}"
                )
        if named_kinds := [each for each in self.fits if each in KINDS]:
            knows = self._knows_of_server or (
                "it knows more of the client than its protocol" if self.knows_client else ""
            )
            if knows:
                raise ValueError(f"fits: it cannot fit every service of the kind {named_kinds[0]}: {knows}")

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
        """Whether its file names this service, `echo/select` say; `misfit` knows of kinds and protocols too."""
        return name == self.service or any(fnmatch.fnmatchcase(name, pattern) for pattern in self.fits)

    def misfit(self, chosen: Named) -> str:
        """Why it cannot be run with this service; empty when it can.

        A drill fits a service that its file names; one of a kind that it names; and one that speaks as a service which
        it fits, unless the drill knows more of that one's programs than their protocol.
        """
        if self.fits_service(chosen.name):
            return ""
        spoken = chosen.service.speaks
        if not chosen.kinds & set(self.fits) and not (spoken and self.fits_service(spoken)):
            return f"it is for {', '.join((self.service, *self.fits))}"
        return self._knows_of_server or self._lacks(chosen)

    @property
    def _knows_of_server(self) -> str:
        """What it knows of the server's program beyond its protocol; empty when that is nothing."""
        if self.server.args:
            return f"it gives the server words that only {self.service} knows: {self.server.args}"
        untils = [step.until.log for step in self.script if step.until]
        reads = SERVER in [*untils, *(each.log.of for each in (*self.expect, *self.control) if each.log)]
        if reads and not any(fault.replace and fault.replace.who == SERVER for fault in self.faults):
            return f"it reads what only {self.service} prints"
        if any(SERVICE_PLACE in fault.replace.run for fault in self.faults if fault.replace):
            return f"it starts the server inside another program, which is only done with {self.service}"
        return ""

    @property
    def knows_client(self) -> bool:
        """Whether it knows more of the client's program than its protocol: another is asked for, or its words."""
        calls = [call for call in self.calls.values() if call.run is None]
        replaced = {fault.replace.who for fault in self.faults if fault.replace}
        logs = {each.log.of for each in self.expect if each.log and each.log.of not in replaced}
        logs |= {each.log.of for each in self.control if each.log}
        return any(call.client or call.args or call.name in logs for call in calls)

    def _lacks(self, chosen: Named) -> str:
        """What this service has not that it needs; empty when that is nothing."""
        ends = [each.kill or each.pause or each.replace for each in self.faults]
        touched = any(each is not None and each.who == SERVER for each in ends) or any(s.restart for s in self.script)
        if chosen.server.runs_on and (touched or len(self.server.on) > 1):
            return f"{chosen.name} always runs on {chosen.server.runs_on}: it cannot be started, ended or replaced"
        if other := [port for each in self.filters for port in PORT_NAMED.findall(each) if int(port) != chosen.port]:
            return f"it looks for port {other[0]} in the packets, and {chosen.name} listens on {chosen.port}"
        if self.server.bind == "all" and len(chosen.service.families) < len(get_args(Family)):
            return f"its server must listen in every family, and {chosen.service.service} does not"
        if chosen.service.image and len(self.server.on) > 1:
            return "it runs the server on a big-endian host too"
        if self.knows_client and chosen.client_name not in chosen.service.borrowed:
            return (
                f"it knows more of the client than its protocol, and {chosen.client_name} is none of {self.service}'s"
            )
        if chosen.image and any(call.from_ != "client" and call.run is None for call in self.calls.values()):
            return "its client runs on a big-endian host too"
        return ""


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
    object.__setattr__(found, "text", path.read_text("utf-8"))
    return found


def drills(root: Path = DRILLS, known: Mapping[str, Service] | None = None) -> dict[str, Drill]:
    """Every drill by its name. Raises DeclarationError for the first file that is wrong."""
    known = known if known is not None else services()
    return {path.stem: load_drill(path, known) for path in sorted(root.glob("*.yaml"))}


def named_drills(names: Sequence[str], known: Mapping[str, Service]) -> list[Drill]:
    """The drills of these names or patterns, as `lost-*`; `all` are all. Raises UsageError, with the nearest.

    Other drills are not read: one that is being written stops nobody.
    """
    paths = {path.stem: path for path in sorted(DRILLS.glob("*.yaml"))}
    found: dict[str, Path] = {}
    for name in names:
        matching = {each: path for each, path in paths.items() if name == "all" or fnmatch.fnmatchcase(each, name)}
        if not matching:
            raise UsageError(f"there is no drill {name!r}{advice(name, paths)}")
        found |= matching
    return [load_drill(path, known) for path in found.values()]


def chosen_service(drill: Drill, service: str | None, known: Mapping[str, Service] | None = None) -> Named:
    """What the drill runs with: its own service, or another. Raises UsageError for one that it does not fit.

    The client is the service's own; a client of the service that it speaks as, where it has none or the drill knows
    more of the client than its protocol.
    """
    chosen = named(service or drill.service, drill.client if service in (None, drill.service) else None, known)
    lent = [each for each in chosen.service.callers(chosen.server_name) if each in chosen.service.borrowed]
    if lent and drill.knows_client:
        chosen = replace(chosen, client_name=drill.client or lent[0])
    if reason := drill.misfit(chosen):
        raise UsageError(f"{drill.drill} does not fit {chosen.name}: {reason}")
    return chosen


def fitting(drill: Drill, known: Mapping[str, Service]) -> list[Named]:
    """Every service that the drill can be run with, in the order of their names; the drill's own is among them."""
    found = []
    for name, service in known.items():
        for server in service.servers:
            with contextlib.suppress(UsageError):
                found.append(chosen_service(drill, f"{name}/{server}", known))
    return found
