"""The words of faults that a kernel makes, and which values they take.

The modules of faults/ make them. Nothing here knows how, so that a drill is read without a lab.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast, get_args

from images.firewall.inject import declared as injected
from images.firewall.inject.icmp_errors import ICMP_ERRORS, IcmpError
from scenarios.lab.topology import Family
from scenarios.spec.declaration import declaration
from scenarios.spec.roles import (
    AddressRole,
    HostRole,
    LegName,
    Role,
    check_between,
    check_crosses,
    family_label,
    role_label,
)
from scenarios.spec.units import Seconds

Error = Literal["too-big", "unreachable", "time-exceeded", "parameter-problem"]

Route = Literal["unreachable", "throw", "prohibit", "blackhole"]

Otherwise = Literal["silence", "tcp-reset"]

Sees = Literal["both", "client", "server"]

Protocol = Literal["tcp", "udp"]

Kind = Literal[
    "any", "tcp", "udp", "icmp", "syn", "syn-ack", "established", "data", "fin", "rst", "fragment", "later-fragment"
]

# What has no ports that could be matched: only the first fragment has them, and all but the first have no flags.
IN_PIECES: tuple[Kind, ...] = ("fragment", "later-fragment")

NOT_TCP: tuple[Kind, ...] = ("udp", "icmp", "fragment", "later-fragment")
KernelRefusal = Literal[
    "net-unreachable",
    "host-unreachable",
    "prot-unreachable",
    "port-unreachable",
    "net-prohibited",
    "host-prohibited",
    "admin-prohibited",
    "tcp-reset",
]
Refusal = Literal[KernelRefusal, IcmpError]
# Packets of which the injector can tell such an error: what it picks, and nftables has the same word for.
REFUSED_BY_INJECTOR: tuple[injected.Kind, ...] = ("any", "syn", "syn-ack", "data", "fin", "rst", "udp")


def check_selected_port(kind: Kind, port: int | None) -> None:
    """Raise ValueError, which begins with the key of a drill, for a port that packets of this kind cannot have."""
    if port is not None and kind in ("icmp", *IN_PIECES):
        raise ValueError(f"port: packets of the kind {kind} are not selected by port")
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(f"port: expected 1 to 65535, got {port}")


def check_refusal(by: Refusal, kind: Kind) -> None:
    """Raise ValueError, which begins with the key of a drill, where packets of this kind cannot be refused so."""
    if by in ICMP_ERRORS and kind not in REFUSED_BY_INJECTOR:
        raise ValueError(f"of: expected {', '.join(REFUSED_BY_INJECTOR)} with by: {by}, got {kind}")
    if by == "tcp-reset" and kind in NOT_TCP:
        raise ValueError(f"by: a TCP reset answers TCP only, not packets of the kind {kind}")
    if kind in IN_PIECES:
        raise ValueError(f"of: packets of the kind {kind} can be dropped only, by a `silence`")


SHORTEST_S, LONGEST_S = 0.05, 86400.0


def check_idle_time(after_s: float) -> None:
    """Raise ValueError, which begins with the key of a drill, for a time that a set's elements cannot be given."""
    if not SHORTEST_S <= after_s <= LONGEST_S:
        raise ValueError(f"after: a connection is forgotten after {SHORTEST_S} to {LONGEST_S:g} s, not {after_s:g}")


MTUS = range(1280, 1501)  # of IPv6 at least (RFC 8200, 5), of Ethernet at most


def check_mtu(size: int) -> None:
    """Raise ValueError, which begins with the key of a drill, for an MTU that no leg can be given."""
    if size not in MTUS:
        raise ValueError(f"bytes: an MTU is {MTUS[0]} to {MTUS[-1]} bytes, not {size}")


FRAME = 1514  # the largest of Ethernet, without its checksum

BITS_PER_S = (1000, 100_000_000_000)
BUFFER_BYTES = 1 << 30  # what may wait in the firewall's memory


def check_rate(bits_per_s: int, burst_bytes: int, limit_bytes: int) -> None:
    """Raise ValueError, which begins with the key of a drill, for a rate that no leg can be given."""
    if not BITS_PER_S[0] <= bits_per_s <= BITS_PER_S[1]:
        raise ValueError(f"bits_per_s: expected {BITS_PER_S[0]} to {BITS_PER_S[1]}, got {bits_per_s}")
    for key, size in (("burst_bytes", burst_bytes), ("limit_bytes", limit_bytes)):
        if not FRAME <= size <= BUFFER_BYTES:
            raise ValueError(f"{key}: expected {FRAME}, a whole frame, to {BUFFER_BYTES} bytes, got {size}")


@declaration
class Selected:
    """Packets that a rule of the kernel selects; what is done to them is said below."""

    from_: HostRole
    to: HostRole
    of: Kind = "any"
    port: int | None = None
    family: Family | None = None

    def __post_init__(self) -> None:
        check_crosses(self.from_, self.to, "to")
        check_selected_port(self.of, self.port)

    @property
    def kind(self) -> str:
        """`everything`, or `every SYN`."""
        return "everything" if self.of == "any" else f"every {self.of.upper()}"


@declaration
class Silence(Selected):
    """The firewall drops the packets without a word; `both_ways`: also those back."""

    both_ways: bool = False

    @property
    def says(self) -> str:
        ways = "in both directions between {} and {}" if self.both_ways else "from {} to {}"
        return f"the firewall silently drops {self.kind} {ways.format(role_label(self.from_), role_label(self.to))}"


