"""Any program with few descriptors: RLIMIT_NOFILE is set, and then it runs in this process.

    python -m services.peers.limited --files N [python -m] MODULE [WORD...]

As `prlimit --nofile=N python -m MODULE WORD...`, for hosts that have no prlimit. The N-th descriptor is N - 1, and
open(2), accept(2) and socket(2) then say EMFILE (getrlimit(2)). Prints `did: limited the descriptors to 20` when it
begins.
"""

import argparse
import importlib.util
import resource
import runpy
import sys
from typing import Final

from services import command
from services.journal import note

FEWEST: Final = 8  # with less, Python cannot open the files of what it imports


def is_module(text: str) -> bool:
    try:
        return importlib.util.find_spec(text) is not None
    except (ImportError, ValueError):
        return False


def main() -> None:
    form = argparse.RawDescriptionHelpFormatter
    parser = command.Parser("python -m services.peers.limited", description=__doc__, formatter_class=form)
    parser.add_argument("--files", metavar="N", type=command.count, required=True)
    parser.add_argument("program", metavar="MODULE [WORD...]", nargs=argparse.REMAINDER, help="or python -m MODULE ...")
    asked = parser.parse_args()
    program = asked.program[2:] if asked.program[:2] == ["python", "-m"] else asked.program
    if not program or not is_module(program[0]):
        parser.error(f"there is no module {program[0]!r}" if program else "MODULE is missing: what is to be limited?")
    if asked.files < FEWEST:
        parser.error(f"--files {asked.files}: a program needs {FEWEST}")
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (asked.files, asked.files))
    except ValueError as error:  # above what this process may have
        parser.error(f"--files: {error}")
    note(f"did: limited the descriptors to {asked.files}")
    sys.argv = program
    runpy.run_module(program[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
