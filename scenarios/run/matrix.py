"""The survival matrix: service x drill x pair. Which cells there are, in which order they run, and their table.

Rows are drills, columns architectures; a cell has a word of what happened, marked where it is not as promised.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from rich.table import Table

from scenarios.lab.errors import UsageError
from scenarios.lab.markup import escape
from scenarios.run.patience import patient
from scenarios.spec.catalogue import architectures, chosen_service
from scenarios.spec.cell import Cell, pairs_of
from scenarios.spec.drill import Drill
from scenarios.spec.pairs import Pair
from scenarios.spec.program_ends import check_can_run
from scenarios.spec.service import Service
from scenarios.spec.units import Seconds
from scenarios.verdict.check import Verdict
from scenarios.verdict.survival import AS_EVER, Survival

SERVICES = ("echo", "search")  # the architectures that are compared where nothing else is asked for
NOT_APPLIED, NOT_RUN = "·", "…"
LEGEND = (
    "[green]as promised[/] · [red]✗ not as promised[/] · [yellow]? unproven[/] · [blue]– unsupported[/] · "
    f"{NOT_APPLIED} the drill does not fit it · {NOT_RUN} not run\n"
    "⧗ other clients were not served meanwhile, or late · ☠ the server was not well afterwards "
    "(with ✗: that is not promised; with ?: not known)"
)

DRILLS_OWN: Final = Seconds(0)  # the patience of what each drill says


def columns(asked: Sequence[str], known: Mapping[str, Service], clients: Sequence[str] = ()) -> list[str]:
    """The architectures that are asked for: `echo` is all of its servers, `echo/select` one. Raises UsageError."""
    return architectures(asked or SERVICES, known, clients)


def cells(
    drills: Iterable[Drill],
    services: Sequence[str],
    pairs: Sequence[Pair],
    seed: int,
    known: Mapping[str, Service],
    patience: Seconds = DRILLS_OWN,
) -> list[Cell]:
    """Every cell that applies, in these pairs; without any in those that its programs run on.

    `patience` is what their calls are given at least.

    Raises UsageError for a service that there is not, or that no drill fits.
    """
    found, misfits = [], dict.fromkeys(services, "no drill was chosen")
    for drill in (patient(each, patience) for each in drills):
        for name in services:
            try:
                chosen = chosen_service(drill, name, known)
            except UsageError as misfit:
                if name in misfits:
                    misfits[name] = str(misfit)
                continue
            misfits.pop(name, None)
            found += [Cell(drill, chosen, pair, seed, patience=patience) for pair in pairs_of(drill, chosen, pairs)]
    if misfits:
        raise UsageError("; ".join(misfits.values()))
    check_can_run(pairs, list({cell.chosen.label: cell.chosen for cell in found}.values()))
    return found


def blanks(drills: Iterable[Drill], services: Sequence[str], known: Mapping[str, Service]) -> dict[str, dict[str, str]]:
    """Say why a drill is not run with a service, by drill and service; nothing of those that fit."""
    found: dict[str, dict[str, str]] = {}
    for drill in drills:
        for name in services:
            try:
                chosen_service(drill, name, known)
            except UsageError as misfit:
                found.setdefault(drill.drill, {})[name] = str(misfit)
    return found


def table(
    pairs: Sequence[Pair],
    said: Mapping[tuple[str, str, Pair], tuple[Verdict, Survival]],
    not_run: Collection[tuple[str, str, Pair]] = (),
) -> Table:
    """The table of what was run, by drill, architecture and pair; what pairs have in common is said once.

    `not_run` are cells that were asked for, of a matrix that was interrupted.
    """
    names = list(dict.fromkeys(name for _, name, _ in said))
    drawn = Table(show_lines=False, pad_edge=False, box=None, header_style="bold", row_styles=["", "on grey7"])
    drawn.add_column("drill", no_wrap=True)
    for name in names:
        service, _, server = name.partition("/")
        drawn.add_column(f"{service}\n{server}", overflow="fold")
    for drill in sorted({drill for drill, _, _ in said}):
        row = []
        for name in names:
            words = {
                pair: _cell(*said[cell]) if cell in said else f"[dim]{NOT_RUN}[/]"
                for pair in pairs
                if (cell := (drill, name, pair)) in said or cell in not_run
            }
            row.append("\n".join(_by_pair(words)))
        drawn.add_row(drill, *row)
    return drawn


def _by_pair(words: Mapping[Pair, str]) -> list[str]:
    if not words:
        return [f"[dim]{NOT_APPLIED}[/]"]
    if len(set(words.values())) == 1:
        return list(words.values())[:1]
    return [f"[dim]{pair}[/] {word}" for pair, word in words.items()]


def _cell(verdict: Verdict, survival: Survival) -> str:
    marks = ""
    if survival.others not in AS_EVER:
        marks += _mark("⧗", survival.others_as_promised)
    if survival.after not in AS_EVER:
        marks += _mark("☠", survival.after_as_promised)
    word = escape(survival.word)
    if verdict is Verdict.UNPROVEN:
        return f"[yellow]? {word}[/]{marks}"
    if verdict is Verdict.UNSUPPORTED:
        return f"[blue]– {word}[/]"
    return (f"[green]{word}[/]" if survival.as_promised else f"[bold red]✗ {word}[/]") + marks


def _mark(mark: str, as_promised: bool | None) -> str:
    if as_promised is None:
        return f" [yellow]{mark}?[/]"
    return f" {mark}" if as_promised else f" [bold red]{mark}✗[/]"
