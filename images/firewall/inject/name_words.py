"""The words of what is done to the answers of a name server. Sources: RFC 1035, 4.1.1; RFC 3596; RFC 9460."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

RecordType = Literal["A", "NS", "CNAME", "SOA", "PTR", "MX", "TXT", "AAAA", "SRV", "HTTPS"]
RECORD_TYPES: Mapping[RecordType, int] = {
    "A": 1,
    "NS": 2,
    "CNAME": 5,
    "SOA": 6,
    "PTR": 12,
    "MX": 15,
    "TXT": 16,
    "AAAA": 28,
    "SRV": 33,
    "HTTPS": 65,
}
Becomes = Literal["truncated", "servfail", "refused", "unknown", "empty", "wrong-id", "wrong-question"]
OF_NAMES = ("dns-query", "dns-answer")  # kinds
TTL_LIMIT = (1 << 31) - 1  # RFC 2181
HOST_NAME = re.compile(r"(?=.{1,253}\Z)(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")


def check_asked(name: str | None, of_type: str | None, of: str) -> None:
    """Raise ValueError, which begins with the key, where packets of this kind cannot be picked by what they ask for."""
    if of == "dns-query" and name is None:
        raise ValueError("name: a pick of dns-query has the name asked for")
    for key, sought in (("name", name), ("type", of_type)):
        if sought is not None and of not in OF_NAMES:
            raise ValueError(f"{key} is of {' and '.join(OF_NAMES)}, and {of} has none")


@dataclass(frozen=True, slots=True)
class NameAnswer:
    """The answer of a name server becomes another one: exactly one of these.

    `becomes`: without records and `truncated` (TC), SERVFAIL, REFUSED, `unknown` (NXDOMAIN) or `empty` (no error and no
    record); or with the identification, or the name, of a question that was not asked. `ttl`: every record has this
    one. `cname`: the name is an alias of that one, which has the addresses that there are.
    """

    becomes: Becomes | None = None
    ttl: int | None = None
    cname: str | None = None

    def __post_init__(self) -> None:
        given = [key for key in ("becomes", "ttl", "cname") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                f"an answer has exactly one of becomes, ttl and cname, not {' and '.join(given) or 'none'}"
            )
        if self.ttl is not None and not 0 <= self.ttl <= TTL_LIMIT:
            raise ValueError(f"ttl is 0 to {TTL_LIMIT}, not {self.ttl}")
        if self.cname is not None and not HOST_NAME.fullmatch(self.cname):
            raise ValueError(f"cname is the name of a host, not {self.cname!r}")

    @property
    def what(self) -> str:
        """What is done, in a word or two."""
        if self.ttl is not None:
            return f"given a TTL of {self.ttl}"
        return f"made an alias of {self.cname}" if self.cname is not None else f"made {self.becomes}"
