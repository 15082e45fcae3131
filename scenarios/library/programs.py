"""Programs of a test on the lab's hosts: servers that run for a block, and calls that end."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Literal, Self

from scenarios.calls import boxes, contract, port_holders
from scenarios.calls.call import Call, Pending
from scenarios.calls.serving import wait_until_it_listens
from scenarios.lab.errors import LabProblem, UsageError
from scenarios.lab.process import Running
from scenarios.lab.topology import Host
from scenarios.lab.valueclass import valueclass
from scenarios.library.ended import Ended
from scenarios.library.host_calls import check_began, read_by_words
from scenarios.library.session import Session
from scenarios.spec.declaration_error import problems_of
from scenarios.spec.given_values import read
from scenarios.spec.program_ends import cpu_of
from scenarios.spec.program_faults import Replace
from scenarios.spec.roles import CallerRole, program_label
from scenarios.spec.service import Service, ServiceChoice, resolve
from scenarios.spec.service_programs import Client
from scenarios.spec.service_programs import Server as ServerProgram
from scenarios.spec.units import Seconds
from scenarios.spec.validate import SERVICE_PLACE

Side = Literal["server", "client"]
READ_BY = ("prints", "status", "says", "exits")  # how a call ended is read by these, where one is given
NOTHING = "true"  # in the place of the side that a test does not start here


@valueclass
class Program:
    """A program as a test names it: a command, or one of a service that is declared; and what it is given."""

    command: str | None = None
    service: str | None = None
    image: str | None = None
    port: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    of_side: Mapping[str, Any] = field(default_factory=dict)  # more words of a server, or client, that were given

    def chosen(self, key: str, side: Side) -> ServiceChoice:
        """The service that this is. Raises UsageError that begins with `key`."""
        if (self.command is None) == (self.service is None):
            raise UsageError(f"{key}: expected either a command or service=…")
        if self.service is not None:
            self._check_declared(key, side)
            chosen = resolve(self.service)
            if chosen.server.in_ or chosen.client.in_:
                raise UsageError(
                    f"{key}: service: {chosen.name} belongs to a composition, which is up only while a drill runs; "
                    "the fixture `drill` runs one"
                )
            return chosen
        for name, value in self.environment.items():
            if not isinstance(value, str):
                raise UsageError(f"{key}: environment.{name}: expected a string, got {value!r}")
        if self.environment and self.image is None:
            raise UsageError(f"{key}: environment: it is for a program of an image; use image=…, which names that")
        about = "of a test"
        try:
            server, client = self._programs(key, side)
            made = Service(
                service="test",
                about=about,
                image=self.image,
                port=server.port or client.port or 1,
                transport=server.transport or "tcp",
                environment=dict(self.environment),
                servers={"server": server},
                clients={"client": client},
            )
        except UsageError:
            raise
        except ValueError as error:
            raise UsageError(f"{key}: {'; '.join(problems_of(error))}") from None
        return ServiceChoice(made, "server", "client")

    def _programs(self, key: str, side: Side) -> tuple[ServerProgram, Client]:
        words = {"about": "of a test", "run": self.command, "port": self.port, **self.of_side}
        starts_s = words.pop("starts_within", None)
        words = {name: each for name, each in words.items() if each is not None}
        if side == "client":
            return ServerProgram(about="", run=NOTHING), read(words, Client, key)
        server = read(words, ServerProgram, key)
        if starts_s is not None:
            server = replace(server, starts_within=Seconds(starts_s))  # which may be longer than a drill's
        return server, Client(about="", run=NOTHING)

    def _check_declared(self, key: str, side: Side) -> None:
        """Raise UsageError for a word that a declared service has in its own service.yaml."""
        words = {"image": self.image, "environment": self.environment or None, **self.of_side}
        if side == "server":
            words["port"] = self.port
        for word, value in words.items():
            if value is not None and word != "timeout_s":
                name = "starts_within_s" if word == "starts_within" else word
                raise UsageError(
                    f"{key}: {name}: the service {self.service} has its own (service.yaml); "
                    f"use a command in place of service=…, or leave out {name}"
                )


def _check_machine(key: str, host: Host, session: Session, image: str | None) -> None:
    if host is session.here:
        raise UsageError(
            f"{key}: this machine itself plays that role now (lab.host), and the lab starts no program on it"
        )
    if image and host.byteorder == "big":
        raise UsageError(
            f"{key}: the image {image} is for this machine's own CPU, and {host.name} is big-endian; use another pair"
        )


class Server:
    """A server on a host, for the time of the `with` block. It listens when the block begins.

    `lines` is what it has printed since it was last started, standard output and standard error together.
    """

    def __init__(self, session: Session, program: Program, on: CallerRole) -> None:
        self._session, self.on = session, on
        self.host = session.host(on, "lab.serve: on")
        self.chosen = program.chosen("lab.serve", "server")
        _check_machine("lab.serve: on", self.host, session, self.chosen.server_image)
        if self.chosen.server.run is None:
            raise UsageError(
                f"lab.serve: {self.chosen.name} always runs on {self.chosen.server.runs_on}; call it without lab.serve"
            )
        self._stack = contextlib.ExitStack()
        self.running: Running | None = None
        self._replaced: Replace | None = None

    @property
    def is_guest(self) -> bool:
        """Whether it runs in an image of its own."""
        return self.chosen.server_image is not None

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return self.chosen.server_port

    @property
    def address(self) -> str:
        """The address of its host, of the test's family."""
        return self.host.address(self._session.family)

    @property
    def lines(self) -> list[str]:
        """What it has printed since it was last started."""
        return list(self.running.lines) if self.running else []

    @property
    def ended(self) -> bool:
        """Whether it has ended, by itself or by a fault."""
        return self.running is None or self.running.ended

    def __enter__(self) -> Self:
        self._session.check_up()
        if taken := self._session.servers.get(self.on):
            how = self._session.blocks.how_to_close("use one server a role", taken)
            raise UsageError(f"lab.serve: on: {self.on} runs {taken.chosen.server.run!r} already; {how}")
        contract.ready([self.chosen.service], lambda _: None)
        lab = self._session.stage.lab
        if self.chosen.server.ready is None:
            port_holders.check_free(lab, self.host.name, self.chosen)
        try:
            self._start()
        except LabProblem as problem:
            self._stack.close()
            raise port_holders.explained(lab, self.host.name, self.chosen, problem) from problem
        self._session.servers[self.on] = self
        self._session.blocks.add(self, f"{program_label(self.on)} ({self.chosen.server.run})", self.__exit__)
        return self

    def __exit__(self, *_: object) -> None:
        self._session.blocks.discard(self)
        if self._is_open:
            del self._session.servers[self.on]
        try:
            self._stack.close()
        finally:
            self._keep_log()

    def _keep_log(self) -> None:
        self._session.story.logs.setdefault(self.on, []).extend(self.lines)
        self.running = None

    @property
    def _is_open(self) -> bool:
        """Whether its block goes on."""
        return self._session.servers.get(self.on) is self

    def restart(self) -> None:
        """Stop it (SIGTERM) and start it again. A fault `replace` that is in force has its program started instead.

        Raises LabProblem, with what it printed, when it does not come to listen; UsageError out of its block.
        """
        self._session.check_up()
        if not self._is_open:
            raise UsageError("server.restart: it is not served now; use it within `with lab.serve(…) as server:`")
        self._session.story.note(f"stop {program_label(self.on)} (SIGTERM), and start it again")
        self._stack.close()
        self._keep_log()
        self._start()

    def _start(self) -> None:
        session, chosen, host = self._session, self.chosen, self.host
        instead = session.replaced.get(self.on)
        is_own = instead is None or SERVICE_PLACE in instead.run
        run = chosen.server.run
        assert run is not None  # noqa: S101 (__init__ asks)
        # Of the family of the test: for `::` asyncio makes a socket that takes IPv6 alone
        address = contract.all_interfaces(chosen, [session.family]) if is_own else ""
        if not chosen.server_image and session.pair.split("-")[1] == "le":
            address = host.address(session.family)
        command = instead.run.replace(SERVICE_PLACE, run) if instead else run
        argv = boxes.server_words(chosen, command, host, address)
        box = boxes.of_server(chosen, host, address) if is_own else None
        self._stack = contextlib.ExitStack()
        self.running = self._stack.enter_context(session.stage.caller.running(host.name, argv, box))
        if instead:
            self.running.wait_for_line(instead.ready)
        else:
            wait_until_it_listens(session.stage.lab, chosen, host, self.running, session.family)
        session.story.note(f"{program_label(self.on)} listens on port {chosen.server_port}")


