"""A mapping in which exactly one of the keys is given: a step, an expectation, what a control is run with."""

from __future__ import annotations

from typing import ClassVar

from scenarios.spec.declaration import declaration
from scenarios.spec.validate import check_one


@declaration
class OneOf:
    """Exactly one of its keys is given; `WHAT` is what it is, for the message where that is not so."""

    WHAT: ClassVar[str]

    def __post_init__(self) -> None:
        check_one(self, self.WHAT)
