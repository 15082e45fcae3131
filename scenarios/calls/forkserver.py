"""The program that stays on a host and forks for each call, and its messages to and from the lab.

`python -m services.forkserver` is the other end.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, cast

from scenarios.calls.call import ANSWERS_WITHIN_S, Call, Gate, Heard, Hold, Pending, Signalled, module_called
from scenarios.lab.errors import LabProblem
from scenarios.lab.json_lines import Child
from scenarios.lab.lab import Lab
from scenarios.lab.places import typed
from scenarios.lab.process import STOP_WITHIN_S, Printed, Running
from scenarios.lab.waiting import Meanwhile, nothing
from scenarios.spec.outcome import OF_STATUS, Outcome, errno_from_stderr

FORK_SERVER: Final = "services.forkserver"
MARK: Final = "FAULTWIRE_FORKSERVER"  # in the environment of a fork server, and so of all that it starts
OPENS_WITHIN_S: Final = 30.0
LOOKS_EVERY_S: Final = 0.2  # whether a wait is to be ended
CLOSES_WITHIN_S: Final = 5.0
PROBLEMS_LIMIT: Final = 20  # of what a fork server said of commands that it did not do, from the end


class _Followed:
    """A program that a fork server runs, as `Running` wants a stream: of a Popen it has what is used of one."""

    def __init__(self, over: Callable[[], str]) -> None:
        self._over = over  # why nothing more is heard of it, or nothing
        self.began, self.has_ended, self.stopped = threading.Event(), threading.Event(), threading.Event()
        self.signalled = threading.Semaphore(0)  # a signal more was sent, or none need be waited for
        self.pid: int | None = None
        self.refused = ""  # why it was not started
        self.end: Mapping[str, Any] = {}  # what the fork server said of it, when it has ended
        self.printed = Printed()
        self.stdout = io.BytesIO()  # what is printed comes by `note`

    def note(self, said: Mapping[str, Any]) -> None:
        if "began" in said:
            self.pid = said["pid"]
            self.began.set()
        elif "printed" in said:
            self.printed.take(said["text"])
        elif "signalled" in said:
            self.signalled.release()
        elif "ended" in said:
            if said["dropped"]:
                self.printed.cut(f"on its machine: {said['dropped']:,} bytes are missing")
            self.printed.end()
            self.end = said
            self.has_ended.set()
        else:
            self.refused = said.get("error", "")
            self.give_up()

    def give_up(self) -> None:
        """Nothing more is heard of it."""
        self.printed.end()
        for each in (self.began, self.has_ended, self.stopped):
            each.set()
        self.signalled.release()

    @property
    def returncode(self) -> int | None:
        """Its exit status, as a shell has it: 128 and the number of the signal, where that ended it."""
        if not self.has_ended.is_set():
            return None
        if not self.end:
            raise LabProblem(self._over() or self.refused)
        name = self.end["signal"]
        return int(self.end["status"]) if name is None else 128 + signal.Signals[name].value

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, within_s: float) -> int | None:
        self.has_ended.wait(within_s)
        return self.returncode


class WarmRunning(Running):
    """A program that a fork server runs. Beyond what any Running has, its process id on its host is known."""

    def __init__(self, followed: _Followed, what: str, say: Callable[[Mapping[str, object]], None], name: str) -> None:
        self._followed, self._say, self._name = followed, say, name
        super().__init__(cast("subprocess.Popen[bytes]", followed), what, self._send)
        self._printed = followed.printed
        self.lines = followed.printed.lines

    def _send(self, signal_name: str) -> None:
        """It has been sent when this returns: else a call might be answered by a server that is about to be paused."""
        if self._followed.stopped.is_set():
            return
        self._say({"signal": signal_name, "to": self._name})
        if not self._followed.signalled.acquire(timeout=ANSWERS_WITHIN_S):
            raise LabProblem(f"SIG{signal_name} was not sent to {self._what} within {ANSWERS_WITHIN_S:g} s")

    @property
    def pid(self) -> int:
        """On its host."""
        assert self._followed.pid is not None  # noqa: S101 (for mypy: it has begun)
        return self._followed.pid

    def wait(self, within_s: float) -> int | None:
        """Its exit status, when it has ended; None when it has not, in that time."""
        return self._followed.wait(within_s)

    def stop(self) -> int:
        """End it, and all that it started: SIGTERM, after STOP_WITHIN_S seconds SIGKILL; one that a SIGSTOP holds at
        once. Its exit status, 128 and more after a signal. Raises LabProblem when the fork server is gone.
        """
        if not self._followed.stopped.is_set():
            with contextlib.suppress(LabProblem):  # told below
                self._say({"stop": self._name})
            if not self._followed.stopped.wait(STOP_WITHIN_S + ANSWERS_WITHIN_S):
                raise LabProblem(f"{self._what} could not be ended; it printed: {self.printed}")
        status = self._followed.returncode
        assert status is not None  # noqa: S101 (for mypy: who was stopped has ended)
        return status


@dataclass(slots=True)
class _OpenCall:
    """A call that a fork server has not answered yet."""

    argv: tuple[str, ...]
    warm: bool
    future: Future[Call] = field(default_factory=Future)
    heard: Heard = field(default_factory=Heard)
    signals: list[int] = field(default_factory=list)  # the process, for each signal that was sent


class ForkServer:
    """The program that stays on one host."""

    def __init__(self, lab: Lab, host: str, modules: Sequence[str]) -> None:
        self._lab, self.host = lab, host
        self._token = f"{MARK}={secrets.token_hex(8)}"
        self._warm = set(modules)
        self._open_calls: dict[str, _OpenCall] = {}
        self._held: dict[str, int] = {}
        self._followed: dict[str, _Followed] = {}
        self._changed = threading.Condition()
        self._ready = False
        self._problems: list[str] = []
        self._names = itertools.count()
        # env(1), and not `docker exec --env`: so that its whole environment, which a sweep looks for, is its own.
        command = ["env", self._token, "python", "-m", FORK_SERVER, *modules]
        advice = {f"No module named {FORK_SERVER}": f"`{typed('images')}` brings the images up to date"}
        what = f"the fork server of {host}"
        self._child = Child(lab.open(host, command), what, hear=self._note, ended=self._give_up, advice=advice)

    @property
    def over(self) -> str:
        """Why nothing more is heard of it; empty while it runs."""
        return self._child.over

    def wait_until_ready(self) -> None:
        self._wait(lambda: self._ready, "become ready", OPENS_WITHIN_S)

    def wait_until_held(self, gate: str, calls: Sequence[Future[Call]], within_s: float, meanwhile: Meanwhile) -> None:
        """Until all of these calls are held; one that has ended already (a wrong command line) is not waited for."""

        def held() -> bool:
            return self._held.get(gate, 0) >= sum(not call.done() for call in calls)

        self._wait(held, f"hold {len(calls)} calls", within_s, meanwhile)

    def _wait(self, condition: Callable[[], bool], to: str, within_s: float, meanwhile: Meanwhile = nothing) -> None:
        until_s = time.monotonic() + within_s
        with self._changed:
            while not self._changed.wait_for(lambda: condition() or self.over, min(within_s, LOOKS_EVERY_S)):
                meanwhile()
                if time.monotonic() >= until_s:
                    raise self._problem(f"did not {to} within {within_s:g} s")
        if not condition():
            raise LabProblem(self.over)

    def _problem(self, what_it_did: str) -> LabProblem:
        said = [str(self._child.problem(what_it_did)), *self._problems]
        return LabProblem("\n".join(said))

    # What it says

    def _note(self, said: Mapping[str, Any]) -> None:
        with self._changed:
            self._take(said)
            self._changed.notify_all()

    def _give_up(self, why: str) -> None:
        """Nothing more is heard of it."""
        with self._changed:
            for asked in self._open_calls.values():
                asked.future.set_exception(LabProblem(why))
            self._open_calls.clear()
            for followed in self._followed.values():
                followed.give_up()
            self._followed.clear()
            self._changed.notify_all()

    def _take(self, said: Mapping[str, Any]) -> None:
        if "ready" in said:
            self._ready = True
        elif followed := self._followed.get(_about(said)):
            followed.note(said)
            if "stopped" in said or "serve" in said:
                del self._followed[_about(said)]
        elif "signalled" in said:
            if asked := self._open_calls.get(said["to"]):
                asked.signals.append(said["pid"])
        elif "held" in said and "calls" in said:
            self._held[said["held"]] = len(said["calls"])
        elif "printed" in said:
            if asked := self._open_calls.get(said["printed"]):
                asked.heard.take(said["text"], said["on"])
        elif "ended" in said:
            if asked := self._open_calls.pop(said["ended"], None):
                asked.future.set_result(_call(self.host, asked, said))
        elif "error" in said:
            why = f"{self.host}: {said['error']}"
            if asked_of := self._open_calls.pop(said.get("call", ""), None):
                asked_of.future.set_exception(LabProblem(why))
            elif not said.keys() & {"cancel", "signal", "stop"}:  # what they are for may have ended meanwhile
                del self._problems[: -PROBLEMS_LIMIT + 1]
                self._problems.append(why)

    # What it is told

    def say(self, command: Mapping[str, object]) -> None:
        """Tell it something. Raises LabProblem when it has ended, or does not read in time."""
        self._child.say(command, ANSWERS_WITHIN_S)
        if self.over:
            raise LabProblem(self.over)

    def start(self, argv: Sequence[str], timeout_s: float, gate: Gate | None, hold: Hold, *, hear: bool) -> Pending:
        name = str(next(self._names))
        module = self._make_warm(argv)
        asked = _OpenCall(tuple(argv), bool(module))
        with self._changed:
            if self.over:
                raise LabProblem(self.over)
            self._open_calls[name] = asked
        command = {"call": name, "argv" if module else "exec": list(module or argv), "timeout_s": timeout_s}
        if hear:
            command["told"] = True
        if gate:
            command |= {"barrier": gate.name, "hold": hold if module else "start"}
            gate.fork_servers.setdefault(self, []).append(asked.future)
        self.say(command)
        cancel, heard = (lambda: self.say({"cancel": name})), asked.heard
        return Pending(
            self.host, argv, timeout_s, asked.future, cancel, heard, lambda signal: self._signal(signal, name)
        )

    def _signal(self, signal_name: str, to: str) -> Signalled:
        """Send a signal to a call. It has been sent when this returns, or the call had ended."""
        with self._changed:
            asked = self._open_calls.get(to)
            before = len(asked.signals) if asked else 0
        if asked is None:
            return Signalled(sent=False)
        self.say({"signal": signal_name, "to": to})

        def answered() -> bool:
            return len(asked.signals) > before or to not in self._open_calls

        self._wait(answered, f"send SIG{signal_name}", ANSWERS_WITHIN_S)
        return Signalled(sent=True, pid=asked.signals[-1]) if len(asked.signals) > before else Signalled(sent=False)

    def run(self, argv: Sequence[str]) -> WarmRunning:
        """Start a program that runs until it is stopped."""
        name = str(next(self._names))
        module = self._make_warm(argv)
        followed = _Followed(lambda: self.over)
        with self._changed:
            if self.over:
                raise LabProblem(self.over)
            self._followed[name] = followed
        self.say({"serve": name, "argv" if module else "exec": list(module or argv)})
        what = f"`{' '.join(argv)}` on {self.host}"
        if not followed.began.wait(OPENS_WITHIN_S):
            raise self._problem(f"did not start {what} within {OPENS_WITHIN_S:g} s")
        if followed.pid is None:
            raise LabProblem(f"{what} was not started: {followed.refused or self.over}")
        return WarmRunning(followed, what, self.say, name)

    def _make_warm(self, argv: Sequence[str]) -> tuple[str, ...]:
        """The module that is run, and its words, as `module_called` has them; it is warm then."""
        module = module_called(argv)
        if module and module[0] not in self._warm:
            self._warm.add(module[0])
            self.say({"warm": module[0]})
        return module

    def close(self) -> None:
        """End it, and all that it started."""
        if self._child.close(CLOSES_WITHIN_S) != 0:  # it was killed, or crashed, or did not hear us
            # What it started is found by its mark. Where the machine itself does not run, nothing of it does.
            with contextlib.suppress(LabProblem):
                self._lab.sweep(self.host, self._token)


def _about(said: Mapping[str, Any]) -> str:
    """Of which program an answer is."""
    found = next((said[key] for key in ("began", "printed", "ended", "stopped", "serve", "to") if key in said), "")
    return str(found)


def outcome(status: int | None, *, timed_out: bool = False, cancelled: bool = False) -> Outcome:
    if cancelled:
        return Outcome.CANCELLED
    if timed_out:
        return Outcome.HUNG
    return OF_STATUS.get(-1 if status is None else status, Outcome.CRASHED)


def _call(host: str, asked: _OpenCall, said: Mapping[str, Any]) -> Call:
    return Call(
        host=host,
        argv=asked.argv,
        outcome=outcome(said["status"], timed_out=said["timed_out"], cancelled=said["cancelled"]),
        errno=errno_from_stderr(said["stderr"]) if said["status"] else None,
        status=said["status"],
        signal=said["signal"],
        stdout=said["stdout"],
        stderr=said["stderr"],
        dropped_bytes=said["stdout_dropped"] + said["stderr_dropped"],
        started_s=said["started"],
        duration_s=said["duration_s"],
        cpu_s=said["cpu_s"],
        warm=asked.warm,
    )
