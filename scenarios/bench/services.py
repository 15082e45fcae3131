"""The benchmark of the services: every architecture is started, loaded and measured."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from scenarios.bench.generator import Generator
from scenarios.bench.model import (
    CONTENT_LIMIT,
    FIRST_PORT,
    FULL,
    KEPT_S,
    MOST,
    PROTOCOLS,
    QUICK,
    TEXTBOOK,
    WITHOUT_NUMBER,
    Bench,
    Cell,
    Content,
    Idle,
    Load,
    Measured,
    Place,
    Say,
    Server,
    Sizes,
)
from scenarios.evidence import run_folder
from scenarios.lab import versions as lab_versions
from scenarios.lab.errors import DeadlinePassed, LabProblem
from scenarios.lab.heartbeat import under_way
from scenarios.lab.lab import Lab
from scenarios.lab.versions import versions
from scenarios.spec.command_line import words
from scenarios.spec.service import services as declared

CONTENT_WITHIN_S = 300


class Ground:
    """One place of a lab, in which servers are started and asked."""

    def __init__(self, lab: Lab, place: Place, sizes: Sizes, ports: Iterator[int]) -> None:
        self.lab, self.place, self.sizes, self._ports = lab, place, sizes, ports

    @contextlib.contextmanager
    def serving(self, protocol: str, names: Sequence[str]) -> Iterator[list[Server]]:
        """These servers, listening."""
        ports = [next(self._ports) for _ in names]
        commands = [command(protocol, name, self.place.address, port) for name, port in zip(names, ports, strict=True)]
        argv = ["python", "-m", "services.bench.servers", json.dumps(commands)]
        with self.lab.running(self.place.server.name, argv) as program:
            told = json.loads(program.wait_for_line(r"^\{").string)
            if "failed" in told:
                raise LabProblem(told["failed"])
            yield [Server(*each) for each in zip(names, ports, told["pids"], strict=True)]

    def usage(self, servers: Sequence[Server]) -> list[dict[str, Any]]:
        """What each of them uses now."""
        argv = ["python", "-m", "services.bench.usage", *(str(server.pid) for server in servers)]
        finished = self.lab.run(self.place.server.name, argv, timeout_s=30)
        if finished.status:
            raise LabProblem(f"the processor time and memory of the servers could not be read: {finished.printed}")
        told: list[dict[str, Any]] = json.loads(finished.stdout)
        return told

    @contextlib.contextmanager
    def generators(self, protocol: str, servers: Sequence[Server], load: Load) -> Iterator[list[Generator]]:
        """A generator for each server, connected."""
        requests = self.sizes.requests if load.kept else self.sizes.renewed
        with contextlib.ExitStack() as opened:
            made = []
            for server in servers:
                generator = Generator(self.lab, self.place, protocol, server.port, load, requests)
                opened.callback(generator.close)
                made.append(generator)
            for generator in made:
                generator.ready()
            yield made

    def rounds(self, generators: Sequence[Generator], seconds: float) -> list[list[dict[str, Any]]]:
        """What each generator told of each round. They take turns, after a short run of each that does not count."""
        for generator in generators:
            generator.run(seconds / 5)
        told: list[list[dict[str, Any]]] = [[] for _ in generators]
        for number in range(self.sizes.rounds):
            turns = list(zip(generators, told, strict=True))
            for generator, rounds in turns if number % 2 == 0 else reversed(turns):
                rounds.append(generator.run(seconds))
        return told

    def cells(self, protocol: str, load: Load) -> list[Cell]:
        """Every server of the protocol under this load."""
        names = [TEXTBOOK, *declared()[protocol].servers]
        why = {name: unfit(protocol, name, load) for name in names}
        fit = [name for name in names if not why[name]]
        measured: dict[str, Cell] = {}
        try:
            measured = self._measured(protocol, load, fit)
        except (LabProblem, DeadlinePassed) as problem:
            why.update(dict.fromkeys(fit, f"failed: {problem}"))
        return [measured.get(name) or Cell(protocol, name, load, why[name]) for name in names]

    def _measured(self, protocol: str, load: Load, names: Sequence[str]) -> dict[str, Cell]:
        with self.serving(protocol, names) as servers:
            before = self.usage(servers)
            with self.generators(protocol, servers, load) as generators:
                connected = self.usage(servers)
                told = self.rounds(generators, self.sizes.seconds)
                after = self.usage(servers)
        textbook = [each["rate"] for each in told[0]]
        cells = {}
        for number, (name, rounds) in enumerate(zip(names, told, strict=True)):
            was, now = before[number]["pss_bytes"], connected[number]["pss_bytes"]
            cpu_s = after[number]["cpu_s"] - connected[number]["cpu_s"]
            ratios = [each["rate"] / other for each, other in zip(rounds, textbook, strict=True) if other]
            cells[name] = Cell(
                protocol,
                name,
                load,
                rate=median(each["rate"] for each in rounds),
                ratio=median(ratios) if ratios and name != TEXTBOOK else None,
                p50_s=median(each["p50_s"] or 0.0 for each in rounds),
                p99_s=median(each["p99_s"] or 0.0 for each in rounds),
                memory_bytes=now if load.kept else after[number]["pss_bytes"],
                bytes_a_connection=(now - was) / load.connections if load.kept else None,
                server_cpu_s=cpu_s / generators[number].answered if generators[number].answered else 0.0,
                generator_cpu_s=median(each["cpu_s"] / max(1, each["requests"]) for each in rounds),
                busy=cpu_s / generators[number].requesting_s if generators[number].requesting_s else 0.0,
                errors=generators[number].errors,
            )
        return cells

    def idle(self, protocol: str, name: str) -> Idle:
        """Two servers of the same kind, one of which has idle connections too: the rate of the busy ones of each."""
        idle, busy = self.sizes.idle, Load(self.sizes.busy, 1, kept=True)
        try:
            with self.serving(protocol, [name, name]) as servers:
                before = self.usage(servers)[0]["pss_bytes"]
                with self.generators(protocol, servers[:1], Load(idle, 1, kept=True)) as (holding,):
                    held = self.usage(servers)[0]["pss_bytes"]
                    with self.generators(protocol, servers, busy) as generators:
                        beside, alone = self.rounds(generators, 3 * self.sizes.seconds)
        except (LabProblem, DeadlinePassed) as problem:
            return Idle(protocol, name, idle, why=f"failed: {problem}")
        errors = {**holding.errors, **generators[0].errors, **generators[1].errors}
        return Idle(
            protocol,
            name,
            idle,
            rate=median(each["rate"] for each in beside),
            rate_without=median(each["rate"] for each in alone),
            ratio=median(a["rate"] / b["rate"] for a, b in zip(beside, alone, strict=True) if b["rate"]),
            bytes_a_connection=(held - before) / idle,
            errors=errors,
        )

    def content(self, name: str, kind: str) -> Content:
        """One large content through a search server, beside a small one."""
        small, large = self.sizes.contents
        try:
            with self.serving("search", [name]) as (server,):
                argv = ["python", "-m", "services.bench.content", self.place.address, str(server.port), "--kind", kind]
                argv += ["--sizes", str(small), str(large), "--rounds", str(self.sizes.content_rounds)]
                argv += ["--byteorder", self.place.server.byteorder]
                finished = self.lab.run(self.place.client.name, argv, timeout_s=CONTENT_WITHIN_S)
        except (LabProblem, DeadlinePassed) as problem:
            return Content(name, kind, small, large, why=f"failed: {problem}")
        if finished.status:
            return Content(name, kind, small, large, why=f"failed: {finished.printed}")
        seconds = json.loads(finished.stdout)["seconds"]
        small_s, large_s = median(seconds[str(small)]), median(seconds[str(large)])
        return Content(name, kind, small, large, "", small_s, large_s, large_s / small_s)


def unfit(protocol: str, server: str, load: Load) -> str:
    """Why this server cannot serve this load, by what its architecture promises; "" when it can."""
    if protocol != "echo":
        return ""
    if server == "once" and not load.kept:
        return "it ends with its first client"
    if server == "once" and load.connections > 1:
        return "one client, and then it ends"
    if server == "blocking" and load.kept and load.connections > 1:
        return "one client at a time: the second waits until the first has gone"
    if server in MOST and load.kept and load.connections > MOST[server]:
        return f"at most {MOST[server]} clients at once"
    return ""


def command(protocol: str, name: str, address: str, port: int) -> list[str]:
    """The command line of a server, by the name that its service.yaml gives it."""
    if name == TEXTBOOK:
        return ["python", "-m", f"services.bench.textbook_{protocol}", address, str(port)]
    run = declared()[protocol].servers[name].run
    if run is None:
        raise LabProblem(f"{protocol}/{name} cannot be measured: no command starts it")
    argv = words(run, bind=address, host=address, port=port)
    argv += ["--idle-timeout", str(KEPT_S)]
    if protocol == "search":
        argv += ["--message-timeout", str(KEPT_S), "--content-limit", str(CONTENT_LIMIT)]
    elif name in MOST:
        argv += ["--most", str(MOST[name])]
    return argv


def machine() -> dict[str, str]:
    """What this runs on, and how busy it is now."""
    cpu = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    memory_kb = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "cpu": cpu.partition(":")[2].strip(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory_kb / 2**20:.0f} GiB",
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "load average at the start": load_average(),
        **lab_versions.versions(),
    }


def load_average() -> str:
    """Of the last 1, 5 and 15 minutes (proc_loadavg(5))."""
    return " ".join(Path("/proc/loadavg").read_text().split()[:3])


def places(lab: Lab) -> list[Place]:
    """Loopback, on the server's host alone; and across the firewall."""
    client, server = lab.topology.hosts["client"], lab.topology.hosts["server"]
    return [Place("loopback", server, server, "127.0.0.1"), Place("across the firewall", client, server, server.ipv4)]


