"""What is under drill: the services, each a folder under services/ with a service.yaml.

A service says how its servers are started, how one knows that they listen, how its clients call them, and which outcome
is right. Reading that needs no lab and no engine. A program that nobody here wrote is a service like another: its
folder has an image, by name or as a Dockerfile, and docs/your-own-program.md is its contract.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import get_args

from scenarios.lab.errors import UsageError
from scenarios.lab.places import ROOT
from scenarios.lab.topology import Family
from scenarios.lab.valueclass import valueclass
from scenarios.spec.composition import Composed
from scenarios.spec.container_settings import DOCKERFILE, ContainerSettings, check_dockerfile, suffix_of
from scenarios.spec.declaration import declaration
from scenarios.spec.declaration_error import DeclarationError, advice, check_all, problems_of, quoted
from scenarios.spec.may_differ import MayDiffer
from scenarios.spec.project import name_taken, project
from scenarios.spec.python_programs import python_image, python_of, python_programs, wrong_python
from scenarios.spec.service_programs import (
    Client,
    Conversation,
    Kind,
    Server,
    Transport,
    problems_of_our_program,
    problems_of_port,
)
from scenarios.spec.strict_yaml import errors_of, line_of, load

SERVICES = ROOT / "services"
SERVICE_FILE = "service.yaml"
NAME = re.compile(r"[a-z][a-z0-9_]*")
PROGRAM_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")  # of a server or a client; a run's folders bear it


@declaration
class Service(Composed):
    """A service.yaml. A program that has an image runs beside the host, in the host's network namespace.

    What it brings (`image`, `environment`, …) is for all of its programs; each can have an image of its own, and more.
    `speaks` is a service of the lab with the same protocol (`echo`, or one of its servers): its clients can call this
    one too, and the drills that fit it fit this one. `may_differ` are the bytes of its protocol that say the sender's
    byte order, or follow it.
    """

    service: str
    about: str
    port: int
    servers: Mapping[str, Server]
    clients: Mapping[str, Client] = field(default_factory=dict)
    transport: Transport = "tcp"
    families: tuple[Family, ...] = ("ipv4", "ipv6")
    speaks: str | None = None
    conversation: Conversation = "request"
    may_differ: MayDiffer | None = None
    optional: bool = False  # its image is built when it is asked for by name, and no bundle has it unasked
    folder: Path = field(default=Path(), init=False)
    borrowed: tuple[str, ...] = field(default=(), init=False)  # the clients that are those of the service it speaks as

    def __post_init__(self) -> None:
        check_all(self.rules())
        check_all(self._without_callers() if self.speaks is None else ())

    def rules(self) -> Iterator[str]:
        """What is wrong with it; first the rules of a single key, which are told where another key is wrong too."""
        yield from problems_of_port(self.port)
        if not self.families:
            yield f"families: expected one or more of: {', '.join(get_args(Family))}"
        yield from self.problems()
        if not self.servers:
            yield "servers: expected one or more"
        for key in ("servers", "clients"):
            for name in getattr(self, key):
                if not PROGRAM_NAME.fullmatch(name):
                    yield f"{key}: expected a name of small letters, digits, - and _, got {quoted(name)}"
        if not self.clients and self.speaks is None:
            yield "clients: expected one or more; or `speaks`, a service of the lab whose clients can call this one"
        for name, client in self.clients.items():
            for server in client.servers or ():
                if server not in self.servers:
                    yield f"clients.{name}.servers: unknown server {quoted(server)}{advice(server, self.servers)}"
            ports = sorted({port for server in self.servers for port in self.ports_of(server)})
            if client.port is not None and client.port not in ports:
                yield f"clients.{name}.port: no server has port {client.port}; there are: {', '.join(map(str, ports))}"
        yield from self.problems_of_composition(self.servers, self.clients, self.families)

    def _without_callers(self) -> Iterator[str]:
        for name in self.servers:
            if not self.callers(name):
                yield f"servers.{name}: no client fits it and speaks {self.transport_of(name)}"

    def transport_of(self, server: str) -> Transport:
        """What this server speaks."""
        return self.servers[server].transport or self.transport

    def ports_of(self, server: str) -> tuple[int, ...]:
        """Where this server listens; the first is the one that is called where nothing else is said."""
        return (self.servers[server].port or self.port, *self.servers[server].ports)

    def callers(self, server: str) -> list[str]:
        """The clients, by name, that can call this server: they speak its transport, call its port, and fit it."""
        return [
            name
            for name, client in self.clients.items()
            if (client.transport or self.transport) == self.transport_of(server)
            and (client.servers is None or server in client.servers)
            and (client.port is None or client.port in self.ports_of(server))
        ]

    def image_of(self, client: str) -> str | None:
        """The image in which this client runs; None for a client of ours, which runs on the host itself."""
        return None if client in self.borrowed else self._image(self.clients[client])

    def server_image(self, server: str) -> str | None:
        """The image in which this server runs; None for a server of ours, and for one that a machine always runs."""
        return None if self.servers[server].run is None else self._image(self.servers[server])

    def _image(self, program: ContainerSettings) -> str | None:
        source, folder = self.brought_image(program), python_of(self, program)
        return source if folder is None else python_image(source, folder)

    def brought_image(self, program: ContainerSettings) -> str | None:
        """The image that a program names or is built with; None where it has none."""
        if program.dockerfile is not None:
            return f"faultwire/service-{self.service}-{suffix_of(program.dockerfile)}"
        return None if getattr(program, "in_", None) else program.image or self.image

    @property
    def images(self) -> tuple[str, ...]:
        """Every image that a program of its own runs in."""
        found = [*map(self.server_image, self.servers), *map(self.image_of, self.clients)]
        return tuple(dict.fromkeys(each for each in found if each))

    @property
    def dockerfiles(self) -> Mapping[str, Path]:
        """The Dockerfiles of its folder that its images are built from, by the image."""
        own = [each.dockerfile for each in (self, *self.servers.values(), *self.clients.values()) if each.dockerfile]
        found = {f"faultwire/service-{self.service}-{suffix_of(each)}": self.folder / each for each in own}
        if (usual := self.folder / DOCKERFILE).is_file() and self.dockerfile is None:
            found = {f"faultwire/service-{self.service}": usual, **found}
        below = {*self.images, *(source for source, _ in python_programs(self).values())}
        return {image: path for image, path in found.items() if image in below}

    def _bring(self) -> None:
        """Settle where its programs come from. Raises Problems, and DeclarationError for a Dockerfile."""
        problems = list(self.problems_of_files(self.folder))
        if self.dockerfile is not None:
            object.__setattr__(self, "image", f"faultwire/service-{self.service}-{suffix_of(self.dockerfile)}")
        elif (self.folder / DOCKERFILE).is_file():
            if self.image is not None:
                problems.append("image: the folder has a Dockerfile too; use one of them")
            object.__setattr__(self, "image", f"faultwire/service-{self.service}")
        programs: dict[str, Server | Client] = {f"servers.{name}": each for name, each in self.servers.items()}
        programs |= {f"clients.{name}": each for name, each in self.clients.items()}
        for key, program in programs.items():
            problems += [f"{key}.{each}" for each in program.problems_of_files(self.folder)]
            if wrong := wrong_python(self, program):
                problems.append(f"{key}.python: {wrong}")
            if self._image(program) is None and program.run is not None and program.in_ is None:
                problems += [f"{key}.{each}" for each in problems_of_our_program(program.run, self.folder.parent)]
                problems += [f"{key}.{each}" for each in program.problems_of_host_program()]
        check_all(problems)
        for path in self.dockerfiles.values():
            check_dockerfile(path)

    def borrow(self, known: Mapping[str, Service]) -> None:
        """Take the clients of the service that it speaks as, if there is one. Raises DeclarationError."""
        if self.speaks is not None:
            try:
                self._borrow(self.speaks, known)
            except ValueError as error:
                raise errors_of(self.folder / SERVICE_FILE, problems_of(error)) from error

    def _borrow(self, speaks: str, known: Mapping[str, Service]) -> None:
        others = {name: each for name, each in known.items() if name != self.service and each.speaks is None}
        if isinstance(known, Services) and (wrong := known.wrong.get(speaks.partition("/")[0])):
            raise ValueError(f"speaks: {speaks} cannot be read: {wrong}")
        try:
            spoken = resolve(speaks, known=others)
        except ValueError as error:
            raise ValueError(f"speaks: {error}") from error
        lent = {name: spoken.service.clients[name] for name in spoken.service.callers(spoken.server_name)}
        if taken := [name for name in lent if name in self.clients]:
            raise ValueError(f"clients.{taken[0]}: {spoken.service.service} has a client of this name; give it another")
        everywhere = partial(replace, transport=spoken.transport, servers=None, port=None)
        ours = {name: everywhere(client) for name, client in lent.items()}
        object.__setattr__(self, "borrowed", tuple(ours))
        object.__setattr__(self, "clients", {**self.clients, **ours})
        object.__setattr__(self, "speaks", spoken.name)
        check_all(self._without_callers())


def load_service(folder: Path, called: str | None = None) -> Service:
    """Read the service.yaml of a folder, as the service of this name or else of its own. Raises DeclarationError."""
    path = folder / SERVICE_FILE
    found = load(path, Service)
    if called is None and (found.service != folder.name or not NAME.fullmatch(folder.name)):
        what = f"the folder is {folder.name!r}, and the service calls itself {quoted(found.service)}"
        if found.service == folder.name:
            what = f"expected a folder's name of small letters, digits and _, got {quoted(folder.name)}"
        raise DeclarationError(path, line_of(path, "service"), what, "service")
    object.__setattr__(found, "folder", folder)
    object.__setattr__(found, "service", called or found.service)
    try:
        found._bring()
    except ValueError as error:
        raise errors_of(path, problems_of(error)) from error
    return found


class Services(dict[str, Service]):
    """Every service that is right, by its name; and of each other one, in `wrong`, what is wrong with its file."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: dict[str, DeclarationError] = {}


