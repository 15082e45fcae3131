"""The plan that a part of a run keeps of the whole: all its cells, and what their results rest on. `merge` reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from scenarios.evidence import run_folder as runs
from scenarios.lab.errors import UsageError
from scenarios.lab.valueclass import valueclass
from scenarios.spec.cell import Cell
from scenarios.spec.shard import Shard
from scenarios.spec.units import so_many

FILE = "shard.json"
SCHEMA = 1


@valueclass
class Plan:
    """A part, the titles of all cells of the whole run in their order, and a digest of each thing it rests on."""

    shard: Shard
    titles: Sequence[str]
    rests_on: Mapping[str, str]


def part_of(cells: Sequence[Cell], shard: Shard | None) -> list[Cell]:
    """The cells of a part; all of them where no part is asked for."""
    return [cell for cell in cells if shard is None or shard.has(cell.title)]


def empty_part(shard: Shard, whole_run: Sequence[Cell]) -> str:
    """Say that a part has no cell. That is no failure: a part has by chance what it has, of a small run nothing."""
    of_run = so_many(len(whole_run), "cell")
    return f"part {shard} is empty: no cell of the run, which has {of_run}, falls to it; nothing was run"


def write(run_folder: Path, shard: Shard, cells: Sequence[Cell], rests_on: Mapping[str, str]) -> None:
    """Write into the folder of a run which part it is of the run of all these cells. Raise StorageProblem."""
    plan = {"schema": SCHEMA, "shard": str(shard), "rests_on": rests_on, "cells": [cell.title for cell in cells]}
    try:
        runs.write(run_folder / FILE, json.dumps(plan, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise runs.StorageProblem(f"{run_folder / FILE}: {error.strerror or error}") from error


def read(run_folder: Path) -> Plan:
    """What the folder of a part says of the whole. Raise UsageError, which names the file and what is wrong in it."""
    path = run_folder / FILE
    try:
        stored = json.loads(path.read_text("utf-8"))
        if stored["schema"] != SCHEMA:
            raise ValueError(f"expected schema {SCHEMA}, got {stored['schema']!r}")
        titles, rests_on = stored["cells"], stored["rests_on"]
        if not isinstance(titles, list) or not all(isinstance(each, str) for each in titles):
            raise ValueError("cells: expected a list of titles")
        if len(set(titles)) < len(titles):
            raise ValueError("cells: expected each title once, got one twice")
        if not isinstance(rests_on, dict) or not all(isinstance(each, str) for each in rests_on.values()):
            raise ValueError("rests_on: expected a mapping of names to digests")
        return Plan(Shard.parse(stored["shard"]), titles, rests_on)
    except FileNotFoundError:
        raise UsageError(f"{run_folder} is not a part of a run: there is no {FILE} (--shard writes it)") from None
    except KeyError as error:
        raise UsageError(f"{path}: {error} is missing") from error
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"{path}: {error}") from error
