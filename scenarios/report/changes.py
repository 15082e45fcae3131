"""The changes since the run before: the newest earlier run that has cells in common with this one."""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.lab.valueclass import valueclass
from scenarios.report import read_run
from scenarios.report.read_run import Line, Run


@valueclass
class Changes:
    """The earlier run, and each cell whose verdict or word is another, with the line that it had then."""

    before: Run
    changed: Sequence[tuple[Line, Line]]
    new: Sequence[Line]
    gone: Sequence[Line]  # of the drills and services that both runs had something of
    common: int


def since_the_run_before(run: Run) -> Changes | None:
    """The changes; None when no earlier run beside this one has a cell in common with it."""
    keys = {line.key for line in run.lines}
    try:
        beside = sorted(run.folder.parent.iterdir(), reverse=True)
    except OSError:  # a run that was unpacked where this user may see it alone
        return None
    for folder in beside:
        try:
            if folder.is_symlink() or folder.name >= run.folder.name or not (folder / read_run.SUMMARY).is_file():
                continue
            before = read_run.run(folder)
        except (OSError, read_run.NoRun):
            continue  # another user's, of another version, or broken off while it was written
        then = {line.key: line for line in before.lines}
        if common := keys & then.keys():
            changed = [
                (then[line.key], line) for line in run.lines if line.key in common and _differ(then[line.key], line)
            ]
            new = [line for line in run.lines if line.key not in then]
            gone = [line for line in before.lines if line.key not in keys]
            return Changes(before, changed, new, gone, len(common))
    return None


def _differ(before: Line, now: Line) -> bool:
    words = (before.word, now.word) if before.survival and now.survival else ("", "")
    return before.verdict is not now.verdict or words[0] != words[1]
