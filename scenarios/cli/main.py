"""The command line: `python -m scenarios COMMAND`. What a person types is `make`; the Makefile calls this."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NoReturn

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from scenarios.bench import apache_bench as ab
from scenarios.bench import model, tables
from scenarios.byteorder import compare, emulation
from scenarios.calls import bundle, contract
from scenarios.cli import drills
from scenarios.cli import report as report_command
from scenarios.cli import watch as watching
from scenarios.evidence import sockets
from scenarios.evidence.run_folder import StorageProblem
from scenarios.faults.recovery import held_without_faults
from scenarios.lab import bundle_file, doctor, images, lab, locks, pool, signals
from scenarios.lab import ping as reach
from scenarios.lab.aloud import aloud
from scenarios.lab.cpus import CPUS
from scenarios.lab.errors import CommandFailed, DeadlinePassed, LabProblem, NoEngine, UsageError
from scenarios.lab.heartbeat import pulse, under_way
from scenarios.lab.lab import Lab
from scenarios.lab.topology import DEFAULT_LAB, LAB_NUMBERS, ROOT, Host, topology
from scenarios.report.console import EX_UNAVAILABLE, EX_USAGE, console, image_step, marked, show, step
from scenarios.run import demo as demo_module
from scenarios.run.demo import Shown, demonstrate
from scenarios.run.prepare import bring_up
from scenarios.spec import scaffold
from scenarios.spec.service import named
from scenarios.spec.strict_yaml import DeclarationError, advice

ALL_ENDED = "what this run started has been ended"


class Parser(argparse.ArgumentParser):
    """argparse with the exit status that sysexits.h has for a usage error."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: {message}\n")


def _image(text: str) -> str:
    if text not in images.RECIPES:
        raise argparse.ArgumentTypeError(f"there is no image {text!r}{advice(text, images.RECIPES)}")
    return text


def _lab_number(text: str) -> int:
    if not text.isdecimal() or int(text) not in LAB_NUMBERS:
        raise argparse.ArgumentTypeError(f"a lab's number is {LAB_NUMBERS[0]} to {LAB_NUMBERS[-1]}, not {text!r}")
    return int(text)


def _lab_with(number: int, *names: str) -> Lab:
    """The lab, with the profiles that these hosts come with."""
    found = topology(number)
    return Lab(number, *dict.fromkeys(found.profiles[name] for name in names if name in found.profiles))


def up(options: argparse.Namespace) -> int:
    bring_up(Lab(options.lab, *options.profiles))
    return status(options)


def down(options: argparse.Namespace) -> int:
    with under_way(f"lab {options.lab} goes down"):
        Lab(options.lab).down()
    pool.own(options.lab)
    step(f"lab {options.lab} is down")
    return 0


def status(options: argparse.Namespace) -> int:
    a_lab = Lab(options.lab, *options.profiles)
    states = a_lab.states()
    table = Table(title=f"lab {options.lab}", title_justify="left", box=None, pad_edge=False)
    for column in ("machine", "state", "byte order", "runs on", "network", "IPv4", "IPv6"):
        table.add_column(column)
    for name, state in states.items():
        style = "green" if state in ("running", "healthy") else "red"
        host = a_lab.topology.places.get(name)
        about: tuple[str, ...] = ()
        if host:
            word = f"{host.byteorder}, {host.promised.bits} bits"
            about = (word, host.machine, host.network, host.ipv4, host.ipv6)
        table.add_row(name, f"[{style}]{state}[/]", *about)
    for leg in a_lab.topology.legs.values():
        table.add_row(f"  {leg.name}", "", "", "", leg.network, leg.ipv4, leg.ipv6)
    console.print(table)
    return 0 if a_lab.is_up() else 1


def shell(options: argparse.Namespace) -> int:
    a_lab = _lab_with(options.lab, options.host)
    if a_lab.states().get(options.host) not in ("running", "healthy"):
        a_lab.container(options.host)
        how = " ".join(["make up", *(f"WITH={profile}" for profile in a_lab.profiles)])
        raise LabProblem(f"{options.host} of lab {options.lab} does not run; `{how}` starts it")
    terminal = ["--tty"] if sys.stdin.isatty() else []
    with pulse.handed_over():
        return subprocess.run(
            ["docker", "exec", "--interactive", *terminal, a_lab.container(options.host), "sh"], check=False
        ).returncode


