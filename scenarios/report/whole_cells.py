"""Whether the folder of a cell is whole, and says what the summary of its run says: two files tell the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scenarios.report import read_run
from scenarios.report.read_run import Line, TornFile


def difference(run_folder: Path, line: Line) -> TornFile | None:
    """What is missing in the folder of a cell, or differs from the summary; None where it is whole.

    A folder that is not there was thrown away, and its line says so by itself. A file that cannot be read is told by
    whoever makes its page.
    """
    folder = run_folder / line.folder
    if not folder.is_dir():
        return None
    try:
        stored = read_run.result(folder)
    except OSError as error:
        why = f"{error.strerror}; the summary says {line.verdict.value}"
        return TornFile(folder / read_run.RESULT, why)
    except TornFile:
        return None
    if (verdict := stored.get("verdict", line.verdict.value)) != line.verdict.value:
        return TornFile(folder, f"the summary says {line.verdict.value}, its {read_run.RESULT} {verdict}")
    runs = stored.get("runs")
    for name in runs if isinstance(runs, Mapping) else ():
        if not (folder / name).is_dir():
            return TornFile(folder / name, f"the folder is gone; {read_run.RESULT} tells what is in it")
    return None
