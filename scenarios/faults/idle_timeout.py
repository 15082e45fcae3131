"""A firewall that forgets a connection on which nothing was sent for a while, as those of homes and clouds do.

The memory is a dynamic set of nftables whose elements time out (nft(8), "Set statement"), one for each connection: new
at its SYN, or at its first datagram from the client's side, and renewed by every packet of either direction. `ct
timeout` would be the other way: it counts in whole seconds, and a kernel may be without it
(CONFIG_NF_CONNTRACK_TIMEOUT), while sets belong to nf_tables itself. So a Forget, which is about connection tracking,
does nothing to this memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.faults.conntrack import IP, IS_SYN, ending, noting, way
from scenarios.faults.kernel_fault import Chain, Standing, leg_of
from scenarios.lab.lab import Lab
from scenarios.lab.topology import BACKEND_NET
from scenarios.spec.kernel_faults import Otherwise, Protocol, check_idle_time

IS_TCP, IS_UDP = "meta l4proto tcp", "meta l4proto udp"
MIDDLE = "server-leg"
INSIDE = "client-leg"  # who is behind this leg may begin a conversation over UDP (RFC 4787, 5)


class IdleTimeout(Standing):
    """A TCP connection without a segment for `after_s` seconds is forgotten by the firewall.

    From then on its segments are dropped, or refused by a TCP reset, and so are those of connections that began before
    the fault; a SYN begins a new one. Hits are these segments, but only of connections that began after the fault.

    Of UDP it is a conversation between two addresses and ports: whoever is on the client's side may begin one and go on
    with it at any time, as behind a NAT (RFC 4787, 4.3). Hits are the datagrams of the other side that came too late.
    """

    needs = "dynamic sets with timeouts in nf_tables (Linux 4.3)"

    def __init__(
        self, lab: Lab, name: str, after_s: float, otherwise: Otherwise = "silence", protocol: Protocol = "tcp"
    ) -> None:
        super().__init__(lab, name)
        check_idle_time(after_s)
        if protocol == "udp" and otherwise != "silence":
            raise ValueError(f"{name}: {otherwise} answers TCP only; use silence for UDP")
        self._after_ms = round(after_s * 1000)
        self._otherwise = otherwise
        self._protocol: Protocol = protocol
        networks = lab.topology.networks
        self._inside = networks[leg_of(lab, name, INSIDE).network]
        # and a program in the middle, which is a client too, with its backend
        behind = networks.get(BACKEND_NET, ("", ""))
        self._middle = networks[leg_of(lab, name, MIDDLE).network], behind

    def _chains(self) -> Sequence[Chain]:
        rules, sets = self._of_tcp() if self._protocol == "tcp" else self._of_udp()
        return [Chain(self.name, "forward priority 10", rules, sets)]

    def _live(self, ip: str, key: str) -> tuple[str, str]:
        return f"{self.name}_{ip}_live", f"typeof {key}; size 65535; flags dynamic, timeout;"

    def _renewing(self, ip: str, key: str) -> str:
        return f"update @{self.name}_{ip}_live {{ {key} timeout {self._after_ms}ms }}"

    def _of_tcp(self) -> tuple[list[str], list[tuple[str, str]]]:
        rules, sets = noting(self.name)
        for ip in IP:
            there, back = way(ip), way(ip, back=True)
            sets.append(self._live(ip, there))
            rules.append(f"{IS_SYN} {self._renewing(ip, there)} accept")
            rules += [f"{of} @{self.name}_{ip}_live {self._renewing(ip, of)} accept" for of in (there, back)]
        return [*rules, *ending(self.name, IS_TCP, self._otherwise)], sets

    def _of_udp(self) -> tuple[list[str], list[tuple[str, str]]]:
        rules, sets = [], []
        for ip, inside, middle, behind in zip(IP, self._inside, *self._middle, strict=True):
            there, back = (way(ip, back=each, protocol="udp") for each in (False, True))
            seen = f"{self.name}_{ip}_seen"
            sets += [self._live(ip, there), (seen, f"typeof {there}; size 65535; flags dynamic, timeout;")]
            noting_it = f"update @{seen} {{ {there} timeout 1d }}"
            begins = [f"{ip} saddr {inside}"]
            begins += [f"{ip} saddr {middle} {ip} daddr {behind}"] if behind else []
            rules += [
                *(f"{each} {IS_UDP} {noting_it} {self._renewing(ip, there)} accept" for each in begins),
                f"{back} @{self.name}_{ip}_live {self._renewing(ip, back)} accept",
                f"{back} @{seen} counter drop",
            ]
        return [*rules, f"{IS_UDP} drop"], sets
