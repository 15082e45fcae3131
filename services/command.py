"""The command line of every service: positional words, flags whose times are in seconds, and one usage error.

Rule: a wrong command line is told in one line, names what is wrong, and exits 64 (EX_USAGE of sysexits.h).
"""

import argparse
import os
from typing import Final, NoReturn

LONGEST_S: Final = 1_000_000.0  # more than any run; epoll_wait(2) counts milliseconds in an int


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(os.EX_USAGE, f"{self.prog}: {message}; see --help\n")


def parser(module: str, says: str | None) -> Parser:
    """HOST and PORT; add the rest. It calls itself as a person did, and its help is the module's docstring."""
    form = argparse.RawDescriptionHelpFormatter
    made = Parser(f"python -m {module}", description=says, formatter_class=form, allow_abbrev=False)
    made.add_argument("host", metavar="HOST", type=host, help="a name or an address")
    made.add_argument("port", metavar="PORT", type=port, help="0 to 65535")
    return made


def port(text: str) -> int:
    return _whole(text, 0xFFFF)


def size(text: str) -> int:
    return _whole(text, 2**62)


def count(text: str) -> int:
    if (value := _whole(text, 1_000_000)) == 0:
        raise argparse.ArgumentTypeError("'0' is not a count from 1 to 1000000")
    return value


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= LONGEST_S:  # NaN fails every comparison
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from above 0 to {LONGEST_S:.0f}")
    return value


def _whole(text: str, greatest: int) -> int:
    # int() alone takes " 1", "+1", "1_0" and digits of other scripts
    if not (text.isascii() and text.isdigit()) or len(text) > 20 or int(text) > greatest:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {greatest}")
    return int(text)


def host(text: str) -> str:
    if "\0" in text or not text.isascii():  # a name in another script has its ASCII form: RFC 5890, xn--
        raise argparse.ArgumentTypeError(f"{text!r} is not a host's name or address in ASCII")
    return text
