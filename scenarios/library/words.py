"""The keywords of `lab.fault(…)` as a declared fault: the words of a drill's `fault:` step, in one flat shape.

The first keyword is the effect, and its value the effect's main word; the others are the effect's other words.
`drop="syn", first=1, from_="client", to="server"` is `drop: {of: syn, first: 1, from: client, to: server}`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from scenarios.lab.errors import UsageError
from scenarios.spec.declaration_error import advice, quoted
from scenarios.spec.fault import EFFECTS, Fault
from scenarios.spec.given_values import read
from scenarios.spec.injected_faults import Picked
from scenarios.spec.kernel_faults import Selected
from scenarios.spec.service_programs import problems_of_port
from scenarios.spec.units import Seconds

# The word that the value of the effect itself stands for. Of effects that choose packets it is `of`.
MAIN_WORDS: Final[Mapping[str, str]] = {
    **{name: "of" for name, effect in EFFECTS.items() if issubclass(effect, Picked | Selected)},
    "mute": "errors",
    "mtu": "bytes",
    "rate": "bits_per_s",
    "stateful": "by",
    "forget": "of",
    "idle_timeout": "after",
    "rebind": "nat",
    "link_down": "at",
    "no_route": "to",
    "no_neighbours": "at",
    "forged_neighbour": "of",
    "rogue_router": "at",
    "one_network": "between",
    "no_querier": "at",
    "answer": "name_of",
    "kill": "who",
    "pause": "who",
    "signal": "who",
    "path": "like",
    "replace": "who",
    "clock": "who",
    "loopback": "who",
    "host": "who",
    "second_address": "who",
    "no_address": "who",
    "second_interface": "who",
    "name_answer": "becomes",
    "resolver": "who",
    "limit": "connections",
    "police": "bits_per_s",
    "queue": "bits_per_s",
    "syn_proxy": "mss",
    "vip": "to",
}


def declared(name: str, words: Mapping[str, Any], place: str) -> Fault:
    """The fault that the keywords of a call declare. Raises UsageError that begins with `place`, naming the word.

    `True` as the effect's value leaves its main word out: `nat=True`, `stateful=True`. A mapping is all of its words.
    `after` is a drill's, beside the effect: `{"fault": name, "hits": 2}`.
    """
    effect = next((word for word in words if word in EFFECTS), None)
    if effect is None:
        wrong = next(iter(words), "")
        raise UsageError(f"{place}: unknown effect {quoted(wrong)}{advice(wrong, EFFECTS)}")
    known = {each.name.rstrip("_") for each in dataclasses.fields(EFFECTS[effect]) if each.init}
    main = _main(effect, words[effect], place)
    others: dict[str, Any] = {}
    for word, value in words.items():
        name_of_word = word.rstrip("_")
        if word != effect and (name_of_word in others or name_of_word in {each.rstrip("_") for each in main}):
            raise UsageError(f"{place}: {effect}: {quoted(name_of_word)} is given twice; expected one value for it")
        if word != effect:
            others[name_of_word] = value
    behind = {"after": others.pop("after")} if "after" in others and "after" not in known else {}
    for word in others:
        if word in EFFECTS and word not in known:
            raise UsageError(f"{place}: expected one effect, got {effect!r} and {word!r}; use a `with` for each fault")
        if word not in known:
            raise UsageError(f"{place}: {effect}: unknown word {quoted(word)}{advice(word, known)}")
    return read({"name": name, **behind, effect: {**main, **others}}, Fault, place)


def _main(effect: str, value: Any, place: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    if value is True:
        return {}
    if effect not in MAIN_WORDS:
        raise UsageError(f"{place}: {effect}: expected True, got {value!r}")
    if effect == "mute" and isinstance(value, str):
        value = (value,)
    return {MAIN_WORDS[effect]: getattr(value, "name", value)}  # of a NAT that is in force, its name


def check_text(value: object, place: str) -> None:
    """Raise UsageError unless a value is text, or was not given."""
    if value is not None and not isinstance(value, str):
        raise UsageError(f"{place}: expected a string, got {value!r}")


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number; True is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_port(value: object, place: str) -> None:
    """Raise UsageError unless a value is the number of a port, or was not given."""
    if value is not None and not is_whole(value):
        raise UsageError(f"{place}: expected a whole number, got {value!r}")
    for problem in problems_of_port(value, place):
        raise UsageError(problem)


def url(address: str, port: object, path: object, scheme: object, place: str) -> str:
    """Return the URL of a path at an address. Raise UsageError."""
    for key, each in (("path", path), ("scheme", scheme)):
        if not isinstance(each, str):
            raise UsageError(f"{place}: {key}: expected a string, got {each!r}")
    if port is None:
        raise UsageError(f"{place}: port: expected a whole number, got None")
    check_port(port, f"{place}: port")
    return f"{scheme}://{f'[{address}]' if ':' in address else address}:{port}/{str(path).removeprefix('/')}"


def seconds(value: float | str, place: str) -> float:
    """Return a length of time in seconds: of a number of them, or of text as in a drill, `200ms`. Raise UsageError."""
    if isinstance(value, str):
        try:
            return float(Seconds.parse(value))
        except ValueError as error:
            raise UsageError(f"{place}: {error}") from None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < 0:
        raise UsageError(f"{place}: expected a length of time such as 200ms, or a number of seconds, got {value!r}")
    return float(value)
