"""The ladder of a lesson, from the stored evidence: that of the cell's page, without rows that a learner passes over.

Stalls of this machine are left out, and so are packets of one link (ARP, and neighbour discovery of IPv6), unless a
question counts them. A RST has its TTL on both sides of the firewall. The ladder fits a terminal of 80 columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from rich.text import Text

from scenarios.report.ladder import LadderRow, Row, picture
from scenarios.report.ladder_events import HEAL, seconds
from scenarios.report.ladder_text import leg
from scenarios.report.packet_fates import first, is_local
from scenarios.report.read_run import Frame, Packet, Packets

MARGIN, WIDTH = 11, 33  # columns for the time, and for a leg
FEW: Final = 4  # packets in a row that open and end nothing; of more, those in the middle are left out
MOST: Final = 60  # rows that are all shown
HEADS: Final = ("client", "firewall", "server")
WORDS: Final = {"names": "name server"}  # of roles that are called otherwise in a lesson
AGAIN: Final = "retransmission"
NO_WORD: Final = "reset"  # a mark that says no more than the flag RST, and would contradict the outcome `refused`
LOOK: Final = "look at the sockets "
TELLING: Final = {"SYN", "FIN", "RST"}  # flags of the packets that are never left out


def ladder(run: Mapping[str, Any], packets: Packets, counted: Callable[[Frame], bool]) -> list[Text]:
    """The lines, the names and addresses of both ends first. `counted`: whether a question counts this frame."""

    def is_shown(packet: Packet) -> bool:
        return not is_local(first(packet)) or any(counted(each) for each in packet.frames.values())

    shown = replace(packets, packets=[each for each in packets.packets if is_shown(each)])
    drawn = picture({**run, "stalls": {}}, shown)
    rows = list(_merged(drawn.rows))
    looks = iter(run["looks"].values())
    lines = list(_heads(shown))
    for row in _leave_out_the_middle(rows) if len(rows) > MOST else rows:
        if isinstance(row, int):
            lines.append(Text(f"{'':>{MARGIN}}… {row} more packets, on the page", "dim"))
            continue
        lines += _lines(row)
        if row.says.startswith(LOOK):
            lines += [Text(f"{'':>{MARGIN}}  {each}", "dim") for each in _sockets(next(looks, ()), packets.port)]
    return lines


def _heads(packets: Packets) -> Iterator[Text]:
    seen = {end for each in packets.packets for end in (first(each).source, first(each).destination)}
    of_roles = [next((each for each in packets.addresses.get(role, ()) if each in seen), "") for role in HEADS]
    client, firewall, server = HEADS
    yield _spread((client, firewall, server if of_roles[2] else f"{server}'s network"), "bold")
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


def _leave_out_the_middle(rows: Iterable[Row]) -> Iterator[Row | int]:
    """Leave out packets from the middle of a long row of them, none of which opens or ends a connection; how many."""
    alike: list[Row] = []
    for row in rows:
        is_telling = row.packet is None or TELLING & {*row.packet.flags.split()}
        if not is_telling or row.pause_s is not None:
            alike.append(row)
            continue
        yield from _few(alike)
        alike = []
        yield row
    yield from _few(alike)


def _few(alike: Sequence[Row]) -> Iterator[Row | int]:
    packets = [number for number, row in enumerate(alike) if row.packet]
    if len(packets) <= FEW:
        yield from alike
        return
    last, again = packets[FEW // 2 - 1], packets[-FEW // 2]
    yield from alike[: last + 1]
    yield len(packets) - FEW
    yield from alike[again:]


def _lines(row: Row) -> Iterator[Text]:
    time, packet = f"{row.at_ms:>7.1f} ms ", row.packet
    if packet:
        style = "red" if packet.fate in ("lost", "made") else "cyan" if packet.rightwards else "green"
        arrow, below = _arrow(packet)
        yield Text(time, "dim").append(arrow, style)
        for each in dict.fromkeys((*below, *packet.carries)):
            whole = each if len(each) <= 2 * WIDTH else f"{each[: 2 * WIDTH - 1]}…"
            yield Text(f"{'':>{MARGIN}}│  ", "dim").append(whole, style)
    elif row.pause_s is not None:
        yield Text(f"{'':>{MARGIN}}⋮ {seconds(row.pause_s)}", "dim")
    else:
        says = f"{row.says} begins, which takes a moment" if row.says.startswith(HEAL) else row.says
        yield Text(f"{time}· {says}", "dim")


def _arrow(packet: LadderRow) -> tuple[str, Sequence[str]]:
    """The arrow of a packet, and what of it stands on a line of its own, because it is too long."""
    near, far = packet.ttls if packet.rightwards else packet.ttls[::-1]
    words = " ".join(word for word in (_ends(packet), packet.flags, packet.size or packet.about) if word)
    if AGAIN in packet.marks:
        words += ", sent again" if len(words) + len(", sent again") <= WIDTH - 6 else ", again"
    notable = [each for each in packet.marks if each not in (NO_WORD, AGAIN) and not _is_said_below(each, packet)]
    marks = f" ({', '.join(notable)})" if notable else ""
    below = [marks.strip()] if len(f"{words}{marks}") > WIDTH - 6 else []
    words += "" if below else marks
    has_ttl = "RST" in packet.flags
    whole = f"{words}, TTL {near if near is not None else far}" if has_ttl else words
    ends = far is None and packet.fate not in ("turned", "taken")
    first_half = leg(whole, packet.rightwards, ends=ends, width=WIDTH) if near is not None else " " * WIDTH
    behind = "" if near is not None and not has_ttl else f"TTL {far}" if near is not None else whole
    second_half = leg(behind, packet.rightwards, ends=False, width=WIDTH) if far is not None else " " * WIDTH
    halves = (first_half, second_half) if packet.rightwards else (second_half, first_half)
    return f"│{'│'.join(halves)}│", below


def _is_said_below(mark: str, packet: LadderRow) -> bool:
    """Whether a mark says what a message of the packet says, or is a guess about one byte that a program sent."""
    return mark.startswith("Malformed") or (mark == "keep-alive" and bool(packet.size))


def _ends(packet: LadderRow) -> str:
    """Who speaks to whom, where that is not the client, the firewall or the server."""
    source = "" if packet.source in HEADS else WORDS.get(packet.source, packet.source)
    whom = WORDS.get(packet.destination, packet.destination)
    destination = "" if packet.destination in HEADS or packet.about else f"to {whom}"
    return f"{words}:" if (words := f"{source} {destination}".strip()) else ""


def _sockets(found: Sequence[Mapping[str, Any]], port: int) -> Iterator[str]:
    """The sockets of the service that a look saw: state, and what lies in the buffers of one that is connected."""
    for each in found:
        if str(port) not in (each["local"].rpartition(":")[2], each["peer"].rpartition(":")[2]):
            continue
        held = f", {each['recv_q']} bytes unread, {each['send_q']} sent and not acknowledged"
        yield f"{each['host']}: {each['state']}{'' if each['state'] == 'LISTEN' else held}"
