"""Calls of a test: a client that is started on a host of the lab, and ends by itself or at its deadline."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from types import TracebackType
from typing import Any, Final, Self

from scenarios.calls import boxes, contract
from scenarios.calls.call import Call, Pending
from scenarios.lab.errors import LabProblem, UsageError
from scenarios.library.ended import Ended
from scenarios.library.host_calls import check_began, read_by_words
from scenarios.library.programs import Program, caller_host, check_machine
from scenarios.library.session import Session
from scenarios.library.words import check_text, seconds
from scenarios.spec.declaration_error import advice, quoted
from scenarios.spec.program_ends import cpu_of

READ_BY: Final = ("prints", "status", "says", "exits")  # how a call ended is read by these, where one is given


def _as_is(call: Call) -> Call:
    return call


@dataclass(slots=True)
class Started:
    """A call under way. `wait` for its end, or leave the `with` block, which waits too; an error there ends it."""

    name: str
    _session: Session
    _pending: Pending
    _read: Callable[[Call], Call]
    ended: Ended | None = None

    def wait(self) -> Ended:
        """Wait until it has ended by itself, or hangs (the lab ends it after `within_s`), and say how."""
        if self.ended is None:
            ended = self._pending.wait()
            self._session.calls.pop(self.name, None)
            self._session.blocks.discard(self._pending)
            check_began(ended)
            call = self._read(ended)
            story = self._session.story
            story.calls.setdefault(self.name, []).append(call)
            story.logs.setdefault(self.name, []).extend((call.stdout + call.stderr).splitlines())
            story.note(f"{self.name} ended: {call.outcome.value}" + (f" ({call.errno})" if call.errno else ""))
            self.ended = Ended.of(call)
        return self.ended

    @property
    def lines(self) -> list[str]:
        """The whole lines that it has printed so far, those of standard output first."""
        return self.ended.printed.splitlines() if self.ended else self._pending.heard.lines

    def cancel(self) -> Ended:
        """End it now; its outcome is `cancelled`."""
        self._pending.cancel()
        return self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._give_up()
        else:
            self.wait()

    def _give_up(self) -> None:
        with contextlib.suppress(LabProblem):
            self.cancel()


def with_defaults(of: Callable[..., object], words: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """The keywords of a function, with the values that were given for them. Raises UsageError for one it has not."""
    usual = {name: each.default for name, each in signature(of).parameters.items() if each.kind is each.KEYWORD_ONLY}
    for word in words:
        if word not in usual:
            raise UsageError(f"{place}: unknown word {quoted(word)}{advice(word, usual)}")
    return {**usual, **words}


def start(session: Session, place: str, command: str | None, words: Mapping[str, Any]) -> Started:
    """Start a call. Raises UsageError for what cannot be called so, which begins with `place`; LabProblem."""
    within_s = seconds(words["within_s"], f"{place}: within_s")
    if not within_s:
        raise UsageError(f"{place}: within_s: expected more than 0, got 0")
    read_by: dict[str, Any] = {word: words[word] if word == "status" else words[word] or None for word in READ_BY}
    of_side = {"timeout_s": within_s, **read_by}
    program = Program(command, words["service"], words["image"], words["port"], words["environment"] or {}, of_side)
    from_, to, named = words["from_"], words["to"], words["named"]
    for key, each in (("named", named), ("to", to)):
        check_text(each, f"{place}: {key}")
    caller = caller_host(session, from_, f"{place}: from_")
    address = _address(session, to, named, f"{place}: to")
    called = session.servers.get(to)
    if program.port is None and called is not None:
        port: int | None = called.port
    else:
        port = program.port
    chosen = program.chosen(place, "client")
    if program.service is not None and port is None:
        port = chosen.port
    command = chosen.client.run
    if port is None and re.search(r"(?<!\{)\{port\}", command):
        raise UsageError(f"{place}: port: no server of this test runs on {to}; use port=…")
    check_machine(f"{place}: from_", caller, session, chosen.image)
    contract.ready([chosen.service], lambda _: None, place)
    argv = boxes.client_words(command, address, port or 0)
    box = boxes.of_client(chosen.service, chosen.client_name, address, port or 0, within_s)
    of_image = functools.partial(contract.ended, chosen.client) if box else None
    read_words = functools.partial(read_by_words, client=chosen.client, cpu=cpu_of(caller.end))
    has_words = any(program.of_side.get(word) is not None for word in READ_BY)
    for host, clock in session.clocks.values():
        if host is caller and box:
            raise UsageError(f"{place}: image: the clock of a program in an image of its own cannot be changed")
        argv = clock.argv_of(argv) if host is caller else argv
    name = session.story.next_name("call")
    session.story.note(f"{name}: `{command}` on the {from_} calls the {to}")
    session.stage.disturbed = True
    pending = session.stage.caller.start(caller.name, argv, timeout_s=within_s, box=box, read=of_image, hear=True)
    session.calls[name] = pending
    started = Started(name, session, pending, _as_is if box or not has_words else read_words)
    session.blocks.add(pending, name, started._give_up, is_call=True)
    return started


def _address(session: Session, to: str, named: str | None, key: str) -> str:
    if named is not None:
        return named
    if to == "nobody":
        return session.cast.address("nobody")
    if to == "firewall":
        return session.cast.addresses("firewall")[0]
    return session.host(to, key).address(session.family)  # type: ignore[arg-type] # host refuses others
