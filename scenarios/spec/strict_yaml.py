"""YAML files as frozen dataclasses: what a person writes is read strictly, and every error names file, line and key.

A declaration is a dataclass; its fields are the keys of the mapping. `load` reads a file into one (typed_nodes.py has
the types that it takes). Knows nothing of labs, services or drills.
"""

from __future__ import annotations

import copy
import functools
import re
import typing
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from scenarios.spec.declaration_error import DeclarationError, quoted
from scenarios.spec.file_text import file_text
from scenarios.spec.typed_nodes import At, Collecting, find_node, reader

Declared = TypeVar("Declared")
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, ten times as quick, where PyYAML has it
DEPTH_LIMIT = 20
KEPT = 1024  # declarations; some times as many as there are drills


class _Loader(_BASE):  # type: ignore[misc]  # one of two
    """It looks for no type of a value, which YAML would tell by the text: the field that a value is for has one."""

    def resolve(self, *_: object) -> str:
        return ""

    def descend_resolver(self, *_: object) -> None:
        """Nothing to be done for a node that is being read."""

    def ascend_resolver(self) -> None:
        """Nor after it."""


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
    for token in yaml.scan(text, Loader=_Loader):
        kind = type(token)
        depth += _DEEPER.get(kind, 0)
        if kind in _REFUSED or depth > DEPTH_LIMIT:
            what = _REFUSED.get(kind, f"more than {DEPTH_LIMIT} levels of nesting")
            raise DeclarationError(path, token.start_mark.line + 1, what)


def not_yaml(path: Path, error: Exception) -> DeclarationError:
    """What PyYAML found wrong with a file, with the line: what it says first is only what it was about to read."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return DeclarationError(path, 1, f"not YAML: {error}")
    mark = error.problem_mark or error.context_mark
    return DeclarationError(path, mark.line + 1 if mark else 1, f"not YAML: {error.problem}")


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
        node = yaml.compose(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise not_yaml(path, error) from error
    if node is None:
        raise DeclarationError(path, 1, "the file is empty")
    return typing.cast(object, reader(expected)(node, At(path)))


def line_of(path: Path, key: str) -> int:
    """The line of a key of a file that `load` has read: one at the top, or below another, as `clients.ask.run`."""
    node = yaml.compose(file_text(path), Loader=_Loader)
    if "." in key and node is not None:
        return find_node(node, key).start_mark.line + 1
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((name.start_mark.line + 1 for name, _ in pairs if name.value == key), 1)


def errors_of(path: Path, problems: Sequence[str]) -> DeclarationError:
    """The error of problems that begin with their keys, as `servers.one.run: …`, in a file that `load` has read."""
    errors = Collecting()
    for keys, _, what in (problem.partition(": ") for problem in problems):
        errors.add(DeclarationError(path, line_of(path, keys), what, keys))
    return errors.combine()
