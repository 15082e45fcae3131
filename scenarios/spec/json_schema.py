"""The JSON Schema of what strict_yaml.py reads: from the same dataclasses, so that editors complete the same keys."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from scenarios.spec.drill import Drill
from scenarios.spec.service import Service

SCALARS: Mapping[type, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
}


def drill_schema() -> dict[str, Any]:
    """The schema of a drill file (JSON Schema, draft 2020-12)."""
    return _document(Drill, "A drill of Faultwire")


def service_schema() -> dict[str, Any]:
    """The schema of a service.yaml."""
    return _document(Service, "A service of Faultwire")


def _document(declared: type, title: str) -> dict[str, Any]:
    definitions: dict[str, Any] = {}
    root = _schema(declared, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **root,
        "$defs": definitions,
    }


def _schema(expected: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, choices = get_origin(expected), get_args(expected)
    if origin is Literal:
        return {"enum": list(choices)}
    if origin in (Union, types.UnionType):
        found = [_schema(choice, definitions) for choice in choices if choice is not type(None)]
        return found[0] if len(found) == 1 else {"anyOf": found}
    if origin is tuple:
        return {"type": "array", "items": _schema(choices[0], definitions)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(choices[1], definitions)}
    if dataclasses.is_dataclass(expected) and isinstance(expected, type):
        name = f"{expected.__module__.rpartition('.')[2]}.{expected.__name__}"
        if name not in definitions:
            definitions[name] = {}  # a value may hold one of its own kind
            definitions[name] = _object(expected, definitions)
        return {"$ref": f"#/$defs/{name}"}
    if hasattr(expected, "parse"):
        return {"type": "string", "description": _about(expected)}
    return dict(SCALARS[expected])


def _object(expected: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(expected)
    fields = [field for field in dataclasses.fields(expected) if field.init]
    required = [
        field.name.rstrip("_")
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    return {
        "type": "object",
        "description": _about(expected),
        "properties": {field.name.rstrip("_"): _schema(hints[field.name], definitions) for field in fields},
        "required": required,
        "additionalProperties": False,
    }


def _about(expected: type) -> str:
    return " ".join((inspect.getdoc(expected) or "").split())
