"""A program of one's own, built for every CPU: the same conversation on each, and the first byte that differs.

Its Dockerfile stands on faultwire/cross and has the CPU as a build argument. The client of one CPU calls the server of
this machine, and the other way round, across the firewall of a lab; the bytes are those of the captures. A difference
is no fault by itself: a message may say in which order its numbers are. The verdict is `fail` where a client that is
answered between two native programs is not answered on another CPU.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.markup import escape
from rich.table import Table

from scenarios.byteorder import elf
from scenarios.byteorder.fields import Sender
from scenarios.byteorder.guess import Difference, Exchange, Message, first_difference
from scenarios.byteorder.messages import messages
from scenarios.calls import boxes, contract, port_holders
from scenarios.calls.serving import wait_until_it_listens
from scenarios.evidence import run_folder, tshark
from scenarios.evidence.capture import Capture
from scenarios.lab import engine, images
from scenarios.lab.cpus import CPUS
from scenarios.lab.errors import CommandFailed, LabProblem, UsageError
from scenarios.lab.heartbeat import under_way
from scenarios.lab.images import NATIVE, Recipe
from scenarios.lab.lab import Lab
from scenarios.lab.process import ENDED_AT_DEADLINE, Finished
from scenarios.lab.topology import ARCHITECTURES, NATIVE_IMAGE, Host
from scenarios.spec.command_line import words
from scenarios.spec.errno_numbers import names_on
from scenarios.spec.outcome import Outcome
from scenarios.spec.service import ServiceChoice
from scenarios.verdict.check import Verdict

Say = Callable[[str], None]
FAMILY: Final = "ipv4"
ARGUMENT: Final = re.compile(r"^\s*ARG\s+CPU\b", re.IGNORECASE | re.MULTILINE)
PROBED_WITHIN_S: Final = 60
PROBES: Final = "/usr/local/lib/faultwire-probes"
# What qemu itself says where it cannot do what the program asked for: that is no fault of the program.
EMULATION: Final = re.compile(r"^qemu.*(?:[Uu]nsupported|[Uu]nknown syscall|Illegal instruction).*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Row:
    """One pair of CPUs: how the call ended, the first difference from the native pair, and why it cannot be tried."""

    client: str
    server: str
    outcome: Outcome
    printed: str
    difference: Difference | None = None
    unsupported: str = ""

    @property
    def pair(self) -> str:
        """The CPU of the client, then of the server: `mips-native`."""
        return f"{self.client}-{self.server}"

    @property
    def verdict(self) -> Verdict:
        if self.unsupported:
            return Verdict.UNSUPPORTED
        return Verdict.PASS if self.outcome is Outcome.ANSWERED else Verdict.FAIL

    @property
    def says(self) -> str:
        """What differs, in a sentence."""
        if self.unsupported:
            return self.unsupported
        if self.difference is not None:
            return str(self.difference)
        if self.outcome is Outcome.ANSWERED:
            return "the same bytes"
        return f"the same bytes, and the client printed: {self.printed}"


@dataclass(frozen=True, slots=True)
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


def recipes(chosen: ServiceChoice, cpus: Sequence[str]) -> dict[str, Recipe]:
    """The recipes of the images of a service's programs for these CPUs. Raises UsageError where it has none."""
    service = chosen.service
    if chosen.transport != "tcp":
        raise UsageError(f"{chosen.name} speaks {chosen.transport}, and endian compares conversations over tcp")
    found = {}
    for what, image in (("server", chosen.server_image), ("client", chosen.image)):
        path = service.dockerfiles.get(image or "")
        if path is None:
            raise UsageError(
                f"{service.folder / 'service.yaml'}: the {what} of {chosen.name} has no Dockerfile in this folder, so "
                "it cannot be built for another CPU: docs/cpus.md has one"
            )
        if not ARGUMENT.search(path.read_text(encoding="utf-8", errors="replace")):
            raise UsageError(
                f"{path}: expected a line `ARG CPU=native`, by which it is built for each CPU: docs/cpus.md"
            )
        for cpu in cpus:
            tag = _tag(image or "", cpu)
            plain = images.service_recipe(tag, path)
            found[plain.name] = replace(plain, stands_on=("cross",), arguments={"CPU": cpu})
    return found


def _tag(image: str, cpu: str) -> str:
    return f"{image}-on-{cpu}"


def build(chosen: ServiceChoice, cpus: Sequence[str], say: Say) -> None:
    """Have its programs here, for these CPUs and this machine. Raises CommandFailed and UsageError."""
    ours = recipes(chosen, [NATIVE, *cpus])
    images.build(say, {**images.with_what_they_stand_on(["cross"]), **ours})


def check_machines(chosen: ServiceChoice, cpus: Sequence[str]) -> Mapping[str, str]:
    """What the emulator of each CPU says that it is, by the CPU. Raises UsageError for a program of another machine."""
    found = {}
    for cpu in [NATIVE, *cpus]:
        programs = {
            (chosen.server_image or "", _program(chosen.server.run or "")),
            (chosen.image or "", _program(chosen.client.run)),
        }
        for image, program in sorted(programs):
            _check_program(_tag(image, cpu), program, cpu)
        image = _tag(chosen.image or "", cpu)
        said = _run(image, "cross", cpu, "sh", "-c", f"exec $EMULATOR {PROBES}/{cpu}").strip()
        if cpu == NATIVE:
            promised = str(ARCHITECTURES[NATIVE_IMAGE][1])
        else:
            promised = f"big-endian, {CPUS[cpu].bits} bits, {CPUS[cpu].machine}"
        if said != promised:
            raise LabProblem(f"the emulator of {cpu} says {said!r}, and should say {promised!r}")
        found[cpu] = said
    return found


