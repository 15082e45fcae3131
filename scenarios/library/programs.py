"""Programs of a test on the lab's hosts: how each is named, and servers that run for a block."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, Final, Literal, Self, get_args

from scenarios.calls import boxes, contract, port_holders
from scenarios.calls.serving import wait_until_it_listens
from scenarios.lab.errors import LabProblem, UsageError
from scenarios.lab.process import Running
from scenarios.lab.topology import Host
from scenarios.lab.valueclass import valueclass
from scenarios.library.session import Session
from scenarios.library.words import check_port, check_text
from scenarios.spec.declaration_error import advice, problems_of, quoted
from scenarios.spec.given_values import read
from scenarios.spec.program_faults import Replace
from scenarios.spec.roles import CallerRole, program_label
from scenarios.spec.service import Service, ServiceChoice, resolve
from scenarios.spec.service_programs import Client
from scenarios.spec.service_programs import Server as ServerProgram
from scenarios.spec.units import Seconds
from scenarios.spec.validate import SERVICE_PLACE

Side = Literal["server", "client"]
NOTHING = "true"  # in the place of the side that a test does not start here
# What a parameter is called whose word is another one in a service.yaml
PARAMETERS: Final = {"run": "command", "timeout_s": "within_s", "starts_within": "starts_within_s"}


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
        for name in ("command", "service", "image"):
            check_text(getattr(self, name), f"{key}: {name}")
        check_port(self.port, f"{key}: port")
        if not isinstance(self.environment, Mapping):
            raise UsageError(f"{key}: environment: expected a mapping of strings, got {self.environment!r}")
        if self.service is not None:
            self._check_declared(key, side)
            try:
                chosen = resolve(self.service)
            except UsageError as error:
                raise UsageError(f"{key}: service: {error}") from None
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
            return ServerProgram(about="", run=NOTHING), read(words, Client, key, PARAMETERS)
        server = read(words, ServerProgram, key, PARAMETERS)
        if starts_s is not None:
            if not starts_s:
                raise UsageError(f"{key}: starts_within_s: expected more than 0, got 0")
            server = replace(server, starts_within=Seconds(starts_s))  # which may be longer than a drill's
        return server, Client(about="", run=NOTHING)

    def _check_declared(self, key: str, side: Side) -> None:
        """Raise UsageError for a word that a declared service has in its own service.yaml."""
        words = {"image": self.image, "environment": self.environment or None, **self.of_side}
        if side == "server":
            words["port"] = self.port
        for word, value in words.items():
            if value is not None and word != "timeout_s":
                name = PARAMETERS.get(word, word)
                raise UsageError(
                    f"{key}: {name}: the service {self.service} has its own (service.yaml); "
                    f"use a command in place of service=…, or leave out {name}"
                )


def caller_host(session: Session, role: CallerRole, key: str) -> Host:
    """The host of a role that has programs. Raises UsageError, naming the nearest role, for another one."""
    if role not in get_args(CallerRole):
        raise UsageError(f"{key}: unknown role {quoted(str(role))}{advice(str(role), get_args(CallerRole))}")
    return session.host(role, key)


def check_machine(key: str, host: Host, session: Session, image: str | None) -> None:
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
        self.host = caller_host(session, on, "lab.serve: on")
        self.chosen = program.chosen("lab.serve", "server")
        check_machine("lab.serve: on", self.host, session, self.chosen.server_image)
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
        contract.ready([self.chosen.service], lambda _: None, "lab.serve")
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
