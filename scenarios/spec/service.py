"""What is under drill: the services, each a folder under services/ with a service.yaml.

A service says how its servers are started, how one knows that they listen, how its clients call them, and which outcome
is right. Reading that needs no lab and no engine. A program that nobody here wrote is a service like another: its
folder has an image, by name or as a Dockerfile, and docs/your-own-program.md is its contract.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from scenarios.lab.errors import UsageError
from scenarios.lab.topology import ROOT, Family
from scenarios.spec.declaration_error import DeclarationError, advice, quoted
from scenarios.spec.service_programs import Client, Server, Transport, check_port
from scenarios.spec.strict_yaml import error_of, line_of, load

SERVICES = ROOT / "services"
SERVICE_FILE = "service.yaml"
NAME = re.compile(r"[a-z][a-z0-9_]*")
PROGRAM_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")  # of a server or a client; a run's folders bear it
# Who speaks: the client asks, is answered, a segment each, and closes; the server speaks first; or neither is so.
Conversation = Literal["request", "greeting", "other"]
# What a drill can fit without naming a service: any over this transport; and over TCP those whose client, where it is
# not let in, does not try again; and those whose conversation is a request. So a new program fits drills that are older
# than it is. What a service says of itself is believed; where it is wrong, a control run is unproven.
Kind = Literal["tcp", "udp", "connects-once", "request"]
KINDS: tuple[Kind, ...] = get_args(Kind)
OUR_PROGRAM = re.compile(r"python -m services(?:\.[a-z0-9_]+)+(?: |$)")
IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:@-]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Service:
    """A service.yaml. `image` is for a program of its own: it runs beside the host, in the host's network namespace.

    `speaks` is a service of the lab with the same protocol (`echo`, or one of its servers): its clients can call this
    one too, and the drills that fit it fit this one.
    """

    service: str
    about: str
    port: int
    servers: Mapping[str, Server]
    clients: Mapping[str, Client] = field(default_factory=dict)
    transport: Transport = "tcp"
    families: tuple[Family, ...] = ("ipv4", "ipv6")
    image: str | None = None
    speaks: str | None = None
    conversation: Conversation = "request"
    folder: Path = field(default=Path(), init=False)
    borrowed: tuple[str, ...] = field(default=(), init=False)  # the clients that are those of the service it speaks as

    def __post_init__(self) -> None:
        check_port(self.port)
        if self.image is not None and not IMAGE.fullmatch(self.image):
            raise ValueError(f"image: expected the name of an image, as in `docker images`, got {quoted(self.image)}")
        if not self.servers:
            raise ValueError("servers: expected one or more")
        if not self.families:
            raise ValueError(f"families: expected one or more of: {', '.join(get_args(Family))}")
        for key in ("servers", "clients"):
            for name in getattr(self, key):
                if not PROGRAM_NAME.fullmatch(name):
                    raise ValueError(f"{key}: expected a name of small letters, digits, - and _, got {quoted(name)}")
        if not self.clients and self.speaks is None:
            raise ValueError(
                "clients: expected one or more; or `speaks`, a service of the lab whose clients can call this one"
            )
        for name, client in self.clients.items():
            for server in client.servers or ():
                if server not in self.servers:
                    raise ValueError(
                        f"clients.{name}.servers: unknown server {quoted(server)}{advice(server, self.servers)}"
                    )
        if self.speaks is None:
            self._check_callers()

    def _check_callers(self) -> None:
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
    def dockerfile(self) -> Path | None:
        """The Dockerfile in its folder, of a service that brings its own programs so; else None."""
        path = self.folder / "Dockerfile"
        return path if path.is_file() else None

    def image_of(self, client: str) -> str | None:
        """The image in which this client runs; None for a client of ours, which runs on the host itself."""
        return None if client in self.borrowed else self.image

    def _bring(self) -> None:
        """Settle where its programs come from. Raises ValueError that begins with the key that is wrong."""
        if self.dockerfile:
            if self.image is not None:
                raise ValueError("image: the folder has a Dockerfile too, and only one of them can be meant")
            _check_dockerfile(self.dockerfile)
            object.__setattr__(self, "image", f"faultwire/service-{self.service}")
        if self.image is not None:
            return
        commands = {f"servers.{name}.run": each.run for name, each in self.servers.items() if each.run is not None}
        commands |= {f"clients.{name}.run": each.run for name, each in self.clients.items()}
        for key, command in commands.items():
            if module := OUR_PROGRAM.match(command):
                parts = module[0].split()[2].split(".")[1:]
                file = self.folder.parent.joinpath(*parts)
                try:
                    is_there = file.with_suffix(".py").exists() or (file / "__main__.py").exists()
                except OSError as error:
                    raise ValueError(f"{key}: no file can have the name {quoted(module[0])}") from error
                if not is_there:
                    raise ValueError(f"{key}: there is no {file.with_suffix('.py')}")
            else:
                raise ValueError(
                    f"{key}: {quoted(command.split()[0])} is no program of the lab's hosts, and the folder brings "
                    "none: put a Dockerfile beside this file, or name an image that is here (`image: NAME`)"
                )
        for key in ("says", "exits", "contract"):
            for name, client in self.clients.items():
                if getattr(client, key):
                    raise ValueError(f"clients.{name}.{key}: it is for programs of an image; ours keep the contract")

    def borrow(self, known: Mapping[str, Service]) -> None:
        """Take the clients of the service that it speaks as, if there is one. Raises DeclarationError."""
        if self.speaks is not None:
            try:
                self._borrow(self.speaks, known)
            except ValueError as error:
                raise error_of(self.folder / SERVICE_FILE, str(error)) from error

    def _borrow(self, speaks: str, known: Mapping[str, Service]) -> None:
        others = {name: each for name, each in known.items() if name != self.service and each.speaks is None}
        try:
            spoken = named(speaks, known=others)
        except ValueError as error:
            raise ValueError(f"speaks: {error}") from error
        lent = {name: spoken.service.clients[name] for name in spoken.service.callers(spoken.server_name)}
        if taken := [name for name in lent if name in self.clients]:
            raise ValueError(f"clients.{taken[0]}: {spoken.service.service} has a client of this name; give it another")
        ours = {name: replace(client, transport=spoken.transport, servers=None) for name, client in lent.items()}
        object.__setattr__(self, "borrowed", tuple(ours))
        object.__setattr__(self, "clients", {**self.clients, **ours})
        object.__setattr__(self, "speaks", spoken.name)
        self._check_callers()


def _check_dockerfile(path: Path) -> None:
    """Raises DeclarationError unless it begins as a Dockerfile does."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError as error:
        raise DeclarationError(path, None, error.strerror or str(error)) from error
    said = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not said:
        raise DeclarationError(path, 1, "the file is empty; it begins with `FROM faultwire/base`, or another image")
    number, first = next(((number, line) for number, line in said if not line.upper().startswith("ARG ")), said[0])
    if not first.upper().startswith("FROM "):
        raise DeclarationError(path, number, f"expected `FROM IMAGE` before all else, got {quoted(first)}")


