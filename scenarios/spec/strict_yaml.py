"""YAML files as frozen dataclasses: what a person writes is read strictly, and every error names file, line and key.

A declaration is a dataclass; its fields are the keys of the mapping. `load` reads a file into one. The types that it
takes: str, int, float, bool, None, Literal, unions, tuple[X, ...] (a sequence), Mapping[str, X], a dataclass, and any
class with a `parse(text)` class method that raises ValueError. Knows nothing of labs, services or drills.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import math
import re
import types
import typing
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from scenarios.lab.valueclass import valueclass
from scenarios.spec.declaration_error import DeclarationError, advice, quoted
from scenarios.spec.file_text import file_text

Declared = TypeVar("Declared")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, ten times as quick, where PyYAML has it
DEPTH_LIMIT = 20
KEPT = 1024  # declarations; some times as many as there are drills

# YAML 1.2's core schema, without octal numbers: YAML 1.1 reads 1:30 as 90, 1_0 as 10, 010 as 8 and yes as true.
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})|0x[0-9a-fA-F]{1,15}")
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,3})?")
_NOTHING = ("", "~", "null", "Null", "NULL")
_NOT_GIVEN = re.compile("[\0\ud800-\udfff]")


def check_pattern(pattern: str, key: str) -> None:
    """Raise ValueError unless it is a regular expression."""
    for problem in problems_of_pattern(pattern, key):
        raise ValueError(problem)


def problems_of_pattern(pattern: str, key: str) -> Iterator[str]:
    """What is wrong with a regular expression."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as `[[a]`, which a later Python may read in another way
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        yield f"{key}: {quoted(pattern)} is not a regular expression: {error}"


@valueclass
class _At:
    """A place in a file, for errors."""

    path: Path
    keys: tuple[str, ...] = ()

    def below(self, key: str) -> _At:
        return _At(self.path, (*self.keys, key))

    def error(self, node: yaml.Node, what: str) -> DeclarationError:
        keys = (key if re.fullmatch(r"[\w-]+", key) else quoted(key) for key in self.keys)
        return DeclarationError(self.path, node.start_mark.line + 1, what, ".".join(keys))


class _Collecting:
    """Errors are collected, so that all of a file are told at once; `end` raises what came together."""

    def __init__(self) -> None:
        self._errors: list[DeclarationError] = []

    @contextlib.contextmanager
    def each(self) -> Iterator[None]:
        try:
            yield
        except DeclarationError as error:
            self._errors += error.all

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


def _scalar(node: yaml.Node, expected: type, at: _At) -> Any:
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


def _mapping(node: yaml.Node, at: _At) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise at.error(node, f"expected a mapping, got {_kind(node)}")
    found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for key, value in node.value:
        name = _scalar(key, str, at)
        if name in found:
            first = found[name][0].start_mark.line + 1
            raise at.error(key, f"duplicate key {quoted(name)}: it is in line {first} already")
        found[name] = (key, value)
    return found


@functools.cache
def _fields(expected: type) -> Mapping[str, tuple[dataclasses.Field[Any], Any]]:
    """The fields of a dataclass, each with its type, by the keys that a file has for them."""
    hints = get_type_hints(expected)
    return {field.name.rstrip("_"): (field, hints[field.name]) for field in dataclasses.fields(expected) if field.init}


def _dataclass(node: yaml.Node, expected: type, at: _At) -> Any:
    fields = _fields(expected)
    given, errors = {}, _Collecting()
    pairs = _mapping(node, at)
    for name, (key, value) in pairs.items():
        with errors.each():
            if name not in fields:
                raise at.error(key, f"unknown key {quoted(name)}{advice(name, fields)}")
            field, kind = fields[name]
            given[field.name] = _value(value, kind, at.below(name))
    if pairs.keys() <= fields.keys():  # else the unknown key may be the missing one, misspelt
        for name, (field, _) in fields.items():
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if required and name not in pairs:
                with errors.each():
                    raise at.error(node, f"the key {name!r} is missing; it must be here")
    errors.end()
    try:
        return expected(**given)
    except ValueError as error:
        for problem in getattr(error, "problems", (str(error),)):
            with errors.each():
                raise _about(node, problem, fields, at) from error
        errors.end()
        raise


def _about(node: yaml.Node, problem: str, fields: Mapping[str, object], at: _At) -> DeclarationError:
    """The error of a problem that may begin with the keys it is about, counted from 1: `script.3.heal: …`."""
    keys, separator, what = problem.partition(": ")
    if separator and keys.split(".")[0] in fields:
        for key in keys.split("."):
            at = at.below(key)
        return at.error(_find_node(node, keys), what)
    return at.error(node, problem)


def _find_node(node: yaml.Node, keys: str) -> yaml.Node:
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