def logs(options: argparse.Namespace) -> int:
    profiles = ",".join(sorted({*topology(options.lab).profiles.values()}))
    environment = {"LAB": str(options.lab), "COMPOSE_PROFILES": profiles}
    command = ["docker", "compose", "--ansi", "always" if console.can_draw else "never", "logs", "--timestamps"]
    return aloud(f"the logs of lab {options.lab} are read", command, cwd=ROOT, environment=environment)


def build_images(options: argparse.Namespace) -> int:
    named = [*options.images, *(f"host-{cpu}" for cpu in options.cpu)]
    wanted = images.with_what_they_stand_on(named) if named else images.EVERY_LAB
    images.build(image_step, wanted)
    step(f"images are fresh: {', '.join(recipe.tag for recipe in wanted.values())}")
    return 0


def _bundle_step(text: str) -> None:
    console.print(f"[dim]bundle:[/] {escape(text)}")


def write_bundle(options: argparse.Namespace) -> int:
    written = bundle.write(
        options.file,
        options.images,
        options.pythons or [bundle.THIS_PYTHON],
        _bundle_step,
        bundle_file.in_lines(_bundle_step),
    )
    step(f"{options.file} is written: {written.size:,} bytes ({bundle_file.mebibytes(written.size)})")
    console.print(f"  SHA-256 {written.sha256}")
    console.print(f"  there, in a checkout of the same commit: make load BUNDLE={escape(str(options.file))}")
    return 0


def load_bundle(options: argparse.Namespace) -> int:
    """Exit status 1 where the images are here, and this checkout needs a network all the same."""
    loaded = bundle.load(options.file, options.sha256, _bundle_step, bundle_file.in_lines(_bundle_step))
    step(f"{len(loaded.contents.images)} images are loaded")
    if not loaded.stale:
        step("they are what this checkout wants: nothing is to be built")
        return 0
    console.print(f"[bold yellow]this checkout has other files than commit {loaded.contents.commit or 'unknown'}[/]:")
    for tag, reason in loaded.stale.items():
        how = "needs a network" if tag in loaded.want_a_network else "seconds, without a network"
        console.print(f"  {tag} is {reason}; the next command that needs it builds it ({how})")
    return 1 if loaded.want_a_network else 0


def clean(options: argparse.Namespace) -> int:
    with under_way("all that is ours on this engine is removed"):
        removed = lab.clean()
        locks.remove_free()
        images.prune()
    step(f"removed {len(removed)} containers and networks" + (f": {', '.join(removed)}" if removed else ""))
    if options.images:
        with under_way("the images are removed"):
            images_removed = images.remove()
        step(f"removed images: {', '.join(images_removed) or 'there were none'}")
    else:
        console.print(
            "[dim]images stay, so that the next lab comes up in seconds; `make clean-images` removes them too[/]"
        )
    return 0


def diagnose(_: argparse.Namespace) -> int:
    marks = {
        doctor.State.GOOD: "[green]✓[/]",
        doctor.State.NOTE: "[blue]i[/]",
        doctor.State.MISSING: "[red]✗[/]",
    }
    missing = 0
    for finding in doctor.examine():
        cure = f" [bold]→ {escape(finding.cure)}[/]" if finding.cure else ""
        console.print(f"{marks[finding.state]} {escape(finding.what)}: {escape(finding.seen)}{cure}")
        missing += finding.state is doctor.State.MISSING
    if missing:
        console.print(f"[bold red]a drill could not run here: {missing} missing[/]")
        return 1
    console.print("[bold green]a drill can run here[/]")
    return 0


def demo(options: argparse.Namespace) -> int:
    a_lab = Lab(options.lab)
    states = a_lab.states()
    stopped_by_hand = states.pop("firewall") == "exited" and set(states.values()) == {"running"}
    # A firewall that somebody stopped, in a lab that runs, stays stopped: what happens then is a thing to see.
    if not stopped_by_hand:
        bring_up(a_lab)
    with held_without_faults(a_lab):
        shown = demonstrate(a_lab, step)
    return _show(a_lab, shown)


def call(options: argparse.Namespace) -> int:
    chosen = named(options.service, options.client)
    source_name = options.source or ("client" if chosen.image else "client-be")
    ends = source_name, options.to or chosen.server.runs_on or "server"
    a_lab = _lab_with(options.lab, *ends)
    source, destination = _hosts(a_lab, *ends)
    if (chosen.server.runs_on is None) != (destination.name in a_lab.topology.hosts):
        raise UsageError(f"{chosen.name} runs on {chosen.server.runs_on or 'a host'}, not on {destination.name}")
    for end, image, host in (("client", chosen.image, source), ("server", chosen.service.image, destination)):
        if image and host.byteorder == "big":
            raise UsageError(
                f"the {end} of {chosen.service.service} is a program of its own image, which is little-endian: "
                "FROM=client TO=server"
            )
    if options.family not in chosen.service.families:
        raise UsageError(f"{chosen.service.service} does not speak {options.family}")
    bring_up(a_lab)
    contract.ready([chosen.service], image_step)
    with held_without_faults(a_lab):
        shown = demo_module.call(a_lab, chosen, (source, destination), options.family, step)
    return _show(a_lab, shown)


