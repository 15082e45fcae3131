"""docs/gallery.html: the gallery in one table, each word a link to the evidence of its cell.

One file with its style in it, so that it can be opened, sent and put on a site as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from markupsafe import Markup, escape

from scenarios.lab.valueclass import valueclass
from scenarios.report import html
from scenarios.report.gallery_cells import Seen
from scenarios.report.gallery_words import Cells, Misfits, Place, begin_upper, legend, place, summarize
from scenarios.spec.gallery import Gallery, Shown
from scenarios.spec.service import ServiceChoice

PAIR = "le-le"


@valueclass
class Client:
    """A client of the page: its heads in the table, its paragraphs, its cells."""

    name: str
    anchor: str
    option: str
    command: str
    cure: str
    source: str
    looked_up: str
    paragraphs: tuple[str, ...]
    cells: tuple[tuple[str, str, Seen], ...]  # the failure in words, the column, the cell

    @property
    def columns(self) -> int:
        return 2 if self.option else 1


def page(gallery: Gallery, programs: Mapping[str, ServiceChoice], cells: Cells, misfits: Misfits) -> str:
    """The whole page, as `gallery_page.page` has it in Markdown."""
    wanted = {(drill, program) for drill in gallery.failures for program in gallery.programs} - misfits.keys()
    shown = [cells[key] for key in sorted(wanted & cells.keys())]
    return html.environment().get_template("gallery.html.j2").render(
        style=Markup((html.HERE / html.STYLE).read_text(encoding="utf-8")),  # noqa: S704 - a file of ours
        patience=f"{gallery.patience:g} s",
        legend=legend(gallery),
        clients=[_client(gallery, each, programs, cells) for each in gallery.clients],
        rows=list(_rows(gallery, cells, misfits)),
        anchor=anchor,
        tone=tone,
        with_code=with_code,
        asked=len(wanted),
        shown=len(shown),
        verdicts=Counter(each.verdict.value for each in shown).most_common(),
        runs=sorted(Counter(each.run for each in shown).items()),
        pair=PAIR,
        left_out=gallery.left_out,
    )  # fmt: skip


def anchor(drill: str, program: str) -> str:
    """The name of a cell's place on the page."""
    return f"{drill}--{program.replace('/', '-').replace(':', '--')}"


def with_code(text: str) -> Markup:
    """The text, escaped; what stands between backticks is code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - it is escaped


def tone(found: Place) -> str:
    """The colour of a word: what hangs is red, what is answered green, what is not known amber."""
    if found.seen is None:
        return "absent"
    if not found.is_known:
        return "unproven"
    if found.hangs:
        return "fail"
    return "pass" if found.seen.kind.startswith("answered") else "unsupported"


def _rows(gallery: Gallery, cells: Cells, misfits: Misfits) -> Iterator[tuple[str, str, list[Place]]]:
    for drill, title in gallery.failures.items():
        yield drill, begin_upper(title), [place(drill, program, cells, misfits) for program in gallery.programs]


def _client(gallery: Gallery, shown: Shown, programs: Mapping[str, ServiceChoice], cells: Cells) -> Client:
    columns = [("as it comes", shown.as_it_comes)]
    if shown.cured:
        columns.append((f"with {shown.option}", shown.cured))
    return Client(
        name=shown.name,
        anchor=shown.as_it_comes.replace("/", "-").replace(":", "--"),
        option=shown.option,
        command=programs[shown.as_it_comes].client.run.strip(),
        cure=shown.cure,
        source=shown.source,
        looked_up=shown.looked_up,
        paragraphs=tuple(summarize(begin_upper(how), gallery, program, cells) for how, program in columns),
        cells=tuple(
            (begin_upper(title), how, cells[drill, program])
            for drill, title in gallery.failures.items()
            for how, program in columns
            if (drill, program) in cells
        ),
    )
