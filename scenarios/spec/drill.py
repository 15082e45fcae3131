"""A drill: one claim about one failure, read from a file under scenarios/drills/. Reading it needs no lab.

A drill that cannot be judged is refused: one without an outcome, packets or a fault, or one that speaks of what its
script does not have. Only a drill for a kind of programs may claim no outcome: it claims what kernel and network do.
"""

from __future__ import annotations

import fnmatch
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Literal, get_args

from scenarios.lab.topology import Family
from scenarios.spec.comparison import ControlWith, problems_of_difference
from scenarios.spec.composition import misfit_inside
from scenarios.spec.cross_references import called_by, faults_of, filters_by_key, named_in, problems_of_call, unknown
from scenarios.spec.declaration import declaration
from scenarios.spec.declaration_error import advice, check_all, quoted
from scenarios.spec.expectations import Alike, Counters, Duration, Expectation, Hits, Log, Outcomes, Sockets
from scenarios.spec.fault import Fault
from scenarios.spec.fault_references import problems_of_fault, problems_of_link_local
from scenarios.spec.packet_expectations import Bytes, Matched, Order, Packets
from scenarios.spec.pairs import EVERY_PAIR, Pair
from scenarios.spec.roles import SERVER
from scenarios.spec.served_once import misfit_once
from scenarios.spec.server_in_place import NOTHING_OF_IT, is_replaced, reads_server
from scenarios.spec.service import ServiceChoice
from scenarios.spec.service_programs import KINDS
from scenarios.spec.sources import problems_of_sources
from scenarios.spec.steps import Call, Step
from scenarios.spec.validate import SERVICE_PLACE, check_words, given_keys

Meanwhile = Literal["served", "served late", "not served", "failed", "gone"]
PORT_NAMED = re.compile(r"\b(?:tcp|udp)\.(?:src|dst)?port == (\d+)")


@declaration
class Serving:
    """How the service under drill is started: more words for its command line, on which roles, bound to what.

    `bind` is the address of the drill's family, or `all`: every interface, both families.
    """

    args: str = ""
    on: tuple[Literal["server", "other-server", "bystander"], ...] = ("server",)
    bind: Literal["address", "all"] = "address"

    def __post_init__(self) -> None:
        check_words(self.args, "args")
        if self.on not in (("server",), ("server", "other-server"), ("server", "bystander")):
            raise ValueError("on: expected [server], or [server, other-server] or [server, bystander]")


