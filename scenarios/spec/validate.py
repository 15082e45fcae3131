"""Checks that several words of a drill share; each raises ValueError that begins with the key."""

from __future__ import annotations

import functools
import re
import shlex
from dataclasses import fields

from scenarios.spec.declaration_error import quoted

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
DNS_NAME = re.compile(r"(?=.{1,253}\Z)(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")  # RFC 1035, 2.3.4
SERVICE_PLACE = "{service}"


def check_least(value: int, least: int, key: str) -> None:
    """Raise ValueError for a number that is too small."""
    if value < least:
        raise ValueError(f"{key}: expected at least {least}, got {value}")


def check_words(text: str, key: str) -> None:
    """Raise ValueError unless a shell could split it into words."""
    try:
        shlex.split(text)
    except ValueError as error:
        raise ValueError(f"{key}: {quoted(text)} cannot be split into words: {str(error).lower()}") from error


def check_name(name: str, what: str) -> None:
    """Raise ValueError unless it is a name: small letters, digits and hyphens."""
    if not NAME.fullmatch(name):
        raise ValueError(f"name: expected small letters, digits and hyphens for a {what}, got {quoted(name)}")


@functools.cache
def names_of_fields(kind: type) -> tuple[str, ...]:
    """The names of the fields of a dataclass."""
    return tuple(field.name for field in fields(kind))


def given_keys(value: object, among: tuple[str, ...] = ()) -> list[str]:
    """The fields of a dataclass that were given (that are not None), as a file writes them."""
    names = among or names_of_fields(type(value))  # type: ignore[arg-type]  # a class has a hash
    return [name.rstrip("_") for name in names if getattr(value, name) is not None]


def check_one(value: object, what: str, among: tuple[str, ...] = ()) -> None:
    """Raise ValueError unless exactly one of the fields was given."""
    names = among or names_of_fields(type(value))  # type: ignore[arg-type]  # a class has a hash
    given = given_keys(value, among)
    if len(given) != 1:
        there_are = ", ".join(name.rstrip("_") for name in names)
        raise ValueError(f"{what} has exactly one of {there_are}; this has {' and '.join(given) or 'none of them'}")