def _as_is(call: Call) -> Call:
    return call


@dataclass(slots=True)
class Started:
    """A call under way. `wait` for its end, or leave the `with` block, which waits too; an error there ends it."""

    name: str
    _session: Session
    _pending: Pending
    _read: Callable[[Call], Call]
    ended: Ended | None = None

    def wait(self) -> Ended:
        """Wait until it has ended by itself, or hangs (the lab ends it after `within_s`), and say how."""
        if self.ended is None:
            ended = self._pending.wait()
            self._session.calls.pop(self.name, None)
            self._session.blocks.discard(self._pending)
            check_began(ended)
            call = self._read(ended)
            story = self._session.story
            story.calls.setdefault(self.name, []).append(call)
            story.logs.setdefault(self.name, []).extend((call.stdout + call.stderr).splitlines())
            story.note(f"{self.name} ended: {call.outcome.value}" + (f" ({call.errno})" if call.errno else ""))
            self.ended = Ended.of(call)
        return self.ended

    @property
    def lines(self) -> list[str]:
        """The whole lines that it has printed so far, those of standard output first."""
        return self.ended.printed.splitlines() if self.ended else self._pending.heard.lines

    def cancel(self) -> Ended:
        """End it now; its outcome is `cancelled`."""
        self._pending.cancel()
        return self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._give_up()
        else:
            self.wait()

    def _give_up(self) -> None:
        with contextlib.suppress(LabProblem):
            self.cancel()


