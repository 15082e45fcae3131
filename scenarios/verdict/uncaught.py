"""How a program's standard error tells of an exception, and whether it shows that nobody caught it.

The runtimes of Go, Java, Node.js and Rust print words of their own for one that nobody caught. Python prints the same
traceback for it as `traceback.print_exc()` does where the outermost code of a program caught it, so of Python this
tells no more than that there is such a traceback. The rest tells nothing: in Ruby and in Java's `printStackTrace()` the
calls of one that was caught go back to the outermost too, and Perl's `die` is how a program says what failed.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from scenarios.lab.valueclass import valueclass

OF_JAVA: Final = re.compile(r'^Exception in thread "main" (?P<name>[\w.$]+)', re.MULTILINE)  # another ends no program
OF_RUST: Final = re.compile(r"^thread 'main' (?:\(\d+\) )?panicked at ", re.MULTILINE)
OF_GO: Final = re.compile(r"^(?P<name>panic|fatal error): ", re.MULTILINE)
# The first call is told behind it; of one that was caught it is who printed the calls: runtime/debug.PrintStack().
CALLS_OF_GO: Final = re.compile(r"^goroutine \d+ [^\n]*\[[^\n]*\]:\n(?!runtime/debug\.)", re.MULTILINE)
# Below the line of the source and its mark; the version is the runtime's last word.
OF_NODE: Final = re.compile(r"^[ \t]*\^+\n\n?\[?(?P<name>[A-Za-z_$][\w$.]*)?", re.MULTILINE)
END_OF_NODE: Final = re.compile(r"^Node\.js v\d", re.MULTILINE)
NO_ERROR_OF_NODE: Final = "(Use `node --trace-uncaught"  # it threw a string, say

HEAD: Final = re.compile(r"(?P<group>  \+ Exception Group )?Traceback \(most recent call last\):")
MARGIN: Final = "  | "  # of an exception group
END_OF_GROUP: Final = re.compile(r" {4}\+-+")  # no margin is before the second line of a message in it
CHAINED: Final = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
# What a worker of a pool of processes sends back with its exception, as the cause of it: a traceback in quotes.
OF_A_WORKER: Final = re.compile(r"(?P<margin>(?: +\| )?)(?:\w+\.)+_?RemoteTraceback: ?")
QUOTES: Final = ('"""', "'''")  # the latter of one that it could not send
BEHIND: Final = 4  # lines behind its quotes the exception is told to which it is chained
# The first call of a traceback that nobody caught on its way: of the program's file, or of `python -m`.
OUTERMOST: Final = re.compile(r'  File "[^\n]*", line \d+, in (?:<module>|_run_module_as_main)')
LAST_LINE: Final = re.compile(r"(?P<name>[A-Za-z_][\w.<>]*)(?::|$)")
# What follows it within its message: libpq, gRPC and SQLAlchemy go on so. Any other line may be the program's own.
OF_ITS_MESSAGE: Final = re.compile(r"\s|$|>$|\(Background on this error at: |\[(?:SQL|parameters): ")
# What the interpreter tells of beside it, before the traceback: none of these ends a program.
OF_NO_END: Final = re.compile(r"Exception ignored |Exception in thread |Process |future: |Task exception ")
A_WARNING: Final = re.compile(r"\S[^\n]*:\d+: \w*Warning: |  \S")  # with the line of its source


def uncaught(status: int, stderr: str) -> str:
    """What nobody caught, by name, as the words of its runtime show; empty where they do not show it."""
    if status == 101 and OF_RUST.search(stderr):
        return "panic"
    if status == 2 and (found := _last(OF_GO.finditer(stderr))) and CALLS_OF_GO.search(stderr, found.end()):
        return found["name"]
    if status != 1:
        return ""
    if found := _last(OF_JAVA.finditer(stderr)):
        return found["name"]
    if (end := _last(END_OF_NODE.finditer(stderr))) and (found := _last(OF_NODE.finditer(stderr, 0, end.start()))):
        threw_none = NO_ERROR_OF_NODE in stderr[found.end() : end.start()]
        return "exception" if threw_none else found["name"] or "exception"
    return ""


def _last(found: Iterator[re.Match[str]]) -> re.Match[str] | None:
    return next(iter([*found][-1:]), None)


