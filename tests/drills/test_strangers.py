"""A stranger's program may print, fork and write without end: the runner stays small, the verdict right, nothing left.

Each is run by a process of its own, so that its memory is known. Two are always run; `--long` runs all of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from scenarios.lab import engine
from scenarios.lab.guest import GUEST_LABEL
from scenarios.lab.lab import Lab
from scenarios.lab.process import CUT
from scenarios.lab.topology import ROOT
from tests.conftest import free_numbers

MOST_MEMORY_KIB: Final = 300_000
LABS: Final = 2  # side by side
WITHIN_S: Final = 300  # of one, on a busy machine
IMAGE: Final = (
    "faultwire/host"  # which has a Python and the usual small programs; what runs is the stranger's all the same
)

# Words of a command line, so without line ends and braces. `any` over an endless iterator is a loop.
IMPORTS: Final = "import os,socket,sys,threading,time"
LISTENS: Final = "s=socket.create_server(('',int(sys.argv[1])));print('listening',flush=True)"
SERVES: Final = "any(c.sendall(c.recv(99)) or c.close() for c in (s.accept()[0] for _ in iter(int,1)))"
CALLS: Final = "c=socket.create_connection(sys.argv[1:3],3);c.sendall(b'hello');print(c.recv(99))"
MISDEEDS = {
    "nothing": "0",
    "yes": "any(os.write(1,(b'y'+bytes([10]))*4096) < 0 for _ in iter(int,1))",
    "line": "any(os.write(1,b'y'*8192) < 0 for _ in iter(int,1))",
    "loud": "any(os.write(1,(b'yes'+bytes([10]))*2048) < 0 for _ in range(1000))",
    "forks": "any(os.fork() == 0 and time.sleep(60) for _ in range(10000))",
    "files": "any(open('/tmp/f','ab').write(bytes(1<<20)) < 0 for _ in range(1024))",
}
# Datagrams to a port that nobody has: just below what a capture may have, and far above it.
SENDS: Final = "u=socket.socket(2,2);any(u.sendto(bytes(300),(sys.argv[1],9)) < 0 for _ in range({count}))"
MISDEEDS |= {"much": SENDS.format(count=9_000), "too much": SENDS.format(count=30_000)}
SERVICE: Final = """\
service: stranger
about: A program of somebody else's.
port: 7070
image: {image}
conversation: other
servers:
  it:
    run: {server}
    about: it does what it should, and what it should not
    ready: listening
clients:
  it:
    run: {client}
    about: likewise
    prints: hello
    timeout_s: 5
"""
DRILL: Final = """\
drill: held
claim: A late packet arrives.
why: TCP waits (RFC 9293).
source: [RFC 9293]
tags: [delay]
service: stranger/it
script:
  - fault: {name: late, delay: {by: 0.2s, of: data, from: client, to: server, first: 1}}
  - call: {name: hello, within: WITHIN}
expect:
  - hits: {fault: late, exactly: 1}
  - outcome: {call: hello, is: answered}
  - packets: {at: server-leg, where: tcp.len > 0, from: client, at_least: 1}
control:
  - outcome: {call: hello, is: answered}
"""
RUNS: Final = """
import json, resource, sys
from pathlib import Path
from scenarios.run.campaign import Campaign
from scenarios.spec.cell import Cell
from scenarios.spec.catalogue import chosen_service
from scenarios.spec.catalogue import load_drill
from scenarios.lab.lab import Lab
from scenarios.spec.service import load_service, services

