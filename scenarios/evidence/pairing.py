"""The picture of an exchange: a rung for each packet, drawn between the client, the firewall and the server.

A packet that is on one leg and not on the other ended, or began, at the firewall, and is drawn so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import get_args

from rich.text import Text

from scenarios.evidence.frame import Frame
from scenarios.evidence.record import Seen
from scenarios.evidence.stalls import Stall
from scenarios.evidence.ways import OF_BACKEND, OF_CLIENT, PAST_SERVER, Way, goes_right, way_of
from scenarios.lab.valueclass import valueclass
from scenarios.spec.roles import LegName

HALF = 34  # columns between two uprights
NARROW = 21  # the same, where a server stands in the middle and there are five of them
MARGIN = 12  # columns before the first, for the time
FIRST, LAST = 40, 20  # of a long exchange, so many packets are drawn; all of them are in the captures
AT_ONCE_S = 0.02  # a packet that nothing holds crosses the firewall in less
HELD_S = 0.01  # what takes as long to cross is told so: a rung stands where its packet came to the firewall
OR_ANOTHER = "or an equal packet before it crossed, and this one did not"
PREVIEW = 48  # bytes of a payload that nobody decodes


@valueclass
class Rung:
    """One packet, as the legs of its way saw it; None: this leg did not see it. At least one leg did.

    `candidates` are the frames on the near leg that are equal to the bit, where it is not sure which of them became the
    far one: each that came before it may have.
    """

    left: Frame | None
    right: Frame | None
    rightwards: bool
    way: Way = OF_CLIENT
    candidates: tuple[Frame, ...] = ()

    def on(self, leg: LegName) -> Frame | None:
        """The packet as this leg saw it."""
        return dict(zip(self.way, (self.left, self.right), strict=True)).get(leg)

    @property
    def client_leg(self) -> Frame | None:
        return self.on("client-leg")

    @property
    def server_leg(self) -> Frame | None:
        return self.on("server-leg")

    @property
    def near(self) -> Frame | None:
        """The packet on the leg by which it came to the firewall."""
        return self.left if self.rightwards else self.right

    @property
    def far(self) -> Frame | None:
        """The packet on the leg by which it left."""
        return self.right if self.rightwards else self.left

    @property
    def took_s(self) -> float | None:
        """What the crossing took; None where one leg alone saw it."""
        if self.left is None or self.right is None:
            return None
        return abs(self.left.time_ns - self.right.time_ns) / 1e9

    @property
    def is_unsure(self) -> bool:
        """Whether another candidate may have become the far one as well: none, where this one crossed at once."""
        return bool(self.candidates) and self.took_s is not None and self.took_s >= AT_ONCE_S

    @property
    def frame(self) -> Frame:
        """The packet where it was seen first, on its way."""
        frame = self.near or self.far
        assert frame is not None  # noqa: S101 (at least one leg saw it)
        return frame


def of_hosts(frames: Iterable[Frame], addresses: Collection[str]) -> list[Frame]:
    """What a picture has of a leg: what hosts of these addresses send or get, but for ARP.

    What machines say to each other by link-local addresses, as IPv6's neighbour discovery, is no part of an exchange.
    """
    return [frame for frame in frames if {frame.source, frame.destination} & {*addresses} and frame.transport != "arp"]


def rungs_of(seen: Seen, frames: Mapping[str, Sequence[Frame]] | None = None) -> list[Rung]:
    """Pair the frames of a run, or those of them that are given by leg."""
    legs = seen.frames if frames is None else frames
    near, far, behind = (legs.get(leg, ()) for leg in get_args(LegName))
    return rungs(near, far, seen.client_side, behind, seen.backend_side)


def rungs(
    client_leg: Sequence[Frame],
    server_leg: Sequence[Frame],
    clients: Collection[str],
    backend_leg: Sequence[Frame] = (),
    backends: Collection[str] = (),
) -> list[Rung]:
    """Pair the frames of the legs, packet by packet; in order of time. `clients` are the client side's addresses, and
    `backends` those behind a server in the middle.

    Two frames are one packet when all that crossing does not change is equal. Where a packet was sent again, equal to
    the bit, a frame on the far leg is paired with the last one on the near leg that came before it; if all of them came
    through and none at once, in their order. Where another choice is as good, the rungs have their `candidates`.
    """
    near: dict[Heading, list[Frame]] = defaultdict(list)
    far: dict[Heading, list[Frame]] = defaultdict(list)
    legs: tuple[tuple[LegName, Sequence[Frame]], ...] = (
        ("client-leg", client_leg),
        ("server-leg", server_leg),
        ("backend-leg", backend_leg),
    )
    for leg, frames in legs:
        for frame in frames:
            way = way_of(frame.source, frame.destination, leg, clients, backends)
            rightwards = goes_right(frame.source, way, clients, backends)
            of_leg = near if leg == way[0 if rightwards else 1] else far
            of_leg[way, rightwards].append(frame)
    found = [rung for heading in {**near, **far} for rung in _paired(near[heading], far[heading], heading)]
    return sorted(found, key=lambda rung: rung.frame.time_ns)


Heading = tuple[Way, bool]  # a way, and whether it is gone rightwards


def _paired(near: Sequence[Frame], far: Sequence[Frame], heading: Heading) -> Iterator[Rung]:
    """Pair the frames of two legs that go the same way: those of the leg by which they come, and of the other one."""
    sent: dict[tuple[object, ...], list[Frame]] = defaultdict(list)
    for frame in near:
        sent[frame.crossing].append(frame)
    lonely: list[Frame] = []  # on the far leg
    same: dict[tuple[object, ...], list[tuple[Frame, Frame]]] = defaultdict(list)
    for frame in sorted(far, key=lambda frame: frame.time_ns):
        earlier = [each for each in sent[frame.crossing] if each.time_ns <= frame.time_ns]
        if not earlier:
            lonely.append(frame)
            continue
        sent[frame.crossing].remove(earlier[-1])
        same[frame.crossing].append((earlier[-1], frame))
    for crossing, pairs in same.items():
        lost = sent[crossing]
        chosen = pairs if lost else _in_order(pairs)
        near_ends = tuple(sorted((*(one for one, _ in pairs), *lost), key=lambda frame: frame.time_ns))
        is_open = lost or (chosen is pairs and _crossed_at_once(pairs) < len(pairs))
        for one, other in chosen:
            has_choice = is_open and len(near_ends) > 1 and near_ends[1].time_ns <= other.time_ns
            yield _rung(one, other, heading, near_ends if has_choice else ())
    yield from _of_other_headers([each for unpaired in sent.values() for each in unpaired], lonely, heading)


def _is_at_once(near: Frame, far: Frame) -> bool:
    return far.time_ns - near.time_ns < AT_ONCE_S * 1e9


def _crossed_at_once(of: Iterable[tuple[Frame, Frame]]) -> int:
    return sum(_is_at_once(one, other) for one, other in of)


def _in_order(pairs: Sequence[tuple[Frame, Frame]]) -> Sequence[tuple[Frame, Frame]]:
    """Equal packets of which none was lost, each paired with the one that came in its turn: what delays all of them
    keeps their order. Where more of them cross at once as they are paired already, they are left so.
    """
    near, far = (sorted(ends, key=lambda frame: frame.time_ns) for ends in zip(*pairs, strict=True))
    in_turn = list(zip(near, far, strict=True))
    return in_turn if _crossed_at_once(in_turn) >= _crossed_at_once(pairs) else pairs


def _of_other_headers(near: Sequence[Frame], far: Sequence[Frame], heading: Heading) -> Iterator[Rung]:
    """Pair what is left where only TCP's header was changed on the way: an option gone, or numbers shifted."""
    waiting = sorted(near, key=lambda frame: frame.time_ns)
    for frame in far:
        same = [sent for sent in waiting if sent.time_ns <= frame.time_ns and sent.is_changed_into(frame)]
        sent = same[-1] if same else None
        if sent is not None:
            waiting.remove(sent)
        yield _rung(sent, frame, heading)
    yield from (_rung(sent, None, heading) for sent in waiting)


