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

from scenarios.lab.errors import UsageError
from scenarios.lab.topology import ROOT, Family, topology
from scenarios.spec.outcome import OF_STATUS, Outcome
from scenarios.spec.strict_yaml import DeclarationError, advice, check_pattern, error_of, line_of, load, quoted

SERVICES = ROOT / "services"
SERVICE_FILE = "service.yaml"
NAME = re.compile(r"[a-z][a-z0-9_]*")
PROGRAM_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")  # of a server or a client; a run's folders bear it
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
        cut = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"{key}: {quoted(command)} cannot be split into words: {str(error).lower()}") from error
    if not cut or not cut[0]:
        raise ValueError(f"{key}: the command is empty")
    for name in sorted({name for word in cut for name in re.findall(r"\{(\w+)\}", word)} - set(PLACEHOLDERS)):
        raise ValueError(f"{key}: unknown placeholder {{{name}}}{advice(name, PLACEHOLDERS)}")


def _check_port(port: int | None) -> None:
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(f"port: expected 1 to 65535, got {port}")


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
        if self.runs_on is not None and self.runs_on not in topology().standing:
            standing = topology().standing
            raise ValueError(f"runs_on: unknown machine {quoted(self.runs_on)}{advice(self.runs_on, standing)}")
        _check_port(self.port)
        check_pattern(self.ready or "", "ready")


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
            check_pattern(pattern, key)
        if not 0 < self.timeout_s <= 600:
            raise ValueError(f"timeout_s: expected more than 0, at most 600 seconds, got {self.timeout_s:g}")
        for key in ("says", "exits"):
            for word in getattr(self, key):
                if word not in TOLD:
                    raise ValueError(f"{key}: unknown outcome {quoted(word)}{advice(word, TOLD)}")
        statuses = [("status", self.status)]
        statuses += [(f"exits.{word}", each) for word in self.exits for each in self.statuses(word)]
        for key, status in statuses:
            if not 0 <= status <= 255:
                raise ValueError(f"{key}: expected an exit status, 0 to 255, got {status}")
        if self.contract and (self.says or self.exits or self.status):
            other = next(key for key in ("says", "exits", "status") if getattr(self, key))
            raise ValueError(f"{other}: use either `contract`, with which the exit statuses say it all, or `{other}`")

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
