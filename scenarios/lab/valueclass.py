"""Values: classes whose instances are made whole, never change, and are equal where their fields are.

What changes, such as a count that goes on, is a plain `dataclass(slots=True)`, so that a reader sees which is which.
"""

from __future__ import annotations

import dataclasses
from typing import TypeVar, dataclass_transform

Value = TypeVar("Value")


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def valueclass(values: type[Value]) -> type[Value]:
    """Make a class one of values: a dataclass that is frozen, and has slots."""
    return dataclasses.dataclass(frozen=True, slots=True)(values)
