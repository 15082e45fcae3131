"""The command `fuzz`: wrong messages to every server, and wrong files to the readers of drills and services.

Each contract server of `services/` runs on this machine and on each host of a lab whose image is there, and is sent
batches of messages. After each batch it must be up, have printed no traceback, and answer a good message; and every
reply must be what its protocol promises for what was sent (fuzz_messages.py). The drills and services are mutated and
read (mutated_files.py). The seed gives every message and every file; how many there are is a question of time.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from rich.table import Table

from scenarios.faults.recovery import held_without_faults
from scenarios.lab import engine, signals
from scenarios.lab.errors import DeadlinePassed, LabProblem, UsageError
from scenarios.lab.heartbeat import minutes, under_way
from scenarios.lab.lab import Lab
from scenarios.lab.markup import escape
from scenarios.lab.places import either
from scenarios.lab.topology import Host, topology
from scenarios.lab.waiting import wait_for
from scenarios.report.console import console, step
from scenarios.run.prepare import bring_up
from scenarios.spec.service import ServiceChoice, services
from scenarios.spec.units import so_many
from scenarios.stress.fuzz_judges import Case
from scenarios.stress.fuzz_messages import DATAGRAM_BYTES, Dialect, cases, dialect_of, judged_good
from scenarios.stress.fuzz_places import ENDS_WITHIN_S, OnHost, OnThisMachine, Place, Started
from scenarios.stress.mutated_files import Crash, Reader, originals
from scenarios.stress.mutations import Mutant, mutants
from scenarios.verdict.check import MARKS, Verdict

PLACES: Final = ("machine", "lab")
FILES: Final = "files"
SILENT_BATCH: Final = 20  # to a server that never answers, and is waited for each time
FILES_BATCH: Final = 100
ANSWERS_WITHIN_S: Final = 15.0  # one message
SILENT_FOR_S: Final = 0.2  # of a server that never answers
TOLD: Final = 20  # problems that are told of one target; the table counts all
SHOWN_BYTES: Final = 300
GOOD_BY_CLIENT: Final = ("search_tls",)  # what only the service's own client can ask: over TLS


@dataclass(slots=True)
class Tally:
    """What came of a target. `crashes`: it ended, or printed a traceback, or would not start again."""

    sent: int = 0
    crashes: int = 0
    hung: int = 0
    wrong: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        return not (self.crashes or self.hung or self.wrong)


class Target(Protocol):
    """What is fuzzed. `turn` sends a batch, by a number, and counts what came of it."""

    name: str
    tally: Tally

    def turn(self, seed: int, number: int) -> None: ...


class ServerTarget:
    """A server of a service at a place."""

    def __init__(self, place: Place, chosen: ServiceChoice, dialect: Dialect) -> None:
        self.chosen, self.dialect, self.place = chosen, dialect, place
        self.name = f"{chosen.name} on {place.name}"
        self.tally = Tally()

    def turn(self, seed: int, number: int) -> None:
        dice = random.Random(f"{seed} {self.chosen.name} {number}")  # noqa: S311 (it is to be repeated)
        count = 1 if self.chosen.server.serves == "one" else self.place.batch
        if not self.dialect.ends:
            count = min(count, SILENT_BATCH)
        most_bytes = DATAGRAM_BYTES if self.chosen.transport == "udp" else self.place.most_bytes
        batch = list(itertools.islice(cases(self.dialect, dice, most_bytes), count))
        try:
            with self.place.started(self.chosen) as server:
                self._send(server, batch, number)
        except LabProblem as problem:
            self.tally.crashes += 1
            self._tell(f"turn {number}: {problem}")

    def _send(self, server: Started, batch: Sequence[Case], number: int) -> None:
        serves_one = self.chosen.server.serves == "one"
        asked = [*batch]
        if not serves_one and self.chosen.service.service not in GOOD_BY_CLIENT:
            asked.append(Case(self.dialect.good, (self.dialect.good,), "a good message"))
        within_s = ANSWERS_WITHIN_S if self.dialect.ends else SILENT_FOR_S
        replies = self.place.call(self.chosen, asked, within_s)
        self.tally.sent += len(replies)
        for at, (case, reply) in enumerate(zip(asked, replies, strict=False)):
            is_good = at == len(batch)
            wrong = judged_good(self.dialect, reply) if is_good else self.dialect.judge(case, reply)
            if wrong:
                hung = reply.end == "late" and self.dialect.ends
                self.tally.hung += hung
                self.tally.wrong += not hung
                self._tell(f"turn {number}, message {at} ({case.what}): {wrong}; sent {case.sent[:SHOWN_BYTES]!r}")
        if len(replies) < len(asked):
            self.tally.hung += 1
            self._tell(f"turn {number}: expected {len(asked)} answers in time, got {len(replies)}")
        if self.chosen.service.service in GOOD_BY_CLIENT and (wrong := self.place.client(self.chosen)):
            self.tally.wrong += 1
            self._tell(f"turn {number}: {wrong}")
        self._look(server, number, serves_one=serves_one)

    def _look(self, server: Started, number: int, *, serves_one: bool) -> None:
        """The server is up, or has ended as it promises, and has printed no traceback."""
        if serves_one:
            with contextlib.suppress(DeadlinePassed):
                wait_for(lambda: server.status() is not None, "its end", ENDS_WITHIN_S)
        status = server.status()
        if status != (0 if serves_one else None):
            self.tally.crashes += 1
            self._tell(f"turn {number}: {_ending(status, serves_one)}: {server.printed()[-1000:]}")
        elif "Traceback" in (printed := server.printed()):
            self.tally.crashes += 1
            self._tell(f"turn {number}: the server printed a traceback: {printed[printed.index('Traceback') :][:2000]}")

    def _tell(self, problem: str) -> None:
        tell(self.name, self.tally, problem)


def _ending(status: int | None, serves_one: bool) -> str:
    expected = "to end with status 0" if serves_one else "to go on"
    came = "it did not end" if status is None else f"it ended with status {status}"
    return f"expected the server {expected}, but {came}"


class FilesTarget:
    """The readers of drill and service files."""

    name = FILES

    def __init__(self, folder: Path, seed: int) -> None:
        self.tally = Tally()
        self._reader = Reader(folder)
        self._mutants: Iterator[Mutant] = mutants(originals(), seed, sys.maxsize)

    def turn(self, seed: int, number: int) -> None:  # noqa: ARG002 (its seed was given)
        for mutant in itertools.islice(self._mutants, FILES_BATCH):
            self.tally.sent += 1
            try:
                self._reader.read(mutant)
            except Crash as crash:
                self.tally.crashes += 1
                tell(self.name, self.tally, str(crash))


def tell(target: str, tally: Tally, problem: str) -> None:
    """Print what is wrong, at once; of one target not more than TOLD."""
    tally.problems.append(problem)
    if len(tally.problems) <= TOLD:
        console.print(f"[bold red]{MARKS[Verdict.FAIL]}[/] {escape(target)}: {escape(problem)}")


def server_targets(places: Sequence[Place]) -> list[ServerTarget]:
    """Every server of the lab's own programs at each place: those that the lab starts, and whose dialect is known."""
    found = []
    for place, service in itertools.product(places, services().values()):
        if service.image or (service.service in GOOD_BY_CLIENT and not place.certificates):
            continue  # a stranger's program; or one that needs the lab's certificates
        for name, server in service.servers.items():
            dialect = dialect_of(service.service, name)
            if server.run is not None and dialect is not None:
                chosen = ServiceChoice(service, name, service.callers(name)[0])
                found.append(ServerTarget(place, chosen, dialect))
    return found


