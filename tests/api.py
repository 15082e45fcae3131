"""What `faultwire` offers to a person's own tests, as docs/api.md has it: every public name with its signature.

    python -m tests.api        # writes that part of the page anew

A test compares the page with what this makes (tests/house/test_api_page.py).
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import scenarios
from scenarios import library
from scenarios.lab.topology import ROOT
from tests.made_part import with_part

PAGE: Final = ROOT / "docs" / "api.md"
CALLED: Final = {"FaultBlock": "fault"}  # as a test's variable would be
BUILT_BY_A_PERSON: Final = ("Lab",)  # the others come from its methods


def signature(function: Any) -> str:
    """Return the parameters and what comes back, as they are written in the code."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(node, ast.FunctionDef)
    node.args.args = [each for each in node.args.args if each.arg != "self"]
    returned = ast.unparse(node.returns) if node.returns else "None"
    return f"({ast.unparse(node.args)})" + (f" -> {returned}" if returned != "None" else "")


def members(name: str, of: type) -> Iterator[str]:
    """Yield a line for each public name of a class, in the order of the code."""
    fields = {each.name: each.type for each in dataclasses.fields(of)} if dataclasses.is_dataclass(of) else {}
    if hasattr(of, "_fields"):  # a named tuple
        fields = dict(of.__annotations__)
    for field, kind in fields.items():
        if not field.startswith("_"):
            yield f"{name}.{field}: {kind if isinstance(kind, str) else getattr(kind, '__forward_arg__', kind)}"
    for member, value in vars(of).items():
        if member.startswith("_") or member in fields:
            continue
        if isinstance(value, property):
            assert value.fget is not None
            yield f"{name}.{member}{signature(value.fget).replace('() ->', ':')}"
        elif callable(value):
            yield f"{name}.{member}{signature(value)}"


def listed() -> Iterator[str]:
    """Yield a line for each public name of the package, in the order of the alphabet."""
    for name in library.__all__:
        found = getattr(scenarios, name)
        is_error = issubclass(found, Exception)
        yield f"class {name}" + (signature(found.__init__) if name in BUILT_BY_A_PERSON else "")
        yield from () if is_error else members(CALLED.get(name, name.lower()), found)
        yield ""


def block() -> str:
    """Return the part of the page that lists them."""
    return "```python\n" + "\n".join(listed()).rstrip() + "\n```\n"


def page(text: str) -> str:
    """Return the text of the page with that part made anew."""
    return with_part(text, "tests.api", block())


def write(path: Path = PAGE) -> None:
    path.write_text(page(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    write()
