"""When a host's kernel alone would end a connection on which a program waits, or that it never would.

`ss` on the host shows a socket's state, its timer and its retransmission timeout; the kernel's settings say how often
it tries. A program may have set it for its socket otherwise (TCP_USER_TIMEOUT, as gRPC does with its keepalive;
TCP_SYNCNT), and no table of the kernel tells that. It asks no host. Sources: tcp(7), ip-sysctl of the kernel's
documentation, and net/ipv4/tcp_timer.c.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from scenarios.evidence.record import Waiting

INITIAL_RTO_S: Final = 1.0  # of a SYN (RFC 6298, 2.1)
RTO_MIN_S: Final = 0.2  # TCP_RTO_MIN, from which Linux reckons the time that tcp_retries2 stands for
RTO_MAX_S: Final = 120.0  # TCP_RTO_MAX
SOON_S: Final = 60.0
KEEPALIVE: Final = "the kernel alone would end it only if nobody answered its keepalive"
UNLESS: Final = ", unless the program set "
OF_DATA: Final = "TCP_USER_TIMEOUT"
OF_SYN: Final = "TCP_SYNCNT or TCP_USER_TIMEOUT"
NEVER: Final = "the kernel alone would never end it"


def kernel_end(found: Sequence[Waiting], settings: Mapping[str, str]) -> str:
    """What the kernel alone would make of these sockets; empty where that is not known, or not the same for all."""
    told = {_of_one(each, settings) for each in found}
    return told.pop() if len(told) == 1 else ""


def _of_one(waiting: Waiting, settings: Mapping[str, str]) -> str:
    socket = waiting.socket
    if socket.transport == "udp":
        return NEVER
    if socket.state == "SYN-SENT":
        retries, linear = (_number(settings, f"net.ipv4.tcp_syn_{key}") for key in ("retries", "linear_timeouts"))
        return _ends(syn_gives_up_s(retries, linear or 0), OF_SYN) if retries is not None else ""
    if waiting.timer == "on" and socket.send_q:
        retries = _number(settings, "net.ipv4.tcp_retries2")
        return _ends(data_gives_up_s(waiting.rto_s, retries), OF_DATA) if retries is not None else ""
    if waiting.timer == "keepalive":
        return KEEPALIVE if waiting.left_s < SOON_S else f"{KEEPALIVE}, from about {waiting.left_s / 60:.0f} min on"
    if waiting.timer or socket.send_q or socket.state not in ("ESTABLISHED", "CLOSE-WAIT", "FIN-WAIT-2"):
        return ""
    return NEVER


def syn_gives_up_s(retries: int, linear: int) -> float:
    """After how long Linux gives up a connect() that nobody answers: 127 s with 6 retries, 131 s with 4 linear ones."""
    return INITIAL_RTO_S * (linear + (2 << retries) - 1)


def data_gives_up_s(rto_s: float, retries: int) -> float:
    """After how long Linux gives up data that nobody acknowledges: at the first retransmission timeout that is later
    than what tcp_retries2 stands for, counted from the first retransmission (retransmits_timed_out())."""
    doublings = int(math.log2(RTO_MAX_S / RTO_MIN_S))
    enough_s = (2 ** (min(retries, doublings) + 1) - 1) * RTO_MIN_S + max(0, retries - doublings) * RTO_MAX_S
    timeout_s = first_s = at_s = max(rto_s, RTO_MIN_S)
    while at_s - first_s < enough_s:
        timeout_s = min(2 * timeout_s, RTO_MAX_S)
        at_s += timeout_s
    return at_s


def _ends(after_s: float, option: str) -> str:
    return f"the kernel alone would end it after about {after_s:.0f} s{UNLESS}{option}"


def _number(settings: Mapping[str, str], name: str) -> int | None:
    value = settings.get(name, "")
    return int(value) if value.isdecimal() else None
