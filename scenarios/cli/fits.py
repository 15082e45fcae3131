"""Which drills fit a service, and why the others do not: without running any. `make list SERVICE=mine`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table

from scenarios.lab.markup import escape
from scenarios.lab.valueclass import valueclass
from scenarios.report.console import console
from scenarios.spec.catalogue import choose
from scenarios.spec.cell import Cell, pairs_of, unsupported
from scenarios.spec.drill import Drill
from scenarios.spec.service import Service
from scenarios.spec.units import so_many


@valueclass
class Fit:
    """Whether a drill fits a service: in which pairs it is run where none is asked for, or why in none."""

    drill: Drill
    service: str
    client: str
    pairs: Sequence[str]
    why_not: str = ""


def fits(found: Sequence[Drill], services: Sequence[str], known: Mapping[str, Service]) -> Iterator[Fit]:
    """Each drill with each service. Raises UsageError for a service that there is not."""
    for service in services:
        for drill in found:
            chosen, misfit = choose(drill, service, known)
            if misfit:
                yield Fit(drill, service, chosen.client_name, (), misfit)
                continue
            usual = pairs_of(drill, chosen)
            reasons = {pair: unsupported(Cell(drill, chosen, pair)) for pair in usual}
            pairs = [pair for pair, reason in reasons.items() if not reason]
            yield Fit(drill, service, chosen.client_name, pairs, "" if pairs else reasons[usual[0]])


def show(found: Sequence[Drill], services: Sequence[str], known: Mapping[str, Service], *, as_json: bool) -> int:
    """Print it; the exit status: 0 where a drill fits, 1 where none does."""
    made = list(fits(found, services, known))
    if as_json:
        for each in made:
            said = {
                "drill": each.drill.drill,
                "service": each.service,
                "client": each.client,
                "fits": bool(each.pairs),
                "pairs": list(each.pairs),
                "why_not": each.why_not or None,
            }
            console.emit(json.dumps(said) + "\n")
        return 0 if any(each.pairs for each in made) else 1
    for service in services:
        of_service = [each for each in made if each.service == service]
        fitting = [each for each in of_service if each.pairs]
        table = Table(box=None, pad_edge=False)
        for column in (f"{service}", "", "claim, or why it does not fit"):
            table.add_column(column, no_wrap=column == service)
        for each in sorted(of_service, key=lambda each: not each.pairs):
            mark = "[green]fits[/]" if each.pairs else "[dim]no[/]"
            table.add_row(each.drill.drill, mark, escape(each.why_not or each.drill.claim))
        console.print(table)
        pairs = " and ".join(fitting[0].pairs) if fitting else ""
        where = f", with the client {fitting[0].client}, in {pairs}" if fitting else ""
        console.print(f"{len(fitting)} of {so_many(len(of_service), 'drill')} fit {service}{where}\n")
    return 0 if any(each.pairs for each in made) else 1
