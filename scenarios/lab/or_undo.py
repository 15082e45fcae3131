"""What is begun in several steps is undone where one of them fails, or is interrupted."""

from __future__ import annotations

from collections.abc import Callable


class OrUndo:
    """Call `undo` when an exception of any kind, Ctrl-C among them, leaves the `with` block. The exception goes on."""

    def __init__(self, undo: Callable[[], object]) -> None:
        self._undo = undo

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._undo()
