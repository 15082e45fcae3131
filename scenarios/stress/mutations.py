"""The changes that make a file wrong, by a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field

import yaml

from scenarios.lab.valueclass import valueclass

# What stands in the place of a value: YAML 1.1's oddities, wrong types, too much of everything.
ODD = (
    *("1:30", "1_0", "=", "...", "0x_", "2001-02-30", "010", "0o17", "0b1", "1e999", "-1", "0", "1", "2", "65536"),
    *(".inf", ".nan", "yes", "on", "no", "true", "null", "~", "''", '""', "- ", "? ", "!!int 1", "!!python/none x"),
    *("&a x", "*a", "<<: *a", "|", ">", "'", '"', "%", "@", "`", "{", "}", "[", "]", "[]", "{}", "{a: b}", "[[]]"),
    *("9" * 25, "9" * 5000, "x" * 70000, "[" * 40, "{a: " * 40, '"\\0"', '"\\ud800"', '"\\n"', "é\u202e", "\t", "# x"),
    *(
        "client",
        "server",
        "nobody",
        "firewall",
        "web",
        "syn",
        "udp",
        "tcp",
        "0s",
        "600s",
        "601s",
        "0ms to 0ms",
        "5s to 1s",
    ),
    *(
        "tcp.flags.sin",
        "tcp) || (udp",
        "ECONREFUSED",
        "ESTABLISHD",
        "CLOSED",
        "(",
        "a{99999999999}",
        "[[a]",
        "(?i",
        "it's",
    ),
    *(
        "a b",
        "{host} {hots}",
        "{service}",
        "../../x",
        "/dev/null",
        "other-server",
        "answered",
        "[answered, refused]",
        "0.5",
    ),
)
INSERTED = (
    *(
        "\t",
        "\0",
        "\r",
        "\x1b[31m",
        "\ufeff",
        "\u2028",
        "&a ",
        "*a",
        "!!x ",
        "---\n",
        "...\n",
        "%YAML 9\n",
        "# ",
        ": ",
        "- ",
    ),
    *(", ", "{", "}", "[", "]", "'", '"', "|", ">", "@", "`", "?", "\\", "\n", "\n ", "é", "<<: {a: b}\n", "- - - - "),
)
BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True))
WHOLE = (
    *(
        b"",
        b"\n",
        b"# only a comment\n",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\x00",
        b"[]",
        b"- a\n",
        b"x",
        b"{}",
        b"---\n---\n",
    ),
    *(BOMB.encode(), b"[" * 10000, b"- " * 10000, b"{a: " * 5000, b"? " * 3000, b"a:\n" + b" " * 200000, b"\t" * 999),
)


@valueclass
class Original:
    """A right file: what it declares, and where its values and the pairs of its mappings stand."""

    kind: str  # "drill" or "service"
    name: str
    text: str
    values: list[tuple[int, int]] = field(default_factory=list)
    keys: list[tuple[int, int]] = field(default_factory=list)
    pairs: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        def walk(node: yaml.Node) -> None:
            self.values.append((node.start_mark.index, node.end_mark.index))
            if isinstance(node, yaml.SequenceNode):
                for each in node.value:
                    walk(each)
            elif isinstance(node, yaml.MappingNode):
                for key, value in node.value:
                    self.keys.append((key.start_mark.index, key.end_mark.index))
                    self.pairs.append((key.start_mark.index, value.end_mark.index))
                    walk(value)

        root = yaml.compose(self.text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if root is not None:
            walk(root)


@valueclass
class Mutant:
    """A file that is to be read as its original's kind, and what was done to it."""

    number: int
    original: Original
    what: str
    content: bytes


Mutation = Callable[[random.Random, Original, Sequence[Original]], str]


def _put(original: Original, place: tuple[int, int], text: str) -> str:
    return original.text[: place[0]] + text + original.text[place[1] :]


def _odd_value(dice: random.Random, original: Original, _: Sequence[Original]) -> str:
    return _put(original, dice.choice(original.values), dice.choice(ODD))


def _value_of_another(dice: random.Random, original: Original, every: Sequence[Original]) -> str:
    other = dice.choice(every)
    start, end = dice.choice(other.values)
    return _put(original, dice.choice(original.values), other.text[start:end])


def _two_values_swapped(dice: random.Random, original: Original, _: Sequence[Original]) -> str:
    (a, b), (c, d) = sorted(dice.choices(original.values, k=2))
    if b > c:
        return _put(original, (a, b), original.text[c:d])
    text = original.text
    return text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]


