"""Runs a program of somebody else's, passes on what it prints, and says that it is at work while it prints nothing.

    python -m scenarios.lab.aloud "mypy over all of the code" COMMAND …

Its exit status is the command's.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.text import Text

from scenarios.lab import signals
from scenarios.lab.heartbeat import console, pulse, under_way
from scenarios.lab.process_group import end_group

EX_USAGE = 64  # sysexits.h


def aloud(
    what: str,
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run a command, print its lines as they come, and return its exit status. Ctrl-C ends it, and all it started.

    `environment` is its whole environment (default: ours).
    """
    colours: Mapping[str, str] = {"FORCE_COLOR": "1"} if console.can_draw else {}
    with under_way(what), contextlib.ExitStack() as started:
        with signals.held_back():  # a signal between its start and our knowing of it would leave it running
            process = started.enter_context(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    cwd=cwd,
                    env={**(os.environ if environment is None else environment), **colours},
                    start_new_session=True,  # Ctrl-C comes to us alone; we end the command
                )
            )
            started.callback(end_group, process)
        assert process.stdout is not None  # noqa: S101 (for mypy: it was opened as a pipe)
        for line in process.stdout:
            console.print(Text.from_ansi(line.decode("utf-8", "replace").rstrip("\r\n")))
        return process.wait()


def main(argv: Sequence[str]) -> int:
    if len(argv) < 2:
        print('usage: python -m scenarios.lab.aloud "what it does" COMMAND …', file=sys.stderr)
        return EX_USAGE
    what, *command = argv
    signals.end_in_order()
    try:
        with pulse.beating(what):
            return aloud(what, command)
    except FileNotFoundError as error:
        print(f"cannot: no such program: {error.filename!r}", file=sys.stderr)
        return 127
    except KeyboardInterrupt:
        return signals.status()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
