"""The commands about the lab itself: its machines, its images, and what this machine has of what it needs."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

from rich.table import Table

from scenarios.calls import bundle
from scenarios.cli.arguments import between
from scenarios.evidence import sockets
from scenarios.faults.recovery import held_without_faults
from scenarios.lab import bundle_file, bundle_format, cleanup, doctor, endpoint, images, locks, pool
from scenarios.lab import ping as reach
from scenarios.lab.aloud import aloud
from scenarios.lab.cpus import CPUS
from scenarios.lab.errors import LabProblem, UsageError
from scenarios.lab.heartbeat import pulse, under_way
from scenarios.lab.lab import Lab
from scenarios.lab.markup import escape
from scenarios.lab.places import IS_INSTALLED, LOGS, ROOT, SETUP, either, typed
from scenarios.lab.topology import COMPOSE_FILE, Host, topology
from scenarios.report.console import console, image_step, step
from scenarios.run.prepare import bring_up
from scenarios.spec.declaration_error import advice

CLEANS_IMAGES = either("make clean-images", "faultwire clean --images")


def image(text: str) -> str:
    if text not in images.RECIPES:
        raise argparse.ArgumentTypeError(f"unknown image {text!r}{advice(text, images.RECIPES)}")
    return text


def lab_with(number: int, *names: str) -> Lab:
    """The lab, with the profiles that these hosts come with."""
    found = topology(number)
    return Lab(number, *dict.fromkeys(found.profiles[name] for name in names if name in found.profiles))


def up(options: argparse.Namespace) -> int:
    bring_up(Lab(options.lab, *options.profiles))
    return status(options)


def down(options: argparse.Namespace) -> int:
    with under_way(f"lab {options.lab} goes down"):
        Lab(options.lab).down()
    pool.claim(options.lab)
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
    a_lab = lab_with(options.lab, options.host)
    if options.host not in a_lab.topology.machines:
        raise UsageError(f"unknown machine {options.host!r}{advice(options.host, a_lab.topology.machines)}")
    if a_lab.states().get(options.host) not in ("running", "healthy"):
        how = typed(
            "up",
            " ".join(f"WITH={profile}" for profile in a_lab.profiles),
            " ".join(f"--with {profile}" for profile in a_lab.profiles),
            lab=a_lab.number,
        )
        raise LabProblem(f"{options.host} of lab {options.lab} does not run; `{how}` starts it")
    terminal = ["--tty"] if sys.stdin.isatty() else []
    with pulse.handed_over():
        return subprocess.run(
            ["docker", "exec", "--interactive", *terminal, a_lab.container(options.host), "sh"], check=False
        ).returncode


def logs(options: argparse.Namespace) -> int:
    profiles = ",".join(sorted({*topology(options.lab).profiles.values()}))
    environment = endpoint.environment(LAB=str(options.lab), COMPOSE_PROFILES=profiles)
    command = ["docker", "compose", "--file", str(COMPOSE_FILE), "--ansi", "always" if console.can_draw else "never"]
    command += ["logs", "--timestamps"]
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
    if IS_INSTALLED and options.pythons:
        raise UsageError("--python: Python packages are for clones; `pip download faultwire` fetches those of a wheel")
    written = bundle.write(
        options.file,
        options.images,
        options.pythons or ([] if IS_INSTALLED else [bundle.THIS_PYTHON]),
        _bundle_step,
        bundle_file.in_lines(_bundle_step),
    )
    step(f"{options.file} is written: {written.size:,} bytes ({bundle_format.mebibytes(written.size)})")
    console.print(f"  SHA-256 {written.sha256}")
    how = typed("load", f"BUNDLE={options.file}", str(options.file))
    console.print(f"  there, {either('in a checkout of the same commit', 'with the same faultwire')}: {escape(how)}")
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
        removed = cleanup.clean()
        locks.remove_free()
        images.prune(held_for_s=0)
    step(f"removed {len(removed)} containers and networks" + (f": {', '.join(removed)}" if removed else ""))
    if options.images:
        with under_way("the images are removed"):
            images_removed = images.remove()
        step(f"removed images: {', '.join(images_removed) or 'there were none'}")
    else:
        console.print(
            f"[dim]images stay, so that the next lab comes up in seconds; `{CLEANS_IMAGES}` removes them too[/]"
        )
    return 0


def set_up(_: argparse.Namespace) -> int:
    """Exit status 0 when an engine answers; else 1, and the commands for whoever may type them were printed."""
    with pulse.handed_over():
        ran = subprocess.run(["sh", SETUP, "engine"], env={**os.environ, "FAULTWIRE_LOGS": str(LOGS)}, check=False)
    if ran.returncode:
        return 1
    step("the Docker Engine answers, with compose and buildx")
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


def hosts(a_lab: Lab, *names: str) -> list[Host]:
    hosts = a_lab.topology.places
    for name in names:
        if name not in hosts:
            raise UsageError(f"unknown host {name!r}{advice(name, hosts)}")
    return [hosts[name] for name in names]


def ping(options: argparse.Namespace) -> int:
    a_lab = lab_with(options.lab, options.source, options.to)
    source, destination = hosts(a_lab, options.source, options.to)
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
    for host in hosts(a_lab, *(name for name in beside if there.get(name) == "running")):
        table.add_column(f"{host.name} ({host.machine})")
        said.append(a_lab.run(host.name, ["python", "-m", "services.byteorder.show"], timeout_s=20))
    for lines in zip_longest(*(each.printed.splitlines() for each in said), fillvalue=""):
        table.add_row(*map(escape, lines), style="bold yellow" if len({*lines}) > 1 else "")
    console.print(table)
    return max(each.status for each in said)


def add_with(command: argparse.ArgumentParser) -> None:
    profiles = sorted({*topology().profiles.values()})
    about = f"the machines of a profile of compose.yaml too: {', '.join(profiles)}"
    command.add_argument("--with", dest="profiles", action="append", choices=profiles, default=[], help=about)


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands to the command line; `command` makes one."""
    sub = command("ping", ping, "ping one host from another, and show the hops between them")
    sub.add_argument("--from", dest="source", metavar="HOST", default="client-be", help="(default %(default)s)")
    sub.add_argument("--to", metavar="HOST", default="server", help="(default %(default)s)")
    sub.add_argument("--family", choices=("ipv4", "ipv6"), default="ipv4")
    sub.add_argument("--count", type=between(1, 1000), metavar="1…1000", default=5)
    command("sockets", show_sockets, "every socket of every host with its state and queues, as netstat prints them")
    sub = command("byteorder", compare_byteorder, "what the two byte orders are, on the machines side by side")
    add_with(sub)
    add_with(command("up", up, "bring the lab up, building images that are missing"))
    command("down", down, "remove the lab's machines and networks")
    sub = command(
        "status",
        status,
        "every machine with its state, byte order and addresses; exit status 1 unless all is well",
    )
    add_with(sub)
    command("shell", shell, "a shell on a machine").add_argument("host", metavar="HOST")
    command("logs", logs, "what the machines' main processes printed")
    sub = command("images", build_images, "build the images that are missing or older than their files", in_lab=False)
    about = "an image by its name, with all that it stands on (default: those of every lab)"
    sub.add_argument("images", nargs="*", metavar="IMAGE", type=image, help=about)
    about = "the hosts of this CPU too; they are built only when they are named"
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
    about = "install and start what is missing: Docker Engine, Compose v2, buildx"
    command("setup", set_up, about, in_lab=False)
    command("doctor", diagnose, "what this machine has of what the lab needs", in_lab=False)
    sub = command("clean", clean, "remove everything of ours on this engine, of every lab", in_lab=False)
    sub.add_argument("--images", action="store_true", help="the images too")
