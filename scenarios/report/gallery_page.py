"""docs/gallery.md: what clients that people run do under each failure, as the cells showed it.

What a client did is read from the cells alone; the cures are written by hand, in services/gallery/gallery.yaml.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping

from scenarios.report.gallery_words import Cells, Misfits, begin_upper, legend, place, summarize
from scenarios.report.markdown import escaped
from scenarios.report.markdown_table import table
from scenarios.spec.gallery import Gallery, Shown
from scenarios.spec.service import ServiceChoice
from scenarios.spec.units import so_many
from scenarios.verdict.check import Verdict

MADE = "<!-- made by `make gallery` from docs/gallery.json and services/gallery/gallery.yaml; do not edit -->"
LINE = 120  # characters of a line of prose
SIDE_BY_SIDE = 3  # clients in one table: more are too wide to read


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
    yield "What the kernel would do is by its defaults: a program may have set TCP_USER_TIMEOUT or TCP_SYNCNT."
    yield ""
    yield "| word | meaning |"
    yield "|---|---|"
    for word, meaning in legend(gallery):
        yield f"| {word} | {meaning} |"


def _tables(gallery: Gallery, cells: Cells, misfits: Misfits) -> Iterator[str]:
    for first in range(0, len(gallery.clients), SIDE_BY_SIDE):
        clients = gallery.clients[first : first + SIDE_BY_SIDE]
        programs = [program for client in clients for program in client.programs]
        heads = [head for client in clients for head in _heads(client)]
        rows = [
            [escaped(begin_upper(title)), *(_place(drill, program, cells, misfits) for program in programs)]
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


def _place(drill: str, program: str, cells: Cells, misfits: Misfits) -> str:
    found = place(drill, program, cells, misfits)
    word = f"**{escaped(found.word)}**" if found.hangs else escaped(found.word)
    is_red = found.is_known and found.seen is not None and found.seen.verdict is Verdict.FAIL
    return f"{word}, but the drill's claim failed" if is_red else word


def _paragraph(gallery: Gallery, client: Shown, programs: Mapping[str, ServiceChoice], cells: Cells) -> Iterator[str]:
    yield from ("", f"### {client.name}", "")
    yield from ("```sh", *programs[client.as_it_comes].client.run.strip().splitlines(), "```")
    yield ""
    yield from _wrapped(_column_summary("As it comes", gallery, client.as_it_comes, cells))
    if client.cured:
        yield ""
        yield from _wrapped(_column_summary(f"With `{client.option}`", gallery, client.cured, cells))
    yield ""
    yield from _wrapped(f"**The cure.** {client.cure} (Source: {client.source}. Looked up: {client.looked_up}.)")


def _column_summary(how: str, gallery: Gallery, program: str, cells: Cells) -> str:
    """What one column did, in sentences."""
    return summarize(how, gallery, program, cells, escaped).replace("it hangs where", "it **hangs** where")


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
