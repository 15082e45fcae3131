"""What the lab itself costs: a drill's overhead, the injector, the firewall beside a fault, coming up, the catalogue.

Rule: an aim is a ratio within one run, or a time beside its parts; what is compared is measured in turn.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from images.firewall.inject.declared import Drop, Pick
from scenarios.bench import injector_rate, test_cost
from scenarios.calls.caller import Caller
from scenarios.evidence import run_folder
from scenarios.evidence.run_folder import folder_of
from scenarios.faults.injector import Injector
from scenarios.faults.nft_rules import Rules, Selection, Silence
from scenarios.faults.recovery import held_without_faults
from scenarios.lab import endpoint
from scenarios.lab.engine import docker_command
from scenarios.lab.errors import LabProblem
from scenarios.lab.heartbeat import under_way
from scenarios.lab.lab import Lab
from scenarios.lab.pool import give_back, labs
from scenarios.lab.topology import COMPOSE_FILE, ROOT
from scenarios.lab.versions import versions
from scenarios.lab.waiting import wait_for
from scenarios.run.campaign import Campaign
from scenarios.run.cell import run
from scenarios.run.session import Stage
from scenarios.spec.catalogue import DRILLS, chosen_service, drills
from scenarios.spec.cell import Cell
from scenarios.spec.pairs import DEFAULT_PAIRS, Pair
from scenarios.verdict.check import Verdict
from scenarios.verdict.result import Result

Say = Callable[[str], None]
PORT, OTHER_PORT = 21_900, 21_901
TIMES = 20  # a drill, for the overhead
DRILL = "lost-syn"
MEBIBYTES = 256
ROUNDS = 5
# What a drill's script does by itself: everything else is the lab's.
OWN_PHASES = ("calls", "waits")

# Takes connections one after another, and says how long each took from its first byte to its last.
TAKE = """
import socket, sys, time
listening = socket.create_server(("", int(sys.argv[1])))
print("listening on", sys.argv[1], flush=True)
while True:
    taken, _ = listening.accept()
    buffer, total = bytearray(1 << 20), 0
    began = time.monotonic()
    while count := taken.recv_into(buffer):
        total += count
    print(f"took {total} bytes in {time.monotonic() - began:.6f} s", flush=True)
    taken.close()
"""
GIVE = """
import socket, sys
given = socket.create_connection((sys.argv[1], int(sys.argv[2])))
piece = bytes(1 << 20)
for _ in range(int(sys.argv[3])):
    given.sendall(piece)