def _rung(near: Frame | None, far: Frame | None, heading: Heading, candidates: tuple[Frame, ...] = ()) -> Rung:
    way, rightwards = heading
    left, right = (near, far) if rightwards else (far, near)
    return Rung(left, right, rightwards, way, candidates)


def label(frame: Frame) -> str:
    """What stands on the rung: flags and length of a segment; what tshark calls anything else."""
    if frame.transport != "tcp":
        return frame.info
    flags = " ".join(name for name in ("SYN", "FIN", "RST", "PSH", "ACK") if name in frame.flags)
    return f"{flags} {len(frame.payload)} bytes" if frame.payload else flags


def contents(frame: Frame) -> Iterator[str]:
    """What the packet carries, a line each: our messages, what tshark makes of another protocol, or the bytes."""
    if frame.messages:
        yield from (f"✉ {message}" for message in frame.messages)
    elif frame.payload and frame.protocol not in ("TCP", "UDP"):
        yield f"{frame.protocol}: {frame.info}"
    elif frame.payload:
        more = f" and {len(frame.payload) - PREVIEW} bytes more" if len(frame.payload) > PREVIEW else ""
        yield f"{frame.payload[:PREVIEW]!r}{more}"


def _half(text: str, rightwards: bool, present: bool, cut: bool, columns: int) -> str:
    if not present:
        return " " * columns
    text = f" {text[: columns - 6]} " if text else ""
    tip = "╳" if cut else "▶" if rightwards else "◀"
    line = "─" * (columns - 3 - len(text))
    return f"──{text}{line}{tip}" if rightwards else f"{tip}{line}{text}──"


