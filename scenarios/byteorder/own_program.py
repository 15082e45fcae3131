"""A program of one's own, built for every CPU: the same conversation on each, and the first byte that differs.

Its Dockerfile stands on faultwire/cross and has the CPU as a build argument. The client of one CPU calls the server of
this machine, and the other way round, across the firewall of a lab; the bytes are those of the captures. A difference
is no fault by itself: a message may say in which order its numbers are. The verdict is `fail` where a client that is
answered between two native programs is not answered on another CPU.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, get_args

from rich.table import Table

from scenarios.byteorder.messages import messages
from scenarios.byteorder.row import Row, last_line, last_of, not_called, unsupported
from scenarios.calls import boxes, contract, on_cpus, port_holders
from scenarios.calls.serving import wait_until_it_listens
from scenarios.evidence import run_folder, tshark
from scenarios.evidence.capture import Capture
from scenarios.lab.cpus import CPUS
from scenarios.lab.errors import DeadlinePassed, LabProblem, NotReady, UsageError
from scenarios.lab.heartbeat import under_way
from scenarios.lab.lab import Lab
from scenarios.lab.markup import escape
from scenarios.lab.places import document
from scenarios.lab.process import Running
from scenarios.lab.topology import Host
from scenarios.lab.valueclass import valueclass
from scenarios.lab.waiting import wait_for
from scenarios.spec import program_ends
from scenarios.spec.errno_numbers import NATIVE
from scenarios.spec.outcome import Outcome
from scenarios.spec.pairs import LITTLE
from scenarios.spec.program_ends import Side
from scenarios.spec.service import ServiceChoice
from scenarios.verdict.alike import sender
from scenarios.verdict.check import Verdict
from scenarios.verdict.guess import Difference, Exchange, Message, first_difference

Say = Callable[[str], None]
FAMILY: Final = "ipv4"
# A server that dies of a request is gone a little after its client knows it, and an emulated Python first prints why.
QUIET_S: Final = 3.0
ENDS_WITHIN_S: Final = 20.0


@valueclass
class Compared:
    """The rows of all pairs. `unsteady` is where two native runs differ: from there on no difference has a meaning."""

    chosen: ServiceChoice
    machines: Mapping[str, str]
    native: Row
    rows: Sequence[Row]
    unsteady: Difference | None
    folder: Path

    @property
    def verdict(self) -> Verdict:
        found = {row.verdict for row in self.rows}
        if self.native.verdict is not Verdict.PASS or not found:
            return Verdict.UNPROVEN
        return next((each for each in (Verdict.FAIL, Verdict.PASS) if each in found), Verdict.UNSUPPORTED)


def check_fits(chosen: ServiceChoice) -> None:
    """Raise UsageError unless both programs of a service can be built for every CPU, and speak TCP."""
    service = chosen.service
    if chosen.transport != "tcp":
        raise UsageError(f"endian compares conversations over tcp; {chosen.name} speaks {chosen.transport}")
    for side in get_args(Side):
        if program_ends.moves(chosen, side):
            continue
        path = service.dockerfiles.get(program_ends.image(chosen, side) or "")
        if path is None:
            raise UsageError(
                f"{service.folder / 'service.yaml'}: the {side} of {chosen.name} cannot be built for another CPU: "
                f"expected a Dockerfile in this folder, or a program in Python; {document('docs/cpus.md')} has both"
            )
        raise UsageError(
            f"{path}: expected `FROM faultwire/cross` and a line `ARG CPU=native`, for each other CPU; "
            f"see {document('docs/cpus.md')}"
        )


def cpus_of(chosen: ServiceChoice) -> list[str]:
    """The CPUs that both of its programs come to; of its Pythons those that are built without being asked for."""
    both = set(program_ends.ends_of(chosen, "client")) & set(program_ends.ends_of(chosen, "server"))
    python = any(program_ends.is_python(chosen, side) for side in get_args(Side))
    return [name for name, cpu in CPUS.items() if cpu.end in both and not (python and cpu.optional)]


def build(chosen: ServiceChoice, cpus: Sequence[str], say: Say) -> Mapping[str, str]:
    """Have its programs here for these CPUs and this machine; what the emulator of each says that it is.

    Raises CommandFailed, and UsageError for a CPU to which it does not come, and for a program of another machine.
    """
    check_fits(chosen)
    for side in get_args(Side):
        there = [program_ends.cpu_of(end) for end in program_ends.ends_of(chosen, side)]
        if missing := [cpu for cpu in cpus if cpu not in there]:
            raise UsageError(
                f"the {side} of {chosen.name} does not run on {missing[0]}; it runs on: {', '.join(there)}"
            )
    ends = [LITTLE, *(CPUS[cpu].end for cpu in cpus)]
    on_cpus.ready([(chosen, end, end) for end in ends], say)
    return on_cpus.machines(chosen, [NATIVE, *cpus])


def compare(lab: Lab, chosen: ServiceChoice, cpus: Sequence[str], machines: Mapping[str, str], say: Say) -> Compared:
    """Hold the conversation on all pairs, in a lab that is up and held. Raises LabProblem."""
    folder = run_folder.new_run()
    client, server = lab.topology.hosts["client"], lab.topology.hosts["server"]
    pairs = [(NATIVE, NATIVE), (NATIVE, NATIVE), *((cpu, NATIVE) for cpu in cpus), *((NATIVE, cpu) for cpu in cpus)]
    found: list[tuple[Row, tuple[Message, ...]]] = []
    with tshark.Dissector(lab) as dissector:
        for number, (calling, serving) in enumerate(pairs):
            with under_way(f"{chosen.name}: {calling} calls {serving}"):
                place = run_folder.cell(
                    folder, "endian", chosen.name.replace("/", "-"), f"{calling}-{serving}-{number}"
                )
                found.append(_talk(lab, dissector, chosen, (calling, client), (serving, server), place))
    (native, reference), (_, again), *others = found
    unsteady = first_difference(_exchange(native, reference), _exchange(native, again))
    rows = [
        _beside(row, first_difference(_exchange(native, reference), _exchange(row, heard)), unsteady)
        for row, heard in others
    ]
    say(f"{chosen.label}: {len(rows)} pairs of CPUs beside {native.pair}")
    return Compared(chosen, machines, native, rows, unsteady, folder)


def _exchange(row: Row, heard: tuple[Message, ...]) -> Exchange:
    return Exchange(sender(row.client), sender(row.server), heard)


def _beside(row: Row, difference: Difference | None, unsteady: Difference | None) -> Row:
    """The row with its difference; without a guess where two native runs differ as well.

    What was not sent, because the server was not there or had died, is no difference of bytes.
    """
    if difference is not None and unsteady is not None and difference.message >= unsteady.message:
        difference = replace(difference, guess=None, detail="two native runs differ there too")
    if difference is not None and row.has_lost_its_server and difference.guess is None and not difference.there:
        difference = None
    return replace(row, difference=difference)


def _talk(
    lab: Lab,
    dissector: tshark.Dissector,
    chosen: ServiceChoice,
    calling: tuple[str, Host],
    serving: tuple[str, Host],
    place: Path,
) -> tuple[Row, tuple[Message, ...]]:
    (client_cpu, client), (server_cpu, server) = calling, serving
    address, within_s = server.address(FAMILY), chosen.client.timeout_s
    assert chosen.server.run is not None  # noqa: S101 (recipes asks)
    server_argv = boxes.server_words(chosen, chosen.server.run, server, address)
    client_argv = boxes.client_words(chosen.client.run, address, chosen.port)
    server_box = boxes.of_server(chosen, server, address)
    client_box = boxes.of_client(chosen.service, chosen.client_name, address, chosen.port, within_s)
    assert server_box  # noqa: S101 (as above)
    assert client_box  # noqa: S101 (as above)
    server_box, server_argv = on_cpus.placed(chosen, "server", _end(server_cpu), server_box, server_argv)
    client_box, client_argv = on_cpus.placed(chosen, "client", _end(client_cpu), client_box, client_argv)
    if chosen.server.ready is None:
        port_holders.check_free(lab, server.name, chosen)  # else that one would be taken for ours
    native = client_cpu == server_cpu == NATIVE
    with lab.running(server.name, server_argv, server_box) as program:
        try:
            wait_until_it_listens(lab, chosen, server, program, FAMILY)
        except NotReady as problem:
            _store(place / "server.log", program.lines)
            if native:  # there is nothing to compare with
                raise
            return not_called(client_cpu, server_cpu, program.status, program.lines, str(problem)), ()
        before = len(program.lines)
        with Capture(lab) as capture:
            ran = lab.run_guest(client.name, client_box, client_argv, timeout_s=within_s)
            legs = capture.stop()
        outcome = contract.ended(chosen.client, ran, hung=ran.hung, cpu=client_cpu).outcome
        if outcome is not Outcome.ANSWERED:
            _wait_for_its_end(program)
        status, served = program.status, [*program.lines]
    _store(place / "server.log", served)
    _store(place / "client.log", [ran.printed])
    heard = []
    for leg, each in legs.items():
        (place / f"{leg}.pcapng").write_bytes(each.pcapng)
        heard.append(messages(dissector.frames(each.pcapng), client.address(FAMILY), address, chosen.port))
    if len({tuple(_sent(each)) for each in heard}) != 1:
        raise LabProblem(
            f"{chosen.name}, {client_cpu}-{server_cpu}: expected the same bytes on both legs of the firewall"
        )
    cannot = unsupported(outcome, ran, "\n".join(served))
    row = Row(client_cpu, server_cpu, outcome, last_line(ran), None, cannot)
    return replace(row, server_status=status, server_printed=last_of(served[before:])), heard[0]


def _wait_for_its_end(program: Running) -> None:
    """Wait until a server has ended, or has printed nothing for QUIET_S."""
    printed, since_s = len(program.lines), time.monotonic()

    def is_over() -> bool:
        nonlocal printed, since_s
        if len(program.lines) != printed:
            printed, since_s = len(program.lines), time.monotonic()
        return program.ended or time.monotonic() - since_s > QUIET_S

    with contextlib.suppress(DeadlinePassed):
        wait_for(is_over, "the server ends", ENDS_WITHIN_S)


def _store(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _end(cpu: str) -> str:
    return LITTLE if cpu == NATIVE else CPUS[cpu].end


def _sent(heard: Sequence[Message]) -> Iterator[bytes]:
    for by in ("client", "server"):
        yield b"".join(each.content for each in heard if each.by == by)


def on_a_terminal(compared: Compared) -> Table:
    """A line for each pair. The words of a difference are of two conversations, "here" and "there"."""
    table = Table(box=None, pad_edge=False)
    native = compared.native.pair
    for column in ("pair", "the client is", f"beside {native} (here: {native}, there: this pair)"):
        table.add_column(column, overflow="fold", no_wrap=column == "pair")
    for row in (compared.native, *compared.rows):
        style = "bold red" if row.verdict is Verdict.FAIL else ""
        table.add_row(row.pair, row.client_is, escape("" if row is compared.native else row.says), style=style)
    return table


def sentence(compared: Compared) -> str:
    """All of it in a line."""
    native, rows = compared.native, compared.rows
    other = sum(row.difference is not None and not row.unsupported for row in rows)
    if native.verdict is not Verdict.PASS:
        bytes_ = f"; {other} of {len(rows)} pairs send other bytes than it" if other else ""
        why = f"{native.pair} itself ended as {native.client_is}, and printed: {native.printed}"
        return f"whether the others are answered as it is cannot be said: {why}{bytes_}"
    broken = sum(row.verdict is Verdict.FAIL for row in rows)
    left_out = sum(bool(row.unsupported) for row in rows)
    tried = len(rows) - left_out
    if not tried:
        return "none of the pairs of CPUs can be tried here"
    more = f"; {left_out} cannot be tried here" if left_out else ""
    if broken:
        return f"{broken} of {len(rows)} pairs of CPUs are not answered as {native.pair} is{more}"
    if other:
        return f"all are answered; {other} of {len(rows)} pairs send other bytes, which may be meant{more}"
    count = f"{tried} of {len(rows)}" if left_out else f"all {tried}"
    return f"{count} pairs of CPUs send the same bytes{more}"
