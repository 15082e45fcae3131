"""A part of a run: which of its cells one machine of several runs."""

from __future__ import annotations

import hashlib
import re

from scenarios.lab.valueclass import valueclass

MOST_SHARDS = 1000


@valueclass
class Shard:
    """The part `number` of `of` parts, from 1. A cell belongs to a part by its title alone, on whatever machine."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `3/10`. Raise ValueError."""
        match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]) <= MOST_SHARDS:
            raise ValueError(f"expected a part of at most {MOST_SHARDS}, from 1, such as 3/10, not {text!r}")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def has(self, title: str) -> bool:
        """Whether the cell of this title belongs to this part."""
        drawn = int.from_bytes(hashlib.sha256(title.encode()).digest()[:8], "big")
        return drawn % self.of == self.number - 1
