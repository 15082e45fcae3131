"""Programs of `services`, started without the start of an interpreter: one process stays, and forks for each.

Half of the time of these tests was Python starting and importing, 0.1 to 0.2 s of a processor for each program. The
process that stays has imported what a program imports (services/forkserver/warming.py, as on the hosts of a lab) and
nothing of what it runs. The fork has the words, environment and descriptors that it is given, runs the program as
`python -m` does, and ends as Python ends. test_forking.py holds each program beside one that Python itself started.
"""

from __future__ import annotations

import abc
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
STARTS_WITHIN_S: Final = 60.0

# What a fork does in the end, here and on the hosts of a lab: the words `-m MODULE …` or `-c PROGRAM …`, as Python
# itself runs them.
RUN: Final = """
import resource, runpy, sys
def run(words, files):
    if files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    for word in words:
        sys.modules.pop(word, None)  # a module that another one imports too: runpy would warn
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = ["-c", *words[2:]]
        exec(words[1], {"__name__": "__main__"})
"""

# For each program two forks: the program, and its parent, who tells of its end and lets its number go only when the
# test has: until then a signal cannot hit another process of the same number. It ends a program whose test is gone.
_FORKING: Final = (
    RUN
    + """
import json, os, select, signal, socket, sys
from services.forkserver.warming import warm
control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, int(sys.argv[1]))
warmed = set()
while True:
    asked, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 3)
    if not asked:
        sys.exit()
    words, files, environment = json.loads(asked)
    module = words[1] if words[0] == "-m" else words[2]
    if module not in warmed:
        warmed.add(module)
        warm(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the parents are nobody's to wait for
    if not os.fork():
        break
    for descriptor in descriptors:
        os.close(descriptor)
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
teller = socket.socket(fileno=descriptors[2])
if program := os.fork():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for descriptor in (control.detach(), *descriptors[:2]):
        os.close(descriptor)
    teller.send(b"%d" % program)
    watching = os.pidfd_open(program)
    if watching not in select.select([teller, watching], [], [])[0]:
        os.kill(program, signal.SIGKILL)
        os._exit(0)
    ended = os.waitid(os.P_PID, program, os.WEXITED | os.WNOWAIT)
    teller.send(b"%d" % (ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status))
    teller.recv(1)
    os.waitpid(program, 0)
    os._exit(0)
os.dup2(descriptors[0], 1)
os.dup2(descriptors[1], 2)
teller.detach()
control.detach()
os.closerange(3, os.sysconf("SC_OPEN_MAX"))
os.environ.clear()
os.environ.update(environment)
run(words, files)
"""
)


class Signalled(abc.ABC):
    """A process that gets no signal when it has ended: its number may be another's by then. As subprocess.Popen."""

    pid: int

    @abc.abstractmethod
    def poll(self) -> int | None: ...

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Forked(Signalled):
    """A program that was forked. As subprocess.Popen."""

    def __init__(self, words: Sequence[str], told: socket.socket) -> None:
        self.args, self._told = list(words), told
        self._status: int | None = None
        told.settimeout(STARTS_WITHIN_S)
        pid = told.recv(32)
        assert pid, f"{words}: who was to fork has ended: its own words are on stderr"
        self.pid = int(pid)

    def _ended_within(self, seconds: float) -> bool:
        if self._status is None:
            self._told.settimeout(seconds)
            try:
                status = self._told.recv(32)
            except (TimeoutError, BlockingIOError):
                return False
            assert status, f"{self.args}: who waits for its end has ended before"
            self._status = int(status)
            self._told.close()
        return True

    def poll(self) -> int | None:
        self._ended_within(0)
        return self._status

    def wait(self, timeout: float) -> int:
        if not self._ended_within(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout)
        assert self._status is not None
        return self._status


class _Forking:
    """The process that stays; started when first asked for, and ended with this one, at the end of its input."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._control: socket.socket | None = None

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            words = [sys.executable, "-c", _FORKING, str(theirs.fileno())]
            environment = os.environ | {"LC_ALL": "C.UTF-8"}
            process = subprocess.Popen(
                words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        atexit.register(process.wait, STARTS_WITHIN_S)
        atexit.register(ours.close)
        return ours

    def __call__(
        self,
        words: Sequence[str],
        stdout: int = 1,
        stderr: int = 2,
        files: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> Forked:
        with self._one_at_a_time:
            self._control = self._control or self._start()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                asked = json.dumps([list(words), files, dict(environment or os.environ)]).encode()
                socket.send_fds(self._control, [asked], [stdout, stderr, theirs.fileno()])
        return Forked(words, ours)


forked: Final = _Forking()
"""Start Python with these words, `-m MODULE WORD...` or `-c PROGRAM MODULE WORD...`. `files`: its RLIMIT_NOFILE."""


def ran(words: Sequence[str], within_s: float) -> subprocess.CompletedProcess[bytes]:
    """Run such a program to its end, as subprocess.run with its output captured. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = forked(words, stdout.fileno(), stderr.fileno())
        try:
            status = process.wait(within_s)
        finally:
            process.kill()
        for written in (stdout, stderr):
            written.seek(0)
        return subprocess.CompletedProcess(process.args, status, stdout.read(), stderr.read())
