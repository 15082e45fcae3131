"""The matrix of a run: a row a drill, a column an architecture; or a column a pair, if each drill has one service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scenarios.lab.valueclass import valueclass
from scenarios.report.read_run import Line
from scenarios.spec.pairs import EVERY_PAIR

PAIR_ORDER: Mapping[str, int] = {pair: number for number, pair in enumerate(EVERY_PAIR)}


@valueclass
class Column:
    """A column; those of one group stand side by side under its name."""

    group: str
    name: str

    @property
    def label(self) -> str:
        """The whole name: `echo/select`, or a pair."""
        return f"{self.group}/{self.name}" if self.group else self.name


@valueclass
class Entry:
    """Lines of one place in the table that say the same, of several pairs or repeats, each with its label."""

    lines: Sequence[tuple[str, Line]]

    @property
    def line(self) -> Line:
        return self.lines[0][1]


@valueclass
class Matrix:
    """The table: `rows` have a name, what stands under it, and the entries of each column."""

    columns: Sequence[Column]
    rows: Sequence[tuple[str, str, Sequence[Sequence[Entry]]]]
    by_service: bool

    @property
    def groups(self) -> Sequence[tuple[str, int]]:
        """Each group with the number of its columns."""
        found: dict[str, int] = {}
        for column in self.columns:
            found[column.group] = found.get(column.group, 0) + 1
        return list(found.items())


def matrix(lines: Sequence[Line]) -> Matrix:
    """The table of these lines; rows and columns in the order of their names."""
    services: dict[str, set[str]] = {}
    for line in lines:
        services.setdefault(line.drill, set()).add(line.service)
    by_service = any(len(each) > 1 for each in services.values()) or len({line.service for line in lines}) == 1
    names = sorted({line.service if by_service else line.pair for line in lines}, key=_order)
    columns = [Column(*(name.split("/", 1) if "/" in name else ("", name))) for name in names]
    placed: dict[tuple[str, str], list[tuple[str, Line]]] = {}
    for line in lines:
        again = f" #{line.repeat}" if line.repeat > 1 else ""
        label = f"{line.pair if by_service else ''}{again}".strip()
        placed.setdefault((line.drill, line.service if by_service else line.pair), []).append((label, line))
    rows = [
        (
            drill,
            "" if by_service else ", ".join(sorted(served)),
            [_entries(placed.get((drill, name), [])) for name in names],
        )
        for drill, served in sorted(services.items())
    ]
    return Matrix(columns, rows, by_service)


def _order(name: str) -> tuple[str, str]:
    if name in PAIR_ORDER:
        return "", str(PAIR_ORDER[name])
    group, _, server = name.partition("/")
    return group, server


def _entries(lines: Sequence[tuple[str, Line]]) -> list[Entry]:
    found: dict[tuple[object, ...], list[tuple[str, Line]]] = {}
    for label, line in sorted(
        lines, key=lambda each: (PAIR_ORDER.get(each[1].pair, len(PAIR_ORDER)), each[1].pair, each[1].repeat)
    ):
        said = line.word, line.tone, line.survival.notes if line.survival else ()
        found.setdefault(said, []).append((label, line))
    return [Entry(each) for each in found.values()]
