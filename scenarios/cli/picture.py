"""The picture of a cell's run, for the terminal: its ladder, between the two hosts that played it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from scenarios.calls import compositions
from scenarios.evidence import pairing
from scenarios.evidence.record import Seen
from scenarios.lab.lab import Lab
from scenarios.spec.cast import Cast
from scenarios.verdict.result import Result


def picture(lab: Lab, result: Result, seen: Seen) -> Iterator[Text]:
    """Draw one run of a cell: its packets, the stalls between them, and what was not measured."""
    cell = result.cell
    topology = compositions.with_seats(lab.topology, cell.chosen.service)
    cast = Cast(topology, cell.host_pair, cell.drill.family, *cell.machines)
    ours = {address for host in topology.places.values() for address in (host.ipv4, host.ipv6)}
    legs = {leg: pairing.of_hosts(frames, ours) for leg, frames in seen.frames.items()}
    drawn = pairing.rungs_of(seen, legs)
    client, server, *behind = [
        (f"{host.name} ({host.byteorder}-endian)", host.address(cell.drill.family))
        for host in (cast.client, cast.server, cast.backend)
        if host
    ]
    stalls = seen.stalls.of_play
    if behind:
        visitor, middle, last = ((end[0].partition(" ")[0], end[1]) for end in (client, server, behind[0]))
        yield from pairing.draw_middle(drawn, visitor, middle, last, stalls=stalls)
    else:
        yield from pairing.draw(drawn, client, server, stalls=stalls)
    for what in seen.stalls.unseen:
        yield Text(f"not measured: {what}", "dim")
