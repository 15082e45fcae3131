"""Where a claim comes from: a place in an RFC, a man page, the kernel's source, or a page of the documents.

sources.yaml has every place that the catalogue and the code name, with its title and the sentence that a claim rests
on. Somebody else's drill may name places that are not there.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from scenarios.lab.valueclass import valueclass

TABLE: Final = Path(__file__).with_name("sources.yaml")
RFC: Final = re.compile(r"(RFC [1-9]\d*)(?: (section [1-9]\d*(?:\.\d+)*|appendix [A-Z](?:\.\d+)*))?")
MAN_PAGE: Final = re.compile(r"([\w.-]+\(([1-8])\))(?: (\S.*))?")
KERNEL: Final = re.compile(r"(Linux \S+\.[ch])(?: (\w+))?")
# The release of a manual whose pages man7.org shows; others have no address there.
ON_MAN7: Final = ("man-pages", "iproute2", "iputils")
RULE: Final = re.compile(r"rule \(")  # a numbered rule is no section: a link leads to the section that it stands in


@valueclass
class Source:
    """A document, and a place in it: the number of an RFC's section, a word of a man page, a name in a file of Linux.

    `place` is empty for the whole document.
    """

    document: str
    place: str = ""

    @classmethod
    def parse(cls, text: str) -> Source:
        """Read `RFC 9293 section 3.6.1`, `RFC 791 appendix B`, `tcp(7) tcp_syn_retries`; any other text is a document.

        Raises ValueError for a text that begins as one of these and does not go on so.
        """
        if found := RFC.fullmatch(text):
            return cls(found[1], (found[2] or "").partition(" ")[2])
        if found := MAN_PAGE.fullmatch(text):
            return cls(found[1], found[3] or "")
        if found := KERNEL.fullmatch(text):
            return cls(found[1], found[2] or "")
        if re.match(r"RFC\b", text):
            raise ValueError(f"{text!r}: expected `RFC 9293`, `RFC 9293 section 3.6.1` or `RFC 791 appendix B`")
        return cls(text)

    def __str__(self) -> str:
        if self.document.startswith("RFC ") and self.place:
            return f"{self.document} {'section' if self.place[0].isdigit() else 'appendix'} {self.place}"
        return f"{self.document} {self.place}".rstrip()

    @property
    def title(self) -> str:
        """The title of the place, or of the document where the whole is meant; empty where the table has none."""
        return str(self._entry.get("title", ""))

    @property
    def says(self) -> str:
        """The sentence that a claim rests on, as it stands there; empty where the table has none."""
        return str(self._entry.get("says", ""))

    @property
    def not_looked_up(self) -> str:
        """Why nobody has read the place; empty for one that was read, or that the table does not have."""
        return str(self._entry.get("not looked up", ""))

    @property
    def is_known(self) -> bool:
        """Whether the table has this very place. The whole of a document is known with any place of it."""
        return self.document in table() and (not self.place or bool(self._entry))

    @property
    def url(self) -> str:
        """Where it can be read; empty for a document of whose address nothing is known."""
        if found := RFC.fullmatch(self.document):
            kind = "section" if self.place[:1].isdigit() else "appendix"
            place = self.place.rpartition(".")[0] if RULE.search(self.title) else self.place
            return f"https://www.rfc-editor.org/rfc/rfc{found[1].removeprefix('RFC ')}" + (
                f"#{kind}-{place}" if place else ""
            )
        if found := MAN_PAGE.fullmatch(self.document):
            if not table().get(self.document, {}).get("read", "").startswith(ON_MAN7):
                return ""
            page, section = found[1].partition("(")[0], found[2]
            return f"https://man7.org/linux/man-pages/man{section}/{page}.{section}.html"
        if KERNEL.fullmatch(self.document):
            path = self.document.removeprefix("Linux ")
            return f"https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/{path}"
        return ""

    @property
    def _entry(self) -> Mapping[str, Any]:
        document = table().get(self.document, {})
        if not self.place:
            return document
        entry: Mapping[str, Any] = document.get("places", {}).get(self.place, {})
        return entry


def sources_of(texts: Iterable[str]) -> list[Source]:
    """What the `source` of a drill names, in its order."""
    return [Source.parse(text) for text in texts]


def problems_of_sources(texts: Iterable[str]) -> Iterator[str]:
    for number, text in enumerate(texts, 1):
        try:
            Source.parse(text)
        except ValueError as error:
            yield f"source.{number}: {error}"


@functools.cache
def table() -> Mapping[str, Mapping[str, Any]]:
    """Everything of sources.yaml, by document."""
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(TABLE.read_text("utf-8"))
    return loaded
