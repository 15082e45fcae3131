"""What the emulated machines and the native one answer, asked on each now; and docs/emulation.md, made of it.

Each thing in which an emulated machine differs has its words here, or the document is not made: nobody should find out
by a drill that goes wrong. Words for what does not differ (any more) are refused too.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.table import Table

from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.markup import escape
from scenarios.lab.topology import ROOT, Host
from scenarios.lab.valueclass import valueclass
from scenarios.report import markdown_table

DOCUMENT = ROOT / "docs" / "emulation.md"
PROBE = ["python", "-m", "services.emulation.probe"]
WITHIN_S = 60.0
SAME = "same"
NAMES_A_LINE = 5
LINE = 120  # characters of a line of prose

# Of each thing that an emulated machine answers otherwise: what that means, and what to do instead.
WORDS: Mapping[str, str] = {
    "SO_RCVTIMEO": (
        "It can be set, and it works (the smoke test of the images waits by it); only reading it back gives nothing. "
        "Keep the value, or use settimeout(), which asks no kernel."
    ),
    "SO_SNDTIMEO": "As SO_RCVTIMEO.",
    "SO_MARK": (
        "The emulator does not know how to set it. No host of the lab may (it wants CAP_NET_ADMIN), so only the errno "
        "differs."
    ),
    "SO_BINDTODEVICE": "It can be set, and not be read back.",
    "TCP_CONGESTION": (
        "The name does not arrive: it can neither be chosen nor read. Look with `ss -i` on the host, which is native."
    ),
    "TCP_INFO": (
        "Four bytes of the structure come, of which the first is the state of the connection. The lab's services read "
        "no more than that; `ss -i` on the host shows all of it."
    ),
    "IP_TRANSPARENT": "The emulator does not know it. No host of the lab may set it (it wants CAP_NET_ADMIN).",
    "IP_BIND_ADDRESS_NO_PORT": "The emulator does not know it.",
    "IP_RECVTTL": (
        "It can be set, and the TTL then comes with each datagram, rightly; only reading the option back fails."
    ),
    "IP_MTU": (
        "A program cannot ask which path MTU the kernel knows; `ip route get` on the host can. IPV6_MTU answers."
    ),
    "IPV6_DONTFRAG": "The emulator does not know it. IPV6_MTU_DISCOVER does the same, and works.",
    "IPV6_PKTINFO: interface": (
        "The number of the interface comes in the byte order of the machine below. The lab's UDP servers send 0 in its "
        "place, which is any interface (services/datagrams.py)."
    ),
    "IPV6_TCLASS of a datagram": (
        "The traffic class comes in the byte order of the machine below. No service asks for it."
    ),
    "a child, by the path of its program": (
        "The kernel below cannot run a program of another CPU. Start `python` or sys.executable, which come back "
        "through the emulator. No service starts an interpreter."
    ),
    "EDEADLOCK": (
        "Another name of EDEADLK nearly everywhere, and a number of its own on PowerPC: why results carry names."
    ),
}
INTRODUCTION = """\
# What the emulated machines answer, and what they cannot

After this page you know which system calls and socket options a program may use on a big-endian machine of the lab.
Made by `make emulation WRITE=1` from what the machines of a lab answer; a test asks them again. Do not edit.