def services(*roots: Path) -> Services:
    """Every service of these folders; without one, the lab's and the caller's own.

    One whose file is wrong, or whose name another has, is left out, and stops no other: whoever asks for it is told. So
    is one that speaks as a service that is wrong: what it takes from there is not known.
    """
    found = Services()
    folders = dict.fromkeys(each.resolve() for each in roots or (SERVICES, *project().services))
    for path in (path for folder in folders for path in sorted(folder.glob(f"*/{SERVICE_FILE}"))):
        try:
            if (name := path.parent.name) in found:
                raise name_taken(path, f"service {name!r}", found[name].folder, SERVICES)
            found[name] = load_service(path.parent)
        except DeclarationError as error:
            found.wrong[path.parent.name] = error
            found.pop(path.parent.name, None)
    for name, service in list(found.items()):
        try:
            service.borrow(found)
        except DeclarationError as error:
            found.wrong[name] = error
            del found[name]
    return found


def read_service(folder: Path, known: Mapping[str, Service], called: str | None = None) -> Service:
    """The service of a folder anywhere, with what it takes from those that are known. Raises DeclarationError."""
    found = load_service(folder.resolve(), called)
    found.borrow(known)
    return found


@valueclass
class ServiceChoice:
    """A service with one of its servers and one of its clients chosen."""

    service: Service
    server_name: str
    client_name: str
    client_is_explicit: bool = False  # by name: then the two are told apart from the same server with another client

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
        if self.transport != "tcp":
            return frozenset({self.transport})
        found: set[Kind] = {"tcp", "connects-once"} if self.client.connects == "once" else {"tcp"}
        conversation = self.client.conversation or self.service.conversation
        return frozenset(found if conversation == "other" else {*found, conversation})

    @property
    def image(self) -> str | None:
        """The image of its client; None where that is one of ours."""
        return self.service.image_of(self.client_name)

    @property
    def server_image(self) -> str | None:
        """The image of its server; None where that is one of ours."""
        return self.service.server_image(self.server_name)

    @property
    def port(self) -> int:
        """The port of the server that its client calls."""
        return self.client.port or self.server_port

    @property
    def server_port(self) -> int:
        """The first port at which its server listens."""
        return self.service.ports_of(self.server_name)[0]

    @property
    def name(self) -> str:
        """`echo/select`: what a drill names. `label` is what a person asked for."""
        return f"{self.service.service}/{self.server_name}"

    @property
    def label(self) -> str:
        """`echo/select`, or with a client that was asked for by name `mine/nginx:curl`; `named` reads either."""
        return f"{self.name}:{self.client_name}" if self.client_is_explicit else self.name

    @property
    def folder_name(self) -> str:
        """The label, as the name of a folder and in the address of a page."""
        return self.label.replace("/", "-").replace(":", "+")


