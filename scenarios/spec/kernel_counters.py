"""The names of a kernel's counters, as nstat(8) has them: the group of /proc/net/snmp, snmp6 or netstat, and a name."""

from __future__ import annotations

import re

from scenarios.spec.declaration_error import nearest, quoted

GROUPS = ("Ip", "Icmp", "IcmpMsg", "Tcp", "Udp", "UdpLite", "TcpExt", "IpExt", "MPTcpExt", "Ip6", "Icmp6", "Udp6")
NAME = re.compile(rf"(?:{'|'.join(sorted(GROUPS, key=len, reverse=True))})[A-Z0-9][A-Za-z0-9_]{{1,60}}")
# Of some hundred those that a drill is likely to ask for; any other of these groups may be asked for too.
COMMON = (
    *("TcpActiveOpens", "TcpPassiveOpens", "TcpAttemptFails", "TcpEstabResets", "TcpRetransSegs", "TcpOutRsts"),
    *("TcpInErrs", "TcpExtListenOverflows", "TcpExtListenDrops", "TcpExtTCPTimeouts", "TcpExtTCPSynRetrans"),
    *("TcpExtSyncookiesSent", "TcpExtSyncookiesRecv", "TcpExtSyncookiesFailed", "TcpExtTCPChallengeACK"),
    *("TcpExtTCPSYNChallenge", "TcpExtTCPLostRetransmit", "TcpExtTCPFastRetrans", "TcpExtTCPAbortOnData"),
    *("TcpExtTCPAbortOnClose", "TcpExtTCPAbortOnTimeout", "TcpExtTCPKeepAlive", "TcpExtTCPFastOpenActive"),
    *("TcpExtTCPFastOpenPassive", "TcpExtTCPFastOpenCookieReqd", "TcpExtTCPDSACKRecv", "TcpExtPAWSEstab"),
    *("TcpExtOutOfWindowIcmps", "TcpExtTCPBacklogDrop", "TcpExtTCPRcvQDrop", "TcpExtTCPZeroWindowDrop"),
    *("UdpInDatagrams", "UdpNoPorts", "UdpInErrors", "UdpRcvbufErrors", "UdpInCsumErrors", "IpReasmFails"),
    *("IpInAddrErrors", "IpOutNoRoutes", "IcmpInDestUnreachs", "Ip6InReceives", "Udp6InDatagrams", "Udp6NoPorts"),
)


def problem_of_counter(name: str) -> str:
    """What is wrong with the name of a counter; empty when it may be one. Which there are, only a kernel knows."""
    if NAME.fullmatch(name):
        return ""
    close = ", ".join(nearest(name, COMMON)[:3])
    return f"expected a counter's name as nstat has it, got {quoted(name)}; such as {close}"


def read_counters(printed: str) -> dict[str, int]:
    """The counters in /proc/net/snmp, netstat and snmp6, one behind the other. What cannot be read is left out."""
    found: dict[str, int] = {}
    names: list[str] = []
    for line in printed.splitlines():
        words = line.split()
        if len(words) == 2 and words[1].isdigit() and not words[0].endswith(":"):  # snmp6: a name and a value
            found[words[0]] = int(words[1])
        elif words and words[0].endswith(":"):
            group = words[0][:-1]
            if names and names[0] == group and len(names) == len(words):
                values = zip(names[1:], words[1:], strict=True)
                found |= {group + name: int(value) for name, value in values if value.lstrip("-").isdigit()}
                names = []
            else:
                names = [group, *words[1:]]
    return found