@declaration
class Drill:
    """A drill file. `service` is what it runs with by default; `fits` are patterns of others that it can run with, or
    a kind: `tcp` and `udp` are any service over it; over TCP, `connects-once` any whose client does not try again where
    it is not let in, and `request` any whose client asks, is answered, a segment each, and closes; `greeting`: the
    server speaks first; `exchanges`: the client asks again on the same connection; `stays`: it stays connected.

    `source` names the RFC or man page of the claim. `premise` is what both runs must show for the claim to mean
    anything: where they do not, it is unproven. `unsupported_on` says of a pair why the drill cannot be run there.
    `others` and `afterwards` are for the matrix: what the failure does to the server's other clients meanwhile, where
    it is theirs too (nothing said: the server's own promise holds), and whether there is a server when all is undone.
    `control_with` stands in place of a fault: the control is run with another pair of machines, or with another client.
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
    premise: tuple[Expectation, ...] = ()
    control_with: ControlWith | None = None
    client: str | None = None
    fits: tuple[str, ...] = ()
    family: Family = "ipv4"
    server: Serving = Serving()
    unsupported_on: Mapping[Pair, str] = field(default_factory=dict)
    others: tuple[Meanwhile, ...] = ()
    afterwards: Literal["well", "gone"] = "well"
    path: Path = field(default=Path(), init=False)
    text: str = field(default="", init=False, repr=False)  # of the file, when it was read
    named: frozenset[str] = field(default=frozenset(), init=False, repr=False)  # the roles and legs that it speaks of

    def __post_init__(self) -> None:
        check_all(self.rules())
        check_all(itertools.chain(self._problems_of_steps(), self._problems_of_fits()))
        fails = any(step.fault and not step.fault.watch for step in self.script)
        check_all(problems_of_difference(self.control_with, fails, self.parts))
        if not self.calls:
            raise ValueError("script: it makes no call; expected a `call` or a `start`")
        check_all(problem for part in self.parts for problem in self._problems_of_expectations(self.parts[part], part))
        object.__setattr__(self, "named", named_in((self.script, *self.parts.values())))

    def rules(self) -> Iterator[str]:
        """What is wrong with its parts; first the rules of a single key, which are told where a step is wrong too."""
        empty = (key for key in ("claim", "why") if not getattr(self, key).strip())
        yield from (f"{key}: expected a sentence, got an empty string" for key in empty)
        yield from problems_of_sources(self.source)
        for key in ("source", "tags", "script", "expect", "control"):
            if not getattr(self, key):
                yield f"{key}: expected one or more, got an empty sequence"
        for pair in self.unsupported_on:
            yield from unknown(pair, EVERY_PAIR, f"unsupported_on.{pair}", "pair")
        kinds = {type(each.value) for each in self.expect}
        if not self.is_general and not (Outcomes in kinds and kinds & {Packets, Alike}):
            yield "expect: a verdict needs both the application's outcome and packets: one is missing"
        if self.is_general and not {Packets, Bytes, Order, Sockets, Counters, Alike} & kinds:
            yield "expect: the claim rests on nothing that kernel or network show; expected `packets`, or the like"
        if not any(each.outcome for each in self.control):
            yield "control: expected an `outcome`: a control run that asserts none cannot fail as the claim can"

    def _problems_of_fits(self) -> Iterator[str]:
        for number, pattern in enumerate(self.fits, 1):
            if "/" not in pattern and pattern not in KINDS:
                yield f"fits.{number}: {quoted(pattern)} is neither service/server nor a kind{advice(pattern, KINDS)}"
        if named_kinds := [each for each in self.fits if each in KINDS]:
            of_client = "it relies on more than the client's protocol" if self.knows_client else ""
            if knows := self._knows_of_server or of_client:
                yield f"fits: it cannot fit every service of the kind {named_kinds[0]}: {knows}"

    def _problems_of_steps(self) -> Iterator[str]:
        """Each step against those before it: what it speaks of must be there, and in force or under way."""
        faults = {fault.name: fault for fault in self.faults}
        started = [step.start.name for step in self.script if step.start]
        begun: dict[str, int] = {}  # what has a name, with its step
        over: dict[str, int] = {}  # the faults that were healed and the calls that were awaited

        def not_in_force(name: str, key: str) -> Iterator[str]:
            if name not in begun:
                yield f"{key}: the fault {name!r} is not in force yet; expected this behind the step that makes it"
            elif name in over:
                yield f"{key}: the fault {name!r} is no longer in force: step {over[name]} healed it"

        for number, step in enumerate(self.script, 1):
            at = f"script.{number}"
            fault = step.fault or step.given
            if step.heal is not None:
                key = f"{at}.heal"
                yield from unknown(step.heal, list(faults), key, "fault") or not_in_force(step.heal, key)
                if (healed := faults.get(step.heal)) and healed.replace:
                    yield f"{key}: {healed.name!r} replaces a program, which stays so; expected another fault"
                over.setdefault(step.heal, number)
            if step.await_ is not None:
                key = f"{at}.await"
                yield from unknown(step.await_, started, key, "started call")
                if step.await_ in started and step.await_ not in begun:
                    yield f"{key}: {step.await_!r} is not started yet; expected this behind its `start`"
                elif step.await_ in over:
                    yield f"{key}: step {over[step.await_]} waits for {step.await_!r} already"
                over.setdefault(step.await_, number)
            if step.until and step.until.fault:
                key = f"{at}.until.fault"
                yield from unknown(step.until.fault, list(faults), key, "fault") or not_in_force(step.until.fault, key)
                if (awaited := faults.get(step.until.fault)) and awaited.replace:
                    yield f"{key}: the hits of {awaited.name!r} are counted at the end; expected `log`, with a `line`"
            if step.until and step.until.log:
                yield from unknown(step.until.log, self.programs, f"{at}.until.log", "program")
                if step.until.log in self.calls and step.until.log not in begun:
                    yield f"{at}.until.log: the call {step.until.log!r} has not begun; expected this behind its `start`"
            if fault and fault.rebind:
                key = f"{at}.{given_keys(step)[0]}.rebind.nat"
                nats = [name for name, each in faults.items() if each.nat]
                yield from unknown(fault.rebind.nat, nats, key, "NAT") or not_in_force(fault.rebind.nat, key)
            if fault:
                yield from problems_of_fault(fault, self, number, begun, over, f"{at}.{given_keys(step)[0]}")
            if call := step.call or step.start:
                yield from problems_of_link_local(call, self.faults, f"{at}.{given_keys(step)[0]}")
            for kind in ("given", "fault", "call", "start", "look"):
                if (made := getattr(step, kind)) is not None:
                    if made.name in begun:
                        yield f"{at}.{kind}.name: {made.name!r} is taken by step {begun[made.name]}; expected another"
                    begun.setdefault(made.name, number)

    def _problems_of_expectations(self, expectations: Sequence[Expectation], key: str) -> Iterator[str]:
        looks = [step.look.name for step in self.script if step.look]
        armed = [fault.name for fault in (self.faults if key == "expect" else self.givens)]
        for number, each in enumerate(expectations, 1):
            at = f"{key}.{number}.{given_keys(each)[0]}"
            match each.value:
                case Hits() as hits:
                    yield from unknown(
                        hits.fault, armed, f"{at}.fault", "fault" if key == "expect" else "given"
                    ) or self._problems_of_absence(hits, expectations, at)
                case Outcomes() | Duration() as of_call:
                    yield from unknown(of_call.call, list(self.calls), f"{at}.call", "call") or problems_of_call(
                        of_call, self.calls[of_call.call], at
                    )
                case Matched() as matched if matched.during:
                    there = [*armed, *self.calls]
                    yield from unknown(matched.during, there, f"{at}.during", "fault, or call, of this run")
                case Sockets() as sockets:
                    yield from unknown(sockets.look, looks, f"{at}.look", "look")
                case Log() as log:
                    yield from unknown(log.of, self.programs, f"{at}.of", "program")

    def _problems_of_absence(self, hits: Hits, expectations: Sequence[Expectation], at: str) -> Iterator[str]:
        """What a claim lacks that a fault takes hold of nothing: a call that meets it, and a witness that it can."""
        if hits.most != 0:
            return
        spoken_of = {each.outcome.call for each in expectations if each.outcome}
        if not spoken_of & set(self.calls_under(hits.fault)):
            yield f"{at}: expected a call while {hits.fault!r} is in force, and an `outcome` that says how it ends"
        zeros = {each.hits.fault for each in expectations if each.hits and each.hits.most == 0}
        if not set(self.witnesses(hits.fault)) - zeros:
            yield (
                f"{at}: nothing shows that {hits.fault!r} could have taken hold; expected a witness: the same fault "
                "under another name, in force while a call is made that does not avoid it"
            )

    def witnesses(self, name: str) -> list[str]:
        """The faults with the same effect as this one that are in force while a call is made: they show that it works.

        A condition that is given has its witness among the givens, which are in force in both runs.
        """
        among = self.givens if name in {each.name for each in self.givens} else self.faults
        effect = next(each.effect for each in self.faults if each.name == name)
        return [
            each.name for each in among if each.effect == effect and each.name != name and self.calls_under(each.name)
        ]

    def calls_under(self, name: str) -> list[str]:
        """The calls that are begun, or waited for, while a fault is in force."""
        behind = itertools.dropwhile(lambda step: name not in faults_of(step), self.script)
        under = itertools.takewhile(lambda step: step.heal != name, behind)
        return [call for step in under for call in (*called_by(step), *([step.await_] if step.await_ else []))]

    @property
    def parts(self) -> dict[str, tuple[Expectation, ...]]:
        """Its expectations, by the key of each list of them."""
        return {"expect": self.expect, "control": self.control, "premise": self.premise}

    @property
    def is_general(self) -> bool:
        """Whether it is for every program of a kind: what it claims must be true whatever the program does."""
        return any(each in KINDS for each in self.fits)

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
        return list(self.filters_by_key.values())

    @property
    def filters_by_key(self) -> dict[str, str]:
        """Every display filter, by the keys that lead to it: `expect.2.packets.where`."""
        return {key: where for part, of in self.parts.items() for key, where in filters_by_key(part, of)}

    def fits_service(self, name: str) -> bool:
        """Whether its file names this service, `echo/select` say; `misfit` knows of kinds and protocols too."""
        return name == self.service or any(fnmatch.fnmatchcase(name, pattern) for pattern in self.fits)

    def misfit(self, chosen: ServiceChoice) -> str:
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
        if words := self.server.args:
            return f"it gives the server words that only {self.service} knows: {words}"
        if reads_server(self.script, self.faults, (*self.expect, *self.premise), self.control):
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

    def _lacks(self, chosen: ServiceChoice) -> str:
        """What this service has not that it needs; empty when that is nothing."""
        if reason := self.cannot_run_with(chosen):
            return reason
        if chosen.client_name in chosen.service.borrowed:
            return NOTHING_OF_IT if is_replaced(self.faults) else ""
        more = f"it relies on more than the client's protocol; expected a client of {self.service}"
        return more if self.knows_client else ""

    def cannot_run_with(self, chosen: ServiceChoice) -> str:
        """Why no run with this service could end, be it the drill's own; empty when one can."""
        ends = [each.kill or each.pause or each.replace for each in self.faults]
        touched = any(each is not None and each.who == SERVER for each in ends) or any(s.restart for s in self.script)
        if chosen.server.in_ and (reason := misfit_inside(chosen.name, self.faults, self.calls.values())):
            return reason
        if chosen.server.serves == "one" and (reason := misfit_once(chosen.name, self.script, self.control)):
            return reason
        if not chosen.server.backend and self.named & {"backend", "backend-leg"}:
            return f"it speaks of the backend of a server in the middle, and {chosen.name} has none"
        if chosen.server.runs_on and (touched or len(self.server.on) > 1):
            return f"{chosen.name} always runs on {chosen.server.runs_on}: it cannot be started, ended or replaced"
        named_ports = [ports for each in self.filters if (ports := PORT_NAMED.findall(each))]
        if others := [ports for ports in named_ports if str(chosen.port) not in ports]:
            return f"it looks for port {others[0][0]} in the packets, and {chosen.name} listens on {chosen.port}"
        if self.control_with and self.control_with.client and self.control_with.client not in chosen.service.clients:
            return f"its control is run with the client {self.control_with.client}, and {chosen.name} has none"
        if self.server.bind == "all" and len(chosen.service.families) < len(get_args(Family)):
            return f"its server must listen in every family, and {chosen.service.service} does not"
        if (chosen.server_image or chosen.server.in_) and len(self.server.on) > 1:
            return "it runs the server on a big-endian host too"
        elsewhere = any(call.from_ != "client" and call.run is None for call in self.calls.values())
        return "its client runs on a big-endian host too" if elsewhere and (chosen.image or chosen.client.in_) else ""
