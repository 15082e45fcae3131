"""The machines that ran the cells of a run; where they differ in a thing, each value with the machines that have it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from scenarios.report.summary_files import NAMED

MACHINE: Final = "machine"  # the key of its name
NOT_KNOWN: Final = "not known"


def by_value(ran_on: Iterable[tuple[str, Mapping[str, str]]]) -> dict[str, dict[str, list[str]]]:
    """Of each thing (`kernel`, `engine`, …) its values, each with the names of the machines that have it."""
    named = dict(sorted(ran_on, key=lambda each: each[0]))
    things = sorted({thing for has in named.values() for thing in has})
    found: dict[str, dict[str, list[str]]] = {thing: {} for thing in things}
    for machine, has in named.items():
        for thing in things:
            found[thing].setdefault(has.get(thing, NOT_KNOWN), []).append(machine)
    return found


def in_words(values: Mapping[str, list[str]], apart: str = ", ") -> str:
    """`Linux 6.1 (a, b), Linux 6.18 (c)`; the value alone, where all have the same."""
    if len(values) == 1:
        return next(iter(values))
    return apart.join(f"{value} ({_few(of)})" for value, of in values.items())


def _few(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if names[NAMED:] else "")


def together(ran_on: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """What all cells of a run ran on, of what each of them ran on: a thing that differs has its machines beside it."""
    named = [
        (has.get(MACHINE, "this machine"), {thing: value for thing, value in has.items() if thing != MACHINE})
        for has in ran_on
    ]
    things = {thing: in_words(values) for thing, values in by_value(named).items()}
    return {**things, "machines": _few(sorted({name for name, _ in named}))}
