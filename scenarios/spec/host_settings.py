"""The words of what a host's kernel is set to, for the time of a drill: a closed list, each value within bounds.

The bounds are those of Linux, or narrower where more would make a drill that nobody waits for (ip-sysctl of the
kernel's documentation, tcp(7)). faults/host_settings.py makes them. Knows no lab.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

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


NUMBERS: Mapping[str, Setting] = {
    "tcp_ecn": Setting("ipv4/tcp_ecn", 0, 2),
    "tcp_fastopen": Setting("ipv4/tcp_fastopen", 0, 0x607),
    "tcp_syncookies": Setting("ipv4/tcp_syncookies", 0, 2),
    "tcp_retries1": Setting("ipv4/tcp_retries1", 0, 255),
    "tcp_retries2": Setting("ipv4/tcp_retries2", 0, 255),
    "tcp_syn_retries": Setting("ipv4/tcp_syn_retries", 1, 127),
    "tcp_synack_retries": Setting("ipv4/tcp_synack_retries", 0, 127),
    "tcp_orphan_retries": Setting("ipv4/tcp_orphan_retries", 0, 255),
    "tcp_sack": Setting("ipv4/tcp_sack", 0, 1),
    "tcp_dsack": Setting("ipv4/tcp_dsack", 0, 1),
    "tcp_timestamps": Setting("ipv4/tcp_timestamps", 0, 2),
    "tcp_window_scaling": Setting("ipv4/tcp_window_scaling", 0, 1),
    "tcp_mtu_probing": Setting("ipv4/tcp_mtu_probing", 0, 2),
    "tcp_early_retrans": Setting("ipv4/tcp_early_retrans", 0, 4),
    "tcp_frto": Setting("ipv4/tcp_frto", 0, 2),
    "tcp_fin_timeout": Setting("ipv4/tcp_fin_timeout", 1, 3600),
    "tcp_keepalive_time": Setting("ipv4/tcp_keepalive_time", 1, 32767),
    "tcp_keepalive_intvl": Setting("ipv4/tcp_keepalive_intvl", 1, 32767),
    "tcp_keepalive_probes": Setting("ipv4/tcp_keepalive_probes", 1, 127),
    "tcp_slow_start_after_idle": Setting("ipv4/tcp_slow_start_after_idle", 0, 1),
    "tcp_abort_on_overflow": Setting("ipv4/tcp_abort_on_overflow", 0, 1),
    "tcp_max_syn_backlog": Setting("ipv4/tcp_max_syn_backlog", 1, 65535),
    "somaxconn": Setting("core/somaxconn", 1, 65535),
}
PORTS_AT = "ipv4/ip_local_port_range"


@declaration
class HostSettings:
    """A host's kernel is set to these values, as ip-sysctl names them; `ports` are those that its clients are given.

    They are for every socket of the host that is opened from here on. Hits are the settings that stand as they should.
    """

    who: CallerRole
    ports: PortRange | None = None
    tcp_ecn: int | None = None
    tcp_fastopen: int | None = None
    tcp_syncookies: int | None = None
    tcp_retries1: int | None = None
    tcp_retries2: int | None = None
    tcp_syn_retries: int | None = None
    tcp_synack_retries: int | None = None
    tcp_orphan_retries: int | None = None
    tcp_sack: int | None = None
    tcp_dsack: int | None = None
    tcp_timestamps: int | None = None
    tcp_window_scaling: int | None = None
    tcp_mtu_probing: int | None = None
    tcp_early_retrans: int | None = None
    tcp_frto: int | None = None
    tcp_fin_timeout: int | None = None
    tcp_keepalive_time: int | None = None
    tcp_keepalive_intvl: int | None = None
    tcp_keepalive_probes: int | None = None
    tcp_slow_start_after_idle: int | None = None
    tcp_abort_on_overflow: int | None = None
    tcp_max_syn_backlog: int | None = None
    somaxconn: int | None = None

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
