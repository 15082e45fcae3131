"""Pairs of machines: which client calls which server, by byte order and CPU."""

from __future__ import annotations

from collections.abc import Iterable

from scenarios.lab.topology import topology

Pair = str  # one of EVERY_PAIR
PAIRS: tuple[Pair, ...] = ("le-le", "be-le", "le-be", "be-be")  # of the machines that every lab has


def _with(ends: Iterable[str]) -> tuple[Pair, ...]:
    """A machine of another kind at either end, beside a little-endian one, and as the server of a big-endian one."""
    return tuple(pair for end in ends for pair in (f"{end}-le", f"le-{end}", f"be-{end}"))


# With the machines that come with a profile: of other word sizes and alignments, to be told apart from byte order.
_OF_PROFILES = {host.end: host.profile for host in topology().hosts.values() if host.profile}
USUAL_PAIRS: tuple[Pair, ...] = (
    *PAIRS,
    *_with(end for end, name in _OF_PROFILES.items() if name in topology().usual_profiles),
)
EVERY_PAIR: tuple[Pair, ...] = (*PAIRS, *_with(_OF_PROFILES))
DEFAULT_PAIRS: tuple[Pair, ...] = ("le-le", "be-le")


def profiles(pairs: Iterable[Pair]) -> tuple[str, ...]:
    """The profiles of compose.yaml that the machines of these pairs come with; none for those that every lab has."""
    ends = {end for pair in pairs for end in pair.split("-")}
    hosts = topology().hosts.values()
    return tuple(dict.fromkeys(host.profile for host in hosts if host.profile and host.end in ends))
