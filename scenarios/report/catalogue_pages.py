"""The catalogue as documents, from the drills themselves: docs/drills.md, a page a group, a page a drill.

    python -m scenarios.report.catalogue_pages [RUN …]

It writes every page, and removes those of drills that are gone. Given folders of runs, it first stores the ladders of
their cells in docs/ladders.json. A test compares the pages with what this module makes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from scenarios.lab.places import ROOT
from scenarios.report import ladder_text, markdown_table, tutorial_programs_page, tutorials_page
from scenarios.report.ladder_text import StoredLadder
from scenarios.spec.catalogue import DRILLS, drills
from scenarios.spec.drill import Drill
from scenarios.spec.expectations import Duration, Log, Outcomes
from scenarios.spec.sources import Source, sources_of
from scenarios.spec.tutorials import Pair, every_sentence, load_pairs

DOCS = ROOT / "docs"
LADDERS = DOCS / "ladders.json"
DOOR, FOLDER, GROUP_PAGE = "drills.md", "drills", "README.md"
# The groups, by the first tag of a drill, in the order in which one learns.
GROUPS: Mapping[str, str] = {
    "reaching": "Reaching: will it connect?",
    "talking": "Talking: the connection stands, and the network does not",
    "ending": "Ending: how a connection ends, and who hears of it",
    "messages": "Messages: what the other end says is not what was agreed",
    "datagrams": "Datagrams: nobody promised anything",
    "names": "Names: where is it, and is it still there?",
    "tls": "TLS: who is it?",
}
HEADER = """\
# The drills

After this page you can choose a drill by its claim. `make drill NAME=lost-syn` runs one, `make explain NAME=lost-syn`
tells what it does, and `make drills` runs all.

Each drill is one claim about one failure, in one file under `scenarios/drills/`, and has a page: why it is so, what is
done, what must be seen, a ladder of the packets, and the sentence of the RFC or the manual that it rests on.
`python -m scenarios.report.catalogue_pages` makes the pages from the files; [writing one](writing-a-drill.md) takes ten
minutes. The drills whose names begin with `any-` are for every program that speaks over TCP or UDP, yours too.

