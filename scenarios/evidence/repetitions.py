"""Which packets were sent only because something stood still: again, or as an acknowledgement without an answer.

Values and arithmetic only, as stalls.py, whose rules these are.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

from scenarios.evidence.frame import Frame
from scenarios.evidence.stalls import COUNT_SLACK_S, MADE_SHARE, Stalls

REPORTS = ("224.0.0.22", "ff02::16")  # of membership (IGMP, MLD): a host sends each twice in any case


def repeated_by_a_stall(frames: Sequence[Frame], stalls: Stalls, lost: Collection[int] = ()) -> list[int]:
    """The numbers of those of a leg's frames that TCP, or a program, may have sent again only because of a stall.

    They are equal to an earlier one in all that a repetition keeps, and stalls were a good part of the time between.
    The earlier one is not among the `lost`, which did not come to the other leg: those are sent again in any case.
    """
    last: dict[tuple[object, ...], Frame] = {}
    found = []
    for frame in sorted((each for each in frames if each.destination not in REPORTS), key=lambda each: each.time_ns):
        key = _repetition_key(frame)
        if (before := last.get(key)) is not None and before.number not in lost:
            waited_s, between = (frame.time_ns - before.time_ns) / 1e9, stalls.between(before.time_ns, frame.time_ns)
            # A probe of the tail of a flight comes after some milliseconds (RFC 8985, 7.2): so short a stall makes one.
            if between.reaches(min(COUNT_SLACK_S, waited_s)) and between.total_s >= MADE_SHARE * waited_s:
                found.append(frame.number)
        last[key] = frame
    return found


def answers_to(repeated: Collection[int], frames: Sequence[Frame]) -> list[int]:
    """The numbers of the frames of a leg by which TCP acknowledges these repetitions: one each, with a DSACK maybe."""
    in_order = sorted(frames, key=lambda each: each.time_ns)
    found = []
    for at, frame in enumerate(in_order):
        if frame.number in repeated and frame.transport == "tcp":
            answers = (
                each.number
                for each in in_order[at + 1 :]
                if not each.payload
                and not each.flags & {"SYN", "FIN", "RST"}
                and (each.sender, each.receiver) == (frame.receiver, frame.sender)
            )
            found += list(itertools.islice(answers, 1))
    return found


def acknowledged_in_a_stall(frames: Sequence[Frame], stalls: Stalls) -> list[int]:
    """The numbers of those of a leg's frames by which TCP acknowledges alone, for a stall kept a program from the
    answer in which that would have been: the timer is of 40 ms in Linux.
    """
    asked: dict[tuple[object, object], Frame] = {}  # what each end sent last to the other, with something in it
    found = []
    for frame in sorted((each for each in frames if each.transport == "tcp"), key=lambda each: each.time_ns):
        if frame.payload or frame.flags & {"SYN", "FIN", "RST"}:
            asked[frame.sender, frame.receiver] = frame
        elif (before := asked.get((frame.receiver, frame.sender))) is not None:
            waited_s, between = (frame.time_ns - before.time_ns) / 1e9, stalls.between(before.time_ns, frame.time_ns)
            if waited_s >= COUNT_SLACK_S and between.total_s >= MADE_SHARE * waited_s:
                found.append(frame.number)
    return found


def _repetition_key(frame: Frame) -> tuple[object, ...]:
    ends = frame.source, frame.source_port, frame.destination, frame.destination_port, frame.transport
    if frame.transport == "tcp":
        of_stream = frame.flags & {"SYN", "FIN", "RST"}
        is_empty = not frame.payload and not of_stream  # an acknowledgement: of something else, it is another
        return (*ends, frame.seq, len(frame.payload), of_stream, frame.ack if is_empty else None)
    return (*ends, frame.payload or frame.info)


def sent_again_by_a_kernel(earlier: Frame, later: Frame) -> bool:
    """Whether the later frame is the earlier one, sent again by TCP: its timer waits for no program."""
    has_length = bool(earlier.payload or earlier.flags & {"SYN", "FIN"})
    is_same = _repetition_key(earlier) == _repetition_key(later)
    return earlier.transport == "tcp" and has_length and is_same
