"""The injector's rate beside that of a bare loop on NFQUEUE, in turns: what its own work costs, whatever the machine.

The bare loop takes each packet from a queue of its own and lets it go, in the same Python with the same library: what
no injector in Python can be quicker than. Both are measured from the first datagram sent to the last dealt with.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

from images.firewall.inject.declared import Drop, Pick
from scenarios.calls.caller import Caller
from scenarios.faults.injector import Injector
from scenarios.faults.kernel_fault import Standing
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab

PORT = 21_900
DATAGRAMS = 60_000
ROUNDS = 5
QUEUE = 4243  # not the injector's

# Sends so many datagrams as fast as it can, and prints how long that took.
FLOOD = """
import socket, sys, time
flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
flood.connect((sys.argv[1], int(sys.argv[2])))
began = time.monotonic()
for _ in range(int(sys.argv[3])):
    try:
        flood.send(bytes(32))
    except OSError:  # ECONNREFUSED: nobody listens, and somebody said so
        pass
print(time.monotonic() - began)
"""
# Prints how many packets came, and when the last was dealt with, by the clock that all containers of a machine share.
BARE = """
import select, socket, sys, time
from netfilterqueue import NetfilterQueue
count, last = 0, 0.0
def take(packet):
    global count, last
    packet.accept()
    count, last = count + 1, time.monotonic()
queue = NetfilterQueue()
queue.bind(int(sys.argv[1]), take, 16384)
opened = socket.fromfd(queue.get_fd(), socket.AF_UNIX, socket.SOCK_STREAM)
opened.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
opened.setblocking(False)
print("listening", flush=True)
while select.select([opened], [], [], 2 if count else 20)[0]:
    queue.run_socket(opened)
queue.unbind()
print("took", count, last, flush=True)
"""
CHANGE = """
rule="PREROUTING -s $1 -d $2 -p udp --dport $3 -j NFQUEUE --queue-num $4 --queue-bypass"
defer "iptables -t raw -D $rule"
iptables -t raw -I $rule
"""


class _BareQueue(Standing):
    """The flow goes by a queue of its own, which nobody but the bare loop reads."""

    def _change(self) -> Sequence[str]:
        hosts = self._lab.topology.hosts
        return CHANGE, hosts["client"].ipv4, hosts["server"].ipv4, str(PORT), str(QUEUE)


def measured(lab: Lab, caller: Caller, injector: Injector) -> tuple[float, float]:
    """How many packets a second go through the injector, of which it drops none; and through the bare loop."""
    rates: dict[str, list[float]] = {"injector": [], "bare": []}
    for number in range(ROUNDS):
        for way in (_by_injector, _by_bare_loop)[:: 1 if number % 2 else -1]:
            name = "injector" if way is _by_injector else "bare"
            rates[name].append(way(lab, caller, injector))
    return median(rates["injector"]), median(rates["bare"])


def _flood(lab: Lab) -> list[str]:
    return ["python", "-c", FLOOD, lab.topology.hosts["server"].ipv4, str(PORT), str(DATAGRAMS)]


def _by_injector(lab: Lab, caller: Caller, injector: Injector) -> float:
    client, server = lab.topology.hosts["client"], lab.topology.hosts["server"]
    pick = Pick(client.ipv4, server.ipv4, of="udp", to_port=PORT, percent=0)
    with injector.fault("all-that-come", Drop(), pick) as fault:
        began_s = time.monotonic()
        flood = caller.start(client.name, _flood(lab), timeout_s=60)
        seen, done_s, is_over = 0, began_s, False
        while not is_over or fault.hits().seen > seen:  # also what still waits in the queue
            is_over = flood.ended
            if (now_seen := fault.hits().seen) > seen:
                seen, done_s = now_seen, time.monotonic()
        if (ended := flood.wait()).status != 0:
            raise LabProblem(f"the flood of datagrams failed (status {ended.status}): {ended.printed}")
    return seen / (done_s - began_s)


def _by_bare_loop(lab: Lab, caller: Caller, injector: Injector) -> float:  # noqa: ARG001 (it runs, and has nothing to do)
    argv = ["python3", "-c", BARE, str(QUEUE)]
    with _BareQueue(lab, "bare-queue"), lab.running("firewall", argv) as loop:
        loop.wait_for_line("listening", 10)
        began_s = time.monotonic()
        if (ended := caller.call("client", _flood(lab), timeout_s=60)).status != 0:
            raise LabProblem(f"the flood of datagrams failed (status {ended.status}): {ended.printed}")
        told = loop.wait_for_line(r"^took (\d+) ([\d.]+)$", 30)
    return int(told[1]) / (float(told[2]) - began_s)
