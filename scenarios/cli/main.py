"""The command line: `python -m scenarios COMMAND`. What a person types is `make`; the Makefile calls this."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from scenarios.cli.service_files import NO_SDK, error_lines
from scenarios.evidence.run_folder import StorageProblem
from scenarios.lab import signals
from scenarios.lab.errors import CommandFailed, DeadlinePassed, LabProblem, NoEngine, OutputLost, UsageError
from scenarios.lab.heartbeat import print_nowhere, pulse
from scenarios.lab.markup import escape
from scenarios.lab.places import IS_INSTALLED, PACKAGE, PROGRAM, typed
from scenarios.lab.topology import DEFAULT_LAB, LAB_NUMBERS
from scenarios.report.console import EX_IOERR, EX_UNAVAILABLE, EX_USAGE, console
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.project import project
from scenarios.version import VERSION

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

# The modules of this room with their commands, in the order of the help. Only the module of the command that was typed
# is imported: all of them take a second, most of it for Docker's SDK and for pages.
COMMANDS: Mapping[str, Sequence[str]] = {
    "files": ("list", "explain", "validate", "schema"),
    "report": ("merge", "report"),
    "drills": ("run", "matrix", "storm", "fuzz"),
    "soak": ("soak",),
    "gallery": ("gallery",),
    "cluster": ("worker", "cluster"),
    "learn": ("learn",),
    "grade": ("grade",),
    "calls": ("demo", "call", "init", "watch"),
    "bench": ("ab", "bench-services", "bench"),
    "byteorder": ("endian", "emulation"),
    "lab": (
        *("ping", "sockets", "byteorder", "up", "down", "status", "shell", "logs"),
        *("images", "bundle", "load", "setup", "doctor", "clean"),
    ),
}
VERSION_FLAG = "--version"  # which needs none of them
# For whoever works on the lab itself: an installed Faultwire does not offer them.
OF_MAKERS = ("storm", "fuzz", "ab", "bench-services", "bench")
ABOUT = "Make a socket program fail in every way that a network can fail it, and prove by the packets what happened."
ALL_ENDED = "what this run started has been ended"


class Parser(argparse.ArgumentParser):
    """argparse with the exit status that sysexits.h has for a usage error."""

    lacks_docker = False  # a module of commands could not be imported for want of Docker's SDK

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """As argparse's, which leaves it untold where --help and --version cannot be written. Raises OutputLost."""
        if file is sys.stdout and message:
            console.emit(message)
        else:
            super()._print_message(message, file)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: {message}{f'; {NO_SDK}' if self.lacks_docker else ''}\n")


def _lab_number(text: str) -> int:
    if not text.isdecimal() or int(text) not in LAB_NUMBERS:
        raise argparse.ArgumentTypeError(f"a lab's number is {LAB_NUMBERS[0]} to {LAB_NUMBERS[-1]}, not {text!r}")
    return int(text)


def offered() -> tuple[str, ...]:
    """The commands that are offered here."""
    every = (name for names in COMMANDS.values() for name in names)
    return tuple(name for name in every if not (IS_INSTALLED and name in OF_MAKERS))


def parser(typed: str | None = None) -> Parser:
    """The parser of the command that was `typed`, or of all commands where none of that name is there."""
    root = Parser(prog=PROGRAM, description=ABOUT)
    root.add_argument(VERSION_FLAG, action="version", version=f"faultwire {VERSION}")
    commands = root.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, function: object, about: str, in_lab: bool = True) -> argparse.ArgumentParser:
        if name not in offered():
            return argparse.ArgumentParser()  # which nobody asks
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

    modules = [module for module, names in COMMANDS.items() if typed in names and typed in offered()] or COMMANDS
    for module in () if typed == VERSION_FLAG else modules:
        try:
            importlib.import_module(f"{PACKAGE}.cli.{module}").add(command)
        except ModuleNotFoundError as error:  # whoever only reads files and runs needs no Docker
            if (error.name or "").partition(".")[0] != "docker":
                raise
            root.lacks_docker = True
    return parser() if root.lacks_docker and typed else root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status: 0, 1, 2 as in verdict/check.py, 64 usage, 69 no lab, no engine or no disk to be
    had, 74 what is printed cannot be written.

    130 after Ctrl-C, 143 after SIGTERM, 141 where nobody reads what it prints any more. What is a bug of this program
    comes out as it is, with its traceback.
    """
    try:
        return _main(argv)
    except OutputLost as error:
        print_nowhere(sys.stdout)  # else Python tells of it once more when it ends
        _tell_on_stderr(f"cannot: {error}")
        return EX_IOERR


def _main(argv: Sequence[str] | None) -> int:
    try:
        words = sys.argv[1:] if argv is None else argv
        options = parser(next(iter(words), None)).parse_args(words)
        project()  # a wrong faultwire.toml is told before anything is done
        with pulse.beating(options.verb):
            status_of_command: int = options.function(options)
    except (UsageError, DeclarationError) as error:
        return _cannot(error, EX_USAGE)
    except (LabProblem, NoEngine, CommandFailed, DeadlinePassed, StorageProblem) as error:
        return _cannot(error, EX_UNAVAILABLE)
    except FileNotFoundError as error:
        if error.filename != "docker":
            raise
        return _cannot(LabProblem(f"there is no `docker` command here; `{typed('setup')}` installs it"), EX_UNAVAILABLE)
    except KeyboardInterrupt as error:
        by = ", for nobody reads what it prints" if signals.has_no_reader() else " by SIGTERM"
        by = by if signals.is_terminated() else ""
        console.print(f"[bold yellow]interrupted[/]{by}: {escape(_notes(error) or ALL_ENDED)}")
        return signals.status()
    return signals.status() if signals.is_terminated() else status_of_command  # `watch` takes it for its ordinary end


def _cannot(error: Exception, status: int) -> int:
    words = error_lines(error) if isinstance(error, DeclarationError) else str(error)
    try:
        console.print(f"[bold red]cannot[/]: {escape(words)}")
        if notes := _notes(error):
            console.print(escape(notes))
    except OutputLost:
        _tell_on_stderr(f"cannot: {words}")
        raise
    return status


def _tell_on_stderr(words: str) -> None:
    with contextlib.suppress(OSError):  # it is lost too: the exit status says so
        sys.stderr.write(f"{words}\n")


def _notes(error: BaseException) -> str:
    """What else is to be said of how a run ended, the last line last."""
    return "\n".join(getattr(error, "__notes__", ()))
