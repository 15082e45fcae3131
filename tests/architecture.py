"""The picture of the rooms in docs/architecture.md, made from the code's own imports.

    python -m tests.architecture        # writes it anew

A test compares the page with what this makes (tests/house/test_architecture.py).
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Final

import grimp

from scenarios.lab.topology import ROOT
from tests import rooms_picture
from tests.made_part import with_part

PAGE: Final = ROOT / "docs" / "architecture.md"


def rooms() -> list[str]:
    """Return the names of the rooms, the uppermost first, as the layers contract in pyproject.toml has them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers: list[str] = next(each["layers"] for each in contracts if each["type"] == "layers")
    return [room.strip() for layer in layers for room in layer.split("|")]


def purpose(room: str) -> str:
    """Return the first sentence of a room's docstring."""
    text = (ROOT / "scenarios" / room / "__init__.py").read_text("utf-8")
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring, f"{room} does not say what it is for"
    return " ".join(docstring.split("\n\n")[0].split())


def arrows() -> dict[str, set[str]]:
    """Return, for each room, the rooms that it imports."""
    graph = grimp.build_graph("scenarios", cache_dir=None)
    found: dict[str, set[str]] = {room: set() for room in rooms()}
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            one, other = (each.split(".")[1] for each in (f"{importer}.", f"{imported}."))
            if one in found and other in found and one != other:
                found[one].add(other)
    return found


def reduced(imports: Mapping[str, Set[str]]) -> list[tuple[str, str]]:
    """Return the arrows without those that a way over other rooms says too."""

    def reaches(room: str) -> set[str]:
        return {far for near in imports[room] for far in (near, *reaches(near))}

    return [
        (room, near)
        for room in imports
        for near in sorted(imports[room])
        if not any(near in reaches(other) for other in imports[room])
    ]


def in_short(room: str) -> str:
    """Return what a room is for in a few words, as a picture has them."""
    return purpose(room).split(":")[0].rstrip(".")


def drawn() -> str:
    """Return the same picture as SVG."""
    return rooms_picture.svg(rooms(), reduced(arrows()), {room: in_short(room) for room in rooms()})


def picture(order: Sequence[str], imports: Mapping[str, Set[str]]) -> str:
    """Return the picture and the table below it, as Markdown."""
    lines = ["```mermaid", "flowchart TB"]
    lines += [f'    {room}["<b>{room}</b><br/>{in_short(room)}"]' for room in order]
    lines += [f"    {one} --> {other}" for one, other in reduced(imports)]
    lines += ["```", "", "| room | what it is for | imports |", "|---|---|---|"]
    for room in order:
        below = ", ".join(each for each in order if each in imports[room])
        lines.append(f"| `{room}` | {purpose(room)} | {below or 'no other room'} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """Return the text of the page with the picture made anew."""
    return with_part(text, "tests.architecture", picture(rooms(), arrows()))


def write(path: Path = PAGE) -> None:
    path.write_text(page(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    write()