def _halves(rung: Rung, columns: int) -> tuple[str, str]:
    """A packet's way to the firewall and from there, as they stand left and right."""
    near, far, rightwards = rung.near, rung.far, rung.rightwards
    near_half = _half(label(rung.frame), rightwards, near is not None, far is None, columns)
    far_half = _half("" if near else label(rung.frame), rightwards, far is not None, False, columns)
    return (near_half, far_half) if rightwards else (far_half, near_half)


End = tuple[str, str]  # a name, and what stands under it, an address say


def draw(ladder: Sequence[Rung], client: End, server: End, *, stalls: Sequence[Stall] = ()) -> Iterator[Text]:
    """The lines of the picture. A stall stands before the first packet that came after it began."""
    yield from (
        heading(left, middle, right, style)
        for left, middle, right, style in (
            (client[0], "firewall", server[0], "bold"),
            (client[1], "", server[1], "dim"),
        )
    )
    yield from _ladder_lines(ladder, ladder_lines, stalls)


def draw_middle(
    ladder: Sequence[Rung],
    client: End,
    server: End,
    backend: End,
    *,
    stalls: Sequence[Stall] = (),
) -> Iterator[Text]:
    """The same of a server in the middle, with its backend as a third column. The firewall stands in both halves."""
    for number, style in enumerate(("bold", "dim")):
        left, right = client[number], backend[number]
        half = f"{left:<{2 * NARROW + 3 - len(server[number]) // 2}}{server[number]}"
        yield Text(f"{' ' * MARGIN}{half}{right:>{4 * NARROW + 5 - len(half)}}", style)

    def lines(rung: Rung, time: str) -> Iterator[Text]:
        line, style, empty = Text(time, "dim"), _style(rung), " " * NARROW
        left, right = _halves(rung, NARROW)
        halves = {
            OF_CLIENT: (left, right, empty, empty),
            OF_BACKEND: (empty, empty, left, right),
            PAST_SERVER: (left, empty, empty, right),
        }[rung.way]
        for half, upright in zip(halves, "│┊│┊", strict=True):
            line.append(upright).append(half, style)
        yield line.append("│")
        yield from _carried(rung, style)

    yield from _ladder_lines(ladder, lines, stalls)


def _ladder_lines(
    ladder: Sequence[Rung], lines: Callable[[Rung, str], Iterator[Text]], stalls: Sequence[Stall]
) -> Iterator[Text]:
    start = ladder[0].frame.time_ns if ladder else 0
    folded = len(ladder) - FIRST - LAST
    waiting = sorted(stalls, key=lambda each: each.began_ns)
    for number, rung in enumerate(ladder):
        if folded > 1 and FIRST <= number < FIRST + folded:
            if number == FIRST:
                yield Text(f"{' ' * MARGIN}┊ {folded} packets more ┊", "dim")
            continue
        while waiting and waiting[0].began_ns <= rung.frame.time_ns:
            yield _stalled(waiting.pop(0), start)
        yield from lines(rung, f"{(rung.frame.time_ns - start) / 1e6:9.3f}ms ")
    for stall in waiting:
        yield _stalled(stall, start)


def _stalled(stall: Stall, start_ns: int) -> Text:
    line = Text(f"{(stall.began_ns - start_ns) / 1e6:9.3f}ms ", "dim")
    return line.append(f"▒ {stall.how_long}", "bold yellow")


def heading(left: str, middle: str, right: str, style: str) -> Text:
    """A line above the picture: what stands over the client's upright, the firewall's, and the server's."""
    begun = f"{left:<{HALF + 1 - len(middle) // 2}}{middle}"
    return Text(f"{' ' * MARGIN}{begun}{right:>{2 * HALF + 3 - len(begun)}}", style)


def ladder_lines(rung: Rung, time: str) -> Iterator[Text]:
    """The lines of one packet: its rung, what it carries, and what tshark notes where something is wrong with it.

    `time` has MARGIN columns.
    """
    left, right = _halves(rung, HALF)
    line, style = Text(time, "dim"), _style(rung)
    line.append("│").append(left, style).append("│").append(right, style).append("│")
    yield line
    yield from _carried(rung, style)


def _style(rung: Rung) -> str:
    is_alone = rung.left is None or rung.right is None
    return "red" if is_alone or "RST" in rung.frame.flags else "cyan" if rung.rightwards else "green"


def _carried(rung: Rung, style: str) -> Iterator[Text]:
    frame, margin = rung.frame, " " * MARGIN
    for content in contents(frame):
        yield Text(f"{margin}│  ", "dim").append(content, "bold " + style)
    if rung.took_s is not None and rung.took_s >= HELD_S:
        yield Text(f"{margin}│  it left the firewall {rung.took_s:.3f} s later", "dim")
    if rung.is_unsure:
        yield Text(f"{margin}│  {OR_ANOTHER}", "dim")
    for note in frame.notes if style == "red" else ():
        yield Text(f"{margin}│  {note}", "dim")
