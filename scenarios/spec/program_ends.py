"""On which machines the programs of a service run, and so which pairs there are for it.

A program of the lab's own runs on every host. One of a stranger's image runs on this machine's CPU alone, unless it can
come to others: its Dockerfile stands on faultwire/cross and has the CPU as a build argument, or it is in Python. Such a
program runs on another CPU in its own container, by an emulator; the host beside which it stands may be of any CPU.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

from scenarios.lab.cpus import CPUS
from scenarios.lab.errors import UsageError
from scenarios.lab.places import document
from scenarios.lab.topology import topology
from scenarios.spec.errno_numbers import NATIVE
from scenarios.spec.pairs import CPU_OF_END, DEFAULT_PAIRS, ENDS, GROUPS, LITTLE, PAIRS, Pair, ends, in_order
from scenarios.spec.python_programs import python_of
from scenarios.spec.service import ServiceChoice

Side = Literal["client", "server"]
BIG: Final = "be"  # the big-endian hosts that every lab has: beside them a program of another CPU stands
ARGUMENT: Final = re.compile(r"^\s*ARG\s+CPU\b", re.I | re.M)
_BASE: Final = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*faultwire/(cross(?:-go)?)(?::\S+)?(?:\s|$)", re.I | re.M)
HOST_ENDS: Final = tuple(dict.fromkeys(host.end for host in topology().hosts.values()))


def cross_base(dockerfile: Path) -> str:
    """The recipe that a Dockerfile for every CPU stands on, `cross` or `cross-go`; empty for another Dockerfile."""
    text = dockerfile.read_text(encoding="utf-8", errors="replace")
    found = _BASE.findall(text)
    return found[-1].lower() if found and ARGUMENT.search(text) else ""


def cpu_of(end: str) -> str:
    """The CPU of an end, as faultwire/cross calls it: `mips`, or `native`."""
    return CPU_OF_END.get(end, NATIVE)


def image(chosen: ServiceChoice, side: Side) -> str | None:
    """The image of a side's program; None for one of ours."""
    return chosen.image if side == "client" else chosen.server_image


def is_python(chosen: ServiceChoice, side: Side) -> bool:
    """Whether service.yaml says that this side's program is in Python, and so runs on the lab's Pythons."""
    program = chosen.client if side == "client" else chosen.server
    return image(chosen, side) is not None and python_of(chosen.service, program) is not None


def is_cross(chosen: ServiceChoice, side: Side) -> bool:
    """Whether this side's program is compiled for each CPU by its Dockerfile."""
    return bool(_base_of(chosen, side))


def _base_of(chosen: ServiceChoice, side: Side) -> str:
    path = chosen.service.dockerfiles.get(image(chosen, side) or "")
    return cross_base(path) if path is not None and not is_python(chosen, side) else ""


def moves(chosen: ServiceChoice, side: Side) -> bool:
    """Whether this side's program can come to several CPUs in its own container."""
    return is_python(chosen, side) or is_cross(chosen, side)


def ends_of(chosen: ServiceChoice, side: Side) -> tuple[str, ...]:
    """The ends that this side's program runs on."""
    if chosen.client.in_ if side == "client" else chosen.server.in_ or chosen.server.runs_on:
        return (LITTLE,)
    if image(chosen, side) is None or is_python(chosen, side):
        return HOST_ENDS  # the lab has a Python for each
    base = _base_of(chosen, side)
    if base == "cross-go":
        return tuple(end for end in ENDS if end == LITTLE or CPUS[CPU_OF_END[end]].go)
    return ENDS if base else (LITTLE,)


def host_pair(chosen: ServiceChoice, pair: Pair) -> Pair:
    """The hosts of a pair: beside which its programs stand, where they do not run on them."""
    client, server = pair.split("-")
    return f"{_host_end(chosen, 'client', client)}-{_host_end(chosen, 'server', server)}"


def _host_end(chosen: ServiceChoice, side: Side, end: str) -> str:
    return BIG if moves(chosen, side) and end != LITTLE else end


def without_machine(chosen: ServiceChoice, pair: Pair) -> str:
    """Why the programs of a service do not run on the machines of a pair; empty when they do."""
    service = chosen.service.service
    client, server = ends(pair)
    if chosen.server.runs_on and server != LITTLE:
        return f"{chosen.name} runs on {chosen.server.runs_on}, which is little-endian"
    for side, end in (("server", server), ("client", client)):
        found = ends_of(chosen, side)  # type: ignore[arg-type]
        if end in found:
            continue
        if found == (LITTLE,):
            return f"the {side} of {service} is a program of its own image, which is little-endian"
        return f"the {side} of {service} runs on {', '.join(found)}, and {end} is not one of them"
    return ""


def own_pairs(chosen: ServiceChoice) -> tuple[Pair, ...]:
    """All pairs of a service: of the usual hosts; for programs that move, with each of their CPUs at either end too.

    A Python that is built only when asked for is not among them: its pairs are asked for by name.
    """
    return in_order(pair for pair in (*PAIRS, *_of_moving(chosen)) if not without_machine(chosen, pair))


def _of_moving(chosen: ServiceChoice) -> Iterator[Pair]:
    for side, form in (("client", "{}-le"), ("server", "le-{}")):
        if not moves(chosen, side):  # type: ignore[arg-type]
            continue
        for end in ends_of(chosen, side):  # type: ignore[arg-type]
            if end == LITTLE or is_cross(chosen, side) or not CPUS[CPU_OF_END[end]].optional:  # type: ignore[arg-type]
                yield form.format(end)


def default_pairs(chosen: ServiceChoice) -> tuple[Pair, ...]:
    """The pairs that a service is run in where none is asked for: the usual ones, of those that its programs run on;
    for a program of an image, this machine's alone.
    """
    usual = (pair for pair in DEFAULT_PAIRS if not without_machine(chosen, pair))
    built = moves(chosen, "client") or moves(chosen, "server")
    return (LITTLE_PAIR,) if built else tuple(usual) or (LITTLE_PAIR,)


LITTLE_PAIR: Final[Pair] = "le-le"


def asked_pairs(words: Sequence[str], chosen: ServiceChoice) -> tuple[Pair, ...]:
    """The pairs that these words ask of a service; `all` and `every` are its own where its programs move."""
    moving = moves(chosen, "client") or moves(chosen, "server")
    groups = dict.fromkeys(GROUPS, own_pairs(chosen)) if moving else GROUPS
    return in_order(pair for word in words for pair in groups.get(word, (word,)))


def check_can_run(words: Sequence[str], services: Sequence[ServiceChoice]) -> None:
    """Raise UsageError for a pair that was asked for by name and that none of these services can run."""
    for pair in (word for word in words if word not in GROUPS):
        reasons = {each.label: without_machine(each, pair) for each in services}
        if reasons and all(reasons.values()):
            label, reason = next(iter(reasons.items()))
            chosen = next(each for each in services if each.label == label)
            raise UsageError(
                f"the pair {pair} cannot be run with {label}: {reason}. It can run clients on "
                f"{', '.join(ends_of(chosen, 'client'))} and servers on {', '.join(ends_of(chosen, 'server'))}; "
                f"{document('docs/cpus.md')} says how a program comes to other CPUs"
            )
