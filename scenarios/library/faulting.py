"""A fault for the time of a `with` block, and what it took hold of."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import replace
from types import TracebackType
from typing import Self, get_args

from scenarios.calls.forkserver import WarmRunning
from scenarios.evidence.pauses import Pause
from scenarios.faults.apply import Applied, applied
from scenarios.faults.catch import Caught
from scenarios.faults.clock import Clock
from scenarios.faults.programs import PausedCalls
from scenarios.lab.errors import DeadlinePassed, UsageError
from scenarios.lab.waiting import wait_for
from scenarios.library.session import Session
from scenarios.library.unproven import Unproven
from scenarios.spec.clock_faults import Clock as ClockFault
from scenarios.spec.declaration_error import advice, quoted
from scenarios.spec.fault import Fault
from scenarios.spec.host_addresses import NoAddress, SecondAddress, SecondInterface
from scenarios.spec.host_settings import HostSettings
from scenarios.spec.loopback_faults import Loopback
from scenarios.spec.name_faults import Resolver
from scenarios.spec.neighbour_faults import OneNetwork
from scenarios.spec.roles import SERVER, CallerRole

OF_HOSTS = (HostSettings, Loopback, NoAddress, OneNetwork, Resolver, SecondAddress, SecondInterface)
HELD_WITHIN_S = 5.0  # for what a fault holds when its block ends, and will let go by itself


class FaultBlock:
    """A fault that is in force while its `with` block runs.

    `hits` is how many packets it took hold of so far, or how many things it did; it stays known after the block, and
    begins with none where the block is used again. A block that ends without a hit raises Unproven, unless the fault
    `may_miss`. In the control run of `lab.control` it is not put in force, and has no hits.
    """

    def __init__(self, session: Session, fault: Fault, *, may_miss: bool, armed: bool, place: str) -> None:
        self._session, self._fault = session, fault
        self._may_miss, self._armed, self._place = may_miss, armed, place  # `place` begins what is told of wrong words
        self._made: Applied | None = None  # while it is in force
        self._caught: Caught | None = None
        self._stack = contextlib.ExitStack()
        self._log_from = 0

    @property
    def name(self) -> str:
        """Its name in the evidence."""
        return self._fault.name

    @property
    def hits(self) -> int:
        """How many packets it took hold of, or how many things it did."""
        return self._now().hits

    @property
    def details(self) -> tuple[str, ...]:
        """A line for each hit, where the fault can tell: ends, length, and what was done."""
        return self._now().details

    def _now(self) -> Caught:
        if self._made is not None:
            return self._made.read_hits()
        return self._caught or (self._of_replacement() if self._replaces_now else Caught(0))

    @property
    def _is_in_force(self) -> bool:
        return self._made is not None or self._replaces_now

    @property
    def _replaces_now(self) -> bool:
        made = self._fault.replace
        return made is not None and self._session.replaced.get(made.who) is made

    def _of_replacement(self) -> Caught:
        """A program that replaced another says itself what it did: so many lines are hits."""
        made = self._fault.replace
        assert made is not None  # noqa: S101 (whoever asks has seen to it)
        story, server = self._session.story, self._session.servers.get(made.who)
        lines = [*story.logs.get(made.who, ()), *(server.lines if server else ())]
        found = tuple(line for line in lines[self._log_from :] if re.search(made.proof, line))
        return Caught(len(found), details=found)

    def __enter__(self) -> Self:
        if not self._armed:
            return self
        session, fault = self._session, self._fault
        session.check_up()
        self._check_is_free()
        self._caught = None
        self._stack.enter_context(session.metered())
        try:
            self._apply()
        except BaseException:
            self._stack.close()
            raise
        session.blocks.add(self, f"the fault {fault.name}", self._undo)
        session.story.note(f"{fault.name} is in force")
        return self

    def _check_is_free(self) -> None:
        """Raise UsageError where it is in force already, or another of its name is."""
        session, made = self._session, self._fault.replace
        if self._is_in_force:
            raise UsageError(
                f"{self._place}: {self.name} is in force already; use a fault of its own for a block inside"
            )
        if self.name in session.applied:
            raise UsageError(f"{self._place}: called: a fault {self.name} is in force already; give it another name")
        if made and made.who in session.replaced:
            raise UsageError(f"{self._place}: replace: the program of the {made.who} is replaced already; use one")

    def _apply(self) -> None:
        session, fault = self._session, self._fault
        session.story.note(f"fault {fault.name}: {fault.says}")
        session.stage.disturbed = True
        server = session.servers.get("server")
        if fault.replace:
            if fault.replace.who not in ("server", "other-server"):
                raise UsageError(
                    f"{self._place}: replace: expected 'server' or 'other-server'; "
                    "a call of a test names its own program"
                )
            self._log_from = len(session.story.logs.get(fault.replace.who, ()))
            session.replaced[fault.replace.who] = fault.replace
            return
        if fault.after and fault.after.fault not in session.applied:
            known = session.applied
            raise UsageError(
                f"{self._place}: after: expected a fault that is in force, got {quoted(fault.after.fault)}"
                f"{advice(fault.after.fault, known) if known else ''}"
            )
        if fault.clock:
            self._made = session.applied[fault.name] = self._wrong_clock(fault.clock)
            return
        self._check_changes_no_host_that_is_here()
        hurt = fault.kill or fault.pause or fault.signal
        if hurt and hurt.who != SERVER and hurt.who not in session.calls:
            who = quoted(hurt.who)
            if hurt.who in session.story.calls:
                raise UsageError(f"{self._place}: who: the call {who} has ended; expected one of lab.start that runs")
            what = f"{who} is neither {SERVER!r} nor a call of lab.start that runs"
            raise UsageError(f"{self._place}: who: {what}{advice(hurt.who, (SERVER, *session.calls))}")
        if hurt and hurt.who == SERVER and server is None:
            raise UsageError(
                f"{self._place}: who: no server of this test runs on the role server; use lab.serve, which starts one"
            )
        running = server.running if server else None
        began_ns = time.time_ns()
        if fault.pause and fault.pause.who == SERVER:
            pid = running.pid if isinstance(running, WarmRunning) else None
            session.story.pauses[fault.name] = Pause(session.cast.server.name, pid, began_ns)
        made = applied(
            fault,
            session.stage.lab,
            session.stage.injector,
            session.cast,
            session.seed,
            running,
            session.applied,
            session.earlier,
            {name: [call] for name, call in session.calls.items()},
        )
        if isinstance(made, PausedCalls) and made.pids:  # of one call
            session.story.pauses[fault.name] = Pause(*made.pids[0], began_ns)
        self._made = session.applied[fault.name] = made

    def _check_changes_no_host_that_is_here(self) -> None:
        """Raise UsageError for a fault that changes a host whose role this machine itself plays."""
        cast, here, effect = self._session.cast, self._session.here, self._fault.effect
        if here is not None and isinstance(effect, OF_HOSTS):
            for role in effect.between if isinstance(effect, OneNetwork) else (effect.who,):
                if cast.host(role) is here:
                    raise UsageError(
                        f"{self._place}: {role} is this machine itself; the lab changes only hosts of its own"
                    )

    def _wrong_clock(self, wrong: ClockFault) -> Clock:
        """Calls that begin on the host of a role while the block lasts have this clock."""
        session = self._session
        if wrong.who not in get_args(CallerRole):
            names = ", ".join(get_args(CallerRole))
            raise UsageError(f"{self._place}: clock: expected the role whose calls have it, one of: {names}")
        host = session.host(wrong.who, f"{self._place}: clock")  # type: ignore[arg-type] # asked just now
        if host is session.here:
            raise UsageError(
                f"{self._place}: clock: {wrong.who} is this machine itself; the lab never changes its clock"
            )
        made = Clock(session.stage.lab, self.name, host, wrong.faketime)
        session.clocks[self.name] = host, made
        return made

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._armed:
            return
        if self._is_in_force:
            self._undo(lets_go=kind is None)
        elif kind is None:
            self._session.check_up()
            raise UsageError(
                f"{self._place}: {self.name} is not in force; its block was left open when its test was over"
            )
        if kind is None and self._caught is not None:
            self._check(self._caught)

    def _undo(self, *, lets_go: bool = False) -> None:
        """End it. `lets_go`: it is waited a little for what it holds."""
        session, name = self._session, self.name
        session.blocks.discard(self)
        with self._stack:  # the metering ends last
            if self._fault.replace and self._replaces_now:
                self._caught = self._of_replacement()
                del session.replaced[self._fault.replace.who]
            elif self._made is not None:
                made, self._made = self._made, None
                if lets_go:
                    _let_go(made)
                del session.applied[name]
                session.clocks.pop(name, None)
                self._caught = made.end()
            if name in session.story.pauses:
                session.story.pauses[name] = replace(session.story.pauses[name], ended_ns=time.time_ns())
            session.story.note(f"{name} is undone")
        if self._caught is not None:
            session.story.caught[name] = self._caught

    def _check(self, caught: Caught) -> None:
        """Raise Unproven unless it took hold of something, for sure."""
        about = f"{self.name}: {self._fault.says}"
        if caught.unsure:
            raise Unproven(f"{about}: its hits cannot be trusted: {caught.unsure}")
        if not caught.hits and not self._may_miss:
            raise Unproven(
                f"{about}: it took hold of nothing, so the test shows nothing; "
                "use may_miss=True for a fault that may find nothing"
            )

    def __repr__(self) -> str:
        return f"<fault {self.name}: {self._fault.says}; {self.hits} hits>"


def _let_go(made: Applied) -> None:
    """Wait for what it holds and will let go by itself."""
    with contextlib.suppress(DeadlinePassed):
        wait_for(lambda: not made.count_held(), "the fault to let go what it holds", HELD_WITHIN_S, every_s=0.02)
