"""Words of a command line that several commands read: pairs, numbers, times, which runs are kept."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import TypeVar

from scenarios.lab.pool import MOST_LABS
from scenarios.lab.topology import LAB_NUMBERS
from scenarios.run import previous
from scenarios.spec.declaration_error import advice
from scenarios.spec.pairs import DEFAULT_PAIRS, ENDS, EVERY_PAIR, GROUPS, PAIRS, USUAL_PAIRS, ends
from scenarios.spec.shard import Shard
from scenarios.spec.units import Seconds

LONGEST_SOAK_S = 24 * 3600

T = TypeVar("T")

_OF_A_PROFILE, _BY_NAME_ALONE = (
    ", ".join(pair for pair in pairs if pair not in others)
    for pairs, others in ((USUAL_PAIRS, PAIRS), (EVERY_PAIR, USUAL_PAIRS))
)
_OF_CPUS = (pair for end in ENDS for pair in (f"{end}-le", f"le-{end}"))
_EVERY_WORD = tuple(dict.fromkeys((*EVERY_PAIR, *_OF_CPUS)))
ABOUT_PAIRS = (
    "client and server, as be-le: le is little-endian, be 32-bit big-endian, be64 64-bit, others are a CPU's name; a,b "
    "are both; "
    f"all: {', '.join(PAIRS)}; every: those and {_OF_A_PROFILE}; by name alone: {_BY_NAME_ALONE} "
    f"; a program "
    f"of your own that comes to every CPU has {', '.join(ENDS)} at either end, and with all each of them beside le "
    f"(default {' and '.join(DEFAULT_PAIRS)}, where the programs run on them; le-le for a program of an image)"
)


def pairs(text: str) -> tuple[str, ...]:
    """The pairs of a flag, and the words `all` and `every`: which pairs these are is the service's affair."""
    found = text.split(",")
    for word in found:
        if word not in GROUPS and not _is_pair(word):
            raise argparse.ArgumentTypeError(f"unknown pair {word!r}{advice(word, (*_EVERY_WORD, *GROUPS))}")
    return tuple(dict.fromkeys(found))


def _is_pair(word: str) -> bool:
    try:
        ends(word)
    except ValueError:
        return False
    return True


def between(least: int, most: int) -> Callable[[str], int]:
    """A reader of a flag: a whole number from least to most."""

    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"expected {least} to {most}, not {text!r}")
        return int(text)

    return read


def time_s(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(s|min|h)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"expected a length of time such as 90s, 30min or 1h, got {text!r}")
    seconds = float(match[1]) * {"s": 1, "min": 60, "h": 3600}[match[2]]
    if seconds > LONGEST_SOAK_S:
        raise argparse.ArgumentTypeError(f"{text} is more than {LONGEST_SOAK_S / 3600:g}h")
    return seconds


def argument(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Return the parser of a flag's word: what `parse` raises as a ValueError is told with the flag's name."""

    def read(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


patience = argument(Seconds.parse)


def labs(text: str) -> tuple[int, ...]:
    """The numbers of labs, as `3,4`."""
    if wrong := [word for word in text.split(",") if not word.isdecimal() or int(word) not in LAB_NUMBERS]:
        raise argparse.ArgumentTypeError(f"expected numbers of labs such as 3,4, each 0 to 255, got {wrong[0]!r}")
    found = tuple(dict.fromkeys(int(word) for word in text.split(",")))
    if len(found) > MOST_LABS:
        raise argparse.ArgumentTypeError(f"expected at most {MOST_LABS} labs, got {len(found)}")
    return found


def add_labs(sub: argparse.ArgumentParser) -> None:
    about = "these labs side by side, and no others: 3,4 (default: --lab, and others that are free)"
    sub.add_argument("--labs", type=labs, default=(), metavar="N,N", help=about)


def add_programs(sub: argparse.ArgumentParser, about_service: str) -> None:
    sub.add_argument("--service", metavar="S", help=about_service)
    about = "the clients that call: a,b, or all of them: all (default: the first that fits its server)"
    sub.add_argument("--client", type=lambda text: tuple(text.split(",")), default=(), metavar="C", help=about)


def add_pairs(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--pair", type=pairs, default=(), metavar="P", help=ABOUT_PAIRS)


def add_shard(sub: argparse.ArgumentParser) -> None:
    about = "the third of ten parts of the cells, for one of several machines; `merge` puts the parts together"
    sub.add_argument("--shard", type=argument(Shard.parse), metavar="3/10", help=about)


def add_keep_runs(sub: argparse.ArgumentParser) -> None:
    about = "at the end, remove older runs: 20 keeps the newest 20, 14d those of 14 days (default: all are kept)"
    sub.add_argument("--keep-runs", type=argument(previous.KeepRuns.parse), metavar="N|Nd", help=about)