def _other_type(dice: random.Random, original: Original, _: Sequence[Original]) -> str:
    start, end = place = dice.choice(original.values)
    value = original.text[start:end]
    return _put(
        original,
        place,
        dice.choice((f"[{value}]", f"{{x: {value}}}", f"'{value}'", f'"{value}"', f"[{value}, {value}]")),
    )


def _key_deleted(dice: random.Random, original: Original, _: Sequence[Original]) -> str:
    return _put(original, dice.choice(original.pairs), "")


def _key_doubled(dice: random.Random, original: Original, _: Sequence[Original]) -> str:
    start, end = dice.choice(original.pairs)
    pair = original.text[start:end]
    indent = start - (original.text.rfind("\n", 0, start) + 1)
    return _put(original, (start, start), pair + dice.choice((", ", "\n" + " " * indent)))


def _key_renamed(dice: random.Random, original: Original, every: Sequence[Original]) -> str:
    start, end = place = dice.choice(original.keys)
    key = original.text[start:end]
    at = dice.randrange(len(key))
    other = dice.choice(every)
    a, b = dice.choice(other.keys)
    wrong = (key[:at] + key[at + 1 :], key[:at] + key[at] + key[at:], key.upper(), other.text[a:b], dice.choice(ODD))
    return _put(original, place, dice.choice(wrong))


def _lines(dice: random.Random, original: Original, _: Sequence[Original]) -> str:
    lines = original.text.splitlines(keepends=True)
    at, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    what = dice.randrange(5)
    if what == 0:
        del lines[at]
    elif what == 1:
        lines.insert(other, lines[at])
    elif what == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif what == 3:
        lines[at] = " " * dice.randrange(5) + lines[at].lstrip(" ")
    else:
        lines[at] = "\t" + lines[at]
    return "".join(lines)


def _inserted(dice: random.Random, original: Original, _: Sequence[Original]) -> str:
    at = dice.randrange(len(original.text))
    return _put(original, (at, at + dice.randrange(3)), dice.choice(INSERTED))


def _cut_off(dice: random.Random, original: Original, _: Sequence[Original]) -> str:
    return original.text[: dice.randrange(len(original.text))]


MUTATIONS: Mapping[str, Mutation] = {
    "an odd value": _odd_value,
    "a value of another file": _value_of_another,
    "two values swapped": _two_values_swapped,
    "a value of another type": _other_type,
    "a key deleted": _key_deleted,
    "a key doubled": _key_doubled,
    "a key renamed": _key_renamed,
    "lines mixed up": _lines,
    "characters inserted": _inserted,
    "cut off": _cut_off,
}
OFTEN = (6, 6, 4, 4, 4, 3, 4, 3, 4, 1)


def _bytes(dice: random.Random, text: str) -> tuple[str, bytes]:
    """The text as bytes; seldom as no editor of ours would write them."""
    content = text.encode("utf-8")
    what = dice.randrange(60)
    if what == 0:
        return ", CRLF", content.replace(b"\n", b"\r\n")
    if what == 1:
        return ", a byte order mark", b"\xef\xbb\xbf" + content
    if what == 2:
        return ", UTF-16", text.encode("utf-16")
    if what == 3 and content:
        damaged = bytearray(content)
        for _ in range(dice.randrange(1, 6)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        return ", bytes damaged", bytes(damaged)
    if what == 4:
        return ", a whole file", dice.choice(WHOLE)
    if what == 5:
        return ", at random", dice.randbytes(dice.randrange(300))
    return "", content


def mutants(every: Sequence[Original], seed: int, count: int) -> Iterator[Mutant]:
    """So many mutants, the same for the same seed: one change of an original, or two."""
    dice = random.Random(seed)  # noqa: S311 (that it can be repeated is what it is for)
    for number in range(count):
        original = dice.choice(every)
        names = dice.choices(list(MUTATIONS), OFTEN, k=2)
        text = MUTATIONS[names[0]](dice, original, every)
        what = names[0]
        if dice.randrange(4) == 0:
            try:
                changed = Original(original.kind, original.name, text)
            except (yaml.YAMLError, ValueError, RecursionError, AttributeError):
                changed = None
            if changed and changed.pairs and changed.text:
                text, what = MUTATIONS[names[1]](dice, changed, every), f"{what}, then {names[1]}"
        encoding, content = _bytes(dice, text)
        yield Mutant(number, original, what + encoding, content)
