"""A right text with one mistake in it, and what is told of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from scenarios.spec.declaration_error import DeclarationError

Mistakes = Mapping[str, Mapping[str, str]]  # what is replaced, by what, and what is told


def rows(mistakes: Mistakes) -> list[tuple[str, str, str]]:
    """What is replaced, by what, and what is told: a row for each."""
    return [(old, new, told) for old, changes in mistakes.items() for new, told in changes.items()]


def each_mistake(mistakes: Mistakes) -> pytest.MarkDecorator:
    """Run a test once for each of them: its `old`, its `new`, and what is `told`."""
    return pytest.mark.parametrize(("old", "new", "told"), rows(mistakes))


def changed(text: str, old: str, new: str) -> str:
    """Return the text with its first `old` replaced. Fails where it has none, for then there is no mistake in it."""
    assert old in text
    return text.replace(old, new, 1)


def refusal(read: Callable[..., object], *given: object) -> DeclarationError:
    """Return the error with which `read` refuses what it is given. Fails where it takes it."""
    with pytest.raises(DeclarationError) as raised:
        read(*given)
    return raised.value
