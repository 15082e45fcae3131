"""How many of something an expectation demands."""

from __future__ import annotations

from scenarios.spec.declaration import declaration
from scenarios.spec.validate import check_least, given_keys

COUNTS = ("exactly", "at_least", "at_most")


@declaration
class Counted:
    """How many: `exactly`, or `at_least` and `at_most`. Nothing said: at least one."""

    exactly: int | None = None
    at_least: int | None = None
    at_most: int | None = None

    def __post_init__(self) -> None:
        if self.exactly is not None and len(given_keys(self, COUNTS)) > 1:
            raise ValueError("exactly: use either exactly, or at_least and at_most")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least: {self.at_least} is more than at_most, {self.at_most}")
        if self.at_least == 0:
            raise ValueError("at_least: 0 always holds; expected 1 or more, or at_most alone, or exactly: 0")
        for key in ("exactly", "at_most"):
            check_least(getattr(self, key) or 0, 0, key)
        check_least(1 if self.at_least is None else self.at_least, 1, "at_least")

    @property
    def least(self) -> int:
        if self.exactly is not None:
            return self.exactly
        return self.at_least if self.at_least is not None else 0 if self.at_most is not None else 1

    @property
    def most(self) -> int | None:
        return self.exactly if self.exactly is not None else self.at_most

    def holds(self, count: int) -> bool:
        return self.least <= count and (self.most is None or count <= self.most)

    @property
    def amount(self) -> str:
        """`exactly 2`, `2 to 5`, `at least 1`."""
        if self.most is None:
            return f"at least {self.least}"
        if self.most == self.least:
            return f"exactly {self.least}" if self.least else "none"
        return f"{self.least} to {self.most}" if self.least else f"at most {self.most}"

    @property
    def often(self) -> str:
        """`once`, `2 to 5 times`, `at least once`."""
        if self.most is not None and self.most == self.least:
            return {0: "never", 1: "once"}.get(self.least, f"{self.least} times")
        return "at least once" if (self.least, self.most) == (1, None) else f"{self.amount} times"
