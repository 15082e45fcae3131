"""A virtual address, as load balancers and clusters have them: the firewall forwards its packets to a host."""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.faults.kernel_fault import Chain, Standing, leg_of
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Host
from scenarios.spec.mapping_faults import Hairpin

INSIDE, OUTSIDE = "client-leg", "server-leg"
# Linux tells who sends by way of a gateway on its own network that there is a shorter way; a NAT must not.
NO_REDIRECTS = ["icmp type redirect drop", "icmpv6 type nd-redirect drop"]
TURNED = "0x7475726e"  # the mark of conversations that get an external source; those of another `vip` get none
# Where a client called the host itself a while ago, from the same port, the entry of that would be in the way: the
# kernel would give the client another port.
DIRECT = """
conntrack -D -f ipv4 -p udp --orig-dst {ipv4} >/dev/null 2>&1 || true
conntrack -D -f ipv6 -p udp --orig-dst {ipv6} >/dev/null 2>&1 || true
"""
UNMAP = """
conntrack -D -f ipv4 --orig-dst {ipv4} >/dev/null 2>&1 || true
conntrack -D -f ipv6 --orig-dst {ipv6} >/dev/null 2>&1 || true
"""


class Vip(Standing):
    """What goes from the client's side to an address that no machine has goes to `host` (nft(8), "NAT statements").

    The mapping is made at the first packet of a conversation and lives with its entry in connection tracking: with UDP,
    as long as somebody goes on sending. Of several in force the newest is asked first: the kernel puts a chain in front
    of those of its priority. Hits are the conversations that it took. The end of one ends every mapping.

    With a `hairpin` the host is on the client's side itself (spec/mapping_faults.py). With an internal source it
    answers the client straight away, and not by way of the firewall.
    """

    needs = "NAT in the inet family of nf_tables (Linux 5.2, CONFIG_NFT_NAT)"

    def __init__(self, lab: Lab, name: str, host: Host, hairpin: Hairpin | None = None) -> None:
        super().__init__(lab, name)
        self._hosts = host.ipv4, host.ipv6
        self._hairpin = hairpin
        leads_to = lab.topology.nobody if hairpin == "none" else self._hosts
        self.addresses = dict(zip(lab.topology.nobody, leads_to, strict=True))
        outside = leg_of(lab, name, OUTSIDE)
        self._outside = outside.ipv4, outside.ipv6
        self._inside = lab.topology.networks[leg_of(lab, name, INSIDE).network]

    def _chains(self) -> Sequence[Chain]:
        addresses = zip(("ip", "ip6"), self._inside, self._lab.topology.nobody, self._hosts, strict=True)
        marking = f"ct mark set {TURNED} " if self._hairpin == "external" else ""
        rules = [
            f"{ip} saddr {inside} {ip} daddr {virtual} counter {marking}"
            + ("drop" if self._hairpin == "none" else f"dnat {ip} to {host}")
            for ip, inside, virtual, host in addresses
        ]
        chains = [Chain(self.name, "prerouting priority dstnat", rules, kind="nat")]
        if self._hairpin in ("internal", "external"):
            chains.append(Chain(f"{self.name}_straight", "output priority 0", NO_REDIRECTS))
        if self._hairpin == "external":
            ways = zip(("ip", "ip6"), self._inside, self._hosts, self._outside, strict=True)
            back = [
                f"{ip} saddr {inside} {ip} daddr {host} ct mark {TURNED} snat {ip} to {outside}"
                for ip, inside, host, outside in ways
            ]
            chains.append(Chain(f"{self.name}_back", "postrouting priority srcnat", back, kind="nat"))
        return chains

    def _change(self) -> Sequence[str]:
        (ipv4, ipv6), (host4, host6) = self._lab.topology.nobody, self._hosts
        return f'{DIRECT.format(ipv4=host4, ipv6=host6)}defer "$1"', UNMAP.format(ipv4=ipv4, ipv6=ipv6)
