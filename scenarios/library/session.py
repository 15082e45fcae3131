"""What the parts of a library's lab share: the stage, who plays which role, the test's story, and what runs now."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from scenarios.evidence.record import Socket
from scenarios.evidence.sockets import of_machine
from scenarios.evidence.stalls import Stalls
from scenarios.faults.apply import Applied
from scenarios.faults.clock import Clock
from scenarios.lab.earlier_connections import Connection
from scenarios.lab.errors import UsageError
from scenarios.lab.topology import Family, Host
from scenarios.library.open_blocks import OpenBlocks
from scenarios.library.story import Story
from scenarios.run.session import Stage
from scenarios.run.settling import left_connections
from scenarios.spec.cast import Cast
from scenarios.spec.declaration_error import advice, quoted
from scenarios.spec.pairs import EVERY_PAIR
from scenarios.spec.program_faults import Replace
from scenarios.spec.roles import CLIENT_SIDE, HostRole, Role, is_host

if TYPE_CHECKING:
    from scenarios.calls.call import Pending
    from scenarios.library.programs import Server

Value = TypeVar("Value")
NOT_UP = "the lab is not up; use it within `with Lab() as lab:`"


def check_pairs(pair: object, others: object, place: str) -> None:
    """Raise UsageError, naming the nearest, unless there are such pairs."""
    if not isinstance(others, Sequence) or isinstance(others, str):
        raise UsageError(f"{place}: pairs: expected a sequence of pairs, as ('be-le',), got {others!r}")
    for key, each in (("pair", pair), *(("pairs", each) for each in others)):
        if each not in EVERY_PAIR:
            raise UsageError(f"{place}: {key}: unknown pair {quoted(str(each))}{advice(str(each), EVERY_PAIR)}")


def check_family(family: object, place: str) -> None:
    """Raise UsageError unless there is such a family of addresses."""
    if family not in get_args(Family):
        known = get_args(Family)
        raise UsageError(f"{place}: family: unknown family {quoted(str(family))}{advice(str(family), known)}")


class Session:
    """A stage at work for one test after another; `begin` starts the next. Not for several threads at once."""

    def __init__(self, stage: Stage, pair: str, family: Family, seed: int) -> None:
        self.stage, self.seed = stage, seed
        self.story = Story()
        self.servers: dict[str, Server] = {}  # that run now, by role
        self.applied: dict[str, Applied] = {}  # the faults in force, by name
        self.replaced: dict[str, Replace] = {}  # by role
        self.calls: dict[str, Pending] = {}  # that run now, by name
        self.clocks: dict[str, tuple[Host, Clock]] = {}  # wrong ones, for the calls of a host; by the fault's name
        self.earlier: set[Connection] = set()
        self.here: Host | None = None  # this machine, while it plays a role itself
        self.used: set[str] = set()  # the machines on which this test rests
        self.is_recording = False
        self.run_folder: Path | None = None  # once something is kept
        self.kept: list[Mapping[str, Any]] = []  # a line for each thing that is, as summary.json has it
        self.nat = False  # whether a NAT was in force in this test
        self.vip = False  # whether a virtual address was
        self.blocks = OpenBlocks()
        self._is_up = True
        self._meters = 0
        self.play(pair, family)

    def check_up(self) -> None:
        """Raise UsageError once the lab is down: what was made in it can do nothing more."""
        if not self._is_up:
            raise UsageError(NOT_UP)

    def close(self) -> None:
        """Undo what is open still, before the lab goes down. Raises LabProblem after all that could be undone."""
        self._is_up = False
        self.blocks.undo(of_several=True)

    @contextlib.contextmanager
    def opened(self, name: str, block: contextlib.AbstractContextManager[Value]) -> Iterator[Value]:
        """The same block, known as open while it is."""
        self.check_up()
        with contextlib.ExitStack() as stack:
            value, key = stack.enter_context(block), object()
            self.blocks.add(key, name, stack.close)
            try:
                yield value
            finally:
                self.blocks.discard(key)

    def play(self, pair: str, family: Family) -> None:
        """Choose the machines that play the roles. Both were checked."""
        self.pair, self.family = pair, family
        self.cast = Cast(self.stage.lab.topology, pair, family)

    def begin(self, name: str) -> None:
        """Begin with the next test: what connections are there by now is none of its."""
        self.story = Story(name)
        self.used, self.nat, self.vip = set(), False, False
        self.calls = {}
        self.set_earlier_aside()

    def set_earlier_aside(self, *, in_test: bool = False) -> None:
        """Note which connections there are: what they still send is in no recording, and no hit of a fault.

        `in_test`: those before the test stay so, and of its own those that end: a client that keeps its connection
        meets the next fault on it.
        """
        if self.stage.disturbed and not self.applied:
            hosts = {self.cast.client, self.cast.server} - {self.here}  # each other's ends are in their tables too
            found = left_connections(self.stage, {each.name for each in hosts if each}, ending=in_test)
            self.earlier = self.earlier | found if in_test else found
            self.stage.disturbed = bool(self.earlier)

    def host(self, role: Role, key: str) -> Host:
        """The host that plays a role. Raises UsageError, naming the nearest role, for one that no host plays."""
        if not is_host(role):
            roles = ("client", "server", "bystander", "other-server", "names", "web")
            raise UsageError(f"{key}: unknown role {quoted(str(role))}{advice(str(role), roles)}")
        found = self.cast.host(role)
        if found is not self.here:
            self.used.add(found.name)
        return found

    @property
    def client_side(self) -> frozenset[str]:
        """The addresses from which packets of the client's side come."""
        here = self.here
        is_client = here is not None and here is self.cast.client
        return self.cast.client_side | ({here.ipv4, here.ipv6} if here and is_client else frozenset())

    def role_of(self, role: str) -> str:
        """`client` or `server`: the side of the firewall on which a role is."""
        return "client" if role in CLIENT_SIDE else "server"

    def sockets(self, role: HostRole, key: str = "lab.sockets: on") -> tuple[Socket, ...]:
        """The sockets of a role's host, without those of connections that were there before the test."""
        host = self.host(role, key)
        if host is self.here:
            raise UsageError(f"{key}: {role} is this machine itself; expected a role that a host of the lab plays")
        old = {(each.local, each.peer) for each in self.earlier}
        found = of_machine(self.stage.lab, host.name)
        return tuple(each for each in found if (_end(each.local), _end(each.peer)) not in old)

    # Stalls

    @contextlib.contextmanager
    def metered(self) -> Iterator[None]:
        """Note what stands still, for the time of the outermost `with` block."""
        metering = self.stage.metering
        with_guests = any(each.is_guest for each in self.servers.values())
        if not self._meters:
            metering.begin(with_guests=with_guests, of_test=True)
            metering.wait()
        self._meters += 1
        try:
            yield
        finally:
            self._meters -= 1
            if not self._meters:
                metering.stop(with_guests=with_guests)
                in_play = {"firewall", "names", *self.used}
                self.story.metered.append(metering.end([*self.story.pauses.values()], in_play))

    @property
    def stalls(self) -> Stalls:
        """What stood still in this test, as far as that is known yet."""
        metered = self.story.metered
        return Stalls(
            found=tuple(each for stalls in metered for each in stalls.found),
            unseen=tuple(dict.fromkeys(each for stalls in metered for each in stalls.unseen)),
            in_play=frozenset().union(*(stalls.in_play for stalls in metered)),
        )

    def look(self, name: str, role: HostRole) -> tuple[Socket, ...]:
        """The same as `sockets`, and kept in the test's story."""
        began_ns = time.time_ns()
        found = self.story.looks[name] = self.sockets(role)
        self.story.look_times_ns[name] = began_ns, time.time_ns()
        return found


def _end(written: str) -> tuple[str, int]:
    """The address and port of a socket's end, as ss(8) writes it."""
    address, _, port = written.rpartition(":")
    address = address.strip("[]").removeprefix("::ffff:")
    return address, int(port) if port.isdecimal() else 0
