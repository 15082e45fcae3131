"""A firewall that lets TCP pass only on connections that it saw begin, and that can be made to forget one.

Its memory is the kernel's connection tracking. Put a Stateful in force before the connections that it is about begin:
of IPv6 nothing is tracked until somebody asks, so that a connection which is older than the fault was never seen.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Sequence
from typing import Literal, Self, get_args

from scenarios.faults.kernel_fault import NAME, WITHIN_S, Chain, Standing, leg_of
from scenarios.lab.earlier_connections import Connection
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Host
from scenarios.spec.kernel_faults import Otherwise, Protocol
from scenarios.spec.roles import LegName

OTHERWISE: dict[Otherwise, str] = {"silence": "drop", "tcp-reset": "reject with tcp reset"}
IS_SYN = "tcp flags & (syn | ack | rst | fin) == syn"
IP = ("ip", "ip6")
IS_NOT_SYN = "tcp flags & (syn | ack | rst | fin) != syn"

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
# An entry as conntrack(8) prints it, of a connection that is not over.
LIVE: dict[Protocol, re.Pattern[str]] = {
    "tcp": re.compile(r"^tcp +6 \d+ (?!TIME_WAIT|CLOSE |LAST_ACK)", re.MULTILINE),
    "udp": re.compile(r"^udp +17 ", re.MULTILINE),
}
# conntrack's status is 1 when there was nothing to delete, so what it says is read instead.
DELETE = """
delete() {
    for protocol in $protocols; do
        said=$(conntrack -D -p "$protocol" "$@" 2>&1) || true
        echo "$said"
        case $said in *"flow entries have been deleted"*) ;; *) exit 1 ;; esac
    done
}
protocols=$1
shift
"""


def way(ip: str, *, back: bool = False, protocol: Protocol = "tcp") -> str:
    """The key of a connection: both addresses and ports as its first packet has them, of a packet there or back."""
    one, other = ("d", "s") if back else ("s", "d")
    return f"{ip} {one}addr . {protocol} {one}port . {ip} {other}addr . {protocol} {other}port"


def noting(name: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Rules, and their sets, that note every connection whose SYN comes by."""
    sets = [(f"{name}_{ip}_seen", f"typeof {way(ip)}; size 65535; flags dynamic, timeout;") for ip in IP]
    return [f"{IS_SYN} update @{name}_{ip}_seen {{ {way(ip)} timeout 1d }}" for ip in IP], sets


def leaving(
    name: str, left: Collection[Connection], verdict: Literal["accept", "drop"] = "accept"
) -> tuple[list[str], list[tuple[str, str]]]:
    """Rules, and their sets, by which the segments and datagrams of these connections pass a chain uncounted, or end.

    A SYN begins a connection, so it is of none of them.
    """
    rules, sets = [], []
    for ip, kind, version in (("ip", "ipv4_addr", 4), ("ip6", "ipv6_addr", 6)):
        ways = [(each.transport, *way) for each in left for way in each.ways()]
        of_family = [each for each in ways if ipaddress.ip_address(each[1][0]).version == version]
        if of_family:
            elements = ", ".join(
                sorted({f"{of} . {one[0]} . {one[1]} . {other[0]} . {other[1]}" for of, one, other in of_family})
            )
            key = f"inet_proto . {kind} . inet_service . {kind} . inet_service"
            sets.append((f"{name}_{ip}_left", f"type {key}; elements = {{ {elements} }};"))
            packet = f"meta l4proto . {ip} saddr . th sport . {ip} daddr . th dport @{name}_{ip}_left"
            rules += [
                f"meta l4proto tcp tcp flags & syn == 0 {packet} {verdict}",
                f"meta l4proto udp {packet} {verdict}",
            ]
    return rules, sets


def ending(name: str, which: str, otherwise: Otherwise) -> list[str]:
    """Rules that end the way of segments for which the expression `which` holds, and count those of noted connections.

    What an older run left behind, the retransmissions of a client that is long dead, say, is not counted: it proves
    nothing of this fault.
    """
    verdict = OTHERWISE[otherwise]
    ways = [f"{way(ip, back=back)} @{name}_{ip}_seen" for ip in IP for back in (False, True)]
    return [*(f"{which} {each} counter {verdict}" for each in ways), f"{which} {verdict}"]