def _hosts(a_lab: Lab, *names: str) -> list[Host]:
    hosts = a_lab.topology.places
    for name in names:
        if name not in hosts:
            raise UsageError(f"there is no host {name!r}{advice(name, hosts)}")
    return [hosts[name] for name in names]


def ping(options: argparse.Namespace) -> int:
    a_lab = _lab_with(options.lab, options.source, options.to)
    source, destination = _hosts(a_lab, options.source, options.to)
    bring_up(a_lab)
    with held_without_faults(a_lab), under_way(f"{options.count} pings"):
        trips = reach.ping(a_lab, source, destination, options.family, options.count)
        hops = reach.trace(a_lab, source, destination, options.family)
    counted = f"{trips.sent} sent, {trips.received} received, {trips.loss_percent:.0f} % lost"
    times = f"; round trip min/avg/max {trips.least_ms}/{trips.mean_ms}/{trips.most_ms} ms" if trips.received else ""
    console.print(f"{source.name} → {destination.name} ({destination.address(options.family)}): {counted}{times}")
    for hop in hops:
        took = f"{hop.time_ms} ms" if hop.time_ms is not None else ""
        console.print(f"  hop {hop.number}  {hop.address or '*':<18} {hop.name:<22} {took}")
    return 0 if trips.received == trips.sent else 1


def init(options: argparse.Namespace) -> int:
    made = scaffold.initiate(options.name, options.speaks)
    folder = made.folder.relative_to(ROOT)
    step(f"{folder}/ has service.yaml, Dockerfile and program, which works as it is; docs/your-own-program.md")
    console.print(f"  make validate ; make call SERVICE={made.service} ; make matrix SERVICE={made.service}")
    return 0


def watch(options: argparse.Namespace) -> int:
    """Exit status 0 after Ctrl-C, which is how it ends."""
    a_lab = Lab(options.lab)
    if a_lab.states()["firewall"] != "healthy":  # else it is left as it is: drills may run in it
        bring_up(a_lab)

    def draw(line: Text) -> None:
        console.print(line, soft_wrap=True)
        console.file.flush()

    with under_way(f"lab {options.lab} is watched, until Ctrl-C"):
        packets = watching.watch(a_lab, draw, step)
    step(f"{packets} packets were seen; nothing is left in the lab")
    return 0


def show_sockets(options: argparse.Namespace) -> int:
    console.print(sockets.table(sockets.sockets(Lab(options.lab))))
    return 0


def compare_byteorder(options: argparse.Namespace) -> int:
    a_lab = Lab(options.lab, *options.profiles)
    bring_up(a_lab)
    table = Table(box=None, pad_edge=False, padding=(0, 4, 0, 0))
    said = []
    there = a_lab.states()
    beside = [name for name, host in a_lab.topology.hosts.items() if host.network == "client-net"]
    for host in _hosts(a_lab, *(name for name in beside if there.get(name) == "running")):
        table.add_column(f"{host.name} ({host.machine})")
        said.append(a_lab.run(host.name, ["python", "-m", "services.byteorder.show"], timeout_s=20))
    for lines in zip_longest(*(each.printed.splitlines() for each in said), fillvalue=""):
        table.add_row(*map(escape, lines), style="bold yellow" if len({*lines}) > 1 else "")
    console.print(table)
    return max(each.status for each in said)


def emulation_answers(options: argparse.Namespace) -> int:
    a_lab = Lab(options.lab, *topology(options.lab).usual_profiles)
    bring_up(a_lab)
    with under_way("a machine of each kind is asked"):
        asked = emulation.ask(a_lab)
    console.print(emulation.on_a_terminal(asked))
    if options.write:
        path = emulation.DOCUMENT.relative_to(ROOT)
        step(f"{path} is written anew" if emulation.write(asked) else f"{path} was right already")
    return 0