"""


@dataclass(slots=True)
class LabBench:
    """The figures, and the lines that tell them. Times are in seconds, rates a second."""

    folder: Path
    overhead_s: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    injector_packets_per_s: float = 0.0
    bare_packets_per_s: float = 0.0
    firewall_ratio: Mapping[str, float] = field(default_factory=dict)
    up_s: Mapping[str, float] = field(default_factory=dict)
    test_s: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    plugin_s: float = 0.0
    catalogue_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def lines(self) -> Iterator[str]:
        for pair, parts in self.overhead_s.items():
            rest = ", ".join(f"{name} {value:.2f}" for name, value in parts.items() if name not in ("median", "p95"))
            yield f"overhead of {DRILL} {pair}: median {parts['median']:.2f} s, p95 {parts['p95']:.2f} s ({rest})"
        ratio = self.injector_packets_per_s / self.bare_packets_per_s if self.bare_packets_per_s else 0.0
        beside = f"{ratio:.2f} of the {self.bare_packets_per_s:,.0f} of a bare loop on NFQUEUE"
        yield f"injector: {self.injector_packets_per_s:,.0f} packets/s, {beside}"
        for what, ratio in self.firewall_ratio.items():
            yield f"throughput of another flow, {what}: {ratio:.2f} of the empty chain's"
        if self.up_s:
            ratio = self.up_s["lab"] / self.up_s["raw"]
            yield f"up: {self.up_s['lab']:.2f} s, raw compose {self.up_s['raw']:.2f} s: {ratio:.2f} times"
        for what, spent in self.test_s.items():
            yield f"a test {what}: median {spent['median']:.2f} s, p95 {spent['p95']:.2f} s above its call"
        yield f"importing the pytest plugin: {self.plugin_s * 1000:.1f} ms"
        for count, took_s in self.catalogue_s.items():
            yield f"the catalogue on {count} labs: {took_s:.0f} s"


def measure(lab: Lab, say: Say, *, with_catalogue: bool) -> LabBench:
    """All of it, in a lab that is up. Raises LabProblem."""
    made = LabBench(run_folder.new_run())
    with Stage(lab) as stage, under_way(f"{DRILL} runs {TIMES + 1} times on each of {len(DEFAULT_PAIRS)} pairs"):
        made.overhead_s = {pair: _overhead(stage, pair, made.folder) for pair in DEFAULT_PAIRS}
    say("overhead measured")
    with under_way(f"a test of the library runs {test_cost.TESTS + 1} times in two ways"):
        made.test_s = test_cost.of_a_test(lab.number)
    made.plugin_s = test_cost.of_the_plugin()
    say("tests of the library measured")
    # Nothing is captured: it would be measured too.
    with held_without_faults(lab), Caller(lab) as caller, Injector(lab) as injector:
        with under_way(f"floods of {injector_rate.DATAGRAMS} datagrams, through the injector and a bare loop in turn"):
            made.injector_packets_per_s, made.bare_packets_per_s = injector_rate.measured(lab, caller, injector)
        say("injector measured")
        with under_way(f"{ROUNDS} rounds of bulk transfers beside a fault"):
            made.firewall_ratio = _firewall(lab, caller, injector)
        say("firewall measured")
    with under_way(f"a lab comes up {ROUNDS} times, and as often by Compose alone"):
        made.up_s = _up(lab)
    say("coming up measured")
    if with_catalogue:
        made.catalogue_s = {str(count): _catalogue(lab, count, made.folder, say) for count in (1, 2, 4)}
    run_folder.write_result(
        made.folder,
        {
            "overhead_s": made.overhead_s,
            "injector_packets_per_s": made.injector_packets_per_s,
            "bare_packets_per_s": made.bare_packets_per_s,
            "firewall_ratio": made.firewall_ratio,
            "up_s": made.up_s,
            "test_s": made.test_s,
            "plugin_s": made.plugin_s,
            "catalogue_s": made.catalogue_s,
        },
        versions(),
    )
    return made


def overhead_s(result: Result) -> float:
    """What a cell took beyond what its calls and waits took, in both of its runs."""
    own = sum(seen.timings_s.get(phase, 0.0) for seen in result.seen.values() for phase in OWN_PHASES)
    return result.duration_s - own


def _overhead(stage: Stage, pair: Pair, folder: Path) -> dict[str, float]:
    drill = drills()[DRILL]
    results = []
    for repeat in range(1, TIMES + 2):
        cell = Cell(drill, chosen_service(drill, None), pair, repeat=repeat)
        results.append(run(stage, cell, folder_of(folder, cell)))
        if results[-1].verdict is not Verdict.PASS:
            raise LabProblem(f"{cell.title}: {results[-1].sentence}")
    del results[0]  # it made the hosts' interpreters warm
    spent = [overhead_s(each) for each in results]
    phases = sorted({phase for each in results for seen in each.seen.values() for phase in seen.timings_s})
    parts = {
        phase: median(sum(seen.timings_s.get(phase, 0.0) for seen in each.seen.values()) for each in results)
        for phase in phases
        if phase not in OWN_PHASES
    }
    found = {"median": median(spent), "p95": quantiles(spent, n=20)[-1], **parts}
    return {**found, "other": found["median"] - sum(parts.values())}


def _firewall(lab: Lab, caller: Caller, injector: Injector) -> dict[str, float]:
    """The throughput of a flow beside a fault on another flow, as a part of what it is with nothing in the chain."""
    client, server = lab.topology.hosts["client"], lab.topology.hosts["server"]
    selection = Selection(client, server, "tcp", OTHER_PORT)
    pick = Pick(client.ipv4, server.ipv4, of="data", to_port=OTHER_PORT, percent=50)
    ways: dict[str, Callable[[], contextlib.AbstractContextManager[object]]] = {
        "empty": contextlib.nullcontext,
        "a rule of the kernel": lambda: Rules(lab, "beside", Silence(), selection),
        "the injector": lambda: injector.fault("beside", Drop(), pick),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    with caller.running(server.name, ["python", "-c", TAKE, str(PORT)]) as taking:
        taking.wait_for_line("listening on", 10)
        for number in range(ROUNDS):
            for name, way in list(ways.items())[:: 1 if number % 2 else -1]:
                with way():
                    seen = len(taking.lines)
                    argv = ["python", "-c", GIVE, server.ipv4, str(PORT), str(MEBIBYTES)]
                    ended = caller.call(client.name, argv, timeout_s=120)
                    if ended.status != 0:
                        raise LabProblem(f"the bulk transfer failed (status {ended.status}): {ended.printed}")
                    took[name].append(_next_time(taking.lines, seen))
    fastest = {name: min(times) for name, times in took.items()}
    return {name: fastest["empty"] / fastest[name] for name in ways if name != "empty"}


def _next_time(lines: Sequence[str], seen: int) -> float:
    """The seconds that the receiver tells of, in its next line."""
    wait_for(lambda: len(lines) > seen, "a line of the receiver with the time that it took", 20)
    return float(lines[seen].rsplit(" ", 2)[1])


def _up(lab: Lab) -> dict[str, float]:
    """A lab that comes up, until it is ready; and the same file by Compose alone, which waits for nothing."""
    _, other = on = labs(lab.number, 2)
    took: dict[str, list[float]] = {"lab": [], "raw": []}
    environment = endpoint.environment(LAB=str(other.number))
    compose_up = ("compose", "--file", str(COMPOSE_FILE), "up", "--detach")
    try:
        for _ in range(ROUNDS):
            other.down()
            took["lab"].append(other.up())
            other.down()
            began_s = time.monotonic()
            docker_command(*compose_up, timeout_s=120, cwd=ROOT, env=environment)
            took["raw"].append(time.monotonic() - began_s)
    finally:
        give_back(on)
    return {name: median(times) for name, times in took.items()}


def _catalogue(lab: Lab, count: int, folder: Path, say: Say) -> float:
    cells = [Cell(drill, chosen_service(drill, None), "le-le", repeat=count) for drill in drills(DRILLS).values()]
    on = labs(lab.number, count)
    for each in on:
        if not each.is_up():
            each.up()
    began_s = time.monotonic()
    campaign = Campaign(folder, on, lambda _: None, say, keep=True)
    try:
        with under_way(f"the catalogue on {count} labs", lambda: f"{len(campaign.results)} of {len(cells)} cells"):
            results = campaign.run(cells)
    finally:
        give_back(on)
    counts = sum(each.verdict in (Verdict.PASS, Verdict.UNSUPPORTED) for each in results)
    say(f"the catalogue on {count} labs: {counts} of {len(cells)} cells passed or are unsupported")
    return time.monotonic() - began_s