def hosts_of(lab: Lab) -> list[Host]:
    """The hosts of the server's network that this lab has, one of each CPU."""
    return [
        host
        for name, host in lab.topology.hosts.items()
        if host.network == "server-net" and name in lab.required_machines
    ]


def profiles_there() -> list[str]:
    """The profiles of compose.yaml whose images are all on this engine."""
    found = topology()
    wanted: dict[str, set[str]] = {}
    for name, profile in found.profiles.items():
        wanted.setdefault(profile, set()).add(found.machines[name])
    return [profile for profile, images in wanted.items() if all(engine.image_id(each) for each in images)]


def table(targets: Sequence[Target]) -> Table:
    """Make the table: a line for each target, how many messages or files, and what came of them."""
    made = Table(title="fuzz", title_justify="left", box=None, pad_edge=False)
    made.add_column("target")
    for column in ("sent", "crashes", "hung", "wrong"):
        made.add_column(column, justify="right")
    for each in targets:
        tally = each.tally
        counts = map(str, (tally.sent, tally.crashes, tally.hung, tally.wrong))
        made.add_row(escape(each.name), *counts, style="" if tally.is_well else "bold red")
    total = [sum(getattr(each.tally, name) for each in targets) for name in ("sent", "crashes", "hung", "wrong")]
    made.add_row("all", *map(str, total), style="bold")
    return made


