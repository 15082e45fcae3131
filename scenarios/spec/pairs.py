"""Pairs of machines: which client calls which server, by byte order and CPU."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from scenarios.lab.cpus import CPUS
from scenarios.lab.topology import topology

Pair = str  # two ENDS, as `be-le`
LITTLE: Final = "le"
CPU_OF_END: Final = {cpu.end: name for name, cpu in CPUS.items()}  # ends that are big-endian, each with its CPU
ENDS: Final = (LITTLE, *CPU_OF_END)
PAIRS: tuple[Pair, ...] = ("le-le", "be-le", "le-be", "be-be")  # of the machines that every lab has


def _with(of: Iterable[str]) -> tuple[Pair, ...]:
    """A machine of another kind at either end, beside a little-endian one, and as the server of a big-endian one."""
    return tuple(pair for end in of for pair in (f"{end}-le", f"le-{end}", f"be-{end}"))


# With the machines that come with a profile: of other word sizes and alignments, to be told apart from byte order.
_OF_PROFILES = {host.end: host.profile for host in topology().hosts.values() if host.profile}
USUAL_PAIRS: tuple[Pair, ...] = (
    *PAIRS,
    *_with(end for end, name in _OF_PROFILES.items() if name in topology().usual_profiles),
)
EVERY_PAIR: tuple[Pair, ...] = (*PAIRS, *_with(_OF_PROFILES))
DEFAULT_PAIRS: tuple[Pair, ...] = ("le-le", "be-le")
# Words for several: `all` needs no machine that comes with a profile.
GROUPS: dict[str, tuple[Pair, ...]] = {"all": PAIRS, "every": USUAL_PAIRS}


def ends(pair: Pair) -> tuple[str, str]:
    """The client's end and the server's. Raises ValueError where it is no pair."""
    client, dash, server = pair.partition("-")
    if not dash or client not in ENDS or server not in ENDS:
        raise ValueError(f"unknown pair {pair!r}")
    return client, server


def in_order(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """Each pair once: those of the lab's hosts first, in their order, then those of other CPUs."""
    known = {pair: number for number, pair in enumerate(EVERY_PAIR)}

    def place(pair: Pair) -> tuple[int, int, int]:
        client, server = pair.split("-")
        of_client, of_server = (ENDS.index(end) if end in ENDS else len(ENDS) for end in (client, server))
        return known.get(pair, len(known)), of_server, of_client

    return tuple(sorted(set(pairs), key=place))


def profiles(pairs: Iterable[Pair]) -> tuple[str, ...]:
    """The profiles of compose.yaml that the machines of these pairs come with; none for those that every lab has."""
    wanted = {end for pair in pairs for end in pair.split("-")}
    hosts = topology().hosts.values()
    return tuple(dict.fromkeys(host.profile for host in hosts if host.profile and host.end in wanted))
