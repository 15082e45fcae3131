"""The text of a file that a person wrote: of a file alone, of bounded size, in UTF-8, without control characters."""

from __future__ import annotations

from pathlib import Path

from scenarios.spec.declaration_error import NOT_PRINTABLE, DeclarationError

SIZE_LIMIT = 1 << 20  # bytes; a declaration is written by hand


def file_text(path: Path) -> str:
    """Return what a file holds. Raise DeclarationError where it is not a file, too large, or not text."""
    try:
        if path.exists() and not path.is_file():  # to open a pipe would be to wait for its writer
            raise DeclarationError(path, None, "expected a file, got a folder or a device")
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise DeclarationError(path, None, error.strerror or str(error)) from error
    if len(content) > SIZE_LIMIT:
        raise DeclarationError(path, 1, f"the file is larger than {SIZE_LIMIT} bytes, which is the limit")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DeclarationError(path, line, f"byte {error.start} is not UTF-8") from error
    text = text.removeprefix("\ufeff")  # a byte order mark
    if odd := NOT_PRINTABLE.search(text):
        line = text[: odd.start()].count("\n") + 1
        raise DeclarationError(path, line, f"not YAML: the control character U+{ord(odd[0]):04X} cannot stand here")
    return text
