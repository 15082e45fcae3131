"""Firewalls with low limits: of connections, of new ones in a second, and of the bit rate of each conversation.

And one that answers a SYN itself before it troubles the server (nft(8), "SYNPROXY STATEMENT"; RFC 4987, 3.6).
"""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.faults.conntrack import IP, IS_NOT_SYN, IS_SYN, OTHERWISE, way
from scenarios.faults.kernel_fault import Chain, Standing, leg_of
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Host
from scenarios.spec.kernel_faults import Otherwise, Protocol

INSIDE = "client-leg"


class Limit(Standing):
    """So many connections over TCP may be open at once, or be opened in a second. Hits are the SYNs beyond.

    Connections that were there before it do not count: it knows those whose SYN it saw.
    """

    needs = "the limit of connections in nf_tables (Linux 4.18, CONFIG_NFT_CONNLIMIT, CONFIG_NFT_LIMIT)"

    def __init__(
        self,
        lab: Lab,
        name: str,
        connections: int | None = None,
        new_per_s: int | None = None,
        otherwise: Otherwise = "silence",
    ) -> None:
        super().__init__(lab, name)
        over = f"limit rate over {new_per_s}/second burst {new_per_s} packets"
        self._over = f"ct count over {connections}" if connections is not None else over
        self._otherwise = otherwise

    def _chains(self) -> Sequence[Chain]:
        rule = f"{IS_SYN} {self._over} counter {OTHERWISE[self._otherwise]}"
        return [Chain(self.name, "forward priority 10", [rule])]


class Police(Standing):
    """Of each conversation between two hosts, one way, so many bytes a second pass. Hits are the packets dropped.

    A bucket of nf_tables holds what comes in a second, and `burst_bytes` more.
    """

    needs = "dynamic sets with a limit in each element (Linux 4.18, CONFIG_NFT_LIMIT)"

    def __init__(
        self,
        lab: Lab,
        name: str,
        source: Host,
        destination: Host,
        bits_per_s: int,
        burst_bytes: int,
        of: Protocol | None = None,
    ) -> None:
        super().__init__(lab, name)
        self._ends = source, destination
        self._over = f"limit rate over {bits_per_s // 8} bytes/second burst {burst_bytes} bytes"
        self._of = of or "{ tcp, udp }"

    def _chains(self) -> Sequence[Chain]:
        source, destination = self._ends
        rules, sets = [], []
        for ip, one, other in ((IP[0], source.ipv4, destination.ipv4), (IP[1], source.ipv6, destination.ipv6)):
            flows = f"{self.name}_{ip}_flows"
            key = f"{ip} saddr . th sport . {ip} daddr . th dport . meta l4proto"
            sets.append((flows, f"typeof {key}; size 65535; flags dynamic, timeout;"))
            match = f"meta l4proto {self._of} {ip} saddr {one} {ip} daddr {other}"
            rules.append(f"{match} update @{flows} {{ {key} timeout 1d {self._over} }} counter drop")
        return [Chain(self.name, "forward priority 10", rules, sets)]


class SynProxy(Standing):
    """The firewall opens connections from the client's side in the server's place. Hits are the SYNs answered.

    A SYN is not tracked, so that no entry is made for it; the ACK that brings the cookie back makes one, and the SYN to
    the server is of that. So an ACK that is of no connection is one of them, or nobody's: it is dropped.
    """

    needs = "the SYN proxy in nf_tables (Linux 5.4, CONFIG_NFT_SYNPROXY)"

    def __init__(self, lab: Lab, name: str, mss: int) -> None:
        super().__init__(lab, name)
        self._proxy = f"synproxy mss {mss} wscale 7 timestamp sack-perm"
        self._inside = lab.topology.networks[leg_of(lab, name, INSIDE).network]

    def _chains(self) -> Sequence[Chain]:
        untracked, rules, sets = [], [], []
        for ip, inside in zip(IP, self._inside, strict=True):
            seen = f"{self.name}_{ip}_seen"
            sets.append((seen, f"typeof {way(ip)}; size 65535; flags dynamic, timeout;"))
            untracked.append(f"{ip} saddr {inside} {IS_SYN} notrack")
            noting_it = f"update @{seen} {{ {way(ip)} timeout 1d }}"
            rules += [
                f"{ip} saddr {inside} {IS_SYN} ct state untracked {noting_it} counter {self._proxy}",
                f"{ip} saddr {inside} {IS_NOT_SYN} {way(ip)} @{seen} ct state {{ new, invalid }} {self._proxy}",
            ]
        return [
            Chain(f"{self.name}_raw", "prerouting priority raw", untracked),
            Chain(self.name, "forward priority 0", rules, sets),
        ]

    def _change(self) -> Sequence[str]:
        return ("conntrack -F >/dev/null 2>&1",)  # what earlier connections left, whose ports may come again