def load_service(folder: Path) -> Service:
    """Read the service.yaml of a folder. Raises DeclarationError."""
    path = folder / SERVICE_FILE
    found = load(path, Service)
    if found.service != folder.name or not NAME.fullmatch(folder.name):
        what = f"the folder is {folder.name!r}, and the service calls itself {quoted(found.service)}"
        if found.service == folder.name:
            what = f"expected a folder's name of small letters, digits and _, got {quoted(folder.name)}"
        raise DeclarationError(path, line_of(path, "service"), what, "service")
    object.__setattr__(found, "folder", folder)
    try:
        found._bring()
    except ValueError as error:
        raise error_of(path, str(error)) from error
    return found


def services(root: Path = SERVICES) -> dict[str, Service]:
    """Every service by its name. Raises DeclarationError for the first that is wrong."""
    found, wrong = read_services(root)
    if wrong:
        raise wrong[0]
    return found


def read_services(root: Path = SERVICES) -> tuple[dict[str, Service], list[DeclarationError]]:
    """Every service that is right, by its name; and what is wrong with each other one.

    A service that speaks as one that is wrong is neither: what it takes from there is not known.
    """
    found: dict[str, Service] = {}
    wrong: list[DeclarationError] = []
    for path in sorted(root.glob(f"*/{SERVICE_FILE}")):
        try:
            found[path.parent.name] = load_service(path.parent)
        except DeclarationError as error:
            wrong.append(error)
    broken = {error.path.parent.name for error in wrong}
    for name, service in list(found.items()):
        try:
            if service.speaks is not None and service.speaks.partition("/")[0] in broken:
                del found[name]
            else:
                service.borrow(found)
        except DeclarationError as error:
            wrong.append(error)
            del found[name]
    return found, wrong


def read_service(folder: Path, known: Mapping[str, Service]) -> Service:
    """The service of a folder anywhere, with what it takes from those that are known. Raises DeclarationError."""
    found = load_service(folder.resolve())
    found.borrow(known)
    return found


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
    def kinds(self) -> frozenset[Kind]:
        """The kinds of services of which this is one."""
        found: set[Kind] = {self.transport}
        if self.transport == "tcp" and self.client.connects == "once":
            found.add("connects-once")
        if self.transport == "tcp" and self.service.conversation == "request":
            found.add("request")
        return frozenset(found)

    @property
    def image(self) -> str | None:
        """The image of its client; None where that is one of ours."""
        return self.service.image_of(self.client_name)

    @property
    def port(self) -> int:
        return self.server.port or self.service.port

    @property
    def name(self) -> str:
        return f"{self.service.service}/{self.server_name}"


def named(text: str, client: str | None = None, known: Mapping[str, Service] | None = None) -> Named:
    """The service that `echo/select` (or `echo`, its first server) names. Raises UsageError, naming the nearest.

    Without `client`, its first client that can call this server.
    """
    known = known if known is not None else services()
    service_name, _, server_name = text.partition("/")
    all_names = [f"{name}/{server}" for name, service in known.items() for server in service.servers]
    if service_name not in known or (server_name and server_name not in known[service_name].servers):
        raise UsageError(f"unknown service {quoted(text)}{advice(text, all_names)}")
    service = known[service_name]
    server_name = server_name or next(iter(service.servers))
    callers = service.callers(server_name)
    client_name = client or callers[0]
    if client_name not in service.clients:
        raise UsageError(f"{service_name} has no client {quoted(client_name)}{advice(client_name, service.clients)}")
    chosen = Named(service, server_name, client_name)
    if client_name not in callers:
        raise UsageError(f"{client_name!r} is no client for {chosen.name}{advice(client_name, callers)}")
    return chosen
