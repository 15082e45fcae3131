"""An address of a lab's network for the machine itself, and a route through the lab's firewall: given, and taken back.

The scripts run on the machine `cables`, which is in the machine's own network namespace and may change it. What the
machine's kernel takes from the lab's network meanwhile, at this one address, and nothing that would be routed on:
segments of TCP connections that it began, ICMP errors, the ports that were named, and datagrams to a port from which it
has sent one to a host of the lab. The last may come from a port or an address that was not asked, as TFTP's do (RFC
1350): a socket that is not connected takes them, and another drops them by itself. So no service of the machine, at
whichever address, can be reached from the lab, but one that itself has sent a datagram to a host there. What was not
let in is counted by its port, for whoever waits for it.
"""

from __future__ import annotations

from typing import Final

# Words: bridge, lab, for each family the address with its length, the gateway, the other network; the broadcast
# address; then the open ports. A service of the machine that broadcasts on each of its networks asks nobody there.
GIVE: Final = """
bridge=$1 table=faultwire_here_$2 ipv4=$3 gateway4=$4 other4=$5 ipv6=$6 gateway6=$7 other6=$8 broadcast=$9
shift 9
take() {
    ip address flush dev "$bridge" 2>/dev/null
    ip -4 route flush dev "$bridge" 2>/dev/null
    ip -6 route flush dev "$bridge" 2>/dev/null
    nft "add table inet $table; delete table inet $table" 2>/dev/null
}
trap take EXIT
trap 'exit 1' TERM INT HUP
ports=
for port in "$@"; do
    ports="$ports
        tcp dport $port accept
        udp dport $port accept"
done
read -r _
nft -f - <<RULES
add table inet $table
delete table inet $table
table inet $table {
    set asked4 { type inet_service; flags dynamic, timeout; timeout 10m; size 65536; }
    set asked6 { type inet_service; flags dynamic, timeout; timeout 10m; size 65536; }
    set refused { type inet_proto . inet_service; flags dynamic; size 1024; }
    chain output {
        type filter hook output priority 0
        oifname != "$bridge" return
        ip daddr $broadcast return
        ip saddr ${ipv4%/*} ip daddr { $ipv4, $other4 } update @asked4 { udp sport }
        ip6 saddr ${ipv6%/*} ip6 daddr { $ipv6, $other6 } update @asked6 { udp sport }
    }
    chain input {
        type filter hook input priority -150
        iifname "$bridge" goto from_lab
    }
    chain forward {
        type filter hook forward priority -150
        iifname "$bridge" oifname != "$bridge" drop
        oifname "$bridge" iifname != "$bridge" drop
    }
    chain from_lab {
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        meta nfproto ipv4 ip daddr != ${ipv4%/*} drop
        meta nfproto ipv6 ip6 daddr != ${ipv6%/*} drop$ports
        tcp flags & (syn | ack) != syn accept
        meta nfproto ipv4 udp dport @asked4 accept
        meta nfproto ipv6 udp dport @asked6 accept
        icmp type { echo-reply, destination-unreachable, time-exceeded, parameter-problem } accept
        icmpv6 type { echo-reply, destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept
        meta l4proto { tcp, udp } add @refused { meta l4proto . th dport }
        drop
    }
}
RULES
ip -4 address add "$ipv4" dev "$bridge"
ip -4 route add "$other4" via "$gateway4" dev "$bridge"
ip -6 address add "$ipv6" dev "$bridge" nodad
ip -6 route add "$other6" via "$gateway6" dev "$bridge"
echo '{"id": 1}'
cat >/dev/null
"""
# The same is undone when a run was killed, and what it had started with it: bridges have no address by themselves.
TAKE: Final = """
for bridge in "fw$1-client" "fw$1-server"; do
    [ -d "/sys/class/net/$bridge" ] || continue
    if [ -n "$(ip -o -4 address show dev "$bridge")" ]; then echo "fault: the machine's address on $bridge"; fi
    ip address flush dev "$bridge"
    ip -4 route flush dev "$bridge"
    ip -6 route flush dev "$bridge"
done
nft "add table inet faultwire_here_$1; delete table inet faultwire_here_$1"
"""
# Words: lab. A line for each protocol and port at which the machine did not let in what came: `tcp . 4000`.
REFUSED: Final = """
nft list set inet "faultwire_here_$1" refused | grep -oE '[a-z0-9]+ [.] [0-9]+' || true
"""
