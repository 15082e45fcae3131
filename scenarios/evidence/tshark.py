"""Reading captures, with tshark and our dissector, on the firewall: frames as frozen values.

This is the second opinion: nothing here, or in the dissector, has seen the services' code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from scenarios.evidence.frame import Frame
from scenarios.evidence.record import LegCapture
from scenarios.evidence.tshark_fields import arguments, frame_of, mark_field
from scenarios.lab.errors import LabProblem, UsageError
from scenarios.lab.json_lines import Child
from scenarios.lab.lab import Lab
from scenarios.lab.places import typed
from scenarios.lab.valueclass import valueclass

DECODE = "/usr/local/lib/faultwire/decode"  # images/firewall/decode
PCAPNG = b"\x0a\x0d\x0d\x0a"  # the type of the block that every such file begins with
TSHARK_TIMEOUT_S = 120
READS_WITHIN_S = 5


def by_leg(captures: Mapping[str, LegCapture], decode: Callable[[bytes], list[Frame]]) -> dict[str, list[Frame]]:
    """Return the frames of each leg. The legs are decoded at once, each by a tshark of its own."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(captures, pool.map(lambda leg: decode(leg.pcapng), captures.values()), strict=True))


@valueclass
class _Decoded:
    """How a tshark ended, and what it printed."""

    status: int
    out: str
    err: str

    def frames(self, lab: Lab, display_filter: str, marks: Sequence[str]) -> list[Frame]:
        if self.status != 0:
            check_filters(lab, [display_filter, *marks])  # for of a wrong mark tshark says little
            raise ValueError(f"tshark: {_words(self.err) or f'status {self.status}'}")
        marked = {mark_field(mark): mark for mark in marks}
        found = (frame_of(packet["_source"]["layers"], marked) for packet in _packets(self.out))
        return [frame for frame in found if frame is not None]


_BETWEEN = re.compile(r"[\s,\[\]]*")


def _packets(text: str) -> Iterator[dict[str, Any]]:
    """The packets of tshark's list, one by one: all of them at once would take some times the memory of the frames."""
    decoder = json.JSONDecoder()
    at = _BETWEEN.match(text).end()  # type: ignore[union-attr] # it matches everywhere
    while at < len(text):
        packet, at = decoder.raw_decode(text, at)
        yield packet
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr] # likewise


def _words(said: str) -> str:
    """What tshark said, without its name, and without what it says to root each time."""
    lines = (line.removeprefix("tshark: ") for line in said.splitlines() if "This could be dangerous" not in line)
    return "\n".join(lines).strip()


def frames(lab: Lab, pcapng: bytes, display_filter: str = "ip || ipv6", marks: Sequence[str] = ()) -> list[Frame]:
    """The frames of a capture that a Wireshark display filter keeps and that carry IP, in the order of the file.

    `marks` are more filters: each frame says in its own `marks` which of them keep it. Whoever reads many captures is
    quicker with a Dissector. Raises ValueError, with Wireshark's words, when it does not take the file or a filter.
    """
    _refuse(pcapng, [display_filter, *marks])
    argv = ["tshark", *arguments(display_filter, marks)]
    status, out, err = lab.feed("firewall", argv, pcapng, TSHARK_TIMEOUT_S)
    decoded = _Decoded(status, out.decode("utf-8"), err)
    return decoded.frames(lab, display_filter, marks)


def packet_list(lab: Lab, pcapng: bytes, display_filter: str) -> str:
    """What tshark itself prints of a capture, a line a packet. Raises ValueError, with its words, where it fails."""
    _refuse(pcapng, [display_filter])
    status, out, err = lab.feed("firewall", ["tshark", "-n", "-r", "-", "-Y", display_filter], pcapng, TSHARK_TIMEOUT_S)
    if status != 0:
        raise ValueError(f"tshark: {_words(err) or f'status {status}'}")
    return out.decode("utf-8").rstrip()


def check_filters(lab: Lab, filters: Sequence[str]) -> None:
    """Raise ValueError, with Wireshark's words, for the filters that it does not take; all in one start of it.

    sharkd is asked, for it compiles many filters in one process. It decodes nothing for us: as a decoder it lets
    filters on _ws.col.* keep nothing, cuts long fields short, and some columns make it crash (4.4.19).
    """
    _refuse(None, filters)
    _, out, err = lab.feed("firewall", COMPILER, compiler_input(filters), TSHARK_TIMEOUT_S)
    if wrong := compiler_refused(filters, out, err):
        raise UsageError("; ".join(wrong.values()))


COMPILER = ("sharkd", "-")


def compiler_input(filters: Sequence[str]) -> bytes:
    """What sharkd is asked on its standard input, to compile display filters."""
    asked = [
        {"jsonrpc": "2.0", "id": number, "method": "check", "params": {"filter": each}}
        for number, each in enumerate(filters, start=1)
    ]
    return "".join(f"{json.dumps(each)}\n" for each in asked).encode()


def compiler_refused(filters: Sequence[str], out: bytes, err: str) -> dict[str, str]:
    """The filters that sharkd refused, with what is wrong. Raises LabProblem when it did not answer for each."""
    answers = [json.loads(line) for line in out.splitlines() if line.startswith(b"{")]
    if [answer.get("id") for answer in answers] != list(range(1, len(filters) + 1)):
        raise LabProblem(f"sharkd: expected {len(filters)} answers, one a filter, got {len(answers)}: {err}")
    return {
        each: f"invalid display filter {each!r}: {answer['error']['message'].removeprefix('Filter invalid - ')}"
        for each, answer in zip(filters, answers, strict=True)
        if "error" in answer
    }


def _refuse(pcapng: bytes | None, filters: Sequence[str]) -> None:
    """What Wireshark takes, and should not have been given. Raises ValueError."""
    if pcapng is not None and not pcapng.startswith(PCAPNG):  # tshark finds some format for almost everything
        raise ValueError(f"expected a pcapng file, got one that begins with {pcapng[:8]!r}")
    for each in filters:
        if not each.strip():
            raise UsageError("invalid display filter: it is empty")
        if "time_delta_displayed" in each:
            raise UsageError(f"{each!r}: time_delta_displayed depends on the filter itself; use frame.time_delta")


class Dissector:
    """Reads captures for the time of the `with` block, as `frames` does, with a tshark that has started before.

    Threads may share one. Raises LabProblem when the firewall does not run.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        advice = {"no such file": f"`{typed('images')}` brings the images up to date"}
        self._child = Child(lab.open("firewall", [DECODE]), "the decoder on the firewall", advice=advice)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close()

    def frames(self, pcapng: bytes, display_filter: str = "ip || ipv6", marks: Sequence[str] = ()) -> list[Frame]:
        """As the function `frames`. Raises LabProblem too, when the decoder ended or does not answer in time."""
        _refuse(pcapng, [display_filter, *marks])
        asked = {"decode": arguments(display_filter, marks)}
        answer = self._child.ask(asked, "read a capture", TSHARK_TIMEOUT_S + READS_WITHIN_S, pcapng)
        decoded = _Decoded(answer["status"], answer.content.decode("utf-8"), answer["said"])
        del answer  # whose content is as large
        return decoded.frames(self._lab, display_filter, marks)

    def check_filters(self, filters: Sequence[str]) -> None:
        """As the function."""
        check_filters(self._lab, filters)
