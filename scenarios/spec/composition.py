"""A composition of the user's own, as a service.yaml names it: its files, and its sides.

The composition itself is read by Docker Compose, when a lab is there (calls/compositions.py): here no engine is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from scenarios.lab.places import document
from scenarios.lab.topology import Family, topology
from scenarios.spec.container_settings import ContainerSettings
from scenarios.spec.declaration import declaration
from scenarios.spec.declaration_error import DeclarationError, advice, quoted
from scenarios.spec.fault import Fault
from scenarios.spec.roles import SERVER
from scenarios.spec.service_programs import Client, Server
from scenarios.spec.steps import Call
from scenarios.spec.strict_yaml import not_yaml

SIDES: Final = ("client_side", "middle", "server_side")
SERVICES_AT_MOST: Final = 12
HOST: Final = "{host}"
_PROXY_OF_AN_IMAGE: Final = (
    "; a proxy of an image of your own stands in the middle in a compose.yaml of three services, itself, its backend "
    f"and who calls it ({document('docs/your-own-composition.md')}, A program in the middle)"
)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_INSIDE: Final = ("image", "dockerfile", "environment", "credentials", "files", "contract", "setup", "teardown")


def machine_name(service: str, member: str) -> str:
    """What the machine of one service of a composition is called in a lab: `shop-db`."""
    return f"{service}-{member}"


def misfit_inside(name: str, faults: Iterable[Fault], calls: Iterable[Call]) -> str:
    """Why a drill that replaces its server, or calls it by a name, is not for one of a composition; else empty."""
    if any(each.replace and each.replace.who == SERVER for each in faults):
        return f"{name} is a service of a composition: no other program can stand in its place"
    if any(call.named is not None for call in calls):
        return f"it asks the lab's name server, and {name} is found by /etc/hosts"
    return ""


@declaration
class Composed(ContainerSettings):
    """What a service.yaml says of a composition. `compose` is its file, or are its files, in their order.

    `client_side` and `server_side` name its services that stand on either side of the firewall; the others stand
    beside the one that they talk to. `middle` are servers that have a `backend` of their own, of `server_side`: the
    firewall stands on both of their ways, to the client and to the backend. `outside`: its services may reach the
    world, over IPv4; what they say there is no part of the evidence.
    """

    compose: str | tuple[str, ...] = ()
    client_side: tuple[str, ...] = ()
    server_side: tuple[str, ...] = ()
    middle: tuple[str, ...] = ()
    outside: bool = False

    def compose_files(self, folder: Path) -> tuple[Path, ...]:
        """The files of the composition, of a service whose folder this is."""
        names = (self.compose,) if isinstance(self.compose, str) else self.compose
        return tuple((folder / name).resolve() for name in names)

    def problems_of_composition(
        self, servers: Mapping[str, Server], clients: Mapping[str, Client], families: Collection[Family]
    ) -> Iterator[str]:
        """What is wrong with what is said of the composition, as far as this file alone can tell."""
        if not self.compose:
            for key in (*SIDES, "outside"):
                if getattr(self, key):
                    cure = _PROXY_OF_AN_IMAGE if key == "middle" else ""
                    yield f"{key}: it is for a composition, and no `compose` names its file{cure}"
        elif not self.server_side:
            yield "server_side: expected one or more services of the composition"
        for one, other, where in (
            ("client_side", "server_side", "on the server's side"),
            ("middle", "client_side", "on the client's side"),
            ("middle", "server_side", "on the server's side"),
        ):
            for name in getattr(self, one):
                if name in getattr(self, other):
                    yield f"{one}: {quoted(name)} stands {where} too, and can only stand in one place"
        of_servers = "middle" if self.middle else "server_side"
        for kind, side, programs in (("servers", of_servers, servers), ("clients", "client_side", clients)):
            for name, program in programs.items():
                yield from self._problems_inside(f"{kind}.{name}", side, program)
        for name, client in clients.items():
            if client.in_ and len(families) > 1 and HOST not in str(client.run):
                why = "a name has addresses of both families, and a drill is about one of them"
                yield f"clients.{name}.run: expected {HOST} in it, for {why}; or one family in `families`"
        for name, server in servers.items():
            yield from self._problems_of_backend(f"servers.{name}", server)

    def _problems_of_backend(self, at: str, server: Server) -> Iterator[str]:
        if server.backend is None:
            if self.middle and server.in_:
                yield f"{at}: it stands in the middle; expected a `backend`, the service of server_side that it asks"
        elif not self.middle:
            cure = "" if self.compose else _PROXY_OF_AN_IMAGE
            yield f"{at}.backend: it is for a server that stands in the middle, and no `middle` names its service{cure}"
        elif server.backend not in self.server_side:
            what = f"unknown service {quoted(server.backend)} of server_side{advice(server.backend, self.server_side)}"
            yield f"{at}.backend: {what}"

    def _problems_inside(self, at: str, side: str, program: Server | Client) -> Iterator[str]:
        if program.in_ is None:
            return
        there: tuple[str, ...] = getattr(self, side)
        if program.in_ not in there:
            yield f"{at}.in: unknown service {quoted(program.in_)} of {side}{advice(program.in_, there)}"
        for key in _NOT_INSIDE:
            if getattr(program, key, None):
                yield f"{at}.{key}: it is for programs that the lab starts, and the composition starts this one"

    def problems_of_files(self, folder: Path) -> Iterator[str]:
        """What is wrong with its files, those of the composition too. Raise DeclarationError for a compose file."""
        yield from ContainerSettings.problems_of_files(self, folder)
        named: set[str] = set()
        is_whole = True
        for path in self.compose_files(folder):
            if not path.is_file():
                yield f"compose: no file {quoted(str(path))}"
                return
            document = parsed(path)
            services = document.get("services") or {}
            is_whole &= "include" not in document
            named |= {*services} if isinstance(services, dict) else set()
        for key in SIDES if self.compose else ():
            for name in getattr(self, key):
                if is_whole and name not in named:
                    yield f"{key}: the composition has no service {quoted(name)}{advice(name, named)}"
                machine = machine_name(folder.name, name)
                if machine in topology().machines:
                    yield f"{key}: {machine} is a machine of the lab; give the service another name"


def parsed(path: Path) -> dict[str, Any]:
    """A compose file as a mapping, tags of Compose's own left aside. Raises DeclarationError."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, UnicodeError) as error:
        raise DeclarationError(path, None, str(error).splitlines()[0]) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise not_yaml(path, error) from error
    if not isinstance(node, yaml.MappingNode):
        raise DeclarationError(path, 1, "expected a compose file: a mapping with `services`")
    found: dict[str, Any] = {}
    for key, value in node.value:
        found[str(key.value)] = {str(name.value): None for name, _ in value.value} if _is_mapping(value) else value
    return found


def _is_mapping(node: yaml.Node) -> bool:
    return isinstance(node, yaml.MappingNode)


def place_in(paths: tuple[Path, ...], *keys: str) -> tuple[Path, int | None]:
    """The file and the line of some keys, as `services`, `web`, `ports`; of the deepest of them that a file has."""
    best: tuple[int, Path, int | None] = (0, paths[0], None)
    for path in paths:
        node: yaml.Node | None = yaml.compose(path.read_text(encoding="utf-8"), Loader=_LOADER)
        for depth, key in enumerate(keys, 1):
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            found = next(((name, value) for name, value in pairs if name.value == key), None)
            if found is None:
                break
            node = found[1]
            if depth >= best[0]:
                best = depth, path, found[0].start_mark.line + 1
    return best[1], best[2]
