"""What every command prints with: steps, checks, verdicts, and a lab that comes up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.markup import escape
from rich.text import Text

from scenarios.lab import heartbeat, images, pool
from scenarios.lab.lab import Lab
from scenarios.verdict.check import Check, Verdict

EX_USAGE = 64  # sysexits.h
EX_UNAVAILABLE = 69
console = heartbeat.console
under_way = heartbeat.under_way
STYLES = {
    Verdict.PASS: "bold green",
    Verdict.FAIL: "bold red",
    Verdict.UNPROVEN: "bold yellow",
    Verdict.UNSUPPORTED: "bold blue",
}
MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.UNPROVEN: "?", Verdict.UNSUPPORTED: "–"}


def marked(verdict: Verdict, text: str) -> str:
    """A line of rich markup that begins with the verdict's mark."""
    return f"[{STYLES[verdict]}]{MARKS[verdict]}[/] {escape(text)}"


def counted(told: Mapping[Verdict, int]) -> str:
    """`70 pass, 2 unproven`, as rich markup; `none` of nothing."""
    return ", ".join(f"[{STYLES[each]}]{told[each]} {each.value}[/]" for each in Verdict if told.get(each)) or "none"


def step(text: str) -> None:
    """A step that was done."""
    console.print(f"[green]✓[/] {escape(text)}")


def warn(text: str) -> None:
    """Something that went wrong, and is tried again or can be lived with."""
    console.print(f"[yellow]![/] {escape(text)}")


def image_step(text: str) -> None:
    """What is done to an image."""
    console.print(f"[dim]images:[/] {escape(text)}")


def bring_up(a_lab: Lab) -> None:
    """Have the images fresh and the lab up, and say so where something had to be done."""
    images.build(image_step, images.recipes_of({a_lab.topology.machines[name] for name in a_lab.wanted}))
    pool.own(a_lab.number)
    if a_lab.is_up():
        return
    # Held: another run's machines must not be made anew under it, because their images are older than their files.
    with a_lab.held(), under_way(f"lab {a_lab.number} comes up"):
        seconds = a_lab.up()
    step(f"lab {a_lab.number} is up: {len(a_lab.wanted)} machines, {seconds:.1f} s")


def show(verdict: Verdict, sentence: str, checks: Sequence[Check], picture: Sequence[Text]) -> None:
    """The picture of an exchange, each check, and the verdict in words."""
    if picture:
        console.print()
        for line in picture:
            console.print(line)
        console.print()
    for each in checks:
        if each.holds is Verdict.PASS:
            console.print(marked(each.holds, f"{each.rule}: {each.seen}"))
        else:
            why = f"; {each.stalled}" if each.stalled else ""
            console.print(marked(each.holds, f"{each.rule}: expected {each.expected}, saw {each.seen}{why}"))
    console.print(f"\n[{STYLES[verdict]}]{verdict.value}[/]: {escape(sentence)}")
