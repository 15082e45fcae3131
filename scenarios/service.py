"""What is under drill: the services, each a folder under services/ with a service.yaml.

A service says how its servers are started, how one knows that they listen, how its clients call them, and which outcome
is right. Reading that needs no lab and no engine.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from scenarios.declaration import DeclarationError, advice, load
from scenarios.topology import ROOT

SERVICES = ROOT / "services"
NAME = re.compile(r"[a-z][a-z0-9_]*")
Family = Literal["ipv4", "ipv6"]
Transport = Literal["tcp", "udp"]
PLACEHOLDERS = ("host", "port", "bind")


def words(command: str, **values: object) -> list[str]:
    """The words of a command line, as a shell would cut it, with {host} and {port} (of the server) in their places."""
    cut = shlex.split(command)
    return [re.sub(r"\{(\w+)\}", lambda match: str(values[match[1]]), word) for word in cut]


def _check_command(command: str, key: str) -> None:
    try:
        placeholders = {name for word in shlex.split(command) for name in re.findall(r"\{(\w+)\}", word)}
    except ValueError as error:
        raise ValueError(f"{key}: {command!r} cannot be cut into words: {error}") from error
    if not command.strip():
        raise ValueError(f"{key}: the command is empty")
    for name in sorted(placeholders - set(PLACEHOLDERS)):
        raise ValueError(f"{key}: there is no place {{{name}}}{advice(name, PLACEHOLDERS)}")


def _check_port(port: int | None) -> None:
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(f"port: {port} is not in 1 to 65535")


@dataclass(frozen=True, slots=True)
class Server:
    """One architecture. `run` is its command; `about` the idea, and what it promises, in a sentence.

    A server that a machine of the lab always runs has `runs_on`, the machine, in place of a command.
    """

    about: str
    run: str | None = None
    runs_on: str | None = None
    port: int | None = None  # where it is not that of the service
    # How one knows that it listens: a regular expression for a line that it prints; if none, its socket is looked for.
    ready: str | None = None
    transport: Transport | None = None  # where it is not that of the service

    def __post_init__(self) -> None:
        if (self.run is None) == (self.runs_on is None):
            raise ValueError("a server has either `run`, its command, or `runs_on`, the machine that always runs it")
        if self.run is not None:
            _check_command(self.run, "run")
        _check_port(self.port)
        try:
            re.compile(self.ready or "")
        except re.error as error:
            raise ValueError(f"ready: {self.ready!r} is not a regular expression: {error}") from error


@dataclass(frozen=True, slots=True)
class Client:
    """One way to call. `status` and `prints` (a regular expression, found in what it prints) are the right outcome."""

    run: str
    about: str
    prints: str = ""
    status: int = 0
    timeout_s: float = 20.0
    transport: Transport | None = None  # where it is not that of the service
    servers: tuple[str, ...] | None = None  # the servers that it fits, where it does not fit all of its transport

    def __post_init__(self) -> None:
        _check_command(self.run, "run")
        try:
            re.compile(self.prints)
        except re.error as error:
            raise ValueError(f"prints: {self.prints!r} is not a regular expression: {error}") from error
        if not 0 < self.timeout_s <= 600:
            raise ValueError(f"timeout_s: {self.timeout_s} is not in 0 to 600 seconds")


@dataclass(frozen=True, slots=True)
class Service:
    """A service.yaml. `image` is for a program of its own: it runs beside the host, in the host's network namespace."""

    service: str
    about: str
    port: int
    servers: Mapping[str, Server]
    clients: Mapping[str, Client]
    transport: Transport = "tcp"
    families: tuple[Family, ...] = ("ipv4", "ipv6")
    folder: Path = field(default=Path(), init=False)

    def __post_init__(self) -> None:
        _check_port(self.port)
        if not self.servers:
            raise ValueError("servers: at least one is needed")
        if not self.clients:
            raise ValueError("clients: at least one is needed")
        for name, client in self.clients.items():
            for server in client.servers or ():
                if server not in self.servers:
                    raise ValueError(
                        f"clients.{name}.servers: there is no server {server!r}{advice(server, self.servers)}"
                    )
        for name in self.servers:
            if not self.callers(name):
                raise ValueError(f"servers.{name}: no client fits it and speaks {self.transport_of(name)}")

    def transport_of(self, server: str) -> Transport:
        """What this server speaks."""
        return self.servers[server].transport or self.transport

    def callers(self, server: str) -> list[str]:
        """The clients, by name, that can call this server: they speak its transport, and fit it."""
        return [
            name
            for name, client in self.clients.items()
            if (client.transport or self.transport) == self.transport_of(server)
            and (client.servers is None or server in client.servers)
        ]

    @property
    def image(self) -> str | None:
        """The image of a service that brings its own programs, with a Dockerfile in its folder; None for our own."""
        return f"faultwire/service-{self.service}" if (self.folder / "Dockerfile").exists() else None


def load_service(folder: Path) -> Service:
    """Read the service.yaml of a folder. Raises DeclarationError."""
    path = folder / "service.yaml"
    found = load(path, Service)
    if found.service != folder.name or not NAME.fullmatch(folder.name):
        raise DeclarationError(
            f"{path}:1: service: the folder is {folder.name!r}, and the service calls itself {found.service!r}"
        )
    object.__setattr__(found, "folder", folder)
    return found


def services(root: Path = SERVICES) -> dict[str, Service]:
    """Every service by its name. Raises DeclarationError for the first that is wrong."""
    return {path.parent.name: load_service(path.parent) for path in sorted(root.glob("*/service.yaml"))}


@dataclass(frozen=True, slots=True)
class Named:
    """A service with one of its servers and one of its clients chosen."""

    service: Service
    server_name: str
    client_name: str

    @property
    def server(self) -> Server:
        return self.service.servers[self.server_name]

    @property
    def client(self) -> Client:
        return self.service.clients[self.client_name]

    @property
    def transport(self) -> Transport:
        return self.service.transport_of(self.server_name)

    @property
    def port(self) -> int:
        return self.server.port or self.service.port

    @property
    def name(self) -> str:
        return f"{self.service.service}/{self.server_name}"


def named(text: str, client: str | None = None, known: Mapping[str, Service] | None = None) -> Named:
    """The service that `echo/select` (or `echo`, its first server) names. Raises ValueError, naming the nearest.

    Without `client`, its first client that can call this server.
    """
    known = known if known is not None else services()
    service_name, _, server_name = text.partition("/")
    all_names = [f"{name}/{server}" for name, service in known.items() for server in service.servers]
    if service_name not in known or (server_name and server_name not in known[service_name].servers):
        raise ValueError(f"there is no service {text!r}{advice(text, all_names)}")
    service = known[service_name]
    server_name = server_name or next(iter(service.servers))
    callers = service.callers(server_name)
    client_name = client or callers[0]
    if client_name not in service.clients:
        raise ValueError(f"{service_name} has no client {client_name!r}{advice(client_name, service.clients)}")
    chosen = Named(service, server_name, client_name)
    if client_name not in callers:
        raise ValueError(f"{client_name!r} is no client for {chosen.name}{advice(client_name, callers)}")
    return chosen