def _program(command: str) -> str:
    return words(command, host="", port="", bind="", ca="", cert="", key="")[0]


def _check_program(image: str, program: str, cpu: str) -> None:
    script = f'head -c {elf.HEADER_BYTES} "$(command -v "$1")" | od -An -v -tx1'
    try:
        header = bytes.fromhex("".join(_run(image, "sh", "-ec", script, "sh", program).split()))
    except CommandFailed as error:
        raise UsageError(f"{image}: there is no program {program!r} on the path: {error}") from error
    try:
        built = elf.built_for(header)
    except ValueError as error:
        raise UsageError(f"{image}: {program}: {error}") from error
    if built != elf.expected_for(cpu):
        raise UsageError(f"{image}: {program} was built for {built}, expected {elf.expected_for(cpu)}")


def _run(image: str, *argv: str) -> str:
    place = ("--rm", "--init", "--network", "none", "--label", f"{engine.LAB_LABEL}=-1", "--pull", "never")
    return engine.docker_command("run", *place, "--entrypoint", "", image, *argv, timeout_s=PROBED_WITHIN_S)


def sender(cpu: str) -> Sender:
    """What the table of the CPUs says of one."""
    if cpu == NATIVE:
        return Sender(cpu, "little", 64, errnos=names_on())
    found = CPUS[cpu]
    return Sender(cpu, "big", found.bits, found.aligned, names_on(cpu))


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
    """The row with its difference; without a guess where two native runs differ as well."""
    if difference is not None and unsteady is not None and difference.message >= unsteady.message:
        difference = replace(difference, guess=None, detail="two native runs differ there too")
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
    server_argv = ["on-cpu", server_cpu, *boxes.server_words(chosen, chosen.server.run, server, address)]
    client_argv = ["on-cpu", client_cpu, *boxes.client_words(chosen.client.run, address, chosen.port)]
    server_box = boxes.of_server(chosen, server, address)
    client_box = boxes.of_client(chosen.service, chosen.client_name, address, chosen.port, within_s)
    assert server_box  # noqa: S101 (as above)
    assert client_box  # noqa: S101 (as above)
    server_box, client_box = (
        replace(box, image=_tag(box.image, cpu)) for box, cpu in ((server_box, server_cpu), (client_box, client_cpu))
    )
    if chosen.server.ready is None:
        port_holders.check_free(lab, server.name, chosen)  # else that one would be taken for ours
    with lab.running(server.name, server_argv, server_box) as program:
        wait_until_it_listens(lab, chosen, server, program)
        with Capture(lab) as capture:
            ran = lab.run_guest(client.name, client_box, client_argv, timeout_s=within_s)
            legs = capture.stop()
        served = "\n".join(program.lines)
    heard = []
    for leg, each in legs.items():
        (place / f"{leg}.pcapng").write_bytes(each.pcapng)
        heard.append(messages(dissector.frames(each.pcapng), client.address(FAMILY), address, chosen.port))
    if len({tuple(_sent(each)) for each in heard}) != 1:
        raise LabProblem(f"{chosen.name}, {client_cpu}-{server_cpu}: the two legs do not hold the same bytes")
    outcome = contract.ended(chosen.client, ran, hung=ran.status == ENDED_AT_DEADLINE, cpu=client_cpu).outcome
    row = Row(client_cpu, server_cpu, outcome, _last_line(ran), None, _unsupported(outcome, ran, served))
    return row, heard[0]


def _sent(heard: Sequence[Message]) -> Iterator[bytes]:
    for by in ("client", "server"):
        yield b"".join(each.content for each in heard if each.by == by)


def _last_line(ran: Finished) -> str:
    lines = f"{ran.stdout}\n{ran.stderr}".strip().splitlines()
    return lines[-1] if lines else f"nothing, with status {ran.status}"


def _unsupported(outcome: Outcome, ran: Finished, served: str) -> str:
    """Why the emulation cannot show it; empty when it can."""
    if outcome is Outcome.UNSUPPORTED:
        return _last_line(ran)
    if outcome is not Outcome.ANSWERED and (said := EMULATION.search(f"{ran.stderr}\n{ran.stdout}\n{served}")):
        return said[0]
    return ""


def on_a_terminal(compared: Compared) -> Table:
    """A line for each pair."""
    table = Table(box=None, pad_edge=False)
    for column in ("pair", "the client is", f"beside {compared.native.pair}"):
        table.add_column(column, overflow="fold", no_wrap=column == "pair")
    for row in (compared.native, *compared.rows):
        style = "bold red" if row.verdict is Verdict.FAIL else ""
        table.add_row(row.pair, row.outcome.value, escape("" if row is compared.native else row.says), style=style)
    return table


def sentence(compared: Compared) -> str:
    """All of it in a line."""
    native, rows = compared.native, compared.rows
    if native.verdict is not Verdict.PASS:
        return f"nothing can be compared: {native.pair} is {native.outcome.value}, and printed: {native.printed}"
    broken = sum(row.verdict is Verdict.FAIL for row in rows)
    other = sum(row.difference is not None and not row.unsupported for row in rows)
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
