"""What became of a service under a failure, in one word: how the call ended, whether others were served meanwhile, and
whether it was well again; each beside what is promised. Judges what others performed, and performs nothing.

A promise stands in three places, each said once: the drill's claim (how the call ends), the drill's `others` and
`afterwards` (what the failure does to everybody, whoever serves), and the `serves` of the server in its service.yaml.
The matrix is coloured by these, not by what was seen before. `serves: one at a time` lets others wait under any drill,
also where they need not: a promise for each drill would be a second catalogue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from scenarios.calls.call import Call
from scenarios.evidence.record import Beside, Patience, Seen
from scenarios.evidence.stalls import COURSE_SLACK_S, ended_by_a_stall, may_enter
from scenarios.lab.valueclass import valueclass
from scenarios.spec.cell import Cell
from scenarios.spec.outcome import Outcome
from scenarios.spec.roles import SERVER
from scenarios.spec.service import ServiceChoice
from scenarios.spec.service_programs import Serves
from scenarios.spec.units import Band, Seconds
from scenarios.spec.validate import SERVICE_PLACE
from scenarios.verdict.behaviour import Behaviour, claimed_outcomes
from scenarios.verdict.check import Verdict

UNASKED, UNKNOWN = "not asked", "not known"
WELL, SERVED, LATE, UNSERVED, FAILED, GONE = "well", "served", "served late", "not served", "failed", "gone"
AS_EVER = (SERVED, WELL, UNASKED)  # of other clients, and of the service afterwards: what needs no words
BLOCKED, SURVIVED = "blocked others", "survived"
NOTHING = "what the drill claims"  # where that is what kernel and network do, whatever the program is
# What other clients can meet with, by what the server's documentation says of how many it serves.
MEANWHILE: Mapping[Serves, frozenset[str]] = {
    "many": frozenset({SERVED}),
    "one at a time": frozenset({SERVED, LATE, UNSERVED}),
    "one": frozenset({SERVED, LATE, UNSERVED, FAILED, GONE}),
}
AFTERWARDS: Mapping[Serves, frozenset[str]] = {
    "many": frozenset({WELL}),
    "one at a time": frozenset({WELL, LATE, UNSERVED}),  # one that only holds its connection keeps the next waiting
    "one": frozenset({WELL, UNSERVED, FAILED, GONE}),  # one that comes while the first is there is reset at its end
}


@valueclass
class Survival:
    """One cell of the matrix. `kind` is the word without its details; each promise is what was to be expected."""

    word: str
    kind: str
    promised: str
    as_promised: bool | None  # None: nothing is known, and nothing was promised of that
    others: str
    others_promised: str
    others_as_promised: bool | None
    after: str
    after_promised: str
    after_as_promised: bool | None

    @property
    def is_as_promised(self) -> bool | None:
        """Whether all three are. None: of the call nothing is known, or of one of the others, and the rest is kept."""
        kept = (self.as_promised, self.others_as_promised, self.after_as_promised)
        if self.as_promised is None or (None in kept and False not in kept):
            return None
        return all(kept)

    @property
    def notes(self) -> tuple[tuple[bool | None, str], ...]:
        """What is worth a line under the word, each with whether it is as promised; None: that is not known."""
        found: list[tuple[bool | None, str]] = []
        if self.as_promised is False:
            found.append((False, f"promised: {self.promised}"))
        for who, seen, kept in (
            ("others", self.others, self.others_as_promised),
            ("after", self.after, self.after_as_promised),
        ):
            if not kept or _kind(seen) not in AS_EVER:
                found.append((kept, f"{who}: {_kind(seen)}"))
        return tuple(found)

    @property
    def otherwise(self) -> str:
        """What is not as promised, in words; empty when all is, or where the drill failed for another reason."""
        found = []
        if self.as_promised is False and self.kind != self.promised:
            found.append(f"{self.word}, promised: {self.promised}")
        if self.others_as_promised is False:
            found.append(f"others meanwhile: {self.others}, promised: {self.others_promised}")
        if self.after_as_promised is False:
            found.append(f"afterwards: {self.after}, promised: {self.after_promised}")
        return "; ".join(found)

    @property
    def unknown(self) -> str:
        """What is not known of others and of the service afterwards, in words; empty when all is."""
        found = (
            ("others meanwhile", self.others, self.others_as_promised),
            ("afterwards", self.after, self.after_as_promised),
        )
        return "; ".join(f"{who}: {seen}" for who, seen, kept in found if kept is None)


def is_measurable(cell: Cell) -> bool:
    """Whether others and afterwards mean something: not where another program stands in the server's place.

    Nor where the client runs inside a service of a composition: another one there has the same address.
    """
    if cell.chosen.client.in_:
        return False
    instead = [fault.replace for fault in cell.drill.faults if fault.replace and fault.replace.who == SERVER]
    return all(SERVICE_PLACE in each.run for each in instead)


@valueclass
class _Encounter:
    """What others met with meanwhile and the client afterwards, beside what they may."""

    others: str
    may_meet: frozenset[str]
    after: str
    may_find: frozenset[str]


def _encounter(cell: Cell, beside: Beside | str) -> _Encounter:
    if not beside:
        unasked = frozenset({UNASKED})
        return _Encounter(UNASKED, unasked, UNASKED, unasked)
    drill, serves = cell.drill, cell.chosen.server.serves
    may_meet = MEANWHILE[serves]
    if drill.others:
        may_meet = frozenset(drill.others) | may_meet - {SERVED}
    may_find = frozenset({GONE}) if drill.afterwards == "gone" else AFTERWARDS[serves]
    may_meet, may_find = (_as_clients_say(cell.chosen, each) for each in (may_meet, may_find))
    if isinstance(beside, str):
        return _Encounter(f"{UNKNOWN}: {beside}", may_meet, f"{UNKNOWN}: {beside}", may_find)
    others = _doubted(*_others(beside.meanwhile, beside.patience), may_meet, beside)
    after = _doubted(*_afterwards(beside.afterwards, beside.patience), may_find, beside)
    return _Encounter(others, may_meet, after, may_find)


def _as_clients_say(chosen: ServiceChoice, may_be: frozenset[str]) -> frozenset[str]:
    """What a server may be to a client, as this one would say it.

    Whether one that calls a server that is gone says that it was refused is its own affair: it may say something that
    the lab does not read, or wait for the server, and try again until its time is over. That it is not served is all.
    """
    keeps_contract = chosen.image is None or chosen.client.contract
    return may_be if keeps_contract or GONE not in may_be else may_be | {UNSERVED, FAILED}


def stood_still(cell: Cell, beside: Beside | str) -> bool:
    """Whether a stall may have made what is not as promised of others, or afterwards: it is worth another try."""
    encounter = _encounter(cell, beside)
    return isinstance(beside, Beside) and UNKNOWN in (_kind(encounter.others), _kind(encounter.after))


def survival(
    cell: Cell, verdict: Verdict, seen: Seen | None, beside: Beside | str, did: Behaviour | None = None
) -> Survival:
    """The cell's word. `seen` is the run with the fault; `beside`, where it is a text, is why nothing is known of it.

    An empty text: others and afterwards were not asked. What the program `did` is the word of one that nobody here
    wrote, and of any where the drill claims nothing of it.
    """
    drill = cell.drill
    claimed = claimed_outcomes(drill)  # a call that shows how it was before the failure says nothing of it
    expected = next((each for each in claimed if {*each.words} != {"answered"}), claimed[0] if claimed else None)
    right = expected.words if expected else ()
    promised = " or ".join(SURVIVED if each == "answered" else each for each in right) or NOTHING
    encounter = _encounter(cell, beside)
    others, after = encounter.others, encounter.after
    kind, word = _word(seen.calls.get(expected.call, ()) if seen and expected else ())
    if verdict is Verdict.UNSUPPORTED or not seen or (verdict is Verdict.UNPROVEN and not _took_hold(cell, seen)):
        kind = word = verdict.value
    elif did is not None and (expected is None or cell.chosen.image or cell.chosen.client.in_):
        kind, word = did.kind, did.word
    elif verdict is Verdict.UNPROVEN:
        kind = word = verdict.value
    elif verdict is Verdict.PASS and _kind(others) in {LATE, UNSERVED} - {*drill.others}:
        kind = word = BLOCKED
    known = None if verdict in (Verdict.UNPROVEN, Verdict.UNSUPPORTED) or not seen else verdict is Verdict.PASS
    return Survival(
        word=word,
        kind=kind,
        promised=promised,
        as_promised=known,
        others=others,
        others_promised=_join_words(encounter.may_meet),
        others_as_promised=None if _kind(others) == UNKNOWN else _kind(others) in encounter.may_meet,
        after=after,
        after_promised=_join_words(encounter.may_find),
        after_as_promised=None if _kind(after) == UNKNOWN else _kind(after) in encounter.may_find,
    )


def _took_hold(cell: Cell, seen: Seen) -> bool:
    """Whether each fault happened, so that what the program did is what it does under them."""
    found = [seen.caught.get(fault.name) for fault in cell.drill.faults if fault not in cell.drill.givens]
    return all(each is not None and each.hits and not each.unsure for each in found)


def _join_words(kinds: frozenset[str]) -> str:
    order = (UNASKED, WELL, SERVED, LATE, UNSERVED, FAILED, GONE)
    return " or ".join(each for each in order if each in kinds)


def _kind(text: str) -> str:
    """`served late` of `served late: 2.1 s`."""
    return text.partition(":")[0]


def _word(calls: Sequence[Call]) -> tuple[str, str]:
    """How the calls of a name ended, and the same with its details; of several, what became of most of them."""
    if not calls:
        return "failed", "failed: nobody called"
    (outcome, count), *rest = Counter(each.outcome for each in calls).most_common()
    kind = SURVIVED if outcome is Outcome.ANSWERED else outcome.value
    first = next(each for each in calls if each.outcome is outcome)
    word = f"{kind} {first.errno}" if kind != SURVIVED and first.errno else kind
    if first.outcome in (Outcome.TIMED_OUT, Outcome.HUNG) and first.duration_s is not None:
        word = f"{kind} {first.duration_s:.1g} s" if first.duration_s < 1 else f"{kind} {first.duration_s:.0f} s"
    return kind, f"{word}, {count} of {len(calls)}" if rest else word


def _unserved(call: Call, patience: Patience) -> str:
    if call.outcome is Outcome.REFUSED:
        return f"{GONE}: refused {call.errno or ''}".rstrip()
    if call.outcome in (Outcome.HUNG, Outcome.TIMED_OUT):
        return f"{UNSERVED}: within {patience.within_s:.3g} s"
    if call.guest and call.outcome is Outcome.WRONG_ANSWER:  # it says so itself; no packet of these calls is looked at
        return f"{FAILED}: exit status {call.status}, and it did not print what `prints` wants"
    return f"{FAILED}: {call.outcome.value} {call.errno or ''}".rstrip()


def _others(calls: Sequence[Call], patience: Patience) -> tuple[str, Call | None]:
    """What others met with, and the call that shows it."""
    lost = next((each for each in calls if each.outcome is not Outcome.ANSWERED), None)
    if lost is not None:
        return _unserved(lost, patience), lost
    waited = [each for each in calls if (each.duration_s or 0.0) > patience.late_after_s(each)]
    longest = max(waited, key=lambda each: each.duration_s or 0.0, default=None)
    return (_late(longest) if longest else SERVED), longest


def _afterwards(call: Call, patience: Patience) -> tuple[str, Call]:
    if call.outcome is not Outcome.ANSWERED:
        return _unserved(call, patience), call
    return (_late(call) if (call.duration_s or 0.0) > patience.late_after_s(call) else WELL), call


def _doubted(said: str, call: Call | None, may_be: frozenset[str], beside: Beside) -> str:
    """What is said of a call, or that it is not known: where it is not as promised, and a stall may have made it so."""
    if _kind(said) in may_be or call is None or call.started_s is None:
        return said
    began_ns, took_s = call.started_s * 1e9, call.duration_s or beside.patience.within_s
    ended_ns = began_ns + took_s * 1e9
    window = beside.stalls.between(began_ns, ended_ns)
    if call.outcome is Outcome.ANSWERED:
        by_a_stall = may_enter(Band(Seconds(0), Seconds(beside.patience.late_after_s(call))), took_s, window)
    elif call.outcome in (Outcome.HUNG, Outcome.TIMED_OUT):
        by_a_stall = ended_by_a_stall(began_ns, ended_ns, beside.stalls)
    else:
        by_a_stall = window.reaches(COURSE_SLACK_S)
    return f"{UNKNOWN}: {window.longest.how_long}" if by_a_stall and window.longest else said


def _late(call: Call) -> str:
    """`served late: 2.0 s`. No packets of such a call are kept, so a program that was started for it is in its time."""
    return f"{LATE}: {call.duration_s or 0.0:.1f} s{'' if call.warm else ' with the start and the end of its program'}"
