"""The commands for one call: demo, call, watch; and init, for a program of one's own."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from rich.text import Text

from scenarios.calls import contract, on_cpus
from scenarios.cli import watch as watching
from scenarios.cli.lab import hosts, lab_with
from scenarios.cli.service_files import known_services
from scenarios.evidence import run_folder
from scenarios.faults.recovery import held_without_faults
from scenarios.lab.errors import UsageError
from scenarios.lab.heartbeat import under_way
from scenarios.lab.lab import Lab
from scenarios.lab.markup import escape
from scenarios.lab.places import display_path, document, either, typed
from scenarios.report.console import console, image_step, show, step
from scenarios.run import demo as demo_module
from scenarios.run.demo import Demonstration, demonstrate
from scenarios.run.prepare import bring_up
from scenarios.spec import program_ends, scaffold
from scenarios.spec.catalogue import DRILLS, choose, load_drill
from scenarios.spec.service import ServiceChoice, Services, resolve
from scenarios.spec.service_programs import Transport

# Of each transport a drill in which the client of any service calls it, without the fault first.
CALLING: Mapping[Transport, str] = {"tcp": "any-lost-syn", "udp": "any-udp-lost-question"}


def demo(options: argparse.Namespace) -> int:
    run_folder.require_place()
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
    known = known_services(options.service)
    chosen = resolve(options.service, options.client, known)
    if chosen.server.in_ or chosen.client.in_:
        what = f"{chosen.name} belongs to a composition, which is up only while a drill runs"
        raise UsageError(f"{what}; {_drill_that_calls(chosen, known, options)}")
    source_name = options.source or ("client" if chosen.image else "client-be")
    ends = source_name, options.to or chosen.server.runs_on or "server"
    a_lab = lab_with(options.lab, *ends)
    source, destination = hosts(a_lab, *ends)
    if (chosen.server.runs_on is None) != (destination.name in a_lab.topology.hosts):
        raise UsageError(f"{chosen.name} runs on {chosen.server.runs_on or 'a host'}, not on {destination.name}")
    if reason := program_ends.without_machine(chosen, f"{source.end}-{destination.end}"):
        raise UsageError(f"{reason}; use {either('FROM=client TO=server', '--from client --to server')}")
    if options.family not in chosen.service.families:
        raise UsageError(f"{chosen.service.service} does not speak {options.family}")
    run_folder.require_place()
    bring_up(a_lab)
    on_cpus.ready([(chosen, source.end, destination.end)], image_step)
    contract.ready([chosen.service], image_step)
    with held_without_faults(a_lab):
        shown = demo_module.call(a_lab, chosen, (source, destination), options.family, step, with_tshark=options.tshark)
    return _show(a_lab, shown)


def _drill_that_calls(chosen: ServiceChoice, known: Services, options: argparse.Namespace) -> str:
    """What to type for a drill in which this client calls this server, or where none is known, for those that fit."""
    label = f"{chosen.name}:{options.client}" if options.client else chosen.label
    name = CALLING[chosen.transport]
    drill = load_drill(DRILLS / f"{name}.yaml")
    if choose(drill, label, known)[1] or drill.family not in chosen.service.families:
        return f"`{typed('list', f'SERVICE={label}', f'--service {label}')}` tells the drills that fit it"
    how = typed("run", f"NAME={name} SERVICE={label}", f"{name} --service {label}", lab=options.lab)
    return f"`{how}` runs a drill that calls it"


def init(options: argparse.Namespace) -> int:
    made = scaffold.initiate(options.name, options.speaks)
    folder = display_path(made.folder)
    contract_page = document("docs/your-own-program.md")
    step(f"{folder}/ has service.yaml, Dockerfile and program, which works as it is; see {contract_page}")
    mine = f"SERVICE={made.service}"
    tries, runs = typed("call", mine, made.service), typed("matrix", mine, f"--service {made.service}")
    console.print(f"  {typed('validate')} ; {tries} ; {runs}")
    return 0


def watch(options: argparse.Namespace) -> int:
    """Exit status 0 after Ctrl-C, which is how it ends."""
    a_lab, left = Lab(options.lab), "nothing is left in the lab"
    if a_lab.states()["firewall"] != "healthy":  # else it is left as it is: drills may run in it
        bring_up(a_lab)
        left = f"lab {a_lab.number} was not up, and is now; `{typed('down', lab=a_lab.number)}` removes it"

    def draw(line: Text) -> None:
        console.print(line, soft_wrap=True)
        console.file.flush()

    with under_way(f"lab {options.lab} is watched, until Ctrl-C"):
        packets = watching.watch(a_lab, draw, step)
    step(f"{packets} packets were seen; {left}")
    return 0


def _show(a_lab: Lab, shown: Demonstration) -> int:
    """Print what a call showed. The lab stays up: to look around in, and for the next call, which takes two seconds."""
    show(shown.verdict, shown.sentence, shown.checks, shown.picture)
    if shown.tshark:
        console.print(escape(shown.tshark), soft_wrap=True, highlight=False)
    console.print(f"[dim]evidence: {escape(str(display_path(shown.folder)))}/ (runs/latest points to the run)[/]")
    number = a_lab.number
    shell = typed("shell", "HOST=client-be", "client-be", lab=number)
    console.print(
        f"[dim]lab {number} is still up: {typed('status', lab=number)}, {shell}, {typed('down', lab=number)}[/]"
    )
    return shown.verdict.exit_status


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands to the command line; `command` makes one."""
    command("demo", demo, "a big-endian client is answered across the firewall, with the packets to prove it")
    sub = command("call", call, "call a service once, from host to host, and show the exchange")
    sub.add_argument("service", metavar="SERVICE", help="a service, or one of its servers: echo/select")
    about = "(default: client-be; client for a program of its own image)"
    sub.add_argument("--from", dest="source", metavar="HOST", help=about)
    sub.add_argument("--to", metavar="HOST", help="(default: server, or the machine that always runs it)")
    sub.add_argument("--client", metavar="NAME", help="which of its clients (default: the one that fits the server)")
    sub.add_argument("--family", choices=("ipv4", "ipv6"), default="ipv4")
    sub.add_argument("--tshark", action="store_true", help="print what tshark itself says of each leg, too")
    sub = command("init", init, "write the folder of a new service, for a program of your own", in_lab=False)
    sub.add_argument("name", metavar="NAME", help="lower-case letters, digits, underscores")
    sub.add_argument("--speaks", metavar="SERVICE", help="a server for the lab's own clients of this service: echo")
    about = "follow the packets of a lab as a live ladder, until Ctrl-C; drills may run beside it"
    command("watch", watch, f"{about}; a lab that is not up is brought up, and stays up: `down` removes it")
