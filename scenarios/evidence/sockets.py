"""Every socket of every host of a lab, with its state and its queues: netstat, for all hosts at once.

`ss` on each host reads the kernel's tables; its words for the states are put into those of RFC 9293.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from rich.table import Table

from scenarios.evidence.record import Socket, Waiting
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.markup import escape
from scenarios.lab.places import typed

COMMAND = ("ss", "--no-header", "--numeric", "--all", "--tcp", "--udp", "--oneline", "--options")
WITH_PROGRAMS = (*COMMAND, "--processes")
WITHIN_S = 5
# Docker's own resolver listens inside each host; those two sockets belong to no program of the lab.
DOCKER_RESOLVER = "127.0.0.11:"
RFC_9293 = {"ESTAB": "ESTABLISHED", "SYN-RECV": "SYN-RECEIVED", "UNCONN": ""}
# `119min`, `1min30sec`, `59sec`, `804ms`, and below ten seconds `3.064sec`, or, before that, `3.064ms`, which is
# 3 seconds and 64 milliseconds too.
TIMER = re.compile(r"timer:\((\w+),(?:(\d+)min)?(?:(\d+)(?:sec|\.(?=\d+(?:ms|sec))))?(?:(\d+)(?:ms|sec))?,")
RTO = re.compile(r"\brto:([\d.]+)")
BACKOFF = re.compile(r"\bbackoff:(\d+)")
PROGRAM = re.compile(r'\("(.*?)",pid=(\d+),fd=\d+\)')
ADDRESS = re.compile(r"(\*|[0-9.]+|\[[0-9a-f:.]+\])(%[\w.@-]+)?:(\d+|\*)")


def parse(text: str, host: str, byteorder: str) -> list[Socket]:
    """What `ss` printed, without Docker's own sockets. Raises ValueError for a line that is not a socket."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        transport, state, recv_q, send_q, local, peer = (words + [""] * 6)[:6]
        wrong = ""
        if len(words) < 6:
            wrong = f"expected 6 columns, got {len(words)}"
        elif transport not in ("tcp", "udp"):
            wrong = f"expected tcp or udp, got {transport!r}"
        elif not (recv_q.isdecimal() and send_q.isdecimal()):
            wrong = f"expected two numbers of bytes, got {recv_q!r} and {send_q!r}"
        elif not (ADDRESS.fullmatch(local) and ADDRESS.fullmatch(peer)):
            wrong = f"expected two addresses with ports, got {local!r} and {peer!r}"
        if wrong:
            raise ValueError(f"ss on {host}, line {number}: {wrong}: {line!r}")
        if not local.startswith(DOCKER_RESOLVER):
            state = RFC_9293.get(state, state)
            queues = int(recv_q), int(send_q)
            _, timer_s = _timer(line)
            found.append(Socket(host, byteorder, transport, state, *queues, local, peer, _programs(line), timer_s))
    return found


def _timer(line: str) -> tuple[str, float | None]:
    """The kernel's timer of a socket and the seconds that are left of it: "timewait", 59.0; "", None without one.

    One that ss writes in another way is "unread": that there is none would be a word about the kernel.
    """
    if not (found := TIMER.search(line)):
        return ("unread" if "timer:(" in line else ""), None
    minutes, seconds, milliseconds = (int(each or 0) for each in found.groups()[1:])
    return found[1], minutes * 60 + seconds + milliseconds / 1000


def _programs(line: str) -> tuple[str, ...]:
    """Who has the socket open, each once: `7/python`. Empty in TIME-WAIT, and for a program of another image."""
    return tuple(dict.fromkeys(f"{pid}/{name}" for name, pid in PROGRAM.findall(line)))


# `cables` is in the network namespace of the machine that the lab runs on: its sockets are none of ours. `meter` has no
# network.
WITHOUT_SOCKETS = ("cables", "meter")


def _has_sockets(machine: str, state: str) -> bool:
    return machine not in WITHOUT_SOCKETS and state not in ("absent", "created", "exited", "dead")


def _byteorder(lab: Lab, machine: str) -> str:
    # What is no end host is not emulated: it has the byte order of the machine that we run on.
    host = lab.topology.hosts.get(machine)
    return host.byteorder if host else sys.byteorder


def sockets(lab: Lab) -> list[Socket]:
    """Every TCP and UDP socket of the lab with its programs, host by host; a host that does not run has none.

    Raises LabProblem when nothing of the lab runs, or `ss` fails.
    """
    running = [name for name, state in lab.states().items() if _has_sockets(name, state)]
    if not running:
        raise LabProblem(f"lab {lab.number} is not up; `{typed('up', lab=lab.number)}` starts it")
    with ThreadPoolExecutor() as pool:
        return [
            each for found in pool.map(lambda name: of_machine(lab, name, WITH_PROGRAMS), running) for each in found
        ]


def of_machine(lab: Lab, name: str, command: Sequence[str] = COMMAND) -> list[Socket]:
    """Every TCP and UDP socket of a machine that runs. Raises LabProblem when `ss` fails."""
    listed = lab.run(name, command, timeout_s=WITHIN_S)
    if listed.status != 0:
        raise LabProblem(f"ss on {name} failed (status {listed.status}): {listed.printed}")
    return parse(listed.stdout, name, _byteorder(lab, name))


def waiting_sockets(lab: Lab, name: str) -> list[Waiting]:
    """Every socket of a host, with its timer. Raise LabProblem when `ss` fails."""
    listed = lab.run(name, (*COMMAND, "--info"), timeout_s=WITHIN_S)
    if listed.status != 0:
        raise LabProblem(f"ss on {name} failed (status {listed.status}): {listed.printed}")
    return parse_waiting(listed.stdout, name)


def parse_waiting(text: str, host: str) -> list[Waiting]:
    """What `ss --options --info` printed, a line each socket. Raise ValueError for a line that is not a socket."""
    found = []
    for line in text.splitlines():
        for socket in parse(line, host, ""):  # none, for those of Docker's own resolver
            (timer, left_s), rto, backoff = _timer(line), RTO.search(line), BACKOFF.search(line)
            first_rto_s = float(rto[1]) / 1000 / 2 ** int(backoff[1] if backoff else 0) if rto else 0.0
            found.append(Waiting(socket, timer, left_s or 0.0, first_rto_s))
    return found


def table(found: Sequence[Socket]) -> Table:
    """As netstat prints them, host by host."""
    made = Table(box=None, pad_edge=False)
    addresses = ("Local Address", "Foreign Address")
    for column in ("Host", "Byte order", "Proto", "Recv-Q", "Send-Q", *addresses, "State", "PID/Program"):
        made.add_column(column, justify="right" if column.endswith("-Q") else "left", no_wrap=True)
    for each in found:
        queues = (str(each.recv_q), str(each.send_q))
        ends = (escape(each.local), escape(each.peer), each.state, escape(" ".join(each.programs)) or "-")
        made.add_row(each.host, each.byteorder, each.proto, *queues, *ends)
    return made
