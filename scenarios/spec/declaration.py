"""What a person writes, as a value: a class whose fields are the keys of a mapping, for strict_yaml.py to read.

Its docstring is what the JSON Schema and docs/drills.md say of the mapping. Knows no class that is one.
"""

from __future__ import annotations

import dataclasses
from typing import TypeVar, dataclass_transform

Value = TypeVar("Value")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field,))
def declaration(values: type[Value]) -> type[Value]:
    """Make a dataclass of a class: frozen, slotted, and each value given by its key."""
    return dataclasses.dataclass(frozen=True, slots=True, kw_only=True)(values)