def _union(node: yaml.Node, choices: Sequence[Any], at: _At) -> Any:
    """The first of the choices that takes the node. None stands for a key that is left out: nothing is written so."""
    choices = [choice for choice in choices if choice is not types.NoneType]
    fitting = [choice for choice in choices if isinstance(node, _shape(choice)) and not _is_nothing(node)]
    if not fitting and len(choices) > 1:
        words: Mapping[type[yaml.Node], str] = {yaml.SequenceNode: "a sequence", yaml.MappingNode: "a mapping"}
        names = [words.get(_shape(choice)) or NAMES.get(choice, "a string") for choice in choices]
        raise at.error(node, f"expected {' or '.join(dict.fromkeys(names))}, got {_kind(node)}")
    errors = []
    for choice in fitting or choices:
        try:
            return _value(node, choice, at)
        except DeclarationError as error:
            errors.append(error)
    raise max(errors, key=lambda error: error.line or 0)  # the choice that came furthest knows what was meant


def _value(node: yaml.Node, expected: Any, at: _At) -> Any:
    origin, choices = get_origin(expected), get_args(expected)
    if origin is Literal:
        word = _scalar(node, str, at)
        if word not in choices:
            raise at.error(node, f"unknown word {quoted(word)}{advice(word, choices)}")
        return word
    if origin in (Union, types.UnionType):
        return _union(node, choices, at)
    if origin is tuple:
        if not isinstance(node, yaml.SequenceNode):
            raise at.error(node, f"expected a sequence, got {_kind(node)}")
        return tuple(_values(((each, choices[0], at.below(str(i))) for i, each in enumerate(node.value, 1))))
    if origin is not None and issubclass(origin, Mapping):
        pairs = _mapping(node, at)
        read = _values((value, choices[1], at.below(name)) for name, (_, value) in pairs.items())
        return dict(zip(pairs, read, strict=True))
    if dataclasses.is_dataclass(expected) and isinstance(expected, type):
        return _dataclass(node, expected, at)
    if hasattr(expected, "parse"):
        try:
            return expected.parse(_scalar(node, str, at))
        except ValueError as error:
            raise at.error(node, str(error)) from error
    return _scalar(node, expected, at)


def _values(asked: Iterable[tuple[yaml.Node, Any, _At]]) -> list[Any]:
    found, errors = [], _Collecting()
    for each in asked:
        with errors.each():
            found.append(_value(*each))
    errors.end()
    return found


_DEEPER: Mapping[type[yaml.Token], int] = {
    **dict.fromkeys((yaml.BlockMappingStartToken, yaml.BlockSequenceStartToken), 1),
    **dict.fromkeys((yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken), 1),
    **dict.fromkeys((yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken), -1),
}
_REFUSED: Mapping[type[yaml.Token], str] = {
    **dict.fromkeys(
        (yaml.AliasToken, yaml.AnchorToken), "anchors and aliases are not allowed: write the value where it belongs"
    ),
    yaml.TagToken: "tags (`!…`) are not allowed: expected the value alone",
}


def _check_tokens(path: Path, text: str) -> None:
    """Refuse what is not taken before anything is made of it: aliases, tags, and nesting that only a machine writes."""
    depth = 0
    for token in yaml.scan(text, Loader=_LOADER):
        kind = type(token)
        depth += _DEEPER.get(kind, 0)
        if kind in _REFUSED or depth > DEPTH_LIMIT:
            what = _REFUSED.get(kind, f"more than {DEPTH_LIMIT} levels of nesting")
            raise DeclarationError(path, token.start_mark.line + 1, what)


def load(path: Path, expected: type[Declared]) -> Declared:
    """Read a YAML file into the dataclass `expected`. Raises DeclarationError, with file and line.

    A text that was read before is not read again; each caller has an object of its own, whose values are shared.
    """
    found: Any = _declared(path, file_text(path), expected)  # type: ignore[arg-type]  # a class has a hash
    return typing.cast(Declared, copy.copy(found))


@functools.lru_cache(KEPT)
def _declared(path: Path, text: str, expected: type) -> object:
    """What the text of a file declares."""
    try:
        _check_tokens(path, text)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DeclarationError(path, mark.line + 1 if mark else 1, f"not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DeclarationError(path, 1, f"not YAML: {error}") from error
    if node is None:
        raise DeclarationError(path, 1, "the file is empty")
    return typing.cast(object, _value(node, expected, _At(path)))


def line_of(path: Path, key: str) -> int:
    """The line of a key of a file that `load` has read: one at the top, or below another, as `clients.ask.run`."""
    node = yaml.compose(file_text(path), Loader=_LOADER)
    if "." in key and node is not None:
        return _find_node(node, key).start_mark.line + 1
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((name.start_mark.line + 1 for name, _ in pairs if name.value == key), 1)


def errors_of(path: Path, problems: Sequence[str]) -> DeclarationError:
    """The error of problems that begin with their keys, as `servers.one.run: …`, in a file that `load` has read."""
    cut = (problem.partition(": ") for problem in problems)
    errors = _Collecting()
    for keys, _, what in cut:
        with errors.each():
            raise DeclarationError(path, line_of(path, keys), what, keys)
    return errors.combine()
