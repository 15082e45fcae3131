"""The commands about drills: run, matrix, storm, fuzz."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from scenarios.cli import matrix
from scenarios.cli.arguments import (
    add_keep_runs,
    add_labs,
    add_pairs,
    add_programs,
    add_shard,
    between,
    patience,
    time_s,
)
from scenarios.cli.picture import picture
from scenarios.cli.progress import Alone, Progress
from scenarios.cli.service_files import known_services
from scenarios.cli.workforce import RunOptions, Workforce, add_cluster, workforce
from scenarios.evidence import run_folder as runs
from scenarios.lab import signals
from scenarios.lab.errors import UsageError
from scenarios.lab.heartbeat import under_way
from scenarios.lab.lab import Lab
from scenarios.lab.markup import escape
from scenarios.lab.places import typed
from scenarios.report import shard_plan
from scenarios.report.console import console, counted, show, warn
from scenarios.run import fingerprint, previous, summary
from scenarios.run.patience import patient
from scenarios.run.session import Happened
from scenarios.spec.catalogue import ALL, architectures, chosen_service, find_drills, fitting
from scenarios.spec.cell import Cell, pairs_of, unsupported
from scenarios.spec.drill import Drill
from scenarios.spec.program_ends import check_can_run
from scenarios.spec.service import ServiceChoice, Services, resolve
from scenarios.spec.units import Seconds, so_many
from scenarios.stress import fuzz, storm
from scenarios.verdict.result import Result

PATIENCE_ABOUT = "give each client at least so long before it is said to hang (default: as long as the drill says)"


def cells(options: argparse.Namespace) -> list[Cell]:
    """What was asked for, each cell once. Raise UsageError for a service that a drill does not fit."""
    known = known_services(options.service)
    found: dict[str, Cell] = {}  # by title: two names may name one server
    for drill in (patient(each, options.patience) for each in find_drills(options.names, known)):
        wanted = options.service.split(",") if options.service else [drill.service]
        if options.service == ALL:
            wanted = [each.name for each in fitting(drill, known)]
        if options.client:
            wanted = architectures([resolve(each, known=known).name for each in wanted], known, options.client)
        for service in wanted:
            chosen = _chosen(drill, service, known, options.names)
            usual = pairs_of(drill, chosen, options.pair)
            for pair in usual[-1:] if options.one_pair and not options.pair else usual:
                for repeat in range(1, options.repeat + 1):
                    cell = Cell(drill, chosen, pair, options.seed + repeat - 1, repeat, options.patience)
                    found[cell.title] = cell
    check_can_run(options.pair, list({each.chosen.label: each.chosen for each in found.values()}.values()))
    return list(found.values())


def _chosen(drill: Drill, service: str, known: Services, names: Sequence[str]) -> ServiceChoice:
    """What a drill runs with. Raise UsageError for a service that it does not fit; of a pattern, with the cure."""
    try:
        return chosen_service(drill, service, known)
    except UsageError as misfit:
        if drill.drill in names or drill.path in [Path(each).resolve() for each in names if "/" in each]:
            raise
        tells = typed("list", f"SERVICE={service}", f"--service {service}")
        takes = typed("matrix", f"SERVICE={service}", f"--service {service}")
        raise UsageError(f"{misfit}; `{takes}` runs those that fit, and `{tells}` says which do") from misfit


def run(options: argparse.Namespace) -> int:
    options.json |= options.events
    console.stderr = options.json  # standard output is for the verdicts then
    whole_run = cells(options)
    asked = shard_plan.part_of(whole_run, options.shard)
    if options.dry_run:
        for cell in asked:
            reason = unsupported(cell)
            console.print(escape(cell.title) + (f"  [blue]unsupported: {escape(reason)}[/]" if reason else ""))
        console.print(f"{so_many(len(asked), 'cell')}; nothing was run")
        return 0
    summary.check_junit(options.junit)
    if options.events and options.cluster:
        raise UsageError(
            "--events shows what happens on this machine, and with --cluster it happens elsewhere; use --json"
        )
    jobs = min(len(options.labs) or options.jobs, len(asked))
    with workforce(options, jobs, asked) as force:
        return _run(options, whole_run, asked, force)


def _run(options: argparse.Namespace, whole_run: Sequence[Cell], asked: Sequence[Cell], force: Workforce) -> int:
    alone = len(asked) == 1 and not options.json
    began_s = time.monotonic()
    progress = Progress(len(asked), force.jobs, previous.durations_s(beside=False), asked)
    whole: list[Result] = []  # with its evidence, for a person who asked for one cell

    def tell(result: Result) -> None:
        progress.report(result, in_words=not (alone or options.json))
        if options.json:
            _tell_json(result)
        elif alone:
            whole.append(result)

    one = Alone(asked[0]) if alone else None
    shown = one.display() if one else progress.display()
    run_folder = runs.new_run()
    runs.keep_room(run_folder, len(asked))
    if options.shard:
        shard_plan.write(run_folder, options.shard, whole_run, fingerprint.parts_of_lab())
    if options.events:
        _tell_line({"run": run_folder.name})
    happened = _tell_event if options.events else one.follow if one else lambda _: None
    campaign = force.running(
        RunOptions(
            run_folder, tell, progress.begin_cell, keep=options.keep, happened=happened, patience=options.patience
        )
    )
    broke_off: BaseException | None = None
    try:
        with shown:
            campaign.run(asked)
    except (KeyboardInterrupt, Exception) as why:  # raised again, when what had been run is safe
        broke_off = why
    took_s = time.monotonic() - began_s
    with signals.held_back():
        with under_way("the report is written"):
            broke_off = summary.close(run_folder, campaign.results, len(asked), took_s, broke_off, options.junit)
        for result in whole:
            _show(force.labs, result)
        if options.shard and not asked:
            console.print(shard_plan.empty_part(options.shard, whole_run))
        if not options.json:
            _count(campaign.results, asked, run_folder, took_s)
        previous.remove_runs(options.keep_runs, warn)
    if broke_off:
        broke_off.add_note(summary.not_run(campaign.results, asked))
        raise broke_off
    return summary.exit_status(campaign.results) if asked else 0  # of an empty part, which is no failure


def _tell_json(result: Result) -> None:
    line = summary.line(result)
    # in the folder of this run, which may be another one's latest when this is read
    folder = str(result.folder.relative_to(runs.RUNS))
    _tell_line({**line, "folder": folder})


def _tell_line(told: Mapping[str, object]) -> None:
    console.emit(json.dumps(told) + "\n")  # one write: workers of several labs tell, too


def _tell_event(event: Happened) -> None:
    _tell_line(
        {
            "event": event.what,
            "cell": event.cell,
            "with_faults": event.armed,
            "at_ns": event.at_ns,
            "in_force": list(event.in_force),
        }
    )


def _count(results: Sequence[Result], asked: Sequence[Cell], run_folder: Path, took_s: float) -> None:
    told = Counter(each.verdict for each in results)
    if asked:
        console.print(f"\n{counted(told)} of {len(asked)} in {took_s:.0f} s")
    folder = escape(str(runs.display_path(run_folder)))
    shown = f" (runs/latest points to it); `{typed('report')}` shows it" if runs.is_latest(run_folder) else ""
    console.print(f"[dim]evidence: {folder}/{shown}[/]")


def _show(labs: Sequence[Lab], result: Result) -> None:
    """One cell, in full: the claim, the picture of the run with the fault, and every check."""
    drill = result.cell.drill
    console.print(f"[bold]{escape(drill.drill)}[/]: {escape(drill.claim)}")
    console.print(f"[dim]{escape(drill.why)} ({escape('; '.join(drill.source))})[/]")
    seen = result.seen.get("fault") or result.seen.get("control")
    if seen:
        began_ns = seen.events[0].at_ns if seen.events else 0
        for event in seen.events:
            console.print(f"[dim]{(event.at_ns - began_ns) / 1e9:8.3f} s[/] {escape(event.what)}")
    for sentence in result.earlier_tries:
        console.print(f"[dim]an earlier try proved nothing: {escape(sentence)}[/]")
    drawn = list(picture(labs[0], result, seen)) if seen else []
    show(result.verdict, result.sentence, [*result.control, *result.checks], drawn)
    if result.did:
        console.print(f"[dim]the program:[/] {escape(result.did.word)}")


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands to the command line; `command` makes one."""
    sub = command("run", run, "run drills, and prove what they claim")
    sub.add_argument("names", nargs="+", metavar="NAME", help="drills, patterns as lost-*, or all")
    add_programs(sub, "what to run with (default: the drill's own); a,b; all that fit")
    add_pairs(sub)
    about = "without --pair, run one pair only: be-le, or le-le where the programs run on no other"
    sub.add_argument("--one-pair", action="store_true", help=about)
    add_labs(sub)
    # One seed for everybody: the same command loses the same packets on every machine. `soak` draws others.
    sub.add_argument("--seed", type=between(0, 2**31 - 1), default=1, metavar="N", help="(default %(default)s)")
    sub.add_argument(
        "--repeat", type=between(1, 10_000), default=1, metavar="N", help="how often, with the next seed each time"
    )
    sub.add_argument("--jobs", type=between(1, 16), default=1, metavar="N", help="labs side by side")
    add_shard(sub)
    sub.add_argument("--keep", action="store_true", help="keep the other labs up, for the next run")
    sub.add_argument("--patience", type=patience, default=Seconds(0), metavar="TIME", help=PATIENCE_ABOUT)
    sub.add_argument("--dry-run", action="store_true", help="say what would be run")
    sub.add_argument("--json", action="store_true", help="a line of JSON for each verdict, and nothing else")
    about = "as --json; first a line with the folder of the run, and one for each event of a script as it happens"
    sub.add_argument("--events", action="store_true", help=about)
    sub.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML there too")
    add_keep_runs(sub)
    add_cluster(sub)
    sub = command("matrix", matrix.run, "what becomes of each architecture under each drill, as a table")
    sub.add_argument("names", nargs="*", metavar="DRILL", help="(default: every drill that applies)")
    add_programs(sub, "echo,search/asyncio,mine (default: echo and search)")
    add_pairs(sub)
    add_labs(sub)
    sub.add_argument("--seed", type=between(0, 2**31 - 1), default=1, metavar="N")
    sub.add_argument("--jobs", type=between(1, 16), metavar="N", help="(default: by cores and memory)")
    add_shard(sub)
    sub.add_argument("--keep", action="store_true", help="keep the other labs up, for the next run")
    sub.add_argument("--patience", type=patience, default=Seconds(0), metavar="TIME", help=PATIENCE_ABOUT)
    sub.add_argument("--resume", action="store_true", help="go on with the matrix that was broken off")
    sub.add_argument("--changed", action="store_true", help="run only cells whose service, drill or lab has changed")
    sub.add_argument("--dry-run", action="store_true", help="say how many cells there are")
    add_keep_runs(sub)
    add_cluster(sub)
    sub = command("storm", storm.run, "end runs of every kind of fault at random moments: is anything left?")
    sub.add_argument("--count", type=between(1, 10_000), default=300, metavar="N", help="(default %(default)s)")
    sub.add_argument("--seed", type=between(0, 2**31 - 1), default=1, metavar="N", help="(default %(default)s)")
    about = "start no other run after this time: 30min, 2h (default 3h)"
    sub.add_argument("--within", type=time_s, default=3 * 3600.0, metavar="TIME", help=about)
    sub = command("fuzz", fuzz.run, "messages and files as nobody should make them: does anything crash or hang?")
    about = "targets with this in their name: files, search, echo/select, server-be (default: all)"
    sub.add_argument("only", nargs="*", metavar="WORD", help=about)
    sub.add_argument("--for", dest="for_", type=time_s, default=600.0, metavar="TIME", help="10min, 1h (default 10min)")
    sub.add_argument("--seed", type=between(0, 2**31 - 1), default=1, metavar="N", help="(default %(default)s)")
    about = "where servers run (default: both); no engine is needed for `machine`"
    sub.add_argument("--at", nargs="+", choices=fuzz.PLACES, default=fuzz.PLACES, help=about)
