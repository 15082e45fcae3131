"""YAML files as frozen dataclasses: what a person writes is read strictly, and every error names file, line and key.

A declaration is a dataclass; its fields are the keys of the mapping. `load` reads a file into one. The types that it
takes: str, int, float, bool, None, Literal, unions, tuple[X, ...] (a sequence), Mapping[str, X], a dataclass, and any
class with a `parse(text)` class method that raises ValueError. Knows nothing of labs, services or drills.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

Declared = TypeVar("Declared")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, ten times as quick, where PyYAML has it
SIZE_LIMIT = 1 << 20  # bytes; a declaration is written by hand
DEPTH_LIMIT = 20


class DeclarationError(Exception):
    """A file does not say what it should; the message is `file:line: what is wrong, and what would be right`."""


def nearest(wrong: str, right: Iterable[str]) -> list[str]:
    """The right words, those that resemble the wrong one first, then the others in their own order."""
    words = list(right)
    close = difflib.get_close_matches(wrong, words, n=len(words) or 1, cutoff=0.5)
    return close + [word for word in words if word not in close]


def advice(wrong: str, right: Iterable[str]) -> str:
    """`; did you mean 'port'? There are: port, ready, …`, for a name that does not exist."""
    words = list(right)
    close = difflib.get_close_matches(wrong, words, n=1, cutoff=0.5)
    guess = f"; did you mean {close[0]!r}?" if close else "."
    return f"{guess} There are: {', '.join(nearest(wrong, words))}"


@dataclasses.dataclass(frozen=True, slots=True)
class _At:
    """A place in a file, for errors."""

    path: Path
    key: str = ""

    def below(self, key: str) -> _At:
        return _At(self.path, f"{self.key}.{key}" if self.key else key)

    def error(self, node: yaml.Node, what: str) -> DeclarationError:
        where = f"{self.key}: " if self.key else ""
        return DeclarationError(f"{self.path}:{node.start_mark.line + 1}: {where}{what}")


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a sequence"
    return f"{node.value!r}" if node.value else "nothing"


def _scalar(node: yaml.Node, expected: type, at: _At) -> Any:
    names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", type(None): "nothing"}
    wrong = at.error(node, f"expected {names[expected]}, got {_kind(node)}")
    if not isinstance(node, yaml.ScalarNode):
        raise wrong
    if expected is str:
        return node.value
    # a quoted 1 is a text; the style of a plain scalar is None, or with libyaml ""
    value = node.value if node.style else yaml.load(node.value, Loader=_LOADER)  # noqa: S506 (it is a safe one)
    if expected is float and type(value) is int:
        value = float(value)
    if type(value) is not expected:
        raise wrong
    return value


def _mapping(node: yaml.Node, at: _At) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise at.error(node, f"expected a mapping, got {_kind(node)}")
    found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for key, value in node.value:
        name = _scalar(key, str, at)
        if name in found:
            raise at.error(key, f"the key {name!r} stands twice, first in line {found[name][0].start_mark.line + 1}")
        found[name] = (key, value)
    return found


_hints = functools.cache(get_type_hints)


def _dataclass(node: yaml.Node, expected: type, at: _At) -> Any:
    hints = _hints(expected)
    fields = {field.name.rstrip("_"): field for field in dataclasses.fields(expected) if field.init}
    given = {}
    for name, (key, value) in _mapping(node, at).items():
        if name not in fields:
            raise at.error(key, f"there is no key {name!r}{advice(name, fields)}")
        given[fields[name].name] = _value(value, hints[fields[name].name], at.below(name))
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in given:
            raise at.error(node, f"the key {name!r} is missing; it must be here")
    try:
        return expected(**given)
    except ValueError as error:
        raise at.error(_spoken_of(node, str(error)), str(error)) from error


def _spoken_of(node: yaml.Node, what: str) -> yaml.Node:
    """The node below this one that an error is about, where it begins with keys: `script.3.heal: …`, counted from 1."""
    for key in what.partition(":")[0].split("."):
        below: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            below = next((value for name, value in node.value if name.value == key), None)
        elif isinstance(node, yaml.SequenceNode) and key.isdecimal() and 0 < int(key) <= len(node.value):
            below = node.value[int(key) - 1]
        if below is None:
            break
        node = below
    return node


def _union(node: yaml.Node, choices: tuple[Any, ...], at: _At) -> Any:
    errors = []
    for choice in choices:
        try:
            return _value(node, choice, at)
        except DeclarationError as error:
            errors.append(error)
    # The choice that came furthest into the file knows best what was meant.
    raise max(errors, key=lambda error: int(str(error).split(":")[1]))


def _value(node: yaml.Node, expected: Any, at: _At) -> Any:
    origin, choices = get_origin(expected), get_args(expected)
    if origin is Literal:
        word = _scalar(node, str, at)
        if word not in choices:
            raise at.error(node, f"{word!r} is not one of the words that can stand here{advice(word, choices)}")
        return word
    if origin in (Union, types.UnionType):
        return _union(node, choices, at)
    if origin is tuple:
        if not isinstance(node, yaml.SequenceNode):
            raise at.error(node, f"expected a sequence, got {_kind(node)}")
        return tuple(_value(each, choices[0], at.below(str(i + 1))) for i, each in enumerate(node.value))
    if origin is not None and issubclass(origin, Mapping):
        return {name: _value(value, choices[1], at.below(name)) for name, (_, value) in _mapping(node, at).items()}
    if dataclasses.is_dataclass(expected) and isinstance(expected, type):
        return _dataclass(node, expected, at)
    if hasattr(expected, "parse"):
        try:
            return expected.parse(_scalar(node, str, at))
        except ValueError as error:
            raise at.error(node, str(error)) from error
    return _scalar(node, expected, at)


_OPENING = (
    *(yaml.BlockMappingStartToken, yaml.BlockSequenceStartToken),
    *(yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken),
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


def _check_tokens(path: Path, text: str) -> None:
    """Refuse what is not taken before anything is made of it: aliases, and nesting that only a machine writes."""
    depth = 0
    for token in yaml.scan(text, Loader=_LOADER):
        line = token.start_mark.line + 1
        if isinstance(token, yaml.AliasToken | yaml.AnchorToken):
            raise DeclarationError(f"{path}:{line}: anchors and aliases are not taken: write what is meant")
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > DEPTH_LIMIT:
            raise DeclarationError(f"{path}:{line}: more than {DEPTH_LIMIT} levels of nesting")


def load(path: Path, expected: type[Declared]) -> Declared:
    """Read a YAML file into the dataclass `expected`. Raises DeclarationError, with file and line."""
    at = _At(path)
    try:
        content = path.read_bytes()
        if len(content) > SIZE_LIMIT:
            raise DeclarationError(f"{path}:1: the file has {len(content)} bytes; the limit is {SIZE_LIMIT}")
        text = content.decode("utf-8")
        _check_tokens(path, text)
        node = yaml.compose(text, Loader=_LOADER)
    except OSError as error:
        raise DeclarationError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DeclarationError(f"{path}:{line}: byte {error.start} is not UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DeclarationError(f"{path}:{line}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise DeclarationError(f"{path}:1: not YAML: {error}") from error
    if node is None:
        raise DeclarationError(f"{path}:1: the file is empty")
    return typing.cast(Declared, _value(node, expected, at))


def line_of(path: Path, key: str) -> int:
    """The line of a key of a file that `load` has read: one at the top, or below another, as `clients.ask.run`."""
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_LOADER)
    if "." in key and node is not None:
        return _spoken_of(node, key).start_mark.line + 1
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((name.start_mark.line + 1 for name, _ in pairs if name.value == key), 1)