def play(targets: Sequence[Target], seed: int, goes_on: Callable[[], bool]) -> int:
    """Give each target a turn, in random order, and again, until told; return how many rounds were whole.

    The files have a turn after each of another target: there are many more targets than readers.
    """
    dice = random.Random(seed)  # noqa: S311 (an order)
    files = [each for each in targets if isinstance(each, FilesTarget)]
    others = [each for each in targets if not isinstance(each, FilesTarget)]
    rounds, at = 0, "begins"

    def told() -> str:
        return f"round {rounds + 1}: {at}; {sum(each.tally.sent for each in targets):,} sent"

    with under_way("fuzz", told):
        while goes_on():
            order = [*others] or [*files]
            dice.shuffle(order)
            for each in order:
                for now in (each, *(files if others else ())):
                    if not goes_on():
                        return rounds
                    at = now.name
                    now.turn(seed, rounds)
            rounds += 1
            bad = sum(not each.tally.is_well for each in targets)
            console.print(f"[dim]round {rounds}: {told().partition('; ')[2]}, {so_many(bad, 'target')} failed[/]")
    return rounds


def chosen(targets: Sequence[Target], only: Sequence[str]) -> list[Target]:
    """Return the targets in whose name one of these words is; all, if none is given. Raise UsageError."""
    for word in only:
        if not any(word in each.name for each in targets):
            raise UsageError(f"no target matches {word!r}; there are: {'; '.join(each.name for each in targets)}")
    return [each for each in targets if not only or any(word in each.name for word in only)]


def run(options: argparse.Namespace) -> int:
    """Fuzz for a time, and print what came of it. Exit status 1 if something crashed, hung or was wrong.

    A lab that was not up before is taken down at the end.
    """
    began_s = time.monotonic()
    with contextlib.ExitStack() as stack:
        places: list[Place] = [OnThisMachine()] if "machine" in options.at else []
        if "lab" in options.at:
            lab = Lab(options.lab, *profiles_there())
            if not lab.is_up():
                stack.callback(_take_down, lab)
            bring_up(lab)
            stack.enter_context(held_without_faults(lab))
            places += [OnHost(lab, host) for host in hosts_of(lab)]
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="faultwire-fuzz-"))
        targets = chosen([FilesTarget(Path(folder), options.seed), *server_targets(places)], options.only)
        step(f"{so_many(len(targets), 'target')} for {minutes(options.for_)} (seed {options.seed})")
        until_s = time.monotonic() + options.for_
        rounds = 0
        try:
            rounds = play(targets, options.seed, lambda: time.monotonic() < until_s)
        finally:
            with signals.held_back():
                console.print()
                console.print(table(targets))
    sent = sum(each.tally.sent for each in targets)
    bad = sum(not each.tally.is_well for each in targets)
    missed = sum(not each.tally.sent for each in targets)
    not_met = f"; {so_many(missed, 'target')} had no turn; use a longer {either('FOR', '--for')}" if missed else ""
    console.print(
        f"\n{sent:,} messages and files in {so_many(rounds, 'whole round')}, {time.monotonic() - began_s:.0f} s "
        f"(seed {options.seed}): {so_many(bad, 'target')} failed{not_met}"
    )
    return 1 if bad else 0


def _take_down(lab: Lab) -> None:
    with under_way(f"lab {lab.number} goes down"):
        lab.down()
