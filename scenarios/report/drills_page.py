"""The catalogue as a document, docs/drills.md, from the drills themselves.

    python -m scenarios.report.drills_page > docs/drills.md

A test compares the file with this.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

from scenarios.report import markdown_table
from scenarios.spec.catalogue import DRILLS, drills
from scenarios.spec.drill import Drill
from scenarios.spec.expectations import Alike, Duration, Hits, Log, Order, Outcomes, Packets, Sockets

# The groups, by the first tag of a drill, in the order in which one learns.
GROUPS: Mapping[str, str] = {
    "reaching": "Reaching: will it connect?",
    "talking": "Talking: the connection stands, and the network does not",
    "ending": "Ending: how a connection ends, and who hears of it",
    "messages": "Messages: what the other end says is not what was agreed",
    "datagrams": "Datagrams: nobody promised anything",
    "names": "Names: where is it, and is it still there?",
    "tls": "TLS: who is it?",
}
HEADER = """\
# The drills

After this page you can choose a drill by its claim. `make drill NAME=lost-syn` runs one, `make explain NAME=lost-syn`
tells what it does, and `make drills` runs all.

Each drill is one claim about one failure, in one file under `scenarios/drills/`.
`python -m scenarios.report.drills_page` makes this page from the files; [writing one](writing-a-drill.md) takes ten
minutes.

A drill passes only when all of it is seen: first, in a control run of the same script without the fault, that the
failure is not there; then that the fault took hold (its counter), what the application came to, and the packets on both
legs of the firewall.
"""


def document(known: Mapping[str, Drill]) -> str:
    """The whole page. Raises ValueError for a drill whose first tag names no group."""
    for drill in known.values():
        if drill.tags[0] not in GROUPS:
            raise ValueError(f"{drill.path}: the first tag is the group, one of {', '.join(GROUPS)}: {drill.tags[0]!r}")
    parts = [HEADER]
    for group, title in GROUPS.items():
        of_group = [drill for drill in known.values() if drill.tags[0] == group]
        if of_group:
            parts += [f"\n## {title}\n", *_table(of_group)]
    parts.append(f"\n{len(known)} drills.")
    return "\n".join(parts) + "\n"


def _table(of_group: list[Drill]) -> Iterator[str]:
    heads = ("drill", "claim", "fault", "the application sees", "the packets that prove it", "source")
    return markdown_table.table(heads, [_cells(drill) for drill in of_group])


def _cells(drill: Drill) -> list[str]:
    faults = [step.fault.says for step in drill.script if step.fault]
    other = [f"(the control is run with {drill.control_with.says})"] if drill.control_with else []
    given = [f"(given: {step.given.says})" for step in drill.script if step.given]
    return [
        f"`{drill.drill}`",
        drill.claim + "".join(f" *Not on {pair}: {why}*" for pair, why in drill.unsupported_on.items()),
        "; ".join(given + faults + other),
        "; ".join(_of_application(drill)) or "(of any program)",
        "<br>".join(_of_packets(drill)),
        "; ".join(drill.source),
    ]


def _of_application(drill: Drill) -> Iterator[str]:
    for each in drill.expect:
        if isinstance(each.value, Outcomes | Duration | Log):
            yield each.value.says


def _of_packets(drill: Drill) -> Iterator[str]:
    for each in drill.expect:
        if isinstance(each.value, Packets | Order | Sockets | Hits | Alike):
            yield each.value.says


if __name__ == "__main__":
    sys.stdout.write(document(drills(DRILLS)))
