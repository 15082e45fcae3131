"""An address of a lab's network for the machine itself, and a route through the lab's firewall: given, and taken back.

The scripts run on the machine `cables`, which is in the machine's own network namespace and may change it. What the
machine's kernel takes from the lab's network meanwhile: answers to TCP connections and UDP datagrams that it began,
ICMP errors about them, and the ports that were named; at this one address, and nothing that would be routed on. So no
service of the machine, at whichever address, can be reached from the lab.
"""

from __future__ import annotations

from typing import Final

# Words: bridge, lab, for each family the address with its length, the gateway, the other network; then the open ports.
GIVE: Final = """
bridge=$1 table=faultwire_here_$2 ipv4=$3 gateway4=$4 other4=$5 ipv6=$6 gateway6=$7 other6=$8
shift 8
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
        meta l4proto udp ct state established accept
        icmp type { echo-reply, destination-unreachable, time-exceeded, parameter-problem } accept
        icmpv6 type { echo-reply, destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept
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