class Stateful(Standing):
    """Segments of no connection that the firewall saw begin are dropped, or refused by a TCP reset.

    It holds in both directions. A SYN begins a connection, and nothing else does. What connection tracking calls
    invalid, a segment out of the window or with a wrong checksum, belongs to none either. Hits are these segments, but
    only those of connections that began after the fault: it begins with an empty memory.

    Where it `sees` the packets of one leg only, all that comes by the other passes, unseen.
    """

    needs = "connection tracking (CONFIG_NFT_CT) and dynamic sets with timeouts in nf_tables"

    def __init__(
        self,
        lab: Lab,
        name: str,
        otherwise: Otherwise = "silence",
        sees: LegName | None = None,
    ) -> None:
        super().__init__(lab, name)
        self._otherwise = otherwise
        self._seen = lab.topology.networks[leg_of(lab, name, sees).network] if sees else None

    def _chains(self) -> Sequence[Chain]:
        # A segment in mid-connection is `new` and makes an entry, if it gets through, where
        # net.netfilter.nf_conntrack_tcp_loose is 1, as it is by default; else it is `invalid`.
        of_none = f"ct state != {{ established, related }} {IS_NOT_SYN}"
        noted, sets = noting(self.name)
        if self._seen:
            return [Chain(self.name, "forward priority 10", [*noted, *self._of_one_side(self._seen)], sets)]
        return [Chain(self.name, "forward priority 10", [*noted, *ending(self.name, of_none, self._otherwise)], sets)]

    def _of_one_side(self, seen: Sequence[str]) -> list[str]:
        """Rules for what one side sends: behind its SYN nothing is of a connection, for of no SYN it saw the answer."""
        verdict = OTHERWISE[self._otherwise]
        return [
            f"{ip} saddr {side} {IS_NOT_SYN} {way(ip, back=back)} @{self.name}_{ip}_seen counter {verdict}"
            for ip, side in zip(IP, seen, strict=True)
            for back in (False, True)
        ]

    def _change(self) -> Sequence[str]:
        return ("conntrack -F >/dev/null 2>&1",)  # what earlier connections left, whose ends may send still


class Event:
    """A fault that happens once, at its `__enter__`, and has nothing to undo: entries of connection tracking go."""

    def __init__(self, lab: Lab, name: str, protocols: Collection[Protocol]) -> None:
        if not NAME.fullmatch(name):
            raise ValueError(
                f"name of a fault: expected small letters, digits and hyphens, a letter first, got {name!r}"
            )
        self.name = name
        self._lab = lab
        self._protocols = protocols
        self._deleted: int | None = None

    def _script(self) -> Sequence[str]:
        """What happens: a script of sh, which has `delete` for entries of connection tracking, and its arguments."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        script, *arguments = self._script()
        argv = ["sh", "-euc", DELETE + script, "sh", " ".join(self._protocols), *arguments]
        said = self._lab.run("firewall", argv, timeout_s=WITHIN_S)
        if said.status != 0:
            raise LabProblem(f"the firewall refused the fault {self.name}: {said.printed}")
        self._deleted = sum(len(LIVE[each].findall(said.stdout)) for each in self._protocols)
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def hits(self) -> int:
        """How many entries of connection tracking it deleted; of TCP, those of connections that were not over."""
        if self._deleted is None:
            raise LabProblem(f"the fault {self.name} has not happened yet")
        return self._deleted


def forget_all(lab: Lab) -> None:
    """Have the firewall forget every connection, of whatever run. Raises LabProblem."""
    said = lab.run("firewall", ["conntrack", "-F"], timeout_s=WITHIN_S)
    if said.status != 0:
        raise LabProblem(f"the firewall did not forget its connections: {said.printed}")


# By who began a connection and who answers it: behind a virtual address that is not whom the first packet was sent to.
FORGET = """
delete -f ipv4 --orig-src "$1" --reply-src "$2"
delete -f ipv4 --orig-src "$2" --reply-src "$1"
delete -f ipv6 --orig-src "$3" --reply-src "$4"
delete -f ipv6 --orig-src "$4" --reply-src "$3"
"""


class Forget(Event):
    """The firewall forgets every connection between two hosts, whichever of them opened it; hits are how many.

    This alone is not seen by anybody: the next packet makes a new entry. It takes a Stateful to refuse a segment, and
    a Nat that has another mapping for the next datagram.
    """

    def __init__(
        self, lab: Lab, name: str, one: Host, other: Host, protocols: Collection[Protocol] = PROTOCOLS
    ) -> None:
        super().__init__(lab, name, protocols)
        self._hosts = one, other

    def _script(self) -> Sequence[str]:
        one, other = self._hosts
        return FORGET, one.ipv4, other.ipv4, one.ipv6, other.ipv6