def resolve(text: str, client: str | None = None, known: Mapping[str, Service] | None = None) -> ServiceChoice:
    """The service that `echo/select` (or `echo`, its first server) names. Raises UsageError, naming the nearest.

    `mine/nginx:curl` names the client too. Without that, and without `client`, its first client that can call this
    server. Raises DeclarationError for a service whose file is wrong.
    """
    known = known if known is not None else services()
    text, asked, asked_client = text.partition(":")
    client = asked_client if asked else client
    service_name, _, server_name = text.partition("/")
    all_names = [f"{name}/{server}" for name, service in known.items() for server in service.servers]
    if isinstance(known, Services) and service_name in known.wrong:
        raise known.wrong[service_name]
    if service_name not in known or (server_name and server_name not in known[service_name].servers):
        raise UsageError(f"unknown service {quoted(text)}{advice(text, all_names)}")
    service = known[service_name]
    server_name = server_name or next(iter(service.servers))
    callers = service.callers(server_name)
    client_name = callers[0] if client is None else client
    if client_name not in service.clients:
        raise UsageError(f"{service_name} has no client {quoted(client_name)}{advice(client_name, service.clients)}")
    chosen = ServiceChoice(service, server_name, client_name, client_is_explicit=bool(asked))
    if client_name not in callers:
        raise UsageError(f"{chosen.name} has no client {client_name!r}{advice(client_name, callers)}")
    return chosen
