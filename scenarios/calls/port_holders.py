"""Find the program that holds a port of a host, where a server cannot have it: one left running, say.

A program of a run is none of these: it carries a mark, and is swept when the next run begins (lab/lab.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from docker.errors import DockerException

from scenarios.lab import engine
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.spec.service import ServiceChoice

ANSWERS_WITHIN_S = 10
SOCKETS = ("ss", "-Hlnp")
OF_TRANSPORT = {"tcp": "--tcp", "udp": "--udp"}
PID = re.compile(r"\bpid=(\d+)\b")  # in the last column of `ss -p`: users:(("python",pid=123,fd=3))


def holders(lab: Lab, host: str, chosen: ServiceChoice) -> list[str]:
    """Each program that listens on the port of a service on a host, as `pid 7, `nc -l 7`, since …; … ends it`."""
    where = f"sport = :{chosen.port}"
    listed = lab.run(host, [*SOCKETS, OF_TRANSPORT[chosen.transport], where], timeout_s=ANSWERS_WITHIN_S).stdout
    if not listed.strip():
        return []
    pids = sorted({*PID.findall(listed)}, key=int)
    return (
        [_process(lab, host, pid) for pid in pids] or [*_containers(lab, host)] or ["a program that could not be found"]
    )


def _process(lab: Lab, host: str, pid: str) -> str:
    asked = lab.run(host, ["ps", "-o", "etimes=,args=", "-p", pid], timeout_s=ANSWERS_WITHIN_S).stdout.strip()
    seconds, _, command = asked.partition(" ")
    since = f", since {_ago(int(seconds))}" if seconds.isdecimal() else ""
    ends = f"`docker exec {lab.container(host)} kill {pid}` ends it"
    return f"pid {pid}, `{command.strip() or '?'}`{since}; {ends}"


def _containers(lab: Lab, host: str) -> Iterator[str]:
    """The containers that have the network of a host: a socket of theirs is seen on it, and their processes are not."""
    of_host = engine.client().containers.get(lab.container(host)).id
    for each in engine.client().containers.list(ignore_removed=True):
        if each.attrs["HostConfig"]["NetworkMode"] in (f"container:{of_host}", f"container:{lab.container(host)}"):
            command = " ".join([each.attrs["Path"], *each.attrs["Args"]])
            since = each.attrs["State"]["StartedAt"].partition(".")[0].replace("T", " ")
            yield f"container {each.name}, `{command}`, since {since} UTC; `docker rm --force {each.name}` ends it"


def _ago(seconds: int) -> str:
    """`2026-11-26 18:40:12 UTC (25 min)`."""
    since = datetime.now(UTC) - timedelta(seconds=seconds)
    return f"{since:%Y-%m-%d %H:%M:%S} UTC ({f'{seconds // 60} min' if seconds >= 60 else f'{seconds} s'})"


def check_free(lab: Lab, host: str, chosen: ServiceChoice) -> None:
    """Raise LabProblem, naming who, when somebody listens already where the server of a service is to listen."""
    if held := holders(lab, host, chosen):
        raise LabProblem(_words(host, chosen, held))


def explained(lab: Lab, host: str, chosen: ServiceChoice, problem: LabProblem) -> LabProblem:
    """The problem of a server that did not come to listen, with who holds its port, if somebody does."""
    try:
        held = holders(lab, host, chosen)
    except (LabProblem, DockerException, OSError):  # the host or the engine is gone: that is the problem, and is told
        return problem
    return LabProblem(f"{_words(host, chosen, held)}\n{problem}") if held else problem


def _words(host: str, chosen: ServiceChoice, held: list[str]) -> str:
    return f"port {chosen.port} of {host}, for {chosen.name}, is held by {' and by '.join(held)}"
