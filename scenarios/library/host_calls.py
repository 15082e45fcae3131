"""How a call ended whose program is one of a host itself, by the words that a test gave for it.

Without such words it is read by its exit status alone, by the table of spec/outcome.py, which the lab's own programs
keep. With them it is read as a program of an image is (calls/contract.py).
"""

from __future__ import annotations

import dataclasses
import re
import signal

from scenarios.calls import contract
from scenarios.calls.call import Call
from scenarios.lab.errors import LabProblem
from scenarios.lab.process import Finished
from scenarios.spec.outcome import OF_STATUS, Outcome
from scenarios.spec.service_programs import OUR_PROGRAM, Client

NOT_BEGUN = (126, 127)  # exit statuses (POSIX, 2.8.2): there is no such program, or it cannot be run
UNKNOWN = frozenset({Outcome.FAILED, Outcome.CRASHED})  # what is made of an end of which nothing else is known


def read_by_words(call: Call, client: Client, cpu: str) -> Call:
    """The same call, as `prints`, `status`, `says` and `exits` of `client` have it; `cpu` is the host's.

    A program of the lab's own that ended with a status of the table is not made less known by that.
    """
    if call.outcome is Outcome.CANCELLED:
        return call
    status = call.status
    if status is None:
        status = 128 + signal.Signals[call.signal].value if call.signal else 0
    ran = Finished(call.argv, status, call.stdout, call.stderr, call.duration_s or 0.0)
    outcome, errno, conflict = contract.ended(client, ran, hung=call.outcome is Outcome.HUNG, cpu=cpu)
    if outcome in UNKNOWN and status and status in OF_STATUS and OUR_PROGRAM.match(client.run):
        return call
    return dataclasses.replace(call, outcome=outcome, errno=errno, conflict=conflict)


def check_began(call: Call) -> None:
    """Raise LabProblem for a program that could not be begun, as a wrong command: nothing was called."""
    if call.status not in NOT_BEGUN or call.stdout or not call.argv:
        return
    name = re.escape(call.argv[0])
    # What the fork server says of its exec, and tini, which begins the program of an image
    told = re.fullmatch(rf"(?:{name}: |\[FATAL tini \(\d+\)\] exec {name} failed: )([A-Z][^\n]+)\n?", call.stderr)
    if told:
        raise LabProblem(f"lab.call: `{call.argv[0]}` could not be begun on {call.host}: {told[1]}")
