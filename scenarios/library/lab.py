"""The lab as one object: programs on its hosts, faults for the time of a block, and the packets of both legs."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar

from scenarios.evidence.host_counters import host_counters
from scenarios.evidence.record import Socket
from scenarios.faults.recovery import held_without_faults
from scenarios.lab import pool
from scenarios.lab.errors import LabInUse, UsageError
from scenarios.lab.lab import Lab as Machines
from scenarios.lab.topology import LAB_NUMBERS, Family
from scenarios.library import started
from scenarios.library.ended import Ended
from scenarios.library.faulting import FaultBlock
from scenarios.library.here import Side, playing
from scenarios.library.packets import Packets
from scenarios.library.programs import Program, Server
from scenarios.library.recording import recording
from scenarios.library.session import NOT_UP, Session, check_family, check_pairs
from scenarios.library.started import Started
from scenarios.library.story import Story
from scenarios.library.unproven import Unproven
from scenarios.library.until import until_hits, until_line, until_sockets
from scenarios.library.words import check_text, declared, is_whole, seconds, url
from scenarios.run.prepare import bring_up
from scenarios.run.session import Stage
from scenarios.spec.pairs import Pair, profiles
from scenarios.spec.project import project
from scenarios.spec.roles import CallerRole, HostRole
from scenarios.spec.service_programs import Transport
from scenarios.spec.steps import State

Returned = TypeVar("Returned")
ANOTHER = "use another number (Lab(NUMBER), or pytest with --faultwire-lab), or none, which borrows a free lab"


class Twice(NamedTuple, Generic[Returned]):
    """What a body returned, without its faults and then with them."""

    control: Returned
    fault: Returned


def _sweep_after_interrupt(machines: Machines, kind: type[BaseException] | None, *_: object) -> None:
    """After Ctrl-C or SIGTERM do in a lab that is let go what the next run would do first.

    It may have come while a program was being started, or a fault put in force, of which nobody knows then.
    """
    if kind is not None and not issubclass(kind, Exception):
        with contextlib.suppress(LabInUse), held_without_faults(machines):  # in use: the next run has begun
            pass


class Lab:
    """A lab of real hosts on two networks, with a firewall between them, for the time of the `with` block.

    `number` is the lab's own (0 to 255); without one, a free lab is borrowed, and taken down again. `pair` says which
    machines are client and server, by byte order (`be-le`: a big-endian client), `family` is `ipv4` or `ipv6`, and
    `seed` is that of faults by chance. `pairs` are those that tests will ask for later: their machines come up too.

    Raises NoEngine where no Docker Engine answers, LabProblem where the lab does not come up, UsageError for a wrong
    word. Not for several threads at once; from asyncio, call its methods by `asyncio.to_thread`.
    """

    def __init__(
        self,
        number: int | None = None,
        *,
        pair: Pair = "le-le",
        family: Family = "ipv4",
        seed: int = 1,
        pairs: tuple[Pair, ...] = (),
    ) -> None:
        if number is not None and (not isinstance(number, int) or number not in LAB_NUMBERS):
            raise UsageError(f"Lab: number: expected {LAB_NUMBERS[0]} to {LAB_NUMBERS[-1]}, got {number!r}")
        check_pairs(pair, pairs, "Lab")
        check_family(family, "Lab")
        if not is_whole(seed):
            raise UsageError(f"Lab: seed: expected a whole number, got {seed!r}")
        self._number, self._pair, self._family, self._seed = number, pair, family, seed
        self._pairs = (pair, *pairs)
        self._stack = contextlib.ExitStack()
        self._open: Session | None = None

    def __enter__(self) -> Self:
        project()  # a wrong faultwire.toml is told before a lab comes up
        needed = profiles(self._pairs)
        with contextlib.ExitStack() as stack:
            machines = Machines(self._number, *needed) if self._number is not None else pool.one(needed)
            stack.callback(pool.give_back, [machines])  # which leaves one up that was asked for by its number
            try:
                bring_up(machines)
                stack.push(functools.partial(_sweep_after_interrupt, machines))
                stage = stack.enter_context(Stage(machines))
            except LabInUse as problem:
                raise LabInUse(f"lab {self._number} is in use by another run; {ANOTHER}") from problem
            self._open = Session(stage, self._pair, self._family, self._seed)
            self._open.begin("")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._open = self._open, None
        try:
            if session is not None:
                session.close()
        finally:
            self._stack.__exit__(kind, error, trace)

    @property
    def _session(self) -> Session:
        if self._open is None:
            raise UsageError(NOT_UP)
        return self._open

    @property
    def number(self) -> int:
        """The lab's number."""
        return self._session.stage.lab.number

    def begin(self, test: str = "", *, pair: Pair | None = None, family: Family | None = None) -> None:
        """Begin with another test: what connections are left of the one before is in none of its recordings.

        The pytest plugin does this. Raises UsageError for an unknown pair, or one whose machines are not up.
        """
        session = self._session
        wanted = pair or self._pair
        check_pairs(wanted, (), "lab.begin")
        check_family(family or self._family, "lab.begin")
        check_text(test, "lab.begin: test")
        if not {*profiles([wanted])} <= {*session.stage.lab.profiles}:
            raise UsageError(
                f"lab.begin: pair: the machines of {wanted} are not up; use Lab(pairs=({wanted!r},)), which starts them"
            )
        session.play(wanted, family or self._family)
        session.begin(test)

    # Addresses

    def address(self, role: HostRole) -> str:
        """The address of a role's host, of this lab's family."""
        return self._session.host(role, "lab.address").address(self._session.family)

    def url(self, role: HostRole, port: int, path: str = "/", scheme: str = "http") -> str:
        """A URL at a role's host: `http://198.18.1.138:8000/`."""
        return url(self._session.host(role, "lab.url").address(self._session.family), port, path, scheme, "lab.url")

    # Programs

    def serve(
        self,
        command: str | None = None,
        *,
        service: str | None = None,
        image: str | None = None,
        port: int | None = None,
        on: CallerRole = "server",
        transport: Transport | None = None,
        ready: str | None = None,
        environment: Mapping[str, str] | None = None,
        starts_within_s: float | str | None = None,
    ) -> Server:
        """A server on a host, for a `with` block. It listens when the block begins.

        `command` has `{bind}`, `{port}`, and for TLS `{ca}`, `{cert}`, `{key}`, filled in; it runs in `image`, or as a
        program of the lab's own on the host. Or `service` names one that is declared: `echo/select`; what its
        service.yaml says of it cannot be said here. `ready` is a regular expression for the line that says that it
        listens; without it its socket is looked for. Without `transport` it is TCP, and it has 30 s to start.
        """
        if service is None and port is None:
            raise UsageError("lab.serve: port: expected the port on which the server will listen")
        starts_s = None if starts_within_s is None else seconds(starts_within_s, "lab.serve: starts_within_s")
        words = {"ready": ready, "transport": transport, "starts_within": starts_s}
        program = Program(command, service, image, port, environment or {}, words)
        return Server(self._session, program, on)

    def start(
        self,
        command: str | None = None,
        *,
        service: str | None = None,
        image: str | None = None,
        port: int | None = None,
        from_: CallerRole = "client",
        to: str = "server",
        named: str | None = None,
        within_s: float | str = 30.0,
        prints: str | None = None,
        status: int | None = None,
        says: Mapping[str, str] | None = None,
        exits: Mapping[str, int | tuple[int, ...]] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Started:
        """Start a client, and go on: `with lab.start(…) as call:`, or `call.wait()`. The words are those of `call`."""
        words: dict[str, Any] = {
            "service": service,
            "image": image,
            "port": port,
            "from_": from_,
            "to": to,
            "named": named,
        }
        words |= {"within_s": within_s, "prints": prints, "status": status, "says": says, "exits": exits}
        return started.start(self._session, "lab.start", command, {**words, "environment": environment})

    def call(self, command: str | None = None, **words: Any) -> Ended:
        """Run a client to its end; how that was. The lab ends it after `within_s` seconds, and then it `hung`.

        `{host}` and `{port}` are the server's; `named` puts a name in the address's place. A program of an `image` is
        read by what it prints (an errno's text), by `prints` and `status` (0), which are right, and by `says` and
        `exits`, as in a service.yaml. One of the host itself is read so where one of these words is given, and else by
        its exit status alone. A declared `service` has such words of its own, and takes none here.
        """
        given = started.with_defaults(Lab.start, words, "lab.call")
        return started.start(self._session, "lab.call", command, given).wait()

    # Faults

    def fault(self, *, may_miss: bool = False, called: str = "", **words: Any) -> FaultBlock:
        """A fault for the time of a `with` block: the words of a drill's `fault:`, the effect first.

        `drop="syn", first=1, from_="client", to="server"`; `silence="data", …`; `mtu=1300, at="server-leg"`;
        `pause="server"`, or a call of `start` that runs: `kill=call`; `answer="server", gives=("other-server",)`;
        `clock="client", ahead="400d"`: of the calls that begin there in the block. docs/writing-a-drill.md and
        `faultwire schema drill` have all words. `called` is its name in the evidence. Raises UsageError, with the
        nearest word, for a wrong one; Unproven when the block ends and it took hold of nothing.
        """
        return self._fault("lab.fault", words, called, may_miss, armed=self._session.story.armed)

    def given(self, *, may_miss: bool = True, called: str = "", **words: Any) -> FaultBlock:
        """A condition: as `fault`, but in force in the control run too, and it may take hold of nothing."""
        return self._fault("lab.given", words, called, may_miss, armed=True)

    def _fault(self, place: str, words: Mapping[str, Any], called: str, may_miss: bool, armed: bool) -> FaultBlock:
        check_text(called, f"{place}: called")
        effect = next(iter(words), "fault").replace("_", "-")
        words = {word: _by_name(each) for word, each in words.items()}
        name = called or self._session.story.next_name(effect)
        fault = declared(name, words, place)
        self._session.nat = self._session.nat or fault.nat is not None
        self._session.vip = self._session.vip or fault.vip is not None
        return FaultBlock(self._session, fault, may_miss=may_miss, armed=armed, place=place)

    # What can be seen

    def recording(self) -> contextlib.AbstractContextManager[Packets]:
        """Record both legs of the firewall for the time of a `with` block; its packets can be asked after it."""
        return self._session.opened("a recording", recording(self._session))

    def sockets(self, on: HostRole) -> tuple[Socket, ...]:
        """The TCP and UDP sockets of a role's host now, as its kernel has them."""
        return self._session.look(self._session.story.next_name("look"), on)

    def counters(self, on: HostRole) -> Mapping[str, int]:
        """The counters of the kernel of a role's host now, by their names as nstat(8) has them: `TcpPassiveOpens`."""
        host = self._session.host(on, "lab.counters: on")
        if host is self._session.here:
            raise UsageError(
                f"lab.counters: on: {on} is this machine itself; expected a role that a host of the lab plays"
            )
        return host_counters(self._session.stage.lab, host.name)

    def until(
        self,
        *,
        fault: FaultBlock | None = None,
        hits: int = 1,
        log: Server | Started | None = None,
        line: str = "",
        on: HostRole | None = None,
        state: State | None = None,
        sockets: int = 1,
        within_s: float | str = 10.0,
    ) -> None:
        """Wait until a fault has `hits`; or a program printed a `line` (regular expression); or so many sockets of a
        role are in a `state` (`ESTABLISHED`).

        Raises DeadlinePassed after `within_s`, seconds or text (`200ms`). In the control run no fault is waited for.
        """
        given = [name for name, each in (("fault", fault), ("log", log), ("on", on)) if each is not None]
        if len(given) != 1:
            raise UsageError(f"lab.until: expected one of fault, log, on; got {' and '.join(given) or 'none of them'}")
        limit_s = seconds(within_s, "lab.until: within_s")
        if fault is not None:
            until_hits(self._session, fault, hits, limit_s)
        elif log is not None:
            until_line(log, line, limit_s)
        else:
            until_sockets(self._session, {"on": on, "state": state, "sockets": sockets}, limit_s)

    # This machine

    def host(self, side: Side = "client", *, ports: tuple[int, ...] = ()) -> contextlib.AbstractContextManager[None]:
        """Let this machine itself play the client, or the server, for the time of a `with` block.

        It gets one address on that side's network, and a route to the other network through the firewall; both are
        taken back, also when this process is killed. `ports` are those on which the test's own server listens, TCP and
        UDP: nothing else of the machine can be reached from the lab but answers. What else came is a UserWarning, or a
        note of the exception that ended the block. One side at a time. Raises LabProblem where that cannot be done,
        with the command that helps.
        """
        return self._session.opened(f"lab.host({side!r})", playing(self._session, side, ports))

    # Control

    def control(
        self, body: Callable[[], Returned], check: Callable[[Returned], object] = lambda _: None
    ) -> Twice[Returned]:
        """Run a body without its faults first, and then with them; what it returned each time.

        `check` is given what the control returned, and asserts what must be so where nothing fails. Whatever goes
        wrong in the control raises Unproven: where the body fails without its faults, they prove nothing.
        """
        for name, each in (("body", body), ("check", check)):
            if not callable(each):
                raise UsageError(f"lab.control: {name}: expected a function, got {each!r}")
        session = self._session
        story = session.story
        session.story = Story(f"{story.name} (control)", armed=False)
        try:
            returned = body()
            check(returned)
        except Exception as problem:
            raise Unproven(
                f"the body failed without its faults (in the control): {type(problem).__name__}: {problem}"
            ) from problem
        finally:
            story.controls.append(session.story)
            session.story = story
        session.set_earlier_aside(in_test=True)
        return Twice(returned, body())


def _by_name(value: Any) -> Any:
    """A call or a fault by its name, as a drill has it, also in a mapping."""
    if isinstance(value, Mapping):
        return {word: _by_name(each) for word, each in value.items()}
    return value.name if isinstance(value, Started | FaultBlock) else value
