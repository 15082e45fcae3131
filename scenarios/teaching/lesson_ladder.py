"""The ladder of a lesson, out of the stored evidence: what the page of a cell has, and nothing to pass over.

Moments in which this machine was busy are left out, and so is what the machines of one link say to each other (ARP, and
neighbour discovery of IPv6); but what a question counts stands on it. A RST has its TTL on both sides of the firewall.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from rich.text import Text

from scenarios.report.ladder import LadderRow, Row, picture
from scenarios.report.ladder_events import seconds
from scenarios.report.ladder_text import WIDTH, leg
from scenarios.report.packet_fates import first, is_local
from scenarios.report.read_run import Frame, Packet, Packets

MARGIN: Final = 11  # columns for the time
MOST: Final = 60  # lines; of more the middle is left out
HEADS: Final = ("client", "firewall", "server")
WORDS: Final = {"names": "name server"}  # of roles that are called otherwise in a lesson
AGAIN: Final = "retransmission"
NO_WORD: Final = "reset"  # a mark that says no more than the flag RST, and would contradict the outcome `refused`


def ladder(run: Mapping[str, Any], packets: Packets, counted: Callable[[Frame], bool]) -> list[Text]:
    """The lines, the names and addresses of both ends first. `counted`: whether a question counts this frame."""

    def is_shown(packet: Packet) -> bool:
        frames = [each for each in (packet.client_leg, packet.server_leg) if each]
        return not is_local(first(packet)) or any(counted(each) for each in frames)

    shown = replace(packets, packets=[each for each in packets.packets if is_shown(each)])
    drawn = picture({**run, "stalls": {}}, shown)
    lines = [line for row in _merged(drawn.rows) for line in _lines(row)]
    if len(lines) > MOST:
        left_out = Text(f"{'':>{MARGIN}}… {len(lines) - MOST} more lines, on the page", "dim")
        lines = [*lines[: MOST // 2], left_out, *lines[-MOST // 2 :]]
    return [*_heads(shown), *lines]


def _heads(packets: Packets) -> Iterator[Text]:
    yield _spread(HEADS, "bold")
    seen = {end for each in packets.packets for end in (first(each).source, first(each).destination)}
    of_roles = [next((each for each in packets.addresses.get(role, ()) if each in seen), "") for role in HEADS]
    yield _spread((of_roles[0], "", of_roles[2]), "dim")


def _spread(words: tuple[str, ...], style: str) -> Text:
    left, middle, right = words
    half = f"{left:<{WIDTH + 1 - len(middle) // 2}}{middle}"
    return Text(f"{'':>{MARGIN}}{half}{right:>{2 * WIDTH + 3 - len(half)}}", style)


def _merged(rows: Iterable[Row]) -> Iterator[Row]:
    """Leave out that a program began, which its call has said; what is left of the pauses around it is one."""
    pause: Row | None = None
    for row in rows:
        if row.kind == "call":
            continue
        if row.pause_s is not None:
            pause = replace(row, pause_s=row.pause_s + (pause.pause_s or 0 if pause else 0))
            continue
        if pause:
            yield pause
            pause = None
        yield row


def _lines(row: Row) -> Iterator[Text]:
    time, packet = f"{row.at_ms:>7.1f} ms ", row.packet
    if packet:
        style = "red" if packet.fate in ("lost", "made") else "cyan" if packet.rightwards else "green"
        yield Text(time, "dim").append(_arrow(packet), style)
        for each in packet.carries:
            yield Text(f"{'':>{MARGIN}}│  ", "dim").append(each, style)
    elif row.pause_s is not None:
        yield Text(f"{'':>{MARGIN}}⋮ {seconds(row.pause_s)}", "dim")
    else:
        yield Text(f"{time}· {row.says}", "dim")


def _arrow(packet: LadderRow) -> str:
    near, far = packet.ttls if packet.rightwards else packet.ttls[::-1]
    words = " ".join(word for word in (_ends(packet), packet.flags, packet.size or packet.about) if word)
    if AGAIN in packet.marks:
        words += ", sent again"
    if marks := [each for each in packet.marks if each not in (NO_WORD, AGAIN)]:
        words += f" ({', '.join(marks)})"
    has_ttl = "RST" in packet.flags
    whole = f"{words}, TTL {near if near is not None else far}" if has_ttl else words
    ends = far is None and packet.fate not in ("turned", "taken")
    first_half = leg(whole, packet.rightwards, ends=ends) if near is not None else " " * WIDTH
    behind = "" if near is not None and not has_ttl else f"TTL {far}" if near is not None else whole
    second_half = leg(behind, packet.rightwards, ends=False) if far is not None else " " * WIDTH
    halves = (first_half, second_half) if packet.rightwards else (second_half, first_half)
    return f"│{'│'.join(halves)}│"


def _ends(packet: LadderRow) -> str:
    """Who speaks to whom, where that is not the client, the firewall or the server."""
    source = "" if packet.source in HEADS else WORDS.get(packet.source, packet.source)
    whom = WORDS.get(packet.destination, packet.destination)
    destination = "" if packet.destination in HEADS or packet.about else f"to {whom}"
    return f"{words}:" if (words := f"{source} {destination}".strip()) else ""
