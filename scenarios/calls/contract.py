"""Programs of a user: how the end of their calls is read, and whether they keep the contract. docs/your-own-program.md.

They run in an image of their own, beside a host and in its network. What they are told is in their command line and
their environment. How a call ended is read from the exit status and from what was printed, for they have no words of
ours: status 7 is "refused" for one program and a wrong command line for another. Only a client that keeps the contract
is read by its exit status alone, and that is not believed unasked (quic-interop-runner does so too).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from scenarios.calls import boxes, error_texts, on_cpus
from scenarios.calls.call import PRINTED, Ending
from scenarios.lab.control_sequences import without_sequences
from scenarios.lab.errors import UsageError
from scenarios.lab.guest import GUEST_LABEL, NO_LAB, guest_words, run_guest
from scenarios.lab.heartbeat import under_way
from scenarios.lab.image_notes import NOTES
from scenarios.lab.process import Finished
from scenarios.lab.topology import Family
from scenarios.spec.errno_numbers import NATIVE
from scenarios.spec.outcome import OF_ERRNO, OF_STATUS, Outcome, errno_from_stderr
from scenarios.spec.service import SERVICE_FILE, Service, ServiceChoice
from scenarios.spec.service_programs import Client

UNSUPPORTED: Final = 77
PROBED_WITHIN_S: Final = 30.0


def all_interfaces(chosen: ServiceChoice, families: Sequence[Family] = ()) -> str:
    """What a server is to bind for every interface, in every family that it speaks; "" is for programs of ours.

    `families`: in these alone.
    """
    if chosen.server_image is None:
        return ""
    return "::" if "ipv6" in (families or chosen.service.families) else "0.0.0.0"  # noqa: S104 (in a lab of no one else's)


# Outcomes that an errno can be: of these a program's own text is believed before its exit status, for a status of a
# program's own often stands for several (curl's 7 is every failure of connect()).
BY_ERRNO: Final = frozenset({*OF_ERRNO.values(), Outcome.FAILED})


def ended(client: Client, ran: Finished, *, hung: bool, cpu: str = NATIVE) -> Ending:
    """How a call of this client ended, and the errno by name, where it told one. `hung`: the lab had to end it; `cpu`:
    what it was built for.
    """
    raw = f"{ran.stdout}\n{ran.stderr}"
    text = without_sequences(raw)
    with_names = error_texts.with_names(text, cpu)
    if client.contract:
        outcome = Outcome.HUNG if hung else OF_STATUS.get(ran.status, Outcome.CRASHED)
        return Ending(outcome, errno_from_stderr(ran.stderr) if ran.status else None)
    if hung:
        # Its answer may be among what it printed; whether it is, only the packets can say (verdict/not_ended.py).
        has_printed = client.prints and _is_in(client.prints, text, raw)
        return Ending(Outcome.HUNG, error_texts.errno_in(with_names), PRINTED if has_printed else "")
    by_status = next((Outcome(word) for word in client.exits if ran.status in client.statuses(word)), None)
    right = by_status is None and ran.status == client.status and _is_in(client.prints, text, raw)
    for word, pattern in client.says.items():
        # Where the right answer is there too, the words are of a try before it: dig tells of each.
        before = right and client.prints and word != Outcome.WRONG_ANSWER.value
        if not before and _is_in(pattern, text, raw):
            return _by_words(Outcome(word), with_names)
    if right:
        return Ending(Outcome.ANSWERED, None)
    return _by_text(client, ran, with_names, by_status)


def _is_in(pattern: str, *texts: str) -> bool:
    """Whether somebody's pattern is in what was printed, without colours or with them."""
    return any(re.search(pattern, each, re.MULTILINE) for each in texts)


def _by_words(outcome: Outcome, text: str) -> Ending:
    """What `says` made of it; with the errno of another outcome, where only that was printed: it is a conflict."""
    other = error_texts.errno_in(text) if outcome in OF_ERRNO.values() else None
    return Ending(outcome, error_texts.errno_in(text, outcome) or (other if other in OF_ERRNO else None))


def _by_text(client: Client, ran: Finished, text: str, by_status: Outcome | None) -> Ending:
    told, status = error_texts.outcomes(text), ran.status
    if by_status and by_status in OF_ERRNO.values() and not told and (errno := error_texts.failure_in(text)):
        words = f"`exits` has {by_status.value} for status {status}, and it printed {errno}, which counts"
        return Ending(Outcome.FAILED, errno, words)
    if by_status is not None and (by_status not in BY_ERRNO or by_status in told or not told):
        return Ending(by_status, error_texts.errno_in(text, by_status))
    if told:
        both = f"`exits` has {by_status.value} for status {status}" if by_status else ""
        conflict = f"{both}, and it printed {told[-1].value}, which counts" if both else ""
        return Ending(told[-1], error_texts.errno_in(text, told[-1]), conflict)
    if status == client.status:
        return Ending(Outcome.WRONG_ANSWER, None)
    outcome = Outcome.CRASHED if status > 128 and not ran.is_own_status else Outcome.FAILED
    return Ending(outcome, error_texts.failure_in(text) or error_texts.errno_in(text))


def ready(services: Iterable[Service], say: Callable[[str], None], place: str = "") -> None:
    """Have the images of these services here and noted, built where they have a Dockerfile, and their clients probed.

    Raises UsageError for an image that is not here, and for a client that does not keep the contract it claims to.
    `place` begins the first where the service is no file's: who named the image.
    """
    for service in {each.service: each for each in services}.values():
        on_cpus.build_native(service, say)
        for image in service.images:
            if image not in service.dockerfiles and not NOTES.note(image):
                where = place if place and service.folder == Path() else service.folder / SERVICE_FILE
                raise UsageError(
                    f"{where}: image: {image!r} is not here; `docker pull {image}` gets it from a registry that has it"
                )
        for name, client in service.clients.items():
            if client.contract and service.image_of(name):
                with under_way(f"{service.service}, client {name}, is asked for an answer that no server has"):
                    _probe(service, name)


def _probe(service: Service, name: str) -> None:
    """Ask a client for what nobody can have. Raises UsageError unless it says that it does not support that."""
    client, nonsense = service.clients[name], f"nonsense-{secrets.token_hex(4)}"
    port = client.port or service.port
    argv = boxes.client_words(client.run, "127.0.0.1", port)
    box = boxes.of_client(service, name, "127.0.0.1", port, client.timeout_s)
    guest = f"faultwire-probe-{secrets.token_hex(4)}"
    assert box is not None  # noqa: S101 (ready asks)
    box = replace(box, environment={**box.environment, boxes.ASK: nonsense})
    # In no network: only its own mind can answer this. Its label is of no lab, so that `make clean` finds it.
    place = ("--network", "none", "--label", f"{GUEST_LABEL}=probe")
    ran = run_guest(guest, [*place, *guest_words(NO_LAB, box, argv, guest)], argv, PROBED_WITHIN_S, box)
    came = f"status {ran.status}" if ran else "nothing: it could not be started"
    if ran and ran.hung:
        came = f"no answer within {PROBED_WITHIN_S:g} s"
    if ran is None or ran.status != UNSUPPORTED:
        raise UsageError(
            f"{service.folder / 'service.yaml'}: clients.{name}.contract: asked for {nonsense!r} ({boxes.ASK}), "
            f"which no client knows: expected status {UNSUPPORTED} (unsupported), got {came}. So its exit statuses "
            "tell nothing. Mend it, or leave `contract` out and say with `exits`, `says` and `prints` how its calls end"
        )