A drill passes only when the lab sees all of this. In the control, a run of the same script without the fault, the
failure is not there. With the fault, its counter shows that it took hold, the application's calls end as they should,
and the packets on both legs of the firewall are as the claim says.
"""
FEW = 3  # sentences in a cell
# What means something in a line of Markdown; what stands between backticks does not.
CODE = re.compile(r"(`[^`]*`)")
SPECIAL = str.maketrans({"\\": "\\\\", "*": "\\*", "[": "\\[", "]": "\\]", "<": "&lt;", ">": "&gt;", "#": "\\#"})


def pages(
    known: Mapping[str, Drill], ladders: Mapping[str, StoredLadder], programs: Sequence[Pair] = ()
) -> dict[str, str]:
    """The text of each page by its place in docs/. Raises ValueError for a drill whose first tag names no group."""
    for drill in known.values():
        if drill.tags[0] not in GROUPS:
            raise ValueError(f"{drill.path}: tags: expected a group first ({', '.join(GROUPS)}), got {drill.tags[0]!r}")
    found = {DOOR: _door(known)}
    for group in GROUPS:
        of_group = [drill for drill in known.values() if drill.tags[0] == group]
        if of_group:
            found[f"{FOLDER}/{group}/{GROUP_PAGE}"] = _group(group, of_group)
        for drill in of_group:
            ladder = ladders.get(drill.drill)
            right = ladder if ladder and ladder.script == ladder_text.script_of(drill) else None
            found[f"{FOLDER}/{group}/{drill.drill}.md"] = _text(
                _drill(drill, right, [each for each in programs if each.drill == drill.drill])
            )
    return found


def _door(known: Mapping[str, Drill]) -> str:
    parts = [HEADER]
    for group, title in GROUPS.items():
        of_group = [drill for drill in known.values() if drill.tags[0] == group]
        if of_group:
            parts += [
                f"\n## {title}\n",
                f"[What fails, and what the application sees]({FOLDER}/{group}/{GROUP_PAGE})\n",
            ]
            rows = [(f"[`{each.drill}`]({FOLDER}/{group}/{each.drill}.md)", plain(each.claim)) for each in of_group]
            parts += markdown_table.table(("drill", "claim"), rows)
    parts.append(f"\n{len(known)} drills.")
    return "\n".join(parts) + "\n"


def _group(group: str, of_group: Sequence[Drill]) -> str:
    rows = [
        (
            f"[`{drill.drill}`]({drill.drill}.md)",
            _few(list(_faults(drill))),
            _few(list(_of_application(drill))) or "(depends on the program)",
        )
        for drill in of_group
    ]
    heads = ("drill", "what fails", "what the application sees")
    table = "\n".join(markdown_table.table(heads, rows))
    return f"# {GROUPS[group]}\n\n[All drills, by their claims](../../{DOOR})\n\n{table}\n\n{len(of_group)} drills.\n"


def _drill(drill: Drill, ladder: StoredLadder | None, programs: Sequence[Pair]) -> Iterator[str]:
    group = drill.tags[0]
    yield f"# {drill.drill}"
    yield f"**{plain(drill.claim)}**"
    yield plain(drill.why)
    yield f"    make drill NAME={drill.drill}"
    yield "## What is done"
    fits = f", and fits {', '.join(f'`{each}`' for each in drill.fits)}" if drill.fits else ""
    yield f"It runs with `{drill.service}`{fits}."
    yield from (f"It does not run on {pair}: {plain(why)}" for pair, why in drill.unsupported_on.items())
    yield "\n".join(f"{number}. {plain(step.says)}" for number, step in enumerate(drill.script, 1))
    yield "## What must be seen"
    other = drill.control_with
    yield f"First the same with {other.says if other else 'no fault'}, the control:"
    yield _listed(each.says for each in drill.control)
    yield f"Then {'with what the cell says' if other else 'with the faults'}:"
    yield _listed(each.says for each in drill.expect)
    if drill.premise:
        yield "The claim means nothing unless in both runs:"
        yield _listed(each.says for each in drill.premise)
    if ladder:
        yield "## The packets"
        yield f"With the faults, on {ladder.taken}, `{ladder.service}`, client and server {ladder.pair}:"
        yield "\n".join(("```text", *ladder.lines, "```"))
    if of_drill := [each for each in every_sentence() if each.drill == drill.drill]:
        yield "## What tutorials say"
        yield "\n".join(f"- {plain(each.says)} {tutorials_page.verdict(each)}" for each in of_drill)
    if programs:
        yield "## In a program"
    for each in programs:
        yield from _difference(each)
    yield "## Where it comes from"
    yield "\n".join(_source(each) for each in sources_of(drill.source))
    yield (
        f"The file: [scenarios/drills/{drill.drill}.yaml](../../../scenarios/drills/{drill.drill}.yaml) · "
        f"[{GROUPS[group]}]({GROUP_PAGE})"
    )


def _difference(pair: Pair) -> Iterator[str]:
    """A program as tutorials teach it, what becomes of it here, and the least that makes it another."""
    places = [f"[{name}](../../../services/tutorial/program/{name})" for name in (pair.naive, pair.repaired)]
    naive, repaired = (" or ".join(f"*{word}*" for word in words) for words in pair.words)
    yield f"{pair.lesson} As tutorials teach it, {places[0]} comes to {naive}; {places[1]}, its repair, to {repaired}:"
    yield "\n".join(("```diff", *tutorial_programs_page.difference(pair)[2:], "```"))


def _source(source: Source) -> str:
    page = f"../../{source.document.removeprefix('docs/')}" if source.document.startswith("docs/") else source.url
    name = f"[{source}]({page})" if page else str(source)
    title = f", {plain(source.title)}" if source.title else ""
    if source.not_looked_up:
        return f"- {name}{title} (not looked up: {source.not_looked_up})"
    return f"- {name}{title}" + (f": “{plain(source.says)}”" if source.says else "")


def _few(sentences: Sequence[str]) -> str:
    """Those that a cell of a table has room for; the drill's page has all."""
    left_out = len(sentences) - FEW
    return "; ".join(sentences[:FEW]) + (f"; and {left_out} more" if left_out > 0 else "")


def _faults(drill: Drill) -> Iterator[str]:
    yield from (f"(given: {plain(step.given.says)})" for step in drill.script if step.given)
    yield from (plain(step.fault.says) for step in drill.script if step.fault)
    if drill.control_with:
        yield f"(the control is run with {plain(drill.control_with.says)})"


def _of_application(drill: Drill) -> Iterator[str]:
    for each in drill.expect:
        if isinstance(each.value, Outcomes | Duration | Log):
            yield plain(each.value.says)


def plain(text: str) -> str:
    """Text that stands for itself in Markdown, but for what is between backticks."""
    return "".join(
        part if part.startswith("`") else part.translate(SPECIAL) for part in CODE.split(" ".join(text.split()))
    )


def _listed(sentences: Iterator[str]) -> str:
    return "\n".join(f"- {plain(each)}" for each in sentences)


def _text(blocks: Iterator[str]) -> str:
    return "\n\n".join(blocks) + "\n"


def write(runs: Sequence[Path]) -> None:
    """All pages into docs/; with runs, their ladders first."""
    known = drills(DRILLS)
    ladders = ladder_text.stored(LADDERS)
    for run in runs:
        ladders = ladder_text.merge_ladders(ladders, ladder_text.ladders_of_run(run, known))
    if runs:
        LADDERS.write_text(ladder_text.text({name: ladders[name] for name in ladders if name in known}), "utf-8")
    made = pages(known, ladders, load_pairs().pairs)
    for place in (DOCS / FOLDER).rglob("*.md"):
        if place.relative_to(DOCS).as_posix() not in made:
            place.unlink()
    for name, text in made.items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    write([Path(each) for each in sys.argv[1:]])