def services(lab: Lab, say: Say, quick: bool = False) -> Bench:
    """Measure every service in a lab that is up and held. `say` is told of each step; `quick`: only that it works."""
    sizes = QUICK if quick else FULL
    loads = [
        Load(connections, in_flight, kept)
        for connections in sizes.connections
        for in_flight, kept in ((1, False), (1, True), (16, True))
    ]
    about = machine()
    ports = itertools.count(FIRST_PORT)
    measured = []
    for place in places(lab):
        ground = Ground(lab, place, sizes, ports)
        cells: list[Cell] = []
        for protocol, load in itertools.product(PROTOCOLS, loads):
            what = f"{place.name}: {protocol}, {load.connections} connections, {load.mode}"
            with under_way(what):
                cells += ground.cells(protocol, load)
            say(what)
        what = f"{place.name}: {sizes.busy} busy connections beside {sizes.idle} idle ones"
        with under_way(what):
            idle = [ground.idle(protocol, name) for protocol in PROTOCOLS for name in WITHOUT_NUMBER]
        say(what)
        what = f"{place.name}: a content of {sizes.contents[1]} bytes"
        with under_way(what):
            contents = [ground.content(name, kind) for name in WITHOUT_NUMBER for kind in ("binary", "text")]
        say(what)
        measured.append(Measured(place.name, cells, idle, contents))
    folder = run_folder.new_run() / "bench-services"
    folder.mkdir()
    bench = Bench({**about, "load average at the end": load_average()}, measured, folder)
    run_folder.write_result(
        folder, {"bench": "services", "quick": quick, **asdict(bench), "folder": str(folder)}, versions()
    )
    return bench
