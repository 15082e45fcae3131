"""Apache's ab, from a client host across the firewall, against each of the web service's own servers: one table."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.table import Table

from scenarios.calls.serving import serving
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.valueclass import valueclass
from scenarios.spec.service import resolve

ARCHITECTURES = ("blocking", "threads", "asyncio")
CONCURRENCY, REQUESTS = 50, 1000
WITHIN_S = 60


@valueclass
class Measured:
    """What ab printed of one run. Times are of whole requests, connection included, in milliseconds."""

    architecture: str
    complete: int
    failed: int
    other_than_2xx: int
    requests_per_s: float
    p50_ms: int
    p99_ms: int
    longest_ms: int


def parse(printed: str, architecture: str) -> Measured:
    """Read what ab(1) prints. Raises ValueError, naming the line that is missing."""

    def number(pattern: str, otherwise: str | None = None) -> str:
        match = re.search(pattern, printed, re.MULTILINE)
        if match is None and otherwise is None:
            raise ValueError(f"ab: expected a line that matches {pattern!r}, got:\n{printed.strip()}")
        return match[1] if match else otherwise or ""

    return Measured(
        architecture=architecture,
        complete=int(number(r"^Complete requests:\s+(\d+)")),
        failed=int(number(r"^Failed requests:\s+(\d+)")),
        other_than_2xx=int(number(r"^Non-2xx responses:\s+(\d+)", otherwise="0")),
        requests_per_s=float(number(r"^Requests per second:\s+([\d.]+)")),
        p50_ms=int(number(r"^\s+50%\s+(\d+)")),
        p99_ms=int(number(r"^\s+99%\s+(\d+)")),
        longest_ms=int(number(r"^\s+100%\s+(\d+)")),
    )


def measure(lab: Lab) -> Iterator[Measured]:
    """Each architecture in turn, little-endian client to little-endian server over IPv4."""
    client, server = lab.topology.hosts["client"], lab.topology.hosts["server"]
    for architecture in ARCHITECTURES:
        chosen = resolve(f"web/{architecture}")
        with serving(lab, chosen, server, "ipv4"):
            url = f"http://{server.ipv4}:{chosen.port}/"
            argv = ["ab", "-q", "-c", str(CONCURRENCY), "-n", str(REQUESTS), "-s", "10", url]
            said = lab.run(client.name, argv, timeout_s=WITHIN_S)
        if said.status != 0:
            raise LabProblem(f"`{' '.join(argv)}` on {client.name} ended with status {said.status}: {said.printed}")
        yield parse(said.stdout, architecture)


def table(found: list[Measured]) -> Table:
    """The architectures side by side, each with its rate against the first's."""
    made = Table(title=f"ab -c {CONCURRENCY} -n {REQUESTS}, client to server", title_justify="left", box=None)
    for column in ("server", "requests/s", "against the first", "p50", "p99", "longest", "complete", "failed"):
        made.add_column(column, justify="left" if column == "server" else "right")
    for each in found:
        ratio = f"{each.requests_per_s / found[0].requests_per_s:.2f}"
        times = (f"{time} ms" for time in (each.p50_ms, each.p99_ms, each.longest_ms))
        failed = str(each.failed + each.other_than_2xx)
        made.add_row(each.architecture, f"{each.requests_per_s:.0f}", ratio, *times, str(each.complete), failed)
    return made
