"""Where the servers of a fuzz run, on this machine or on a host of a lab, and how they are called there."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from scenarios.lab.errors import DeadlinePassed, LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.process_group import wait_or_kill
from scenarios.lab.topology import ROOT, Host
from scenarios.lab.waiting import wait_for
from scenarios.spec.command_line import words
from scenarios.spec.service import ServiceChoice
from scenarios.stress.fuzz_judges import Case, Reply
from scenarios.stress.fuzz_messages import MOST_BYTES

CALLER: Final = Path(__file__).with_name("fuzz_caller.py")
CALLED_FROM: Final = "client"  # native, and behind the firewall
NATIVE_BATCH, EMULATED_BATCH = 150, 40  # messages; an emulated server takes some milliseconds for each

EMULATED_BYTES: Final = 20_000  # of a message

READY_WITHIN_S: Final = 30.0

STARTS_WITHIN_S: Final = 60.0  # Python, on a busy machine
ENDS_WITHIN_S: Final = 10.0
BUSY_S: Final = 0.3  # a connection takes so much longer on a busy machine


class Started(Protocol):
    """A server that runs."""

    def printed(self) -> str:
        """All that it printed so far."""
        ...

    def status(self) -> int | None:
        """Its exit status; None while it runs. Of a program in a lab only that it ended is known: 0."""
        ...


class Place(Protocol):
    """Where servers run, and from where they are called."""

    name: str
    batch: int
    most_bytes: int
    certificates: bool  # whether the lab's are there

    def started(self, chosen: ServiceChoice) -> contextlib.AbstractContextManager[Started]:
        """Start a server, and wait until it listens. Raise LabProblem."""
        ...

    def call(self, chosen: ServiceChoice, asked: Sequence[Case], within_s: float) -> list[Reply]:
        """Send each message on a connection of its own. Fewer replies than messages: the last did not come in time."""
        ...

    def client(self, chosen: ServiceChoice) -> str:
        """Call the service by its own first client; what is wrong with how that ended."""
        ...


def lines_of(asked: Sequence[Case]) -> bytes:
    """Write messages as fuzz_caller.py reads them."""
    return b"".join(
        json.dumps([base64.b64encode(piece).decode() for piece in each.pieces]).encode() + b"\n" for each in asked
    )


def replies_of(printed: bytes) -> list[Reply]:
    """Read what fuzz_caller.py printed."""
    told = [json.loads(line) for line in printed.splitlines()]
    return [Reply(base64.b64decode(each["got"]), str(each["end"])) for each in told]


class OnThisMachine:
    """Servers on loopback, from this Python."""

    certificates = False

    def __init__(self) -> None:
        self.name, self.batch, self.most_bytes = "this machine", NATIVE_BATCH, MOST_BYTES
        self._port = 0

    @contextlib.contextmanager
    def started(self, chosen: ServiceChoice) -> Iterator[Started]:
        kind = socket.SOCK_DGRAM if chosen.transport == "udp" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        argv = words(_command(chosen), bind="127.0.0.1", host="127.0.0.1", port=self._port)
        argv = [sys.executable if word == "python" else word for word in argv]
        with tempfile.TemporaryFile() as journal:
            process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=journal, stderr=journal)
            made = _Process(process, journal.fileno())
            try:
                made.wait_for(chosen.server.ready or "listening on")
                yield made
            finally:
                process.terminate()
                wait_or_kill(process, ENDS_WITHIN_S)

    def call(self, chosen: ServiceChoice, asked: Sequence[Case], within_s: float) -> list[Reply]:
        argv = [sys.executable, str(CALLER), *_caller_arguments("127.0.0.1", self._port, chosen, asked, within_s)]
        within_s = _ends_within_s(asked, within_s)
        try:
            ran = subprocess.run(argv, input=lines_of(asked), capture_output=True, timeout=within_s, check=False)
        except subprocess.TimeoutExpired:
            raise LabProblem(f"the caller did not end within {within_s:g} s") from None
        if ran.returncode != 0:
            raise LabProblem(f"the caller ended with status {ran.returncode}: {ran.stderr[-1000:]!r}")
        return replies_of(ran.stdout)

    def client(self, chosen: ServiceChoice) -> str:
        raise LabProblem(f"{chosen.service.service} cannot be called outside of a lab")


class _Process:
    def __init__(self, process: subprocess.Popen[bytes], journal: int) -> None:
        self._process, self._journal = process, journal

    def printed(self) -> str:
        return Path(f"/proc/self/fd/{self._journal}").read_text("utf-8", "replace")

    def status(self) -> int | None:
        return self._process.poll()

    def wait_for(self, line: str) -> None:
        def ready() -> bool:
            return self.status() is not None or re.search(line, self.printed()) is not None

        with contextlib.suppress(DeadlinePassed):
            wait_for(ready, "the server to listen", READY_WITHIN_S, every_s=0.01)
        if self.status() is not None or not re.search(line, self.printed()):
            raise LabProblem(f"the server did not begin to listen (status {self.status()}): {self.printed()[-1000:]}")


class OnHost:
    """Servers on a host of a lab, called across the firewall."""

    certificates = True

    def __init__(self, lab: Lab, host: Host) -> None:
        self._lab, self._host = lab, host
        native = host.byteorder == "little"
        self.name = f"{host.name} ({host.promised})"
        self.batch = NATIVE_BATCH if native else EMULATED_BATCH
        self.most_bytes = MOST_BYTES if native else EMULATED_BYTES

    @contextlib.contextmanager
    def started(self, chosen: ServiceChoice) -> Iterator[Started]:
        argv = words(_command(chosen), bind="", host=self._host.ipv4, port=chosen.port)
        with self._lab.running(self._host.name, argv) as program:
            program.wait_for_line(chosen.server.ready or "listening on", READY_WITHIN_S)

            class Program:
                def printed(self) -> str:
                    return "\n".join(program.lines)

                def status(self) -> int | None:
                    return 0 if program.ended else None

            yield Program()

    def call(self, chosen: ServiceChoice, asked: Sequence[Case], within_s: float) -> list[Reply]:
        words_of_it = _caller_arguments(self._host.ipv4, chosen.port, chosen, asked, within_s)
        argv = ["python", "-c", CALLER.read_text("utf-8"), *words_of_it]
        within_s = _ends_within_s(asked, within_s)
        status, out, err = self._lab.feed(CALLED_FROM, argv, lines_of(asked), within_s)
        if status != 0:
            raise LabProblem(f"the caller on {CALLED_FROM} ended with status {status}: {err[-1000:]}")
        return replies_of(out)

    def client(self, chosen: ServiceChoice) -> str:
        client = chosen.client
        argv = words(client.run, bind="", host=self._host.ipv4, port=chosen.port)
        ran = self._lab.run(CALLED_FROM, argv, timeout_s=READY_WITHIN_S)
        if ran.status == client.status and re.search(client.prints, ran.stdout, re.MULTILINE):
            return ""
        return f"the client {chosen.client_name} ended with status {ran.status}: {ran.printed[-500:]}"


def _command(chosen: ServiceChoice) -> str:
    if chosen.server.run is None:
        raise LabProblem(f"{chosen.name} always runs; it is not started by the lab")
    return chosen.server.run


def _caller_arguments(host: str, port: int, chosen: ServiceChoice, asked: Sequence[Case], within_s: float) -> list[str]:
    """The words of fuzz_caller.py."""
    return [host, str(port), chosen.transport, f"{within_s:g}", f"{_patience_s(asked, within_s):g}"]


def _patience_s(asked: Sequence[Case], within_s: float) -> float:
    """How long messages may be sent: not each to a server that hangs may take its time.

    One that never answers takes all of its time for each; what a busy machine adds to that is no fault of the server.
    """
    return min(len(asked) * (within_s + BUSY_S), 4 * within_s + 0.5 * len(asked))


def _ends_within_s(asked: Sequence[Case], within_s: float) -> float:
    """How long the caller may run: it starts, sends, and the last message takes its time."""
    return STARTS_WITHIN_S + _patience_s(asked, within_s) + within_s
