"""The words of what a network has too little of: connections, packets a second, places in a queue."""

from __future__ import annotations

from images.firewall.inject import declared as injected
from images.firewall.inject import queueing
from scenarios.spec.declaration import declaration
from scenarios.spec.injected_faults import Picked
from scenarios.spec.kernel_faults import BITS_PER_S, BUFFER_BYTES, FRAME, Otherwise, Protocol
from scenarios.spec.roles import HostRole, check_crosses, role_label

CONNECTIONS = (1, 65535)
NEW_PER_S = (1, 10000)
MSS = (536, 1460)


@declaration
class Limit:
    """The firewall lets `connections` over TCP be open at once, or `new_per_s` be opened in a second; SYNs beyond meet
    `by`.

    A connection counts until both have closed it, or one has reset it. Of `new_per_s` as many may come at once.
    """

    connections: int | None = None
    new_per_s: int | None = None
    by: Otherwise = "silence"

    def __post_init__(self) -> None:
        if (self.connections is None) == (self.new_per_s is None):
            both = "both" if self.connections is not None else "neither"
            raise ValueError(f"expected one of connections and new_per_s, got {both}")
        for key, (least, most) in (("connections", CONNECTIONS), ("new_per_s", NEW_PER_S)):
            value = getattr(self, key)
            if value is not None and not least <= value <= most:
                raise ValueError(f"{key}: expected {least} to {most}, got {value}")

    @property
    def says(self) -> str:
        if self.connections is not None:
            return f"the firewall lets {self.connections} connections be open, and answers more by {self.by}"
        return f"the firewall lets {self.new_per_s} connections a second be opened, and answers more by {self.by}"


@declaration
class Police:
    """Of each conversation the firewall lets `bits_per_s` pass, and drops the rest.

    After a pause a second's worth may come at once, and `burst_bytes` more: so large is the bucket of nf_tables.
    Each has a bucket of its own, so that one which is too quick takes nothing from others. Headers of IP and up count.
    """

    from_: HostRole
    to: HostRole
    bits_per_s: int
    burst_bytes: int = FRAME
    of: Protocol | None = None

    def __post_init__(self) -> None:
        check_crosses(self.from_, self.to, "to")
        if not BITS_PER_S[0] <= self.bits_per_s <= BITS_PER_S[1]:
            raise ValueError(f"bits_per_s: expected {BITS_PER_S[0]} to {BITS_PER_S[1]}, got {self.bits_per_s}")
        if not FRAME <= self.burst_bytes <= BUFFER_BYTES:
            raise ValueError(
                f"burst_bytes: expected {FRAME}, a whole frame, to {BUFFER_BYTES} bytes, got {self.burst_bytes}"
            )

    @property
    def says(self) -> str:
        of = "conversation" if self.of is None else f"conversation over {self.of.upper()}"
        way = f"from {role_label(self.from_)} to {role_label(self.to)}"
        return f"the firewall lets {self.bits_per_s} bits a second pass of each {of} {way}, and drops the rest"


@declaration
class SynProxy:
    """The firewall answers SYNs from the client's side itself, by cookies, and calls the server when one comes back.

    A client is connected before the server knows of it. Hits are the SYNs that it answers.
    """

    mss: int = MSS[1]

    def __post_init__(self) -> None:
        if not MSS[0] <= self.mss <= MSS[1]:
            raise ValueError(f"mss: expected {MSS[0]} to {MSS[1]}, got {self.mss}")

    @property
    def says(self) -> str:
        return "the firewall answers SYNs in the server's place, by cookies, and calls the server afterwards"


@declaration
class Queue(Picked):
    """The packets wait in a line of their own for a slow link, which takes `bits_per_s`; `limit_bytes` wait at most.

    `discipline` says who is lost: `drop-tail` those for which there is no place, `red` some of them by chance (seeded)
    before it is full, `codel` those at the head where packets have waited for too long. Hits are the packets that come.
    """

    bits_per_s: int
    limit_bytes: int
    discipline: queueing.Discipline = "drop-tail"

    @property
    def action(self) -> injected.Action:
        return queueing.Queue(self.bits_per_s, self.limit_bytes, self.discipline)

    @property
    def says(self) -> str:
        line = f"a {self.discipline} queue of {self.limit_bytes} bytes for a link of {self.bits_per_s} bits a second"
        return f"the firewall puts {self.packets} into {line}"
