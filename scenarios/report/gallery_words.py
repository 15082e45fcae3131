"""The words of the gallery: what its pages say of a cell, and of a client, from what the cells showed.

They are the same on the Markdown page and on the HTML page; each marks them in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from scenarios.evidence.kernel_end import UNLESS
from scenarios.lab.valueclass import valueclass
from scenarios.report.gallery_cells import Seen
from scenarios.spec.gallery import Gallery
from scenarios.spec.units import so_many
from scenarios.verdict.check import Verdict

Cells = Mapping[tuple[str, str], Seen]
Misfits = Mapping[tuple[str, str], str]

NOT_APPLIED, NOT_RUN, UNKNOWN = "·", "not run", "?"
HUNG, TRYING, SENDING, NOT_DONE, TIMED_OUT = "hung", "still trying", "still sending", "not done", "timed out"
NOT_ENDED = "not ended"  # its word: "answered, not ended after 20 s"
# A call that did not end is said to hang where so much of its time was left after its first packet: longer than the
# timeout of any program with a cure. On a busy machine a program may use up its time before it has begun.
HUNG_AFTER_S = 11.0
WAITED = re.compile(r"after (\d+) s")
BEHIND = re.compile(r";[^()]*(?=\))")  # within the brackets of a word: what the kernel would do
# Many programs print this text when it is their own clock that went off; the word says already that a clock did.
BY_A_CLOCK = " (ETIMEDOUT)"

BEGAN_LATE = "not done (began after"
GOT_ON = "something new still came"  # in a word of "not done"; others say why nothing more can be said

# What a paragraph says of the cells, in this order: the kinds of what a program did, the sentence that begins.
SENTENCES: tuple[tuple[Callable[[Seen], bool], str], ...] = (
    (lambda each: waits(each), "it hangs where"),
    (lambda each: each.kind == TRYING, "it had not given up, and tried again and again, where"),
    (lambda each: each.kind == SENDING, "it had not given up, and still sent, where"),
    (lambda each: each.kind == NOT_DONE and GOT_ON in each.word, "it had not ended, and still made progress, where"),
    (lambda each: each.kind == NOT_DONE, "it had not ended, where"),
    (lambda each: each.kind == NOT_ENDED, "it was answered, and had not ended, where"),
    (lambda each: each.kind == TIMED_OUT, "its own clock ends it where"),
    (lambda each: each.kind == "wrong answer", "it takes a wrong answer for the right one where"),
    (lambda each: each.kind == "no answer", "it ends as after an answer, and none had come, where"),
    (lambda each: each.kind == "unseen", "it ends as after an answer, and nothing that it sent was seen, where"),
    (lambda each: each.kind == "done", "it ends well, and no byte had come, where"),
    (lambda each: not each.kind.startswith("answered"), "it reports an error where"),
    (lambda each: each.word == "answered", "it is answered, and notices nothing, where"),
    (lambda each: bool(each.kind), "it is answered, later or by another try, where"),
)


@valueclass
class Place:
    """What stands at one place of a table. `seen` is the cell that shows it; None where there is none."""

    word: str
    seen: Seen | None = None
    is_known: bool = False

    @property
    def hangs(self) -> bool:
        return self.is_known and self.seen is not None and waits(self.seen)


def legend(gallery: Gallery) -> list[tuple[str, str]]:
    """Each word of a table, and what it means."""
    patience = f"{gallery.patience:g} s"
    return [
        ("answered", "the right answer, whole; with its time or its tries, where the failure cost any"),
        (HUNG, f"not ended when its {patience} were over, and nothing new came; its seconds are from its first packet"),
        (TRYING, f"not ended when its {patience} were over, but it had begun again, and may give up later"),
        (SENDING, f"not ended when its {patience} were over, but it still sent, without an answer"),
        (
            NOT_DONE,
            f"not ended when its {patience} were over, but it still made progress, or nothing says that it waits",
        ),
        ("answered, not ended", f"its answer came and was printed, and it still ran when its {patience} were over"),
        (TIMED_OUT, "the program's own clock ended it, or the kernel's told it ETIMEDOUT"),
        ("refused, reset, unreachable, broken off, …", "it ended with that; with the errno, where it named one"),
        (UNKNOWN, "unproven, or the program began so late that its wait was cut short: the cell does not show it"),
        (NOT_APPLIED, "the drill does not fit this program"),
    ]


def place(drill: str, program: str, cells: Cells, misfits: Misfits) -> Place:
    """What one program did under one drill, in a word."""
    found = cells.get((drill, program))
    if found is None:
        return Place(NOT_APPLIED if (drill, program) in misfits else NOT_RUN)
    if not is_known(found):
        return Place(UNKNOWN, found)
    if found.verdict is Verdict.UNSUPPORTED:
        return Place("unsupported", found)
    return Place(BEHIND.sub("", _plain(found)) or found.verdict.value, found, is_known=True)


def waits(seen: Seen) -> bool:
    """Whether the program did nothing but wait when its time was over."""
    return seen.kind == HUNG


def is_known(seen: Seen) -> bool:
    """Whether the cell shows what the program did."""
    waited = WAITED.search(seen.word)
    began_late = seen.kind in (HUNG, TRYING, SENDING, NOT_DONE) and waited is not None and int(waited[1]) < HUNG_AFTER_S
    return seen.verdict is not Verdict.UNPROVEN and not began_late and BEGAN_LATE not in seen.word


def summarize(how: str, gallery: Gallery, program: str, cells: Cells, escape: Callable[[str], str] = str) -> str:
    """What one column did, in sentences that begin with `how`; `escape` is applied to what cells and files say."""
    found = [cells[drill, program] for drill in gallery.failures if (drill, program) in cells]
    left = [each for each in found if is_known(each) and each.kind]
    if not left:
        return f"{how}: no cell of it was run."
    sentences = [f"{how}, of {so_many(len(left), 'failure')}:"]
    if not any(each.kind in (HUNG, TRYING, SENDING, NOT_DONE, NOT_ENDED) for each in left):
        sentences.append("it hangs under none of them;")
    for belongs, begins in SENTENCES:
        those = [each for each in left if belongs(each)]
        left = [each for each in left if not belongs(each)]
        if those:
            sentences.append(f"{begins} {_enumerate([_describe(gallery, each, escape) for each in those])};")
    return " ".join(sentences).removesuffix(";") + "."


def begin_upper(text: str) -> str:
    """The text with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]


def _describe(gallery: Gallery, seen: Seen, escape: Callable[[str], str]) -> str:
    title = escape(gallery.failures[seen.drill])
    if waits(seen):
        kernel_end = seen.kernel_end.partition(UNLESS)[0]  # what may be set is said once, above
        return f"{title} ({kernel_end})" if kernel_end else title
    return title if seen.word == "answered" else f"{title} ({escape(_bare(_plain(seen)))})"


def _plain(seen: Seen) -> str:
    return seen.word.replace(BY_A_CLOCK, "") if seen.kind == TIMED_OUT else seen.word


def _bare(word: str) -> str:
    """A word that stands in brackets: its own become commas."""
    return re.sub(r" \(([^()]*)\)", r", \1", word)


def _enumerate(each: Sequence[str]) -> str:
    return each[0] if len(each) == 1 else f"{', '.join(each[:-1])}, and {each[-1]}"
