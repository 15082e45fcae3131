"""Steps, checks and verdicts, as every command prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from scenarios.lab import heartbeat
from scenarios.lab.markup import escape
from scenarios.verdict.check import MARKS, Check, Verdict

EX_USAGE = 64  # sysexits.h
EX_UNAVAILABLE = 69
EX_IOERR = 74
console = heartbeat.console
STYLES = {
    Verdict.PASS: "bold green",
    Verdict.FAIL: "bold red",
    Verdict.UNPROVEN: "bold yellow",
    Verdict.UNSUPPORTED: "bold blue",
}


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
            console.print(marked(each.holds, f"{each.sentence}{why}"))
    console.print(f"\n[{STYLES[verdict]}]{verdict.value}[/]: {escape(sentence)}")