folder, number = Path(sys.argv[1]), int(sys.argv[2])
known = services() | {"stranger": load_service(folder / "stranger")}
drill = load_drill(folder / "held.yaml", known)
(folder / "runs").mkdir()
campaign = Campaign(folder / "runs", [Lab(number)], lambda _: None, lambda said: print(said, file=sys.stderr))
result = campaign.run([Cell(drill, chosen_service(drill, None, known), "le-le")])[0]
print(json.dumps({
    "verdict": result.verdict.value,
    "sentence": result.sentence,
    # Not ru_maxrss, which a program has from whoever started it (getrusage(2) of Linux, across fork and exec).
    "memory_kib": int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:"))),
    "of_children_kib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
}))
"""


@dataclass(frozen=True, slots=True)
class Stranger:
    """Who does what beside its work, what the verdict on it is, and what of its output is missing."""

    who: str
    what: str
    verdict: str
    says: str = ""  # a part of the sentence
    is_cut: bool = False

    def __str__(self) -> str:
        return f"{self.what} as {self.who}"


def stranger(who: str, what: str, verdict: str, says: str = "", *, is_cut: bool = False) -> Stranger:
    return Stranger(who, what, verdict, says, is_cut)


HUNG: Final = "saw hung"
ALWAYS: Final = [
    stranger("client", "yes", "unproven", HUNG, is_cut=True),
    stranger("server", "yes", "pass", is_cut=True),
]
FURTHER: Final = [
    stranger("client", "nothing", "pass"),
    stranger("client", "line", "unproven", HUNG, is_cut=True),
    stranger("client", "loud", "pass", is_cut=True),  # its answer comes after eight megabytes, and is read
    stranger("client", "forks", "unproven", "saw failed"),
    stranger("client", "files", "unproven", "saw failed"),
    stranger("client", "much", "pass"),
    stranger("client", "too much", "unproven", "-leg is larger than 4 MiB"),
    stranger("server", "line", "pass", is_cut=True),
    stranger("server", "forks", "pass"),
    stranger("server", "files", "pass"),
]


def command(code: str, words: str) -> str:
    """A command line of Python, as YAML has a text."""
    return json.dumps(f'python -c "{code}" {words}')


class Running:
    """Labs, in which strangers are run one after another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.labs = [Lab(number) for number in free_numbers(LABS)]

    def all(self, strangers: list[Stranger]) -> None:
        came: dict[Stranger, str] = {}

        def run(lab: Lab, mine: list[Stranger]) -> None:
            for each in mine:
                came[each] = self._problem(lab, each)

        with ThreadPoolExecutor(LABS) as pool:
            list(pool.map(run, self.labs, [strangers[at::LABS] for at in range(LABS)]))
        assert {str(each): problem for each, problem in came.items() if problem} == {}

    def _problem(self, lab: Lab, one: Stranger) -> str:
        """What is not as it must be; empty when all is."""
        folder = self._folder / str(one).replace(" ", "-")
        (folder / "stranger").mkdir(parents=True)
        misdeed = MISDEEDS[one.what]
        beside = f"threading.Thread(target=lambda:({misdeed}),daemon=True).start()"
        server = ";".join([IMPORTS, LISTENS, *([beside] if one.who == "server" else []), SERVES])
        client = ";".join([IMPORTS, *([misdeed] if one.who == "client" else []), CALLS])
        made = SERVICE.format(image=IMAGE, server=command(server, "{port}"), client=command(client, "{host} {port}"))
        (folder / "stranger" / "service.yaml").write_text(made)
        (folder / "held.yaml").write_text(DRILL.replace("WITHIN", "5s" if one.says == HUNG else "60s"))
        argv = [sys.executable, "-c", RUNS, str(folder), str(lab.number)]
        ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=False)
        if ran.returncode != 0:
            return f"status {ran.returncode}: {ran.stderr[-2000:]}"
        said: dict[str, Any] = json.loads(ran.stdout)
        print(f"{one!s:20} {said['memory_kib'] >> 10:4} MiB  {said['verdict']:9} {said['sentence'][:100]}")
        problems = []
        if (said["verdict"], one.says in said["sentence"]) != (one.verdict, True):
            problems.append(f"{said['verdict']}: {said['sentence']}; expected {one.verdict}: {one.says}")
        if max(said["memory_kib"], said["of_children_kib"]) > MOST_MEMORY_KIB:
            problems.append(
                f"its memory was {said['memory_kib']} KiB, and its children's {said['of_children_kib']} KiB"
            )
        log = "server.txt" if one.who == "server" else "hello.txt"
        for control in folder.glob(f"runs/*/*/*/control/{log}"):  # where a script broke off there may be none
            if (f"[{CUT} after" in control.read_text(encoding="utf-8")) is not one.is_cut:
                problems.append(f"{log} ({control.stat().st_size} bytes) does not say rightly whether it was cut")
        if left := [each.name for each in engine.containers(GUEST_LABEL, f"{engine.LAB_LABEL}={lab.number}")]:
            problems.append(f"left: {left}")
        return "; ".join(problems)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    with ThreadPoolExecutor() as pool:
        list(pool.map(Lab.down, made.labs))


def test_one_that_prints_without_end_is_read_and_judged_and_takes_no_memory(running: Running) -> None:
    running.all(ALWAYS)


@pytest.mark.long
def test_whatever_a_stranger_does_without_end_the_runner_stays_small_and_the_verdict_right(running: Running) -> None:
    running.all(FURTHER)
