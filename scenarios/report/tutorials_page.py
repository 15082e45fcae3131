"""What tutorials say, and what the drills show of it: docs/tutorials.md, from docs/tutorials.yaml and the drills.

    python -m scenarios.report.tutorials_page > docs/tutorials.md

A test compares the file with this, and each row with its drill.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping

from scenarios.report import markdown_table
from scenarios.spec.catalogue import drills
from scenarios.spec.drill import Drill
from scenarios.spec.tutorials import Holds, Sentence, Sentences, load_sentences

WORDS: Mapping[Holds, str] = {"yes": "true", "no": "**false on Linux**", "depends": "*depends*"}
HEADER = """\
# What tutorials say

<!-- made by `python -m scenarios.report.tutorials_page` from docs/tutorials.yaml and the drills; do not edit -->

After this page you know which sentences of socket tutorials hold, and which drill tries each;
`make drill NAME=lost-syn` runs one, with the packets that decide.

The sentences are in our own words. Each row names the one expectation of its drill that shows it; `make explain
NAME=lost-syn` has all of them, and the source. The programs that tutorials print are on
[a page of their own](tutorial-programs.md).
"""


def document(told: Sentences, known: Mapping[str, Drill]) -> str:
    """The whole page. Raise ValueError for a sentence that its drill does not show."""
    parts = [HEADER]
    for heading, sentences in told.sentences.items():
        parts += [f"\n## {heading}\n"]
        parts += markdown_table.table(
            ("a tutorial says", "is", "drill", "shown by"), [_cells(each, known) for each in sentences]
        )
    every = [each for sentences in told.sentences.values() for each in sentences]
    count = Counter(each.holds for each in every)
    parts.append(
        f"\n{len(every)} sentences: {count['yes']} are true, {count['no']} are false on Linux, "
        f"{count['depends']} depend on more than they say."
    )
    return "\n".join(parts) + "\n"


def verdict(sentence: Sentence) -> str:
    """Whether it holds, and what is true where it does not."""
    return f"{WORDS[sentence.holds]}: {sentence.but}" if sentence.but else WORDS[sentence.holds]


def _cells(sentence: Sentence, known: Mapping[str, Drill]) -> list[str]:
    if sentence.drill not in known:
        raise ValueError(f"{sentence.says!r}: unknown drill {sentence.drill!r}")
    drill = known[sentence.drill]
    page = f"[`{drill.drill}`](drills/{drill.tags[0]}/{drill.drill}.md)"
    return [sentence.says, verdict(sentence), page, sentence.evidence(drill).says]


if __name__ == "__main__":
    sys.stdout.write(document(load_sentences(), drills()))
