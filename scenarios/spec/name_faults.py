"""The words of what goes wrong with names: an answer that is another one, and whom a host asks, in which way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from images.firewall.inject import declared as injected
from images.firewall.inject import name_words
from scenarios.lab.topology import Family
from scenarios.spec.declaration import declaration
from scenarios.spec.declaration_error import advice, quoted
from scenarios.spec.injected_faults import Picked
from scenarios.spec.roles import AddressRole, CallerRole, HostRole, family_label, role_label
from scenarios.spec.validate import DNS_NAME

SEARCH_LIMIT = 6  # domains, and 256 characters in all (resolv.conf(5))
SEARCH_CHARACTERS = 256


@declaration
class NameAnswer(Picked):
    """The name server's answer becomes another one: exactly one of `becomes`, `ttl` and `cname`.

    `becomes` is `truncated` (TC: who asked asks again over TCP), `servfail`, `refused`, `unknown` (NXDOMAIN), `empty`
    (no error, no record), or `wrong-id` or `wrong-question`, which are answers to nobody. `ttl` is that of every
    record. `cname` is a name that has the addresses; the name that was asked for is its alias. An answer that is so
    already is no hit. Answers over TCP stay as they are.
    """

    from_: HostRole = "names"
    to: AddressRole = "client"
    of: injected.Kind = "dns-answer"
    becomes: name_words.Becomes | None = None
    ttl: int | None = None
    cname: str | None = None

    @property
    def action(self) -> injected.Action:
        return name_words.NameAnswer(self.becomes, self.ttl, self.cname)

    @property
    def says(self) -> str:
        if self.ttl is not None:
            return f"the firewall gives every record of {self.packets} a TTL of {self.ttl} s"
        if self.cname is not None:
            return f"the firewall makes {self.packets} an alias of {self.cname}"
        return f"the firewall makes {self.packets} {BECOMES_SAID[self.becomes or 'empty']}"


BECOMES_SAID: Mapping[name_words.Becomes, str] = {
    "truncated": "truncated (TC)",
    "servfail": "a SERVFAIL",
    "refused": "a REFUSED",
    "unknown": "an NXDOMAIN",
    "empty": "one without records",
    "wrong-id": "one with another identification",
    "wrong-question": "one to another question",
}


class Bounds(NamedTuple):
    """From which to which number an option of the resolver may be."""

    least: int
    most: int


# resolv.conf(5), "options": those that have a number, which glibc cuts off beyond its bound, and those that are a word.
OPTIONS: Mapping[str, Bounds | None] = {
    "ndots": Bounds(0, 15),
    "timeout": Bounds(1, 30),
    "attempts": Bounds(1, 5),
    **dict.fromkeys(("rotate", "single-request", "single-request-reopen", "use-vc", "edns0", "no-aaaa", "trust-ad")),
    **dict.fromkeys(("no-check-names", "no-tld-query")),
}
OPTION = re.compile(r"([a-z0-9-]+)(?::([0-9]{1,3}))?")


@declaration
class Resolver:
    """The programs of a host ask the lab's name server themselves, as resolv.conf(5) says, and not by way of the
    engine's own resolver.

    `search` are the domains that are tried for a name, `options` words of glibc's resolver; musl knows `ndots`,
    `timeout` and `attempts`. They are for what resolves a name from here on. Hits are the resolv.conf that stands: 1.
    """

    who: CallerRole = "client"
    search: tuple[str, ...] = ("lab",)
    options: tuple[str, ...] = ()
    server: Literal["names", "nobody"] = "names"
    family: Family = "ipv4"

    def __post_init__(self) -> None:
        for domain in self.search:
            if not DNS_NAME.fullmatch(domain):
                raise ValueError(f"search: expected a domain, got {quoted(domain)}")
        if len(self.search) > SEARCH_LIMIT or len(" ".join(self.search)) > SEARCH_CHARACTERS:
            raise ValueError(
                f"search: expected at most {SEARCH_LIMIT} domains with {SEARCH_CHARACTERS} characters, got "
                f"{len(self.search)} with {len(' '.join(self.search))}"
            )
        for option in self.options:
            _check_option(option)

    def resolv_conf(self, address: str) -> str:
        """The file, with the address of the name server."""
        lines = [f"nameserver {address}", f"search {' '.join(self.search) or '.'}"]
        lines += [f"options {' '.join(self.options)}"] if self.options else []
        return "".join(f"{line}\n" for line in lines)

    @property
    def says(self) -> str:
        whom = "the name server itself" if self.server == "names" else "an address that nobody has"
        words = f" over {family_label(self.family)}, with the search list {' '.join(self.search) or '.'}"
        words += f" and the options {' '.join(self.options)}" if self.options else ""
        return f"the programs of {role_label(self.who)} ask {whom} for names{words}"


def _check_option(option: str) -> None:
    found = OPTION.fullmatch(option)
    word = found[1] if found else option.partition(":")[0]
    if word not in OPTIONS:
        raise ValueError(f"options: unknown option of the resolver {quoted(word)}{advice(word, list(OPTIONS))}")
    bounds, number = OPTIONS[word], found[2] if found else None
    if bounds is None:
        if option != word:
            raise ValueError(f"options: {word} has no number; got {quoted(option)}")
    elif number is None or not bounds.least <= int(number) <= bounds.most:
        raise ValueError(f"options: expected {word}:n, with n {bounds.least} to {bounds.most}, got {quoted(option)}")
