"""The words of what a host's kernel is set to, for the time of a drill: a closed list, each value within bounds.

The bounds are those of Linux, or narrower where more would make a drill that nobody waits for (ip-sysctl of the
kernel's documentation, tcp(7)). faults/host_settings.py makes them. Knows no lab.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from typing import Any, NamedTuple, Self

from scenarios.spec.declaration import declaration
from scenarios.spec.declaration_error import quoted
from scenarios.spec.roles import CallerRole, role_label

PORTS = range(1024, 65536)


class PortRange(NamedTuple):
    """From a first to a last port, both included."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `40000-40007`. Raises ValueError."""
        first, separator, last = (part.strip() for part in text.partition("-"))
        if not separator or not (first.isdecimal() and last.isdecimal()):
            raise ValueError(f"expected a range of ports such as 40000-40007, got {quoted(text)}")
        found = cls(int(first), int(last))
        if found.first > found.last:
            raise ValueError(f"the range of ports {quoted(text)} ends before it begins")
        if found.first not in PORTS or found.last not in PORTS:
            raise ValueError(f"expected ports of {PORTS[0]} to {PORTS[-1]}, got {quoted(text)}")
        return found

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


class Setting(NamedTuple):
    """Where the kernel has a setting, below /proc/sys/net, and from which to which value it may be set."""

    place: str
    least: int
    most: int


def number(least: int, most: int, below: str = "ipv4") -> Any:
    """A setting that is one number, of these bounds; its place is its name, in a folder of /proc/sys/net."""
    return field(default=None, metadata={"bounds": (below, least, most)})


PORTS_AT = "ipv4/ip_local_port_range"


@declaration
class HostSettings:
    """A host's kernel is set to these values, as ip-sysctl names them; `ports` are those that its clients are given.

    They are for every socket of the host that is opened from here on. Hits are the settings that stand as they should.
    """

    who: CallerRole
    ports: PortRange | None = None
    tcp_ecn: int | None = number(0, 2)
    tcp_fastopen: int | None = number(0, 0x607)
    tcp_syncookies: int | None = number(0, 2)
    tcp_retries1: int | None = number(0, 255)
    tcp_retries2: int | None = number(0, 255)
    tcp_syn_retries: int | None = number(1, 127)
    tcp_synack_retries: int | None = number(0, 127)
    tcp_orphan_retries: int | None = number(0, 255)
    tcp_sack: int | None = number(0, 1)
    tcp_dsack: int | None = number(0, 1)
    tcp_timestamps: int | None = number(0, 2)
    tcp_window_scaling: int | None = number(0, 1)
    tcp_mtu_probing: int | None = number(0, 2)
    tcp_early_retrans: int | None = number(0, 4)
    tcp_frto: int | None = number(0, 2)
    tcp_fin_timeout: int | None = number(1, 3600)
    tcp_keepalive_time: int | None = number(1, 32767)
    tcp_keepalive_intvl: int | None = number(1, 32767)
    tcp_keepalive_probes: int | None = number(1, 127)
    tcp_slow_start_after_idle: int | None = number(0, 1)
    tcp_abort_on_overflow: int | None = number(0, 1)
    tcp_max_syn_backlog: int | None = number(1, 65535)
    somaxconn: int | None = number(1, 65535, "core")

    def __post_init__(self) -> None:
        if not self.by_place:
            raise ValueError(f"expected one or more of: ports, {', '.join(NUMBERS)}")
        for name, value in self.numbers.items():
            _, least, most = NUMBERS[name]
            if not least <= value <= most:
                raise ValueError(f"{name}: expected {least} to {most}, got {value}")

    @property
    def numbers(self) -> dict[str, int]:
        """The settings that are one number, by their names."""
        return {name: value for name in NUMBERS if (value := getattr(self, name)) is not None}

    @property
    def by_place(self) -> dict[str, str]:
        """What is set, by its place below /proc/sys/net, as the kernel is told it."""
        told = {NUMBERS[name].place: str(value) for name, value in self.numbers.items()}
        return told | ({PORTS_AT: f"{self.ports.first} {self.ports.last}"} if self.ports else {})

    @property
    def says(self) -> str:
        words = [f"{name} {value}" for name, value in self.numbers.items()]
        words += [f"the ports {self.ports} for its clients"] if self.ports else []
        return f"the kernel of {role_label(self.who)} has {' and '.join(words)}"


NUMBERS: Mapping[str, Setting] = {
    each.name: Setting(f"{below}/{each.name}", least, most)
    for each in fields(HostSettings)
    if "bounds" in each.metadata
    for below, least, most in [each.metadata["bounds"]]
}
