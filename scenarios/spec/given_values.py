"""Words of a drill that a program gives, as Python values, and not a file: read as strictly, with the same errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, get_args, get_type_hints

import yaml

from scenarios.lab.errors import UsageError
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.typed_nodes import At, reader
from scenarios.spec.units import Seconds

Declared = TypeVar("Declared")
_MARK = yaml.Mark("", 0, 0, 0, "", 0)


def read(
    values: Mapping[str, Any], expected: type[Declared], place: str, called: Mapping[str, str] = MappingProxyType({})
) -> Declared:
    """Read `values` into the dataclass `expected`; its fields are the keys, `from_` as `from`.

    A length of time is text (`"200ms"`) or a number of seconds. Raises UsageError that begins with `place` and names
    the key, with the nearest word that is right; several problems are told together. `called` has the keys that whoever
    gave the values calls otherwise.
    """
    try:
        found: Declared = reader(expected)(_node(values, expected), At(Path(place)))  # type: ignore[arg-type]
    except DeclarationError as error:
        told = [f"{called.get(each.key, each.key)}: {each.what}" if each.key else each.what for each in error.all]
        raise UsageError(f"{place}: {'; '.join(told)}") from None
    return found


def _node(value: Any, expected: Any = None) -> yaml.Node:
    """The node that a file would have for this value."""
    if isinstance(value, Mapping):
        kinds = _kinds(expected)
        pairs = [
            (_text(str(key).rstrip("_")), _node(each, kinds.get(str(key).rstrip("_")))) for key, each in value.items()
        ]
        return yaml.MappingNode("", pairs, _MARK, _MARK)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return yaml.SequenceNode("", [_node(each) for each in value], _MARK, _MARK)
    if isinstance(value, bool):
        return _plain(str(value).lower())
    if isinstance(value, int | float):
        return _text(f"{value:.6f}s") if Seconds in (expected, *get_args(expected)) else _plain(repr(value))
    return _plain("") if value is None else _text(str(value))


def _kinds(expected: Any) -> Mapping[str, Any]:
    """The types of the keys of a mapping that is read into this dataclass."""
    found = next((each for each in (expected, *get_args(expected)) if dataclasses.is_dataclass(each)), None)
    return {name.rstrip("_"): kind for name, kind in get_type_hints(found).items()} if found else {}


def _plain(text: str) -> yaml.Node:
    return yaml.ScalarNode("", text, _MARK, _MARK)


def _text(text: str) -> yaml.Node:
    return yaml.ScalarNode("", text, _MARK, _MARK, style='"')