@declaration
class Refuse(Selected):
    """The firewall drops the packets, and tells their sender by an ICMP error or a TCP reset.

    Errors that nftables does not make are the injector's (images/firewall/inject/declared.py), over IPv4 only.
    """

    by: Refusal

    def __post_init__(self) -> None:
        Selected.__post_init__(self)
        check_refusal(self.by, self.of)
        if self.action and self.family == "ipv6":
            raise ValueError(f"by: ICMPv6 has no {self.by}; expected family: ipv4")

    @property
    def action(self) -> injected.Refuse | None:
        """What is done to the packets, for the injector; None where the kernel's own rules can do it."""
        return injected.Refuse(cast(IcmpError, self.by)) if self.by in ICMP_ERRORS else None

    @property
    def by_kernel(self) -> KernelRefusal:
        """How the kernel's own rules refuse the packets, where there is no `action`."""
        return cast(KernelRefusal, self.by)

    def pick(self, address: Callable[[Role], str]) -> injected.Pick:
        """Which packets, for the injector; `address` gives the address of a role."""
        of = cast(injected.Kind, self.of)
        return injected.Pick(address(self.from_), address(self.to), of=of, to_port=self.port)

    @property
    def says(self) -> str:
        return f"the firewall refuses {self.kind} from {role_label(self.from_)} to {role_label(self.to)} by {self.by}"


@declaration
class SpendTtl(Selected):
    """The packets come to the firewall with a TTL of 1, so that it answers "time exceeded"."""

    def __post_init__(self) -> None:
        Selected.__post_init__(self)
        if self.of in IN_PIECES:
            raise ValueError(f"of: packets of the kind {self.of} can be dropped only, by a `silence`")

    @property
    def says(self) -> str:
        return f"packets from {role_label(self.from_)} to {role_label(self.to)} have one hop left at the firewall"


@declaration
class Mute:
    """The firewall does not send these ICMP errors of its own, in neither family."""

    errors: tuple[Error, ...]

    def __post_init__(self) -> None:
        if not self.errors:
            raise ValueError(f"errors: expected one or more of: {', '.join(get_args(Error))}")

    @property
    def says(self) -> str:
        return f"the firewall sends no ICMP errors of the kinds {', '.join(self.errors)}"


@declaration
class Mtu:
    """The MTU of a leg is `bytes`; hits are the "fragmentation needed" and "packet too big" that the firewall makes."""

    at: LegName
    bytes: int

    def __post_init__(self) -> None:
        check_mtu(self.bytes)

    @property
    def says(self) -> str:
        return f"the MTU of the {self.at} is {self.bytes} bytes"


@declaration
class Rate:
    """Out of a leg goes so much in a second, `burst_bytes` at once after a pause; what cannot wait is dropped."""

    at: LegName
    bits_per_s: int
    burst_bytes: int = 3028
    limit_bytes: int = 65536

    def __post_init__(self) -> None:
        check_rate(self.bits_per_s, self.burst_bytes, self.limit_bytes)

    @property
    def says(self) -> str:
        return f"{self.bits_per_s} bits a second go out of the {self.at}"


@declaration
class Stateful:
    """The firewall lets only segments pass that belong to a connection whose SYN it saw; others meet `by`.

    Where it `sees` one side only, the packets of the other come another way. So it never learns that a SYN was
    answered, or that there was one, and what it sees of the connection behind that belongs to none.
    """

    by: Otherwise = "silence"
    sees: Sees = "both"

    @property
    def says(self) -> str:
        sees = "" if self.sees == "both" else f", sees only what the {self.sees}'s side sends"
        return f"the firewall lets only connections pass that it knows{sees}, and answers others by {self.by}"


@declaration
class Forget:
    """The firewall forgets every connection between the client and the server: with a `stateful`, that is their end.

    `of`: only those over TCP, or UDP; hits are the entries of connection tracking that go.
    """

    between: tuple[HostRole, ...] = ("client", "server")
    of: Protocol | None = None

    def __post_init__(self) -> None:
        check_between(self.between)

    @property
    def says(self) -> str:
        return f"the firewall forgets the connections between {' and '.join(map(role_label, self.between))}"


@declaration
class IdleTimeout:
    """The firewall forgets a connection when no segment of it came for `after`; then segments meet `by`.

    With `of: udp` it forgets a conversation over UDP, which the client's side begins, and may go on with at any time;
    what the other side sends later than that is dropped.
    """

    after: Seconds
    by: Otherwise = "silence"
    of: Protocol = "tcp"

    def __post_init__(self) -> None:
        check_idle_time(float(self.after))
        if self.of == "udp" and self.by != "silence":
            raise ValueError(f"by: {self.by} answers TCP only; over UDP it is silence")

    @property
    def says(self) -> str:
        what = "a conversation over UDP" if self.of == "udp" else "a connection"
        return f"the firewall forgets {what} that is idle for {self.after}, and answers by {self.by}"


@declaration
class LinkDown:
    """A leg of the firewall has no link."""

    at: LegName

    @property
    def says(self) -> str:
        return f"the link of the {self.at} is down"


@declaration
class NoRoute:
    """The firewall has no route to a host; `kind` is ip-route(8)'s word for what it says to the sender."""

    to: HostRole
    kind: Route = "unreachable"

    @property
    def says(self) -> str:
        return f"the firewall has no route to {role_label(self.to)} ({self.kind})"


@declaration
class Answer:
    """The name server gives the addresses of other roles for the name of a role; of none: the name does not exist.

    `nobody` is an address of the server's network that no machine has. With a `family` it gives those addresses only.
    """

    name_of: HostRole
    gives: tuple[AddressRole, ...] = ()
    family: Family | None = None

    @property
    def says(self) -> str:
        address = f"the {family_label(self.family)} address" if self.family else "the address"
        gives = (
            " and ".join(f"{address} of {role_label(role)}" for role in self.gives) or "no address: it does not exist"
        )
        return f"the name server gives for the name of {role_label(self.name_of)} {gives}"
