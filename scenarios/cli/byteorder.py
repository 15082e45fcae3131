"""The commands about machines of different byte order: endian, emulation."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from scenarios.byteorder import compare, emulation, own_program
from scenarios.faults.recovery import held_without_faults
from scenarios.lab.cpus import CPUS
from scenarios.lab.errors import UsageError
from scenarios.lab.heartbeat import under_way
from scenarios.lab.lab import Lab
from scenarios.lab.markup import escape
from scenarios.lab.places import display_path, typed
from scenarios.lab.topology import topology
from scenarios.report.console import console, marked, step
from scenarios.run.prepare import bring_up
from scenarios.spec.declaration_error import advice, quoted
from scenarios.spec.service import resolve


def emulation_answers(options: argparse.Namespace) -> int:
    a_lab = Lab(options.lab, *topology(options.lab).usual_profiles)
    bring_up(a_lab)
    with under_way("a machine of each kind is asked"):
        asked = emulation.ask(a_lab)
    console.print(emulation.on_a_terminal(asked))
    if options.write:
        path = display_path(emulation.DOCUMENT)
        step(f"{path} is written anew" if emulation.write(asked) else f"{path} was right already")
    return 0


def compare_conversations(options: argparse.Namespace) -> int:
    if options.service:
        return compare_own_program(options)
    if options.cpu:
        raise UsageError(
            "--cpu goes with --service, a program of your own: "
            + typed("endian", "SERVICE=mine CPU=mips", "--service mine --cpu mips")
        )
    a_lab = Lab(options.lab, *topology(options.lab).usual_profiles)
    bring_up(a_lab)
    with held_without_faults(a_lab):
        compared = compare.compare(a_lab, step)
    for table in compare.on_a_terminal(compared):
        console.print()
        console.print(table)
    console.print()
    for line in compare.why(compared.rows):
        console.print(f"[dim]{escape(line)}[/]")
    wrong = sum(bool(row.wrong) for row in compared.rows)
    sentence = (
        f"{len(compared.rows)} conversations: beside the first of its kind each differs in these, and in nothing else"
    )
    console.print(marked(compared.verdict, f"{wrong} of {len(compared.rows)} are wrong" if wrong else sentence))
    console.print(f"[dim]captures: {escape(str(display_path(compared.folder)))}/[/]")
    if options.write and not wrong:
        path = display_path(compare.DOCUMENT)
        step(f"{path} has its figures anew" if compare.write(compared) else f"{path} was right already")
    return compared.verdict.exit_status


def compare_own_program(options: argparse.Namespace) -> int:
    """One service's own programs, built for every CPU: the same conversation on each."""
    if options.write:
        raise UsageError("--write makes the figures of docs/byte-order.md, which has no program of your own")
    chosen = resolve(options.service)
    own_program.check_fits(chosen)
    cpus = options.cpu or own_program.cpus_of(chosen)
    machines = own_program.build(chosen, cpus, step)
    for cpu, said in machines.items():
        step(f"{cpu}: {said}; both programs were built for it")
    a_lab = Lab(options.lab)
    bring_up(a_lab)
    with held_without_faults(a_lab):
        compared = own_program.compare(a_lab, chosen, cpus, machines, step)
    console.print()
    console.print(own_program.on_a_terminal(compared))
    console.print()
    console.print(marked(compared.verdict, own_program.sentence(compared)))
    console.print(f"[dim]captures: {escape(str(display_path(compared.folder)))}/[/]")
    return compared.verdict.exit_status


def _cpus(text: str) -> list[str]:
    found = [name for name in text.split(",") if name]
    if unknown := [name for name in found if name not in CPUS]:
        raise argparse.ArgumentTypeError(f"unknown CPU {quoted(unknown[0])}{advice(unknown[0], CPUS)}")
    return list(dict.fromkeys(found))


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands to the command line; `command` makes one."""
    sub = command("endian", compare_conversations, "the same conversations between every mix of machines, side by side")
    sub.add_argument("--write", action="store_true", help="make the figures of docs/byte-order.md anew from it")
    sub.add_argument(
        "--service", metavar="S", help="a program of your own that is built for each CPU: mine, mine/nginx"
    )
    sub.add_argument("--cpu", metavar="C", type=_cpus, help="on these CPUs alone: mips,m68k (default: all)")
    sub = command("emulation", emulation_answers, "where the emulated machines answer otherwise than a native one")
    sub.add_argument("--write", action="store_true", help="write docs/emulation.md from it")