Each big-endian machine runs a real CPython under qemu's user emulation. The emulator translates the program's
instructions, and passes its system calls to the kernel below with each number and structure in the other byte order.
So the network, the kernel's TCP and every packet are as native as those of the other hosts. The emulator refuses or
garbles the calls that it cannot convert.
"""
UNSUPPORTED = """\
A client of ours that is told to set an option sets it and reads it back; where that fails, its outcome is
`unsupported` (status 77), and so is the verdict of the drill, with the option and the errno as its reason. No service,
and so no drill of the catalogue, needs anything of this list: a test compares the options that the services use.
"""
ERRNOS = "Results and logs carry names, because numbers are a machine's own. Where they differ:"


@valueclass
class Answers:
    """What one machine answered: its errno numbers by name, and by subject and question what came back."""

    host: Host
    answer: str
    errnos: Mapping[str, int]
    answers: Mapping[str, Mapping[str, str]]


def ask(lab: Lab) -> list[Answers]:
    """What the machine of each kind answers, the native one first. Raises LabProblem when one does not."""
    of_each_kind: dict[str, Host] = {}
    for host in lab.topology.usual_hosts.values():
        of_each_kind.setdefault(host.end, host)
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda host: _ask(lab, host), of_each_kind.values()))


def _ask(lab: Lab, host: Host) -> Answers:
    ran = lab.run(host.name, PROBE, timeout_s=WITHIN_S)
    try:
        found = json.loads(ran.stdout)
        machine = found["machine"]
        said = f"{machine['byteorder']}-endian, {machine['bits']} bits, {machine['cpu']}"
        answered = Answers(host, said, found["errno"], found["answers"])
    except (ValueError, KeyError, TypeError) as error:
        raise LabProblem(
            f"{host.name}: the answers of the probe cannot be read (status {ran.status}): {ran.printed}"
        ) from error
    if said != str(host.promised):
        raise LabProblem(f"{host.name}: expected {host.promised}, got {said}")
    return answered


def differing(asked: Sequence[Answers]) -> list[str]:
    """The names of what some emulated machine answers otherwise than the native one. Raises ValueError for a thing that
    has no words here, and for words about nothing.
    """
    native = asked[0]
    found = [
        name
        for subject, answers in native.answers.items()
        for name, answer in answers.items()
        if any(each.answers[subject].get(name) != answer for each in asked)
    ]
    found += [name for name in _names(asked) if len({each.errnos.get(name) for each in asked}) > 1]
    if without := [name for name in found if name not in WORDS]:
        raise ValueError(
            f"the machines differ in {', '.join(without)}; write what that means into WORDS of "
            "scenarios/byteorder/emulation.py"
        )
    if idle := [name for name in WORDS if name not in found]:
        raise ValueError(
            f"no machine differs in {', '.join(idle)}; remove it from WORDS of scenarios/byteorder/emulation.py"
        )
    return found


def _names(asked: Sequence[Answers]) -> list[str]:
    return sorted({name for each in asked for name in each.errnos})


def document(asked: Sequence[Answers]) -> str:
    """docs/emulation.md, from what the machines answered. Raises ValueError as `differing` does."""
    return "\n".join(_lines(asked)) + "\n"


def _lines(asked: Sequence[Answers]) -> Iterator[str]:
    yield INTRODUCTION
    machines = [(each.host.name, each.answer, each.host.machine) for each in asked]
    yield from markdown_table.table(("host", "what it is", "runs on"), machines)
    yield ""
    yield "## What it cannot do"
    yield ""
    for name in differing(asked):
        ends = [each.host.promised.cpu for each in asked[1:] if _differs(asked[0], each, name)]
        bullet = f"- **{name}** ({', '.join(ends)}): {WORDS[name]}"
        yield from textwrap.wrap(bullet, LINE, subsequent_indent="  ", break_on_hyphens=False)
    yield ""
    yield UNSUPPORTED.rstrip()
    for subject, answers in asked[0].answers.items():
        yield ""
        yield f"## {subject[0].upper()}{subject[1:]}"
        yield ""
        yield from markdown_table.table(["", *(each.host.promised.cpu for each in asked)], [
            [name, answer, *(_beside(answer, each.answers[subject].get(name, "was not asked")) for each in asked[1:])]
            for name, answer in answers.items()
        ])  # fmt: skip
    yield ""
    yield "## errno, by name"
    yield ""
    yield ERRNOS
    yield ""
    names = _names(asked)
    same = [name for name in names if len({each.errnos.get(name) for each in asked}) == 1]
    yield from markdown_table.table(["", *(each.host.promised.cpu for each in asked)], [
        [name, *(str(each.errnos.get(name, "absent")) for each in asked)] for name in names if name not in same
    ])  # fmt: skip
    yield ""
    yield f"The other {len(same)} are the same on all of them:"
    yield ""
    words = [f"{name} {asked[0].errnos[name]}" for name in same]
    for at in range(0, len(words), NAMES_A_LINE):
        yield "    " + "".join(f"{word:<22}" for word in words[at : at + NAMES_A_LINE]).rstrip()


def _differs(native: Answers, other: Answers, name: str) -> bool:
    if name in native.errnos or name in other.errnos:
        return native.errnos.get(name) != other.errnos.get(name)
    return any(other.answers[subject].get(name) != of[name] for subject, of in native.answers.items() if name in of)


def _beside(native: str, emulated: str) -> str:
    return SAME if emulated == native else emulated


def on_a_terminal(asked: Sequence[Answers]) -> Table:
    """What differs, with its words; the rest is in the document."""
    table = Table(box=None, pad_edge=False)
    for column in ("", *(f"{each.host.name} ({each.host.promised.cpu})" for each in asked), "so"):
        table.add_column(column)
    native = asked[0]
    for name in differing(asked):
        row = [str(each.errnos[name]) for each in asked if name in each.errnos]
        for subject, answers in native.answers.items():
            if name in answers:
                row = [each.answers[subject].get(name, "was not asked") for each in asked]
        table.add_row(escape(name), *map(escape, row), escape(WORDS[name]))
    return table


def options_that_differ(written: str) -> set[str]:
    """The socket options that the document says an emulated machine answers otherwise."""
    section = re.search(r"^## Socket options\n(.*?)^## ", written, re.DOTALL | re.MULTILINE)
    if section is None:
        raise ValueError(f"{DOCUMENT.name}: expected a section `## Socket options`, got none")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section[1].splitlines() if "|" in line]
    return {name for name, _, *emulated in rows[2:] if set(emulated) != {SAME}}


def write(asked: Sequence[Answers], path: Path = DOCUMENT) -> bool:
    """Write the document; whether it has changed."""
    made = document(asked)
    changed = not path.exists() or path.read_text(encoding="utf-8") != made
    path.write_text(made, encoding="utf-8")
    return changed
