"""The parts of a run, made on several machines, put together: one run, as one machine would have left it.

It reads and writes files alone; no lab and no engine is needed.
"""

from __future__ import annotations

import contextlib
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from scenarios.evidence.run_folder import made_whole, take_over
from scenarios.lab.errors import UsageError
from scenarios.lab.valueclass import valueclass
from scenarios.report import machines, read_run, shard_plan, summary_files, write
from scenarios.report.shard_plan import Plan
from scenarios.report.whole_cells import difference
from scenarios.verdict.check import Verdict


@valueclass
class Part:
    """A part of a run, as its folder tells it; `lines` are of its summary.json, by the title of the cell."""

    folder: Path
    plan: Plan
    lines: Mapping[str, Mapping[str, Any]]
    took_s: float
    ran_on: Mapping[str, str]


@valueclass
class Merged:
    """What was put together: the verdicts of all cells that were run, and the titles of those that no part has."""

    verdicts: Mapping[Verdict, int]
    missing: Sequence[str]
    differs: Sequence[str]  # of the machines: `kernel: Linux 6.1 (a), Linux 6.18 (b, c)`


def _read(folder: Path, plan: Plan) -> Part:
    """Raise UsageError where the part was killed, or its summary cannot be read or does not keep to its plan."""
    path = folder / read_run.SUMMARY
    if not path.is_file():
        raise UsageError(f"{folder} has no {read_run.SUMMARY}: that part was killed; run it again")
    run = read_run.run(folder)  # which says what is wrong with it
    stored = read_run.summary(folder)["cells"]
    lines = {line.title: each for line, each in zip(run.lines, stored, strict=True)}
    for title in lines:
        if title not in plan.titles or not plan.shard.has(title):
            raise UsageError(f"{path}: {title} is not a cell of part {plan.shard}, by {shard_plan.FILE} beside it")
    for line in run.lines:
        if not line.has_page:
            raise UsageError(f"{path}: the folder {line.folder} is not there, or has no {read_run.RESULT}")
    if found := [str(each) for each in map(partial(difference, folder), run.lines) if each]:
        raise UsageError(f"{'; '.join(found)}; run part {plan.shard} again")
    return Part(folder, plan, lines, run.duration_s or 0.0, run.versions)


def _check_one_run(plans: Sequence[tuple[Path, Plan]]) -> None:
    """Raise UsageError where these are not parts of one run, and of one version of the lab, each given once."""
    first, plan = plans[0]
    given: dict[int, Path] = {}
    for folder, other in plans:
        if other.shard.of != plan.shard.of:
            raise UsageError(
                f"{first} is part {plan.shard} and {folder} is part {other.shard}; "
                f"expected parts of one run, with the same number after the slash"
            )
        if differ := [name for name, has in plan.rests_on.items() if other.rests_on.get(name) != has]:
            raise UsageError(
                f"{folder} and {first} were run by different versions of the lab: {', '.join(differ)} "
                f"differ{'' if len(differ) > 1 else 's'}; run both with the same commit"
            )
        if list(other.titles) != list(plan.titles):
            apart = sorted(set(other.titles) ^ set(plan.titles))
            why = f"different cells: only one has {apart[0]}" if apart else "the same cells in a different order"
            raise UsageError(f"{folder} and {first} are not parts of one run; their runs were asked for {why}")
        if other.shard.number in given:
            raise UsageError(f"part {other.shard} is given twice: {given[other.shard.number]} and {folder}")
        given[other.shard.number] = folder


def _differences(parts: Sequence[Part]) -> tuple[dict[str, str], list[str]]:
    """What the parts ran on, in one; and a line for each thing in which their machines differ."""
    found = machines.by_value([(part.folder.name, part.ran_on) for part in parts])
    ran_on = {thing: ", ".join(values) for thing, values in found.items()}
    differs = [f"{thing}: {machines.in_words(values, '; ')}" for thing, values in found.items() if len(values) > 1]
    return ran_on, differs


@contextlib.contextmanager
def _named_in_its_part(parts: Sequence[Part], out: Path) -> Iterator[None]:
    """Raise UsageError for files of cells in `out` that cannot be read; it names the files from which they came."""
    try:
        yield
    except read_run.TornFile as torn:
        told = list[str]()
        for each in (torn, *torn.further):
            place = each.path.relative_to(out.resolve())
            part = next(part for part in parts if any(place.is_relative_to(of["folder"]) for of in part.lines.values()))
            told.append(f"{part.folder / place}: {each.why}; run part {part.plan.shard} again")
        raise UsageError("; ".join(told)) from torn


def merge(folders: Sequence[Path], out: Path) -> Merged:
    """Put the parts together in the new folder `out`: evidence, summary.json, junit.xml and report.

    Evidence is linked where it lies on the same file system, else copied; the parts stay as they are. Raise UsageError
    where they do not belong together, `out` is there, or cannot be made, before anything is written; UsageError for a
    cell that cannot be read and StorageProblem where `out` cannot be written whole, and then `out` is taken away.
    """
    plans = [(folder, shard_plan.read(folder)) for folder in folders]
    _check_one_run(plans)
    parts = [_read(folder, plan) for folder, plan in plans]
    if out.exists():
        raise UsageError(f"{out} exists already; name a new folder")
    lines = {title: each for part in parts for title, each in part.lines.items()}
    titles = parts[0].plan.titles
    told = Counter(Verdict(each["verdict"]) for each in lines.values())
    ran_on, differs = _differences(parts)
    with _named_in_its_part(parts, out), made_whole(out):
        for part in parts:
            for line in part.lines.values():
                take_over(part.folder / line["folder"], out / line["folder"], read_run.PAGE)
        if (blanks := parts[0].folder / read_run.BLANKS).is_file():  # the same in every part
            shutil.copyfile(blanks, out / read_run.BLANKS)
        took_s = sum(part.took_s for part in parts)  # of all machines
        summary_files.write(
            out, [lines[title] for title in titles if title in lines], len(titles), took_s, ran_on, told, tells_ci=False
        )
        write.tell_ci(out)  # of what is whole
    return Merged(told, [title for title in titles if title not in lines], differs)
