"""What is under drill: the services, each a folder under services/ with a service.yaml.

A service says how its servers are started, how one knows that they listen, how its clients call them, and which outcome
is right. Reading that needs no lab and no engine. A program that nobody here wrote is a service like another: its
folder has an image, by name or as a Dockerfile, and docs/your-own-program.md is its contract.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from scenarios.declaration import DeclarationError, advice, line_of, load
from scenarios.outcome import OF_STATUS, Outcome
from scenarios.topology import ROOT
from scenarios.usage import UsageError

SERVICES = ROOT / "services"
NAME = re.compile(r"[a-z][a-z0-9_]*")
Family = Literal["ipv4", "ipv6"]
Transport = Literal["tcp", "udp"]
# How many clients a server serves: many at once; one, and the next when that has gone; or one in all, and then it ends.
Serves = Literal["many", "one at a time", "one"]
# Who speaks: the client asks, is answered, a segment each, and closes; the server speaks first; or neither is so.
Conversation = Literal["request", "greeting", "other"]
# What a drill can fit without naming a service: any over this transport; and over TCP those whose client, where it is
# not let in, does not try again; and those whose conversation is a request.
Kind = Literal["tcp", "udp", "connects-once", "request"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# The outcomes that a client which nobody here wrote can tell by what it prints, or by its exit status.
TOLD = tuple(each.value for each in OF_STATUS.values() if each is not Outcome.USAGE)
PLACEHOLDERS = ("host", "port", "bind")
OUR_PROGRAM = re.compile(r"python -m services(?:\.[a-z0-9_]+)+(?: |$)")
IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:@-]*", re.IGNORECASE)


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
    """One architecture. `run` is its command; `about` the idea, in a sentence; `serves` is what it promises to others.

    A server that a machine of the lab always runs has `runs_on`, the machine, in place of a command.
    """

    about: str
    run: str | None = None
    runs_on: str | None = None
    port: int | None = None  # where it is not that of the service
    # How one knows that it listens: a regular expression for a line that it prints; if none, its socket is looked for.
    ready: str | None = None
    transport: Transport | None = None  # where it is not that of the service
    serves: Serves = "many"

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
    """One way to call. `status` and `prints` (a regular expression, found in what it prints) are the right outcome.

    What became of a call is read from `says` (regular expressions, by outcome), then from `exits` (exit statuses, by
    outcome), then from the right outcome, then from the text of an errno. With `contract` its exit statuses are the
    lab's own, and it is asked once for a nonsense thing before they are believed.
    """

    run: str
    about: str
    prints: str = ""
    status: int = 0
    timeout_s: float = 20.0
    transport: Transport | None = None  # where it is not that of the service
    servers: tuple[str, ...] | None = None  # the servers that it fits, where it does not fit all of its transport
    connects: Literal["once", "again"] = "once"  # what it does where its first connect() fails
    says: Mapping[str, str] = field(default_factory=dict)
    exits: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)
    contract: bool = False

    def __post_init__(self) -> None:
        _check_command(self.run, "run")
        for key, pattern in (("prints", self.prints), *((f"says.{word}", each) for word, each in self.says.items())):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{key}: {pattern!r} is not a regular expression: {error}") from error
        if not 0 < self.timeout_s <= 600:
            raise ValueError(f"timeout_s: {self.timeout_s} is not in 0 to 600 seconds")
        for key in ("says", "exits"):
            for word in getattr(self, key):
                if word not in TOLD:
                    raise ValueError(f"{key}.{word}: {word!r} is no outcome{advice(word, TOLD)}")
        for word in self.exits:
            for status in self.statuses(word):
                if not 0 <= status <= 255:
                    raise ValueError(f"exits.{word}: {status} is no exit status: they are 0 to 255")
        if self.contract and (self.says or self.exits or self.status):
            other = next(key for key in ("says", "exits", "status") if getattr(self, key))
            raise ValueError(
                f"{other}: with `contract` the exit statuses say it all, and `{other}` cannot stand beside it"
            )

    def statuses(self, outcome: str) -> tuple[int, ...]:
        """The exit statuses that mean this outcome."""
        found = self.exits.get(outcome, ())
        return (found,) if isinstance(found, int) else found


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
        _check_port(self.port)
        if self.image is not None and not IMAGE.fullmatch(self.image):
            raise ValueError(f"image: {self.image!r} is not the name of an image, as in `docker images`")
        if not self.servers:
            raise ValueError("servers: at least one is needed")
        if not self.clients and self.speaks is None:
            raise ValueError(
                "clients: at least one is needed; or `speaks`, a service of the lab whose clients can call this one"
            )
        for name, client in self.clients.items():
            for server in client.servers or ():
                if server not in self.servers:
                    raise ValueError(
                        f"clients.{name}.servers: there is no server {server!r}{advice(server, self.servers)}"
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
        return path if path.exists() else None

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
                if not file.with_suffix(".py").exists() and not (file / "__main__.py").exists():
                    raise ValueError(f"{key}: there is no {file.with_suffix('.py')}")
            else:
                raise ValueError(
                    f"{key}: {command.split()[0]!r} is no program of the lab's hosts, and the folder brings none: put "
                    "a Dockerfile beside this file, or name an image that is here (`image: NAME`)"
                )
        for key in ("says", "exits", "contract"):
            for name, client in self.clients.items():
                if getattr(client, key):
                    raise ValueError(f"clients.{name}.{key}: it is for programs of an image; ours keep the contract")

    def _borrow(self, known: Mapping[str, Service]) -> None:
        """Take the clients of the service that it speaks as. Raises ValueError."""
        assert self.speaks is not None  # noqa: S101 (services asks)
        others = {name: each for name, each in known.items() if name != self.service and each.speaks is None}
        try:
            spoken = named(self.speaks, known=others)
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
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    said = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not said:
        raise DeclarationError(f"{path}:1: the file is empty; it begins with `FROM faultwire/base`, or another image")
    number, first = next(((number, line) for number, line in said if not line.upper().startswith("ARG ")), said[0])
    if not first.upper().startswith("FROM "):
        raise DeclarationError(f"{path}:{number}: expected `FROM IMAGE` before all else, got {first!r}")


def load_service(folder: Path) -> Service:
    """Read the service.yaml of a folder. Raises DeclarationError."""
    path = folder / "service.yaml"
    found = load(path, Service)
    if found.service != folder.name or not NAME.fullmatch(folder.name):
        raise DeclarationError(
            f"{path}:1: service: the folder is {folder.name!r}, and the service calls itself {found.service!r}"
        )
    object.__setattr__(found, "folder", folder)
    try:
        found._bring()
    except ValueError as error:
        raise _error_in(path, error) from error
    return found


def _error_in(path: Path, error: ValueError) -> DeclarationError:
    """An error that begins with keys, `servers.one.run: …`, with their line."""
    return DeclarationError(f"{path}:{line_of(path, str(error).partition(':')[0])}: {error}")


def services(root: Path = SERVICES) -> dict[str, Service]:
    """Every service by its name. Raises DeclarationError for the first that is wrong."""
    found, wrong = read_services(root)
    if wrong:
        raise wrong[0]
    return found


def read_services(root: Path = SERVICES) -> tuple[dict[str, Service], list[DeclarationError]]:
    """Every service that is right, by its name; and what is wrong with each other one.

    What a service takes from one that it speaks as is looked at when each is right by itself.
    """
    found: dict[str, Service] = {}
    wrong: list[DeclarationError] = []
    for path in sorted(root.glob("*/service.yaml")):
        try:
            found[path.parent.name] = load_service(path.parent)
        except DeclarationError as error:
            wrong.append(error)
    for service in () if wrong else found.values():
        if service.speaks is not None:
            try:
                service._borrow(found)
            except ValueError as error:
                wrong.append(_error_in(service.folder / "service.yaml", error))
    return found, wrong


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
        raise UsageError(f"there is no service {text!r}{advice(text, all_names)}")
    service = known[service_name]
    server_name = server_name or next(iter(service.servers))
    callers = service.callers(server_name)
    client_name = client or callers[0]
    if client_name not in service.clients:
        raise UsageError(f"{service_name} has no client {client_name!r}{advice(client_name, service.clients)}")
    chosen = Named(service, server_name, client_name)
    if client_name not in callers:
        raise UsageError(f"{client_name!r} is no client for {chosen.name}{advice(client_name, callers)}")
    return chosen
