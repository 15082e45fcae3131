"""A file that a person wrote wrongly gets an error with its name, its line, its key, and what would be right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from scenarios import declaration
from scenarios.declaration import DeclarationError, load, nearest


@dataclass(frozen=True, slots=True)
class Part:
    size: int
    colour: Literal["red", "green"] = "red"


class Even:
    @classmethod
    def parse(cls, text: str) -> str:
        if int(text) % 2:
            raise ValueError(f"{text} is not even")
        return f"even {text}"


@dataclass(frozen=True, slots=True)
class Whole:
    name: str
    parts: tuple[Part, ...] = ()
    named: Mapping[str, Part] | None = None
    rate: float = 1.0
    loud: bool = False
    even: Even | None = None

    def __post_init__(self) -> None:
        if self.name == "nobody":
            raise ValueError("nobody cannot be named")


def read(tmp_path: Path, text: str | bytes) -> Whole:
    path = tmp_path / "whole.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(path, Whole)


def test_a_good_file_becomes_frozen_values(tmp_path: Path) -> None:
    text = (
        "name: x\nparts: [{size: 1}, {size: 2, colour: green}]\nnamed: {a: {size: 3}}\nrate: 2\nloud: true\neven: 4\n"
    )
    found = read(tmp_path, text)
    assert found.parts == (Part(1), Part(2, "green"))
    assert found.named == {"a": Part(3)}
    assert (found.rate, found.loud, str(found.even)) == (2.0, True, "even 4")
    with pytest.raises(AttributeError):
        found.name = "y"  # type: ignore[misc]


WRONG: dict[str, tuple[str | bytes, int, list[str]]] = {
    "an unknown key": ("name: x\nprats: []\n", 2, ["prats", "did you mean 'parts'?", "rate"]),
    "an unknown key in a part": ("name: x\nparts:\n  - size: 1\n    color: red\n", 4, ["parts.1", "'colour'"]),
    "a missing key": ("rate: 1\n", 1, ["'name' is missing"]),
    "a key twice": ("name: x\nrate: 1\nname: y\n", 3, ["'name' stands twice", "line 1"]),
    "a wrong word": ("name: x\nparts:\n  - {size: 1, colour: gren}\n", 3, ["'gren'", "did you mean 'green'?"]),
    "a text for a number": ("name: x\nparts: [{size: big}]\n", 2, ["a whole number", "'big'"]),
    "a quoted number": ("name: x\nparts: [{size: '1'}]\n", 2, ["a whole number"]),
    "true for a number": ("name: x\nparts: [{size: true}]\n", 2, ["a whole number"]),
    "a number for true": ("name: x\nloud: 1\n", 2, ["true or false"]),
    "a mapping for a sequence": ("name: x\nparts: {size: 1}\n", 2, ["a sequence", "a mapping"]),
    "a sequence for a mapping": ("- name\n", 1, ["a mapping", "a sequence"]),
    "nothing for a number": ("name: x\nparts: [{size: }]\n", 2, ["nothing"]),
    "a value of its own kind": ("name: x\neven: 3\n", 2, ["3 is not even"]),
    "a whole that is wrong": ("\nname: nobody\n", 2, ["nobody cannot be named"]),
    "no YAML": ("name: [x\n", 2, ["not YAML"]),
    "nothing at all": ("", 1, ["empty"]),
    "only a comment": ("# x\n", 1, ["empty"]),
    "two documents": ("name: x\n---\nname: y\n", 2, ["not YAML"]),
    "bytes that are no text": (b"name: x\nrate: \xff\n", 2, ["not UTF-8"]),
    "an alias": ("name: &a x\nparts: *a\n", 1, ["aliases"]),
    "too deep": ("name: x\nparts: " + "[" * 30 + "]" * 30 + "\n", 2, ["nesting"]),
    "far too deep": ("name: x\nparts: " + "[" * 5000 + "]" * 5000 + "\n", 2, ["nesting"]),
    "a tag that makes an object": ("name: x\nrate: !!python/object:os.system {}\n", 2, ["expected"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_told_with_its_line_and_what_is_right(tmp_path: Path, case: str) -> None:
    text, line, told = WRONG[case]
    with pytest.raises(DeclarationError) as raised:
        read(tmp_path, text)
    assert str(raised.value).startswith(f"{tmp_path}/whole.yaml:{line}: ")
    for words in told:
        assert words in str(raised.value)


def test_a_file_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"absent\.yaml: No such file"):
        load(tmp_path / "absent.yaml", Whole)


@pytest.mark.parametrize(("more", "taken"), [(0, True), (1, False)])
def test_a_file_is_read_up_to_its_limit(tmp_path: Path, more: int, taken: bool) -> None:
    text = "name: x\n# "
    text += "x" * (declaration.SIZE_LIMIT - len(text) + more)
    if taken:
        assert read(tmp_path, text).name == "x"
    else:
        with pytest.raises(DeclarationError, match="the limit is 1048576"):
            read(tmp_path, text)


def test_the_nearest_word_comes_first() -> None:
    assert nearest("selct", ["blocking", "select", "selectors"])[:2] == ["select", "selectors"]
    assert nearest("zzz", ["a", "b"]) == ["a", "b"]