def compare_conversations(options: argparse.Namespace) -> int:
    a_lab = Lab(options.lab, *topology(options.lab).usual_profiles)
    bring_up(a_lab)
    with held_without_faults(a_lab):
        compared = compare.compare(a_lab, step)
    for table in compare.on_a_terminal(compared):
        console.print()
        console.print(table)
    console.print()
    for line in compare.why(compared.rows):
        console.print(f"[dim]{escape(line)}[/]")
    wrong = sum(bool(row.wrong) for row in compared.rows)
    sentence = (
        f"{len(compared.rows)} conversations: beside the first of its kind each differs in these, and in nothing else"
    )
    console.print(marked(compared.verdict, f"{wrong} of {len(compared.rows)} are wrong" if wrong else sentence))
    console.print(f"[dim]captures: {compared.folder.relative_to(ROOT)}/[/]")
    if options.write and not wrong:
        path = compare.DOCUMENT.relative_to(ROOT)
        step(f"{path} has its figures anew" if compare.write(compared) else f"{path} was right already")
    return compared.verdict.exit_status


def apache_bench(options: argparse.Namespace) -> int:
    a_lab = Lab(options.lab)
    bring_up(a_lab)
    found = []
    with held_without_faults(a_lab), under_way("ab runs against each architecture"):
        for measured in ab.measure(a_lab):
            found.append(measured)
            step(f"{measured.architecture}: {measured.complete} requests")
    console.print(ab.table(found))
    return 0 if all(each.failed + each.other_than_2xx == 0 for each in found) else 1


def bench_services(options: argparse.Namespace) -> int:
    a_lab = Lab(options.lab)
    bring_up(a_lab)
    with held_without_faults(a_lab):
        measured = model.services(a_lab, step, options.quick)
    for table in tables.on_a_terminal(measured):
        console.print(table)
        console.print()
    console.print(tables.counted(measured))
    console.print(f"[dim]figures: {measured.folder.relative_to(ROOT)}/result.json[/]")
    return 1 if any(cell.why.startswith("failed") or cell.errors for cell in measured.cells) else 0


def _show(a_lab: Lab, shown: Shown) -> int:
    show(shown.verdict, shown.sentence, shown.checks, shown.picture)
    console.print(f"[dim]evidence: {shown.folder.relative_to(ROOT)}/ (runs/latest points to the run)[/]")
    console.print(f"[dim]lab {a_lab.number} is still up: make status, make shell HOST=client-be, make down[/]")
    return shown.verdict.exit_status


def _add_with(command: argparse.ArgumentParser) -> None:
    profiles = sorted({*topology().profiles.values()})
    about = f"the machines of a profile of compose.yaml too: {', '.join(profiles)}"
    command.add_argument("--with", dest="profiles", action="append", choices=profiles, default=[], help=about)


