"""Inside the hosts of a lab, for tests that are not on them: sockets of a host's kernel, programs of a host's Python.

A socket keeps the network namespace of the thread that made it (network_namespaces(7)), so a test may make one on any
host and use it like its own. A program that enters a host's namespaces has its network, its files, its Python and its
user. What it does not have of the container is its process numbers, its cgroup and its seccomp filter: it is a process
of this machine, so a test can signal it, wait for it, and read its /proc. All of this is for root only (setns(2)).
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from scenarios.lab import engine
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Host
from tests.services.forking import RUN, Signalled
from tests.services.running import PATIENCE_S, Family, eventually

CLONE_NEWNET: Final = 0x40000000  # linux/sched.h
PR_SET_CHILD_SUBREAPER: Final = 36  # linux/prctl.h
_libc: Final = ctypes.CDLL(None, use_errno=True)  # os.setns is there from Python 3.12 on

# It has imported all that the servers import, and forks for each: an emulated Python needs a second to start. A fork of
# a fork, whose parent ends, so that it becomes a child of the test's process.
_FORKING: Final = (
    RUN
    + """
import json, os, socket
from services.forkserver.warming import rehearse, warm
control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, int(sys.argv[1]))
for module in sys.argv[2:]:
    warm(module)
rehearse()
control.send(b"ready")
while True:
    asked, descriptors, _, _ = socket.recv_fds(control, 65536, 1)
    if not asked:
        break
    words, files = json.loads(asked)
    reading, writing = os.pipe()
    if between := os.fork():
        os.waitpid(between, 0)
        control.send(os.read(reading, 32))
        for descriptor in (reading, writing, *descriptors):
            os.close(descriptor)
        continue
    if program := os.fork():
        os.write(writing, b"%d" % program)
        os._exit(0)
    control.close()
    os.dup2(descriptors[0], 2)
    for descriptor in (reading, writing, *descriptors):
        os.close(descriptor)
    run(words, files)
    break
"""
)


def why_not() -> str:
    """Why no host can be entered from here; empty where they can."""
    return "" if os.geteuid() == 0 else "entering the hosts of a lab (setns(2)) takes root"


@dataclass(frozen=True, slots=True)
class Inside:
    """A host of a lab that can be entered. `pid`: a process of it, as this machine numbers them."""

    host: Host
    pid: int
    environment: dict[str, str]

    @contextmanager
    def network(self) -> Iterator[None]:
        """The sockets that this thread makes in the `with` block are the host's."""
        with (
            Path(f"/proc/{self.pid}/ns/net").open("rb") as theirs,
            Path("/proc/thread-self/ns/net").open("rb") as ours,
        ):
            _set_network(theirs)
            try:
                yield
            finally:
                _set_network(ours)

    def popen(self, argv: Sequence[str], kept: int) -> subprocess.Popen[bytes]:
        """Start a program on the host, as its user. It has the descriptor `kept` under the same number."""
        owner = Path(f"/proc/{self.pid}").stat()
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--net", "--ipc", "--uts"]
        enter += [f"--setuid={owner.st_uid}", f"--setgid={owner.st_gid}"]
        return subprocess.Popen([*enter, *argv], env=self.environment, pass_fds=[kept], stdin=subprocess.DEVNULL)


def inside(lab: Lab, name: str) -> Inside:
    """This host of the lab. Fails where the processes of the Docker Engine are not those of this machine."""
    attributes = engine.client().containers.get(lab.container(name)).attrs
    environment = dict(each.split("=", 1) for each in attributes["Config"]["Env"])
    found = Inside(lab.topology.hosts[name], attributes["State"]["Pid"], environment)
    with found.network(), socket.socket() as own:
        own.bind((found.host.ipv4, 0))  # EADDRNOTAVAIL: it is another's network
    return found


def _set_network(of: IO[bytes]) -> None:
    if _libc.setns(of.fileno(), CLONE_NEWNET) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "setns")


class Adopted(Signalled):
    """A process that is a child of ours since its parent has ended. As subprocess.Popen."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        if self._status is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if ended else None
        return self._status

    def wait(self, timeout: float) -> int:
        eventually(lambda: self.poll() is not None, f"process {self.pid} has ended", timeout)
        assert self._status is not None
        return self._status


class Between:
    """A Place of the contract's: the servers are on one host, and their peers on another, across the firewall."""

    def __init__(self, servers: Inside, peers: Inside, control: socket.socket) -> None:
        self._servers, self._peers, self._control = servers, peers, control
        self.byteorder = servers.host.byteorder
        self._one_at_a_time = threading.Lock()

    def address(self, family: Family = "ipv4") -> str:
        return self._servers.host.address(family)

    def python(self, words: Sequence[str], stderr: IO[bytes], files: int = 0) -> Adopted:
        with self._one_at_a_time:
            socket.send_fds(self._control, [json.dumps([words, files]).encode()], [stderr.fileno()])
            return Adopted(int(self._control.recv(32)))

    def peers(self) -> AbstractContextManager[None]:
        return self._peers.network()


@contextmanager
def between(servers: Inside, peers: Inside, modules: Sequence[str]) -> Iterator[Between]:
    """The place, for the time of the `with` block. `modules` are those whose imports are done beforehand."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        with ours, theirs:
            forking = servers.popen(["python", "-c", _FORKING, str(theirs.fileno()), *modules], theirs.fileno())
            theirs.close()
            ours.settimeout(PATIENCE_S * 2)
            assert ours.recv(32) == b"ready", f"Python on {servers.host.name} ended with status {forking.wait()}"
            yield Between(servers, peers, ours)
        assert forking.wait(PATIENCE_S) == 0
    finally:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 0)