@valueclass
class Traceback:
    """Python's, of an exception that reached the outermost code of a program, with which the program ended.

    `is_alone`: the program said nothing else of the failure.
    """

    name: str
    is_alone: bool


def traceback_in(status: int, stdout: str, stderr: str, usual: Collection[str] = ()) -> Traceback | None:
    """The traceback with which a program ended; None where it shows that the exception was caught, or is no end.

    `usual`: the lines that the program prints when all goes well, which tell of no failure.
    """
    lines = [line.rstrip("\r") for line in stderr.rstrip().split("\n")]
    found = [*_whole(lines)]
    outermost = [each for each in found if each.is_outermost(lines)]
    if status != 1 or len(outermost) != 1:  # of several it caught all but the last, at least
        return None
    ours = outermost[0]
    if any(each.begin > ours.begin and not each.is_no_end(lines) for each in found):
        return None  # the program went on after it
    at, told = ours.last_line(lines)
    if told is None:
        return None
    before = [line for line in lines[: ours.begin] if line and not A_WARNING.match(line)]
    ends = [at, *(number for number, line in enumerate(lines) if number > at and END_OF_GROUP.fullmatch(line))]
    behind = [line for line in lines[ends[-1] + 1 :] if not OF_ITS_MESSAGE.match(line)]
    own = [line for line in (*before, *behind, *stdout.splitlines()) if line.strip() and line not in usual]
    return Traceback(told, is_alone=not own and len(found) == 1)


@valueclass
class _Whole:
    """A traceback with those that it is chained to, which stand before it: the lines where they and it begin."""

    begin: int
    head: int

    def margin(self, lines: Sequence[str]) -> str:
        found = HEAD.fullmatch(lines[self.head])
        return MARGIN if found and found["group"] else ""

    def is_no_end(self, lines: Sequence[str]) -> bool:
        return self.begin > 0 and bool(OF_NO_END.match(lines[self.begin - 1]))

    def is_outermost(self, lines: Sequence[str]) -> bool:
        first = "".join(lines[self.head + 1 : self.head + 2])
        return bool(OUTERMOST.match(first.removeprefix(self.margin(lines)))) and not self.is_no_end(lines)

    def last_line(self, lines: Sequence[str]) -> tuple[int, str | None]:
        """The place of the line that names the exception, below the calls, and the name."""
        margin = self.margin(lines)
        for at in range(self.head + 1, len(lines)):
            if not (line := lines[at].removeprefix(margin)).startswith(" "):
                found = LAST_LINE.match(line)
                return at, found["name"] if found else None
        return len(lines), None


def _whole(lines: Sequence[str]) -> Iterator[_Whole]:
    of_workers = [*_of_workers(lines)]
    causes = {end + BEHIND: begin for begin, end in of_workers}  # by the place of that to which they are chained
    inside = {at for begin, end in of_workers for at in range(begin, end)}
    heads = [at for at, line in enumerate(lines) if HEAD.fullmatch(line) and at not in inside]
    begin: int | None = None
    for head, following in itertools.zip_longest(heads, heads[1:]):
        begin = causes.get(head, head) if begin is None else begin
        if following is None or lines[causes.get(following, following) - 2] not in CHAINED:
            yield _Whole(begin, head)
            begin = None


def _of_workers(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where the tracebacks of workers begin and end; one that stands in another, of a pool in a pool, is a part of it.

    Quotes may stand in a message too: the last ones have a sentence behind them, and the exception that it tells of.
    """
    opened: list[tuple[int, str, str]] = []
    for at, line in enumerate(lines):
        found, quotes = OF_A_WORKER.fullmatch(line), "".join(lines[at + 1 : at + 2])
        if found and quotes in QUOTES:
            opened.append((at, quotes, found["margin"]))
        elif opened and at > opened[-1][0] + 1 and line == opened[-1][1] and _is_cause(lines, at, opened[-1][2]):
            begin, _, _ = opened.pop()
            if not opened:
                yield begin, at


def _is_cause(lines: Sequence[str], end: int, margin: str) -> bool:
    """Whether an exception is chained to what ends there. In a group it may have no traceback of its own."""
    behind = [line.removeprefix(margin).strip() for line in lines[end + 1 : end + BEHIND]]
    is_head = bool(margin) or any(HEAD.fullmatch(line) for line in lines[end + BEHIND : end + BEHIND + 1])
    return behind == ["", CHAINED[0], ""] and is_head
