"""docs/gallery.md: what clients that people run do under each failure, as the cells showed it.

What a client did is read from the cells alone; the cures are written by hand, in services/gallery/gallery.yaml.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from scenarios.report.gallery_cells import Seen
from scenarios.report.markdown import escaped
from scenarios.report.markdown_table import table
from scenarios.spec.gallery import Gallery, Shown
from scenarios.spec.service import ServiceChoice
from scenarios.spec.units import so_many
from scenarios.verdict.check import Verdict

Cells = Mapping[tuple[str, str], Seen]
Misfits = Mapping[tuple[str, str], str]

MADE = "<!-- made by `make gallery` from docs/gallery.json and services/gallery/gallery.yaml; do not edit -->"
LINE = 120  # characters of a line of prose
SIDE_BY_SIDE = 3  # clients in one table: more are too wide to read
NOT_APPLIED, NOT_RUN = "·", "not run"
HUNG, TRYING, NOT_DONE, TIMED_OUT = "hung", "still trying", "not done", "timed out"
# A call that did not end is said to hang where so much of its time was left after its first packet: longer than the
# timeout of any program with a cure. On a busy machine a program may use up its time before it has begun.
HUNG_AFTER_S = 11.0
WAITED = re.compile(r"after (\d+) s")
BEHIND = re.compile(r";[^()]*(?=\))")  # within the brackets of a word: what the kernel would do
# Many programs print this text when it is their own clock that went off; the word says already that a clock did.
BY_A_CLOCK = " (ETIMEDOUT)"

# What a paragraph says of the cells, in this order: the kinds of what a program did, the sentence that begins.
SENTENCES: tuple[tuple[Callable[[Seen], bool], str], ...] = (
    (lambda each: _waits(each), "it **hangs** where"),
    (lambda each: each.kind == TRYING, "it had not given up, and tried again and again, where"),
    (lambda each: each.kind == NOT_DONE, "it had not ended, and still got on, where"),
    (lambda each: each.kind == TIMED_OUT, "its own clock ends it where"),
    (lambda each: each.kind == "wrong answer", "it takes for the answer what is not, where"),
    (lambda each: not each.kind.startswith("answered"), "it tells of an error where"),
    (lambda each: each.word == "answered", "it is answered, and nothing is to be noticed, where"),
    (lambda each: bool(each.kind), "it is answered, later or by another try, where"),
)


def page(gallery: Gallery, programs: Mapping[str, ServiceChoice], cells: Cells, misfits: Misfits) -> str:
    """The whole page. `programs` are the columns by name; `misfits` says why a drill is not for a program."""
    lines = (
        "# The gallery",
        "",
        MADE,
        "",
        "After this page you know what clients that people run do when the network fails them: which of them hang, for",
        "how long, and which option cures that. Each word is what one call did in the lab, under a failure that both",
        "captures prove; `make gallery` shows it again.",
        "",
        *_how_to_read(gallery),
        "",
        "## What each client does",
        *_tables(gallery, cells, misfits),
        "",
        "## Client by client",
        *(line for client in gallery.clients for line in _paragraph(gallery, client, programs, cells)),
        "",
        "## What was run, and when",
        "",
        *_what_was_run(gallery, cells, misfits),
        "",
        "## What is left out",
        "",
        *(line for name, why in gallery.left_out.items() for line in _wrapped(f"- **{escaped(name)}**: {why}")),
    )
    return "\n".join(lines) + "\n"


def _how_to_read(gallery: Gallery) -> Iterator[str]:
    patience = f"{gallery.patience:g} s"
    yield f"A call has {patience}. One that has not ended by then is **hung**: it would have waited longer, and"
    yield "[client by client](#client-by-client) says what would end it. Times are from the client's first packet."
    yield ""
    yield "| word | is |"
    yield "|---|---|"
    yield "| answered | the right answer, whole; with its time or its tries, where the failure cost any |"
    yield f"| hung | not ended when its {patience} were over, nothing new came; its seconds are from its first packet |"
    yield f"| still trying | not ended when its {patience} were over, but it had begun again, and may give up later |"
    yield f"| not done | not ended when its {patience} were over, but it still got on |"
    yield "| timed out | the program's own clock ended it, or the kernel's told it ETIMEDOUT |"
    yield "| refused, reset, unreachable, broken off, … | it ended with that; with the errno, where it named one |"
    yield "| ? | unproven, or the program began so late that its wait was cut short: the cell does not show it |"
    yield f"| {NOT_APPLIED} | the drill is not for this program |"


def _tables(gallery: Gallery, cells: Cells, misfits: Misfits) -> Iterator[str]:
    for first in range(0, len(gallery.clients), SIDE_BY_SIDE):
        clients = gallery.clients[first : first + SIDE_BY_SIDE]
        programs = [program for client in clients for program in client.programs]
        heads = [head for client in clients for head in _heads(client)]
        rows = [
            [_begun(title), *(_place(drill, program, cells, misfits) for program in programs)]
            for drill, title in gallery.failures.items()
            if any((drill, program) in cells for program in programs)
        ]
        yield from ("", f"### {', '.join(client.name for client in clients)}", "")
        if rows:
            yield from table(["failure", *heads], rows)
        else:
            yield "No cell was run."


def _heads(client: Shown) -> Iterator[str]:
    yield client.name
    if client.cured:
        yield f"{client.name} with `{client.option}`"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, LINE, break_long_words=False, break_on_hyphens=False)


def _begun(text: str) -> str:
    return escaped(text[:1].upper() + text[1:])


def _place(drill: str, program: str, cells: Cells, misfits: Misfits) -> str:
    found = cells.get((drill, program))
    if found is None:
        return NOT_APPLIED if (drill, program) in misfits else NOT_RUN
    if not _is_known(found):
        return "?"
    if found.verdict is Verdict.UNSUPPORTED:
        return "unsupported"
    word = escaped(BEHIND.sub("", _plain(found)) or found.verdict.value)
    word = f"**{word}**" if _waits(found) else word
    return f"{word}, but the drill's claim failed" if found.verdict is Verdict.FAIL else word


def _waits(seen: Seen) -> bool:
    """Whether the program did nothing but wait when its time was over."""
    return seen.kind == HUNG


def _is_known(seen: Seen) -> bool:
    """Whether the cell shows what the program did."""
    waited = WAITED.search(seen.word)
    began_late = seen.kind in (HUNG, TRYING, NOT_DONE) and waited is not None and int(waited[1]) < HUNG_AFTER_S
    return seen.verdict is not Verdict.UNPROVEN and not began_late


def _paragraph(gallery: Gallery, client: Shown, programs: Mapping[str, ServiceChoice], cells: Cells) -> Iterator[str]:
    yield from ("", f"### {client.name}", "")
    yield from ("```sh", *programs[client.as_it_comes].client.run.strip().splitlines(), "```")
    yield ""
    yield from _wrapped(_said("As it comes", gallery, client.as_it_comes, cells))
    if client.cured:
        yield ""
        yield from _wrapped(_said(f"With `{client.option}`", gallery, client.cured, cells))
    yield ""
    yield from _wrapped(f"**The cure.** {client.cure} (Source: {client.source}.)")


def _said(how: str, gallery: Gallery, program: str, cells: Cells) -> str:
    """What one column did, in sentences."""
    found = [cells[drill, program] for drill in gallery.failures if (drill, program) in cells]
    left = [each for each in found if _is_known(each) and each.kind]
    if not left:
        return f"{how}: no cell of it was run."
    sentences = [f"{how}, of {so_many(len(left), 'failure')}:"]
    if not any(each.kind in (HUNG, TRYING, NOT_DONE) for each in left):
        sentences.append("it hangs under none of them;")
    for belongs, begins in SENTENCES:
        those = [each for each in left if belongs(each)]
        left = [each for each in left if not belongs(each)]
        if those:
            sentences.append(f"{begins} {_listed([_where(gallery, each) for each in those])};")
    return " ".join(sentences).removesuffix(";") + "."


def _where(gallery: Gallery, seen: Seen) -> str:
    title = escaped(gallery.failures[seen.drill])
    if _waits(seen):
        return f"{title} ({seen.kernel_end})" if seen.kernel_end else title
    return title if seen.word == "answered" else f"{title} ({escaped(_bare(_plain(seen)))})"


def _plain(seen: Seen) -> str:
    return seen.word.replace(BY_A_CLOCK, "") if seen.kind == TIMED_OUT else seen.word


def _bare(word: str) -> str:
    """A word that stands in brackets: its own become commas."""
    return re.sub(r" \(([^()]*)\)", r", \1", word)


def _listed(each: Sequence[str]) -> str:
    return each[0] if len(each) == 1 else f"{', '.join(each[:-1])}, and {each[-1]}"


def _what_was_run(gallery: Gallery, cells: Cells, misfits: Misfits) -> Iterator[str]:
    wanted = {(drill, program) for drill in gallery.failures for program in gallery.programs} - misfits.keys()
    shown = [cells[key] for key in sorted(wanted & cells.keys())]
    verdicts = Counter(each.verdict.value for each in shown)
    told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    yield f"{len(shown)} of {so_many(len(wanted), 'cell')} were run{f': {told}' if told else ''}."
    yield "[gallery.json](gallery.json) has a line for each: its run, its folder there, its verdict, and how many"
    yield "frames each leg saw. A cell is shown again by"
    yield "`make drill NAME=any-paused SERVICE=gallery/nginx:curl PAIR=le-le`."
    yield ""
    by_run = Counter(each.run for each in shown)
    yield from table(["run", "cells"], [[f"`{run}`", str(count)] for run, count in sorted(by_run.items())])
    if missing := Counter(drill for drill, program in wanted - cells.keys()):
        names = ", ".join(f"{drill} ({missing[drill]})" for drill in gallery.failures if drill in missing)
        yield ""
        yield from _wrapped(f"Not run, by drill: {names}.")
    if odd := [each for each in shown if each.verdict is not Verdict.PASS]:
        yield ""
        yield "What did not pass:"
        yield ""
        rows = [[each.drill, each.program, each.verdict.value, escaped(each.sentence)] for each in odd]
        yield from table(["drill", "program", "verdict", "why"], rows)
