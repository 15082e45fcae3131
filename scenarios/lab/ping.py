"""Whether one host reaches another, how long a round trip takes, and over which hops: ping(8), traceroute(8)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Family, Host
from scenarios.lab.valueclass import valueclass

PING_EVERY_S = 0.2  # the shortest that an unprivileged user may ask for
ANSWER_WITHIN_S = 1


@valueclass
class RoundTrips:
    """What ping counted. Times in milliseconds; None when nothing came back."""

    sent: int
    received: int
    least_ms: float | None
    mean_ms: float | None
    most_ms: float | None

    @property
    def loss_percent(self) -> float:
        return 100 * (self.sent - self.received) / self.sent


@valueclass
class Hop:
    """One hop of a traceroute: its address and what we call it; None for one that did not answer."""

    number: int
    address: str | None
    name: str
    time_ms: float | None


def parse_ping(printed: str) -> RoundTrips:
    """Read the statistics that iputils' ping prints at its end. Raises ValueError."""
    counts = re.search(r"(\d+) packets transmitted, (\d+) received", printed)
    if counts is None:
        raise ValueError(f"expected ping's statistics, got: {printed.strip()!r}")
    times = re.search(r"min/avg/max/mdev = ([\d.]+)/([\d.]+)/([\d.]+)/", printed)
    least, mean, most = (float(time) for time in times.groups()) if times else (None, None, None)
    return RoundTrips(int(counts[1]), int(counts[2]), least, mean, most)


def parse_traceroute(printed: str, names: dict[str, str]) -> list[Hop]:
    """Read `traceroute -n -q 1`; `names` has what we call an address."""
    hops = []
    for line in printed.splitlines()[1:]:
        match = re.match(r"\s*(\d+)\s+(?:(\S+)\s+([\d.]+) ms|\*)", line)
        if match is None:
            raise ValueError(f"expected a hop of traceroute, got: {line!r}")
        address = match[2]
        time_ms = float(match[3]) if match[3] else None
        hops.append(Hop(int(match[1]), address, names.get(address or "", "?") if address else "no answer", time_ms))
    return hops


def names(lab: Lab) -> dict[str, str]:
    """What we call each address of a lab: the host's name, or the firewall with its leg."""
    known = {address: host.name for host in lab.topology.places.values() for address in (host.ipv4, host.ipv6)}
    for leg in lab.topology.legs.values():
        known |= dict.fromkeys((leg.ipv4, leg.ipv6), f"firewall ({leg.name})")
    return known


def ping(lab: Lab, source: Host, destination: Host, family: Family, count: int) -> RoundTrips:
    """Ping one host from another `count` times. Raises LabProblem when ping itself could not run."""
    argv = [
        "ping",
        "-n",
        "-c",
        str(count),
        "-i",
        str(PING_EVERY_S),
        "-W",
        str(ANSWER_WITHIN_S),
        destination.address(family),
    ]
    said = lab.run(source.name, argv, timeout_s=count * (PING_EVERY_S + ANSWER_WITHIN_S) + 5)
    try:
        return parse_ping(said.stdout)
    except ValueError as error:
        raise LabProblem(f"ping on {source.name}: {error} {said.stderr.strip()}") from error


def trace(lab: Lab, source: Host, destination: Host, family: Family) -> Sequence[Hop]:
    """The hops from one host to another, by UDP (traceroute's default, which needs no privilege). Raises LabProblem."""
    version = "-4" if family == "ipv4" else "-6"
    argv = ["traceroute", version, "-n", "-q", "1", "-w", str(ANSWER_WITHIN_S), "-m", "5", destination.address(family)]
    said = lab.run(source.name, argv, timeout_s=30)
    try:
        return parse_traceroute(said.stdout, names(lab))
    except ValueError as error:
        raise LabProblem(f"traceroute on {source.name}: {error} {said.stderr.strip()}") from error
