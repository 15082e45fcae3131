"""A file that a person wrote wrongly gets an error with its name, its line, its key, and what would be right."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from scenarios.spec.declaration_error import DeclarationError, advice, nearest
from scenarios.spec.file_text import SIZE_LIMIT
from scenarios.spec.strict_yaml import load


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
    either: Literal["red", "green"] | tuple[Literal["red", "green"], ...] = "red"

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
    "a key twice": ("name: x\nrate: 1\nname: y\n", 3, ["duplicate key 'name'", "line 1"]),
    "a wrong word": ("name: x\nparts:\n  - {size: 1, colour: gren}\n", 3, ["'gren'", "did you mean 'green'?"]),
    "a text for a number": ("name: x\nparts: [{size: big}]\n", 2, ["expected a whole number, got 'big'"]),
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
    "a tag on a string": ("name: !!str x\n", 1, ["tags"]),
    "the end of a document for a number": ("name: x\nrate: ...\n", 2, ["a number"]),
    "YAML 1.1's sign for the default value": ("name: x\nrate: =\n", 2, ["rate: expected a number, got '='"]),
    "a hexadecimal number without a digit": ("name: x\nparts: [{size: 0x_}]\n", 2, ["a whole number, got '0x_'"]),
    "a day that there is not": ("name: x\nrate: 2001-02-30\n", 2, ["a number, got '2001-02-30'"]),
    "a number in base 60": ("name: x\nparts: [{size: 1:30}]\n", 2, ["a whole number, got '1:30'"]),
    "a number with an underscore": ("name: x\nparts: [{size: 1_0}]\n", 2, ["a whole number, got '1_0'"]),
    "a number that is octal for some": ("name: x\nparts: [{size: 010}]\n", 2, ["a whole number, got '010'"]),
    "a number of 5,000 digits": (f"name: x\nparts: [{{size: {'9' * 5000}}}]\n", 2, ["a whole number, got '99", "9…'"]),
    "a number beyond all numbers": ("name: x\nrate: 1e999\n", 2, ["a number"]),
    "no number": ("name: x\nrate: .nan\n", 2, ["a number"]),
    "yes for true": ("name: x\nloud: yes\n", 2, ["loud: expected true or false, got 'yes'"]),
    "nothing for a string": ("name:\nrate: 1\n", 1, ["name: expected a string, got nothing"]),
    "null for a string": ("name: null\n", 1, ["name: expected a string, got nothing"]),
    "nothing for what may be left out": ("name: x\neven: ~\n", 2, ["even: expected a string, got nothing"]),
    "a mapping for a string or a sequence": (
        "name: x\neither: {a: b}\n",
        2,
        ["either: expected a string or a sequence"],
    ),
    "a wrong word in a sequence of words": (
        "name: x\neither: [gren]\n",
        2,
        ["either.1: unknown word 'gren'", "'green'?"],
    ),
    "a NUL that is escaped": ('name: "a\\0b"\n', 1, ["name:", "NUL"]),
    "a NUL": (b"name: x\nrate: \0\n", 2, ["control character U+0000"]),
    "half of a pair of surrogates": ('name: "\\ud800"\n', 1, [""]),
    "a tab": ("name: x\n\trate: 1\n", 2, ["not YAML"]),
    "UTF-16": ("name: x\n".encode("utf-16"), 1, ["byte 0 is not UTF-8"]),
    "a key that is a sequence": ("name: x\n? [a]\n: b\n", 2, ["expected a string, got a sequence"]),
    "a long key with a line end": ('name: x\n"' + "a" * 100 + '\\n": 1\n', 2, ["unknown key 'aaa", "a…'"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_told_with_its_line_and_what_is_right(tmp_path: Path, case: str) -> None:
    text, line, told = WRONG[case]
    with pytest.raises(DeclarationError) as raised:
        read(tmp_path, text)
    assert str(raised.value).startswith(f"{tmp_path}/whole.yaml:{line}: ")
    for words in told:
        assert words in str(raised.value)


@pytest.mark.parametrize("case", WRONG)
def test_the_place_of_an_error_does_not_depend_on_the_path_of_the_file(tmp_path: Path, case: str) -> None:
    folder = tmp_path / "a:9:b"
    folder.mkdir()
    with pytest.raises(DeclarationError) as raised:
        read(folder, WRONG[case][0])
    assert (raised.value.path, raised.value.line) == (folder / "whole.yaml", WRONG[case][1])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffname: x\nrate: 2\n",
        "name: x\r\nrate: 2\r\n",
        "%YAML 1.2\n---\nname: x\nrate: 2.0\n...\n",
        "{name: x, rate: 0x2}",
    ],
    ids=["a byte order mark", "line ends of Windows", "a directive", "hexadecimal"],
)
def test_what_editors_add_is_taken(tmp_path: Path, text: str) -> None:
    if "0x" in text:
        text = text.replace("rate: 0x2", "parts: [{size: 0x2}], rate: 2")
    found = read(tmp_path, text)
    assert (found.name, found.rate) == ("x", 2.0)


def test_every_error_of_a_file_is_told_and_a_misspelt_key_is_not_missing_too(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError) as raised:
        read(tmp_path, "nam: x\nrate: fast\nparts:\n  - size: 1\n  - {size: 2, colour: blue}\n")
    assert [(each.line, each.key) for each in raised.value.all] == [(1, ""), (2, "rate"), (5, "parts.2.colour")]
    assert "did you mean 'name'" in str(raised.value)


def test_a_folder_a_pipe_and_what_may_not_be_read_are_told_and_none_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(DeclarationError, match=f"^{path}: expected a file, got a folder or a device"):
            load(path, Whole)
    locked = tmp_path / "locked.yaml"
    locked.write_text("name: x\n", encoding="utf-8")
    locked.chmod(0)
    if os.geteuid():  # root may read it
        with pytest.raises(DeclarationError, match=f"^{locked}: Permission denied"):
            load(locked, Whole)


def test_a_name_of_a_file_that_is_no_text_can_be_told(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.yaml"))
    path.write_bytes(b"{}")
    with pytest.raises(DeclarationError) as raised:
        load(path, Whole)
    assert str(raised.value).encode("utf-8").startswith(f"{tmp_path}/\\xff.yaml:1: ".encode())


def test_a_file_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"absent\.yaml: No such file"):
        load(tmp_path / "absent.yaml", Whole)


@pytest.mark.parametrize(("more", "taken"), [(0, True), (1, False)])
def test_a_file_is_read_up_to_its_limit(tmp_path: Path, more: int, taken: bool) -> None:
    text = "name: x\n# "
    text += "x" * (SIZE_LIMIT - len(text) + more)
    if taken:
        assert read(tmp_path, text).name == "x"
    else:
        with pytest.raises(DeclarationError, match="larger than 1048576 bytes, which is the limit"):
            read(tmp_path, text)


def test_where_no_word_is_right_that_is_said() -> None:
    assert advice("sever", []) == "; there is none"


def test_the_nearest_word_comes_first() -> None:
    assert nearest("selct", ["blocking", "select", "selectors"])[:2] == ["select", "selectors"]
    assert nearest("zzz", ["a", "b"]) == ["a", "b"]