def start(
    session: Session, program: Program, *, from_: CallerRole, to: str, named: str | None, within_s: float
) -> Started:
    """Start a call. Raises UsageError for what cannot be called so; LabProblem."""
    caller = session.host(from_, "lab.call: from_")
    called = session.servers.get(to)
    if program.port is None and called is not None:
        port: int | None = called.port
    else:
        port = program.port
    chosen = program.chosen("lab.call", "client")
    if program.service is not None and port is None:
        port = chosen.port
    command = chosen.client.run
    if port is None and re.search(r"(?<!\{)\{port\}", command):
        raise UsageError(f"lab.call: port: no server of this test runs on {to}; use port=…")
    _check_machine("lab.call: from_", caller, session, chosen.image)
    contract.ready([chosen.service], lambda _: None)
    address = _address(session, to, named)
    argv = boxes.client_words(command, address, port or 0)
    box = boxes.of_client(chosen.service, chosen.client_name, address, port or 0, within_s)
    of_image = functools.partial(contract.ended, chosen.client) if box else None
    read_words = functools.partial(read_by_words, client=chosen.client, cpu=cpu_of(caller.end))
    has_words = any(program.of_side.get(word) is not None for word in READ_BY)
    for host, clock in session.clocks.values():
        if host is caller and box:
            raise UsageError("lab.call: image: the clock of a program in an image of its own cannot be changed")
        argv = clock.argv_of(argv) if host is caller else argv
    name = session.story.next_name("call")
    session.story.note(f"{name}: `{command}` on the {from_} calls the {to}")
    session.stage.disturbed = True
    pending = session.stage.caller.start(caller.name, argv, timeout_s=within_s, box=box, read=of_image, hear=True)
    session.calls[name] = pending
    started = Started(name, session, pending, _as_is if box or not has_words else read_words)
    session.blocks.add(pending, name, started._give_up, is_call=True)
    return started


def _address(session: Session, to: str, named: str | None) -> str:
    if named is not None:
        return named
    if to == "nobody":
        return session.cast.address("nobody")
    if to == "firewall":
        return session.cast.addresses("firewall")[0]
    return session.host(to, "lab.call: to").address(session.family)  # type: ignore[arg-type] # host refuses others
