"""The commands for stored runs: `report` makes the pages of one again, opens them, or serves them while the run goes
on; `merge` puts the parts of one together.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from scenarios.evidence import run_folder
from scenarios.lab.errors import UsageError
from scenarios.lab.heartbeat import under_way
from scenarios.lab.markup import escape
from scenarios.report import merge as merging
from scenarios.report import read_run, summary_files, write
from scenarios.report.console import console, counted, warn
from scenarios.report.live import Server
from scenarios.spec.units import so_many


def report(options: argparse.Namespace) -> int:
    """Exit status 0. Raise NoRun when the folder is not one of a run, UsageError for a cell that cannot be read."""
    if options.live:
        return _serve(options.folder or run_folder.RUNS / "latest", options.port)
    try:
        with under_way("the pages are written"):
            page = write.write(options.folder or run_folder.RUNS / "latest", anew=True)
    except read_run.TornFile as torn:
        told = "; ".join(map(str, (torn, *torn.further)))
        those = "these cells have no new pages" if torn.further else "that cell has no new page"
        raise UsageError(f"{told}; {those}, and the pages of all that can be read are made") from torn
    opener = opens_with() if options.open else None
    if opener:
        _open(opener, str(page))
    console.print(f"{'opened' if opener else 'report'}: {escape(str(page))}")
    return 0


def _serve(folder: Path, port: int) -> int:
    """Serve the pages of a run until somebody ends it. Exit status 0. Raise UsageError."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not the folder of a run")
    try:
        server = Server(folder, port)
    except (OSError, OverflowError) as error:  # a port that is taken, or none
        raise UsageError(f"--port {port}: {getattr(error, 'strerror', None) or error}") from error
    with server:
        console.print(f"live: {server.url} ({escape(str(run_folder.display_path(folder.resolve())))}); Ctrl-C ends it")
        opener = opens_with()
        if opener:
            _open(opener, server.url)
        with under_way(f"{server.url} is served"), contextlib.suppress(KeyboardInterrupt):
            server.serve_forever(poll_interval=0.2)
    return 0


def merge(options: argparse.Namespace) -> int:
    """Put the parts of a run together. Exit status as a whole run's; 2 where cells are missing."""
    with under_way("the parts are put together"):
        merged = merging.merge(options.parts, options.out)
    for line in merged.differs:
        warn(f"the machines differ in {line}")
    if merged.missing:
        warn(f"no part has {so_many(len(merged.missing), 'cell')}: {summary_files.join_titles(merged.missing)}")
    asked = sum(merged.verdicts.values()) + len(merged.missing)
    console.print(f"{counted(merged.verdicts)} of {asked}, out of {so_many(len(options.parts), 'part')}")
    console.print(f"[dim]evidence: {escape(str(options.out / read_run.PAGE))}[/]")
    status = summary_files.status_of(merged.verdicts)
    return status or (2 if merged.missing else 0)


def _open(opener: str, what: str) -> None:
    subprocess.Popen([opener, what], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)


def opens_with() -> str | None:
    """The program that opens a page on this machine's screen; None where there is no screen, or no such program."""
    if sys.platform == "darwin":
        return shutil.which("open")
    has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return shutil.which("xdg-open") if has_screen else None


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command to the command line; `command` makes one."""
    sub = command("merge", merge, "put the parts of a run (--shard) together into one; no lab is needed", in_lab=False)
    sub.add_argument("parts", nargs="+", type=Path, metavar="PART", help="the folder of each part, in any order")
    sub.add_argument("-o", "--out", type=Path, required=True, metavar="FOLDER", help="a new folder, for the whole run")
    sub = command("report", report, "make the pages of a run again from its folder; no lab is needed", in_lab=False)
    sub.add_argument(
        "folder", nargs="?", type=Path, metavar="FOLDER", help="the folder of the run (default: runs/latest)"
    )
    sub.add_argument("--open", action="store_true", help="open them too, where there is a screen")
    sub.add_argument(
        "--live",
        action="store_true",
        help="serve them on the loopback address, and make them again while the run goes on",
    )
    sub.add_argument("--port", type=int, default=0, metavar="N", help="the port of --live (default: a free one)")
