"""A command line as a file has it: its words, and the placeholders in it that the lab fills in.

No shell reads it, so a word that only a shell understands is refused, with what to write in its place.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from scenarios.spec.declaration_error import advice, quoted

PLACEHOLDERS: Final = ("host", "port", "bind")  # whom to call, at which port; and where to listen
# For programs of an image: the certificates of the lab's authority and of the host, and the host's key.
PLACEHOLDERS_OF_GUESTS: Final = (*PLACEHOLDERS, "ca", "cert", "key")
_PLACE: Final = re.compile(r"\{\{(\w+)\}\}|\{(\w+)\}")  # `{{word}}` stands for `{word}` itself
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*=")
_VARIABLE: Final = re.compile(r"\$(?:[A-Za-z_]\w*|\{\w+\})")
# Longest first: what a shell takes for an operator wherever it stands unquoted, and what only between words.
_OPERATORS: Final = ("&&", "||", "|", ">>", ">", "<<", "<")
_BETWEEN_WORDS: Final = ("&", ";")
_HAS_NOTHING_FOR_A_SHELL: Final = re.compile(r"[^`$&|<>;]*")


def filled(text: str, **values: object) -> str:
    """The text with its placeholders filled in. Raises KeyError for a placeholder that has no value."""
    return _PLACE.sub(lambda found: f"{{{found[1]}}}" if found[1] else str(values[found[2]]), text)


def words(command: str, **values: object) -> list[str]:
    """The words of a command line, as a shell would cut it, with {host} and {port} (of the server) in their places."""
    return [filled(word, **values) for word in shlex.split(command)]


def problems_of_placeholders(text: str, key: str, places: Sequence[str]) -> Iterator[str]:
    """What is wrong with the placeholders of a text."""
    for name in sorted({found[2] for found in _PLACE.finditer(text) if found[2]} - set(places)):
        yield (
            f"{key}: unknown placeholder {{{name}}}{advice(name, places)}; "
            f"`{{{{{name}}}}}` gives the program {{{name}}} as it stands here"
        )


def problems_of_command(command: str, key: str, places: Sequence[str] = PLACEHOLDERS) -> Iterator[str]:
    """What is wrong with a command line; each problem begins with the key."""
    try:
        cut = shlex.split(command)
    except ValueError as error:
        yield f"{key}: {quoted(command)} cannot be split into words: {str(error).lower()}"
        return
    if not cut or not cut[0]:
        yield f"{key}: the command is empty"
        return
    if _ASSIGNMENT.match(command.lstrip()):
        name = cut[0].partition("=")[0]
        yield f"{key}: `{name}=…` before a command is for a shell, and no shell reads this: use the key `environment`"
    elif word := _of_a_shell(command):
        yield (
            f"{key}: `{word}` is for a shell, and no shell reads this: write `sh -c '…'` around the whole command, "
            f"or '{word}' in quotes to hand it to the program as it is"
        )
    # In the words, as they are filled in: `{h\\ost}` and `{h''ost}` are {host} only when they are cut.
    yield from problems_of_placeholders(" ".join(cut), key, places)


def check_command(command: str, key: str, places: Sequence[str] = PLACEHOLDERS) -> None:
    """Raise ValueError for the first thing that is wrong with a command line."""
    for problem in problems_of_command(command, key, places):
        raise ValueError(problem)


def _of_a_shell(command: str) -> str:
    """The first that only a shell understands: an operator, a command in `$( )` or backticks, a variable; or empty."""
    if _HAS_NOTHING_FOR_A_SHELL.fullmatch(command):
        return ""  # most commands: the rest would look at each character
    at, quote = 0, ""
    while at < len(command):
        here = command[at]
        if here == "\\" and quote != "'":
            at += 2
            continue
        if here == quote:
            quote = ""
        elif not quote and here in "'\"":
            quote = here
        elif quote != "'":
            if here == "`" or command.startswith("$(", at):
                return "`" if here == "`" else "$( )"
            if variable := _VARIABLE.match(command, at):
                return variable[0]
            if not quote and (found := _operator(command, at)):
                return found
        at += 1
    return ""


def _operator(command: str, at: int) -> str:
    found = next((each for each in _OPERATORS if command.startswith(each, at)), "")
    if not found and command[at] in _BETWEEN_WORDS:
        ends_a_word = at + 1 == len(command) or command[at + 1].isspace()
        found = command[at] if ends_a_word else ""
    return found


def filled_mapping(texts: Mapping[str, str], **values: object) -> dict[str, str]:
    """Each text with its placeholders filled in, under its own key."""
    return {key: filled(text, **values) for key, text in texts.items()}
