"""What makes a fork fast: all that a client will need is imported, and run once, before the fork.

Rule: a client itself is never imported, only what it imports. So a program that has no `if __name__ == "__main__"`
runs when it is called, and not before. A library that does something when it is imported does it in the fork server.
"""

import ast
import contextlib
import gc
import importlib
import importlib.util
import os
import runpy
import sys
from pathlib import Path
from typing import Final

from services.outcome import CallError

REHEARSAL: Final = "services.forkserver.rehearsal"
_REHEARSALS: Final = 3


def warm(module: str) -> list[str]:
    """Import what a module imports. Which of those could not be; the module itself, if it cannot be found or read."""
    try:
        spec = importlib.util.find_spec(module)
        source = spec.loader.get_source(module) if spec and spec.loader else None  # type: ignore[attr-defined]
        tree = ast.parse(source or "")
    except BaseException:  # whatever its package does when that is imported, SystemExit too
        return [module]
    if spec is None or source is None:
        return [module]
    package = spec.name if spec.submodule_search_locations else spec.parent
    missing = [name for name in _imports(tree, package or "") if not _imported(name)]
    for stream in (
        sys.stdout,
        sys.stderr,
    ):  # what an import printed must not wait in the buffer that each fork inherits
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    gc.collect()
    gc.freeze()  # so that a child's collections do not write to, and so copy, what it shares with us
    return missing


def _imports(tree: ast.Module, package: str) -> list[str]:
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names.append(base)
            names += [f"{base}.{alias.name}" for alias in node.names if _is_module(base, alias.name)]
    return list(dict.fromkeys(names))


def _is_module(package: str, name: str) -> bool:
    try:
        return importlib.util.find_spec(f"{package}.{name}") is not None
    except BaseException:  # the package is none, or fails when it is imported
        return False


def _imported(name: str) -> bool:
    try:
        importlib.import_module(name)
    except BaseException:
        return False
    return True


def rehearse() -> None:
    """Run rehearsal.py as a client is run; what it prints is for nobody.

    Under emulation, code that has run once is translated, and a fork inherits the translation: it made a client's
    first 50 ms of processor into 10. What Python imports at the first use (the codec of names) comes here too.
    """
    argv = sys.argv
    try:
        for _ in range(_REHEARSALS):
            sys.argv = [REHEARSAL, "127.0.0.1", "0", "Hello"]
            with (
                Path(os.devnull).open("w", encoding="utf-8") as nobody,
                contextlib.redirect_stdout(nobody),
                contextlib.redirect_stderr(nobody),
                contextlib.suppress(SystemExit, OSError, CallError),
            ):
                runpy.run_module(REHEARSAL, run_name="__main__", alter_sys=True)
    finally:
        sys.argv = argv
