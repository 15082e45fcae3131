"""Nodes of YAML as typed values: what a person wrote, read strictly, and every error names file, line and key.

The types that are taken: str, int, float, bool, None, Literal, unions, tuple[X, ...] (a sequence), Mapping[str, X], a
dataclass, whose fields are the keys of a mapping, and any class with a `parse(text)` class method that raises
ValueError. Knows nothing of files' texts, labs, services or drills.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import yaml

from scenarios.spec.declaration_error import DeclarationError, advice, problems_of, quoted

# YAML 1.2's core schema, without octal numbers: YAML 1.1 reads 1:30 as 90, 1_0 as 10, 010 as 8 and yes as true.
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})|0x[0-9a-fA-F]{1,15}")
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,3})?")
_NOTHING = ("", "~", "null", "Null", "NULL")
_NOT_GIVEN = re.compile("[\0\ud800-\udfff]")


class At(NamedTuple):
    """A place in a file, for errors. One is made for each value, and a named tuple is made in a third of the time."""

    path: Path
    keys: tuple[str, ...] = ()

    def below(self, key: str) -> At:
        return At(self.path, (*self.keys, key))

    def error(self, node: yaml.Node, what: str) -> DeclarationError:
        keys = (key if re.fullmatch(r"[\w-]+", key) else quoted(key) for key in self.keys)
        return DeclarationError(self.path, node.start_mark.line + 1, what, ".".join(keys))


Reader = Callable[[yaml.Node, At], Any]  # raises DeclarationError


class Collecting:
    """Errors are collected, so that all of a file are told at once; `end` raises what came together."""

    def __init__(self) -> None:
        self._errors: list[DeclarationError] = []

    def add(self, error: DeclarationError) -> None:
        self._errors += error.all

    @property
    def any(self) -> bool:
        return bool(self._errors)

    def end(self) -> None:
        if self._errors:
            raise self.combine()

    def combine(self) -> DeclarationError:
        """The first, which has the others; there must be one."""
        first, *others = sorted(self._errors, key=lambda error: error.line or 0)
        first.others = tuple(others)
        return first


def _is_nothing(node: yaml.Node) -> bool:
    # the style of a plain scalar is None, or with libyaml ""
    return isinstance(node, yaml.ScalarNode) and not node.style and node.value in _NOTHING


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a sequence"
    return "nothing" if _is_nothing(node) else quoted(node.value)


NAMES: Mapping[type, str] = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


def _scalar(node: yaml.Node, at: At, expected: type) -> Any:
    if isinstance(node, yaml.ScalarNode) and not _is_nothing(node):
        text: str = node.value
        if expected is str:
            if _NOT_GIVEN.search(text):
                raise at.error(node, f"{quoted(text)} has a NUL or half a surrogate pair: no program can be given that")
            return text
        is_plain = not node.style  # a quoted 1 is a string
        if is_plain and expected is bool and text in ("true", "false"):
            return text == "true"
        if is_plain and expected is int and _WHOLE.fullmatch(text):
            return int(text, 16 if text.startswith("0x") else 10)
        if is_plain and expected is float and _NUMBER.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
    raise at.error(node, f"expected {NAMES[expected]}, got {_kind(node)}")


def _mapping(node: yaml.Node, at: At) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise at.error(node, f"expected a mapping, got {_kind(node)}")
    found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for key, value in node.value:
        name = _scalar(key, at, str)
        if name in found:
            first = found[name][0].start_mark.line + 1
            raise at.error(key, f"duplicate key {quoted(name)}: it is in line {first} already")
        found[name] = (key, value)
    return found


@functools.cache
def _fields(expected: type) -> Mapping[str, tuple[dataclasses.Field[Any], Reader]]:
    """The fields of a dataclass, each with what reads its type, by the keys that a file has for them."""
    hints = get_type_hints(expected)
    given = (field for field in dataclasses.fields(expected) if field.init)
    return {field.name.rstrip("_"): (field, reader(hints[field.name])) for field in given}


def _dataclass(node: yaml.Node, at: At, expected: type) -> Any:
    fields = _fields(expected)
    given, errors = {}, Collecting()
    pairs = _mapping(node, at)
    for name, (key, value) in pairs.items():
        if name not in fields:
            errors.add(at.error(key, f"unknown key {quoted(name)}{advice(name, fields)}"))
            continue
        field, read = fields[name]
        try:
            given[field.name] = read(value, at.below(name))
        except DeclarationError as error:
            errors.add(error)
    if pairs.keys() <= fields.keys():  # else the unknown key may be the missing one, misspelt
        for name, (field, _) in fields.items():
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if required and name not in pairs:
                errors.add(at.error(node, f"the key {name!r} is missing; it must be here"))
    if errors.any:
        for problem in _problems_of_rest(expected, fields, given, pairs.keys()):
            errors.add(_about(node, problem, fields, at))
    errors.end()
    try:
        return expected(**given)
    except ValueError as error:
        for problem in problems_of(error):
            errors.add(_about(node, problem, fields, at))
        raise errors.combine() from error


def _problems_of_rest(
    expected: type,
    fields: Mapping[str, tuple[dataclasses.Field[Any], Reader]],
    given: Mapping[str, Any],
    keys: Set[str],
) -> Iterator[str]:
    """What is wrong with a value beside its keys that are wrong, where its class has `rules`: each rule up to the first
    that asks for one of those. They have no value here, so that nothing is said of them.
    """
    if not hasattr(expected, "rules"):
        return
    rest: Any = object.__new__(expected)
    for name, (field, _) in fields.items():
        if field.name in given:
            object.__setattr__(rest, field.name, given[field.name])
        elif name not in keys and keys <= fields.keys():  # else an unknown key may be this one, misspelt
            if field.default is not dataclasses.MISSING:
                object.__setattr__(rest, field.name, field.default)
            elif field.default_factory is not dataclasses.MISSING:
                object.__setattr__(rest, field.name, field.default_factory())
    with contextlib.suppress(AttributeError):
        yield from rest.rules()


def _about(node: yaml.Node, problem: str, fields: Mapping[str, object], at: At) -> DeclarationError:
    """The error of a problem that may begin with the keys it is about, counted from 1: `script.3.heal: …`."""
    keys, separator, what = problem.partition(": ")
    if separator and keys.split(".")[0] in fields:
        for key in keys.split("."):
            at = at.below(key)
        return at.error(find_node(node, keys), what)
    return at.error(node, problem)


def find_node(node: yaml.Node, keys: str) -> yaml.Node:
    """The node that these keys, as in `script.3.heal`, lead to from this one; as far as they do."""
    for key in keys.split("."):
        below: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            below = next((value for name, value in node.value if name.value == key), None)
        elif isinstance(node, yaml.SequenceNode) and key.isdecimal() and 0 < int(key) <= len(node.value):
            below = node.value[int(key) - 1]
        if below is None:
            break
        node = below
    return node


def _shape(expected: Any) -> type[yaml.Node]:
    """The node that a value of this type is written as."""
    origin = get_origin(expected)
    if origin is tuple:
        return yaml.SequenceNode
    if dataclasses.is_dataclass(expected) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return yaml.MappingNode
    return yaml.ScalarNode


@functools.cache
def reader(expected: Any) -> Reader:
    """What reads a node as a value of this type; made once for each type."""
    origin, choices = get_origin(expected), get_args(expected)
    if origin is Literal:
        return functools.partial(_word, choices=choices)
    if origin in (Union, types.UnionType):
        return _union(choices)
    if origin is tuple:
        return functools.partial(_sequence, read=reader(choices[0]))
    if origin is not None and issubclass(origin, Mapping):
        return functools.partial(_dictionary, read=reader(choices[1]))
    if dataclasses.is_dataclass(expected) and isinstance(expected, type):
        return functools.partial(_dataclass, expected=expected)
    if hasattr(expected, "parse"):
        return functools.partial(_parsed, parse=expected.parse)
    return functools.partial(_scalar, expected=expected)


def _word(node: yaml.Node, at: At, choices: Sequence[str]) -> str:
    word: str = _scalar(node, at, str)
    if word not in choices:
        raise at.error(node, f"unknown word {quoted(word)}{advice(word, choices)}")
    return word


def _union(every: Sequence[Any]) -> Reader:
    """The first of the choices that takes the node. None stands for a key that is left out: nothing is written so."""
    choices = [choice for choice in every if choice is not types.NoneType]
    readers = [(_shape(choice), reader(choice)) for choice in choices]
    words: Mapping[type[yaml.Node], str] = {yaml.SequenceNode: "a sequence", yaml.MappingNode: "a mapping"}
    names = [words.get(_shape(choice)) or NAMES.get(choice, "a string") for choice in choices]

    def read(node: yaml.Node, at: At) -> Any:
        is_something = not _is_nothing(node)
        fitting = [each for shape, each in readers if is_something and isinstance(node, shape)]
        if not fitting and len(choices) > 1:
            raise at.error(node, f"expected {' or '.join(dict.fromkeys(names))}, got {_kind(node)}")
        errors = []
        for each in fitting or [each for _, each in readers]:
            try:
                return each(node, at)
            except DeclarationError as error:
                errors.append(error)
        raise max(errors, key=lambda error: error.line or 0)  # the choice that came furthest knows what was meant

    return read


def _sequence(node: yaml.Node, at: At, read: Reader) -> tuple[Any, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise at.error(node, f"expected a sequence, got {_kind(node)}")
    return tuple(_values(read, ((each, at.below(str(i))) for i, each in enumerate(node.value, 1))))


def _dictionary(node: yaml.Node, at: At, read: Reader) -> dict[str, Any]:
    pairs = _mapping(node, at)
    values = _values(read, ((value, at.below(name)) for name, (_, value) in pairs.items()))
    return dict(zip(pairs, values, strict=True))


def _parsed(node: yaml.Node, at: At, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(_scalar(node, at, str))
    except ValueError as error:
        raise at.error(node, str(error)) from error


def _values(read: Reader, asked: Iterable[tuple[yaml.Node, At]]) -> list[Any]:
    found, errors = [], Collecting()
    for node, at in asked:
        try:
            found.append(read(node, at))
        except DeclarationError as error:
            errors.add(error)
    errors.end()
    return found
