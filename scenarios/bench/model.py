"""How fast the services are: every architecture beside a textbook's server of the same protocol, in one run.

Rule: a figure is worth little on a shared machine, and a ratio within one run much. So all servers of a comparison run
at once, their generators are connected at once, and the rounds go from one to the next, the textbook's among them.

What cannot be done (two kept connections to a server that serves one) is said in its cell, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from scenarios.lab.topology import Host
from scenarios.lab.valueclass import valueclass

Say = Callable[[str], None]
PROTOCOLS = ("echo", "search")
TEXTBOOK = "textbook"
# What promises to serve any number: it is asked to hold idle connections, and a large content.
WITHOUT_NUMBER = (TEXTBOOK, "selectors", "asyncio")
MOST = {"threads": 1000, "forking": 200}  # --most; a thousand processes would not fit the memory of a host
KEPT_S = 600  # --idle-timeout: connections wait for their turn
CONTENT_LIMIT = 128 << 20
FIRST_PORT = 21_000  # and upwards, one for each server that is started; below the ephemeral ports


@valueclass
class Place:
    """Where the generator and the server run."""

    name: str
    client: Host
    server: Host
    address: str


@valueclass
class Load:
    """So many connections at once, each kept with so many requests in flight, or each for one request only."""

    connections: int
    in_flight: int
    kept: bool

    @property
    def mode(self) -> str:
        return f"kept, {self.in_flight} in flight" if self.kept else "one request a connection"


@valueclass
class Sizes:
    """How much is done. Every number is a bound."""

    connections: tuple[int, ...]
    rounds: int
    seconds: float
    requests: int  # in a round, on kept connections
    renewed: int  # connections in a round of one request each: all rounds together must not use up the ephemeral ports
    idle: int
    busy: int
    contents: tuple[int, int]
    content_rounds: int


FULL = Sizes((1, 50, 1000), 5, 0.3, 200_000, 2_500, 10_000, 50, (1 << 20, 64 << 20), 7)
QUICK = Sizes((1, 5, 20), 1, 0.05, 400, 40, 100, 5, (1 << 16, 1 << 20), 2)


@valueclass
class Cell:
    """What one server made of one load. `why` says why there is no figure; `errors` are by errno's name."""

    protocol: str
    server: str
    load: Load
    why: str = ""
    rate: float = 0.0  # requests a second, the median of the rounds
    ratio: float | None = None  # to the textbook's rate in the same round, the median; None for the textbook itself
    p50_s: float = 0.0
    p99_s: float = 0.0
    memory_bytes: int = 0  # of the server, with all connections open (one request a connection: after the last)
    bytes_a_connection: float | None = None
    server_cpu_s: float = 0.0  # a request
    generator_cpu_s: float = 0.0
    busy: float = 0.0  # the part of the time in which the server had a processor
    errors: Mapping[str, int] = field(default_factory=dict)


@valueclass
class Idle:
    """The rate of the busy connections with idle ones beside them, and without."""

    protocol: str
    server: str
    idle: int
    why: str = ""
    rate: float = 0.0
    rate_without: float = 0.0
    ratio: float = 0.0
    bytes_a_connection: float = 0.0
    errors: Mapping[str, int] = field(default_factory=dict)


@valueclass
class Content:
    """One large content beside a small one: the median time of each."""

    server: str
    kind: str
    small: int
    large: int
    why: str = ""
    small_s: float = 0.0
    large_s: float = 0.0
    ratio: float = 0.0


@valueclass
class Measured:
    """All of one place."""

    place: str
    cells: Sequence[Cell]
    idle: Sequence[Idle]
    contents: Sequence[Content]


@valueclass
class Bench:
    machine: Mapping[str, str]
    places: Sequence[Measured]
    folder: Path

    @property
    def cells(self) -> list[Cell]:
        return [cell for measured in self.places for cell in measured.cells]


@valueclass
class Server:
    """A server that runs."""

    name: str
    port: int
    pid: int
