"""The programs that tutorials teach, each beside its repair: docs/tutorial-programs.md, from services/tutorial.

    python -m scenarios.report.tutorial_programs_page > docs/tutorial-programs.md

A test compares the file with this; another runs both programs of each pair in a lab, and holds their words against it.
"""

from __future__ import annotations

import ast
import difflib
import sys
import textwrap
from collections.abc import Iterator, Mapping

from scenarios.spec.catalogue import drills
from scenarios.spec.drill import Drill
from scenarios.spec.tutorials import PROGRAMS, Pair, Pairs, load_pairs

LINE = 116
HEADER = """\
# The programs that tutorials teach

<!-- made by `python -m scenarios.report.tutorial_programs_page` from services/tutorial; do not edit -->

After this page you know what is missing in the programs that socket tutorials print, how little it is, and how each
such failure looks. The programs are in `services/tutorial/program`, written anew and small; each is there twice,
naive and repaired. The lab knows no more of them than of anybody's program.

    make matrix SERVICE=tutorial CLIENT=all                      # every failure with each of them: a table
    make drill NAME=any-two-parts SERVICE=tutorial/threads-repaired:one-recv
    make call SERVICE=tutorial/threads-repaired CLIENT=multi FROM=client      # two messages in one recv(), as it comes

What tutorials say in words is on [a page of its own](tutorials.md).
"""


def document(told: Pairs, known: Mapping[str, Drill]) -> str:
    """The whole page. Raise ValueError for a drill that there is not."""
    parts = [HEADER]
    for pair in told.pairs:
        if pair.drill not in known:
            raise ValueError(f"{pair.lesson!r}: unknown drill {pair.drill!r}")
        parts += [f"\n## {pair.lesson.removesuffix('.')}\n", *_section(pair, known[pair.drill])]
    return "\n".join(parts) + "\n"


def _section(pair: Pair, drill: Drill) -> Iterator[str]:
    yield _wrapped(f"Under [`{drill.drill}`](drills/{drill.tags[0]}/{drill.drill}.md): {drill.claim}") + "\n"
    yield _wrapped(f"{outcomes_in_words(pair)}.") + "\n"
    yield "```diff"
    yield from difference(pair)
    yield "```"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, LINE, break_long_words=False, break_on_hyphens=False)


def outcomes_in_words(pair: Pair) -> str:
    """What becomes of both under the drill."""
    naive, repaired = (" or ".join(words) for words in pair.words)
    return f"`{pair.columns[0]}` is **{naive}**, `{pair.columns[1]}` **{repaired}**"


def difference(pair: Pair) -> list[str]:
    """The lines that the repair takes away and brings, with two around them; without the docstrings."""
    before, after = (_code((PROGRAMS / name).read_text("utf-8")) for name in (pair.naive, pair.repaired))
    found = difflib.unified_diff(before, after, pair.naive, pair.repaired, lineterm="", n=2)
    return [line for line in found if not line.startswith("@@")]


def _code(text: str) -> list[str]:
    """The lines of a program behind its docstring."""
    first = ast.parse(text).body[0]
    return text.splitlines()[first.end_lineno or 0 :]


if __name__ == "__main__":
    sys.stdout.write(document(load_pairs(), drills()))