def parser() -> Parser:
    root = Parser(prog="python -m scenarios", description=(__doc__ or "").splitlines()[0])
    commands = root.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, function: object, about: str, in_lab: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about)
        sub.set_defaults(function=function, verb=name)
        if in_lab:
            sub.add_argument(
                "--lab",
                type=_lab_number,
                default=DEFAULT_LAB,
                help="the lab's number, 0 to 255 (default %(default)s)",
            )
        return sub

    command("demo", demo, "a big-endian client is answered across the firewall, with the packets to prove it")
    sub = command("call", call, "call a service once, from host to host, and show the exchange")
    sub.add_argument("service", metavar="SERVICE", help="a service, or one of its servers: echo/select")
    about = "(default: client-be; client for a program of its own image)"
    sub.add_argument("--from", dest="source", metavar="HOST", help=about)
    sub.add_argument("--to", metavar="HOST", help="(default: server, or the machine that always runs it)")
    sub.add_argument("--client", metavar="NAME", help="which of its clients (default: the one that fits the server)")
    sub.add_argument("--family", choices=("ipv4", "ipv6"), default="ipv4")
    sub = command("ping", ping, "ping one host from another, and show the hops between them")
    sub.add_argument("--from", dest="source", metavar="HOST", default="client-be", help="(default %(default)s)")
    sub.add_argument("--to", metavar="HOST", default="server", help="(default %(default)s)")
    sub.add_argument("--family", choices=("ipv4", "ipv6"), default="ipv4")
    sub.add_argument("--count", type=int, choices=range(1, 1001), metavar="1…1000", default=5)
    drills.add(command)
    report_command.add(command)
    sub = command("init", init, "write the folder of a new service, for a program of your own", in_lab=False)
    sub.add_argument("name", metavar="NAME", help="lower-case letters, digits, underscores")
    sub.add_argument("--speaks", metavar="SERVICE", help="a server for the lab's own clients of this service: echo")
    command("watch", watch, "follow the packets of a lab as a live ladder, until Ctrl-C; drills may run beside it")
    command("sockets", show_sockets, "every socket of every host with its state and queues, as netstat prints them")
    sub = command("byteorder", compare_byteorder, "what the two byte orders are, on the machines side by side")
    _add_with(sub)
    sub = command("endian", compare_conversations, "the same conversations between every mix of machines, side by side")
    sub.add_argument("--write", action="store_true", help="make the figures of docs/byte-order.md anew from it")
    sub = command("emulation", emulation_answers, "what the emulated machines answer otherwise than a native one")
    sub.add_argument("--write", action="store_true", help="write docs/emulation.md from it")
    command("ab", apache_bench, "Apache's ab against the web service's architectures, in one table")
    sub = command("bench-services", bench_services, "the speed of every architecture beside a textbook's, in one run")
    sub.add_argument("--quick", action="store_true", help="small counts: shows that it works, not how fast")
    _add_with(command("up", up, "bring the lab up, building images that are missing"))
    command("down", down, "remove the lab's machines and networks")
    sub = command(
        "status",
        status,
        "every machine with its state, byte order and addresses; exit status 1 unless all is well",
    )
    _add_with(sub)
    command("shell", shell, "a shell on a machine").add_argument("host", metavar="HOST")
    command("logs", logs, "what the machines' main processes printed")
    sub = command("images", build_images, "build the images that are missing or older than their files", in_lab=False)
    about = "an image by its name, with all that it stands on (default: those of every lab)"
    sub.add_argument("images", nargs="*", metavar="IMAGE", type=_image, help=about)
    about = "the hosts of this CPU too, which only what names them builds"
    sub.add_argument("--cpu", action="append", choices=[*CPUS], default=[], help=about)
    sub = command("bundle", write_bundle, "write the images and the Python packages into one file", in_lab=False)
    sub.add_argument("file", metavar="FILE", type=Path, help="the file to write")
    about = "an image or a service, and what it stands on; all: every one (default: all)"
    sub.add_argument("--image", dest="images", metavar="NAME", action="append", default=[], help=about)
    about = f"Python packages for this version, with --python 3.12 and so on for each (default: {bundle.THIS_PYTHON})"
    sub.add_argument("--python", dest="pythons", metavar="VERSION", action="append", default=[], help=about)
    sub = command("load", load_bundle, "give the images of a bundle to the engine", in_lab=False)
    sub.add_argument("file", metavar="FILE", type=Path, help="what `bundle` wrote")
    sub.add_argument("--sha256", metavar="DIGEST", help="what `bundle` printed, to be sure that it is that file")
    command("doctor", diagnose, "what this machine has of what the lab needs", in_lab=False)
    sub = command("clean", clean, "remove everything of ours on this engine, of every lab", in_lab=False)
    sub.add_argument("--images", action="store_true", help="the images too")
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status: 0, 1, 2 as in verdict/check.py, 64 usage, 69 no lab, no engine or no disk to be
    had.

    130 after Ctrl-C, 143 after SIGTERM. What is a bug of this program comes out as it is, with its traceback.
    """
    try:
        options = parser().parse_args(argv)
        with pulse.beating(options.verb):
            status_of_command: int = options.function(options)
    except (UsageError, DeclarationError) as error:
        return _cannot(error, EX_USAGE)
    except (LabProblem, NoEngine, CommandFailed, DeadlinePassed, StorageProblem) as error:
        return _cannot(error, EX_UNAVAILABLE)
    except FileNotFoundError as error:
        if error.filename != "docker":
            raise
        return _cannot(LabProblem("there is no `docker` command here; `make setup` installs it"), EX_UNAVAILABLE)
    except KeyboardInterrupt as error:
        by = " by SIGTERM" if signals.is_terminated() else ""
        console.print(f"[bold yellow]interrupted[/]{by}: {escape(_notes(error) or ALL_ENDED)}")
        return signals.status()
    return signals.status() if signals.is_terminated() else status_of_command  # `watch` takes it for its ordinary end


def _cannot(error: Exception, status: int) -> int:
    console.print(f"[bold red]cannot[/]: {escape(str(error))}")
    if notes := _notes(error):
        console.print(escape(notes))
    return status


def _notes(error: BaseException) -> str:
    """What else is to be said of how a run ended, the last line last."""
    return "\n".join(getattr(error, "__notes__", ()))
