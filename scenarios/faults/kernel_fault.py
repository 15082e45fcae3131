"""What faults on a machine of the lab have in common: applied in one go, counted by the kernel, undone in one go.

Rules stand in an nftables table of ours, `inet faultwire` or `netdev faultwire`, in chains with the name of their
fault, made and deleted in one transaction (nft(8)), and the table goes with the last of them; no table that is not ours
is touched. Whatever else a fault changes has its undo written into
a journal on the machine itself, /run/faults/NAME, a line for each change, before the change is made. So what a killed
run left can be undone by a run that knows nothing of it (recovery.py). The journal goes when the machine does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Self

from scenarios.faults import Unsupported
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.process import Finished
from scenarios.lab.sweep import JOURNAL
from scenarios.lab.topology import Leg
from scenarios.lab.valueclass import valueclass

TABLE = "inet faultwire"
PREFIX = "of-"  # of a chain: the name of a fault may be a word of nft's own, as `drop` and `bridge` are
OF_DEVICES = "netdev faultwire"  # for the hooks of a device
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
WITHIN_S = 10
# What nft, tc and ip say where the kernel has no such expression, discipline or route (ENOENT, EOPNOTSUPP and others).
LACKING = re.compile(
    r"^(Error|RTNETLINK answers): .*(No such file|not supported|unknown|not implemented)", re.MULTILINE
)

# Where nothing of another fault stands in `table`, it goes too, as does the folder of the journals.
LEAVE_NOTHING = f"""
[ -z "$table" ] || nft list table $table | grep -Eq '^[[:space:]]+(chain|set|map) ' || nft delete table $table
rmdir {JOURNAL} 2>/dev/null || true
"""
# `undo` is the journal, which exists only while the fault does. `defer` writes a line of it, ahead of the others:
# what was done last is undone first. `claim` takes a thing that only one fault at a time may change.
APPLY = f"""
set -eu
name=$1 transaction=$2 reversal=$3
shift 3
undo={JOURNAL}/$name
defer() {{ printf '%s\\n' "$*" | cat - "$undo" >"$undo.next"; mv "$undo.next" "$undo"; }}
claim() {{
    (set -C; echo "$name" >"{JOURNAL}/.$1") 2>/dev/null ||
        {{ echo "$1 is in the hands of the fault $(cat "{JOURNAL}/.$1")" >&2; exit 1; }}
    defer "rm -f {JOURNAL}/.$1"
}}
mkdir -p {JOURNAL}
(set -C; : >"$undo") 2>/dev/null || {{ echo "a fault of that name is in force" >&2; exit 1; }}
leave_nothing() {{
    table=$(printf '%s\n' "$transaction" | sed -n '1s/^add table //p')
    nft list table $table >/dev/null 2>&1 || table=
    {LEAVE_NOTHING}
}}
trap '[ $? = 0 ] || {{ sh "$undo" >&2; rm -f "$undo" "$undo.next"; leave_nothing; }}' EXIT
trap 'exit 1' TERM
if [ -n "$transaction" ]; then
    case $transaction in *'<'*-leg*'>'*) # the interface of a leg
        for leg in /run/legs/*; do
            transaction=$(printf '%s\n' "$transaction" | sed "s/<${{leg##*/}}>/$(cat "$leg")/g")
        done ;;
    esac
    nft "$transaction"
    defer "nft '$reversal'"
fi
"""
# The counters are printed right before they go, so that what is counted is what was dropped. `table` is the fault's, if
# it has one.
UNDO = f"""
undo={JOURNAL}/$1 table=$2
[ -e "$undo" ] || exit 0
[ -n "$table" ] && nft --json list chain $table "{PREFIX}$1" 2>/dev/null || echo
sh -eu "$undo" && rm "$undo" || exit
{LEAVE_NOTHING}"""


@valueclass
class Chain:
    """A base chain (nft(8), "Chains"): its name, type, hook and priority, its rules, and the sets that they use."""

    name: str
    hook: str
    rules: Sequence[str]
    sets: Sequence[tuple[str, str]] = ()  # and maps: name and declaration
    kind: str = "filter"
    table: str = TABLE

    @property
    def _of_nft(self) -> str:
        return f"{PREFIX}{self.name}"

    def creation(self) -> str:
        """The lines of a transaction that make it."""
        lines = [f"add table {self.table}"]
        lines += [f"add {_of(how)} {self.table} {name} {{ {how} }}" for name, how in self.sets]
        lines.append(f"add chain {self.table} {self._of_nft} {{ type {self.kind} hook {self.hook}; policy accept; }}")
        return "\n".join([*lines, *(f"add rule {self.table} {self._of_nft} {rule}" for rule in self.rules)])

    def removed(self) -> str:
        """The lines of a transaction that remove it."""
        lines = [f"flush chain {self.table} {self._of_nft}", f"delete chain {self.table} {self._of_nft}"]
        return "\n".join([*lines, *(f"delete {_of(how)} {self.table} {name}" for name, how in self.sets)])


def _of(declaration: str) -> str:
    """Whether a set is declared, or a map: one has data behind its key."""
    return "map" if " : " in declaration else "set"


def leg_of(lab: Lab, fault: str, leg: str) -> Leg:
    """The leg of a name. Raises ValueError, which names the fault, where the firewall has no such leg."""
    if leg not in lab.topology.legs:
        raise ValueError(f"{fault}: unknown leg {leg!r}; the lab has {', '.join(lab.topology.legs)}")
    return lab.topology.legs[leg]


class Standing:
    """A fault that stands on a machine from its `__enter__` to its `__exit__`. Kinds say what they are made of."""

    machine = "firewall"
    needs = "nf_tables with the `inet` family (Linux 3.14, CONFIG_NF_TABLES_INET)"  # of the kernel

    def __init__(self, lab: Lab, name: str) -> None:
        if not NAME.fullmatch(name):
            raise ValueError(
                f"name of a fault: expected small letters, digits and hyphens, a letter first, got {name!r}"
            )
        self.name = name
        self.final: int | None = None  # its hits when it was undone, where its own chain counts them
        self._lab = lab

    def _chains(self) -> Sequence[Chain]:
        """The chains that it is made of. `hits` counts in the one that has the fault's own name."""
        return ()

    def _change(self) -> Sequence[str]:
        """What it does besides: a script of sh, which has `defer` and `claim`, and its arguments."""
        return ("",)

    def transaction(self) -> str:
        """What nft is given to put its chains in force; empty if there are none."""
        chains = self._chains()
        return "\n".join([*(chain.creation() for chain in chains), ""]) if chains else ""

    @property
    def table(self) -> str:
        """The table in which its rules stand; empty where it has none."""
        return next((chain.table for chain in self._chains()), "")

    def _run(self, argv: Sequence[str]) -> Finished:
        return self._lab.run(self.machine, argv, timeout_s=WITHIN_S)

    def __enter__(self) -> Self:
        transaction = self.transaction()
        reversal = "\n".join(chain.removed() for chain in reversed(self._chains()))
        script, *arguments = self._change()
        said = self._run(["sh", "-c", APPLY + script, "sh", self.name, transaction, reversal, *arguments])
        if said.status != 0:
            what = f"the {self.machine} refused the fault {self.name}: {said.printed}"
            if LACKING.search(said.stderr):
                raise Unsupported(f"{what}\nIt needs {self.needs}.")
            raise LabProblem(what)
        self._applied(said.stdout)
        return self

    def _applied(self, printed: str) -> None:
        """Take in what the script of `_change` printed."""

    def __exit__(self, *_: object) -> None:
        said = self._run(["sh", "-c", UNDO, "sh", self.name, self.table])
        if said.status != 0:
            raise LabProblem(f"the fault {self.name} could not be undone on the {self.machine}: {said.printed}")
        lines = said.stdout.split("\n", 1)
        if lines[0]:
            self.final = _counted(lines[0])
        self._undone(lines[-1])

    def _undone(self, printed: str) -> None:
        """Take in what the journal's lines printed."""

    def _ask(self, *argv: str) -> str:
        said = self._run(argv)
        if said.status != 0:
            raise self._not_in_force(said.printed)
        return said.stdout

    def _not_in_force(self, why: str) -> LabProblem:
        return LabProblem(f"the fault {self.name} is not in force: {why}")

    def hits(self) -> int:
        return _counted(self._ask("nft", "--json", "list", "chain", *self.table.split(), f"{PREFIX}{self.name}"))


class OnDevice(Standing):
    """A fault of all that comes in at a leg, whatever its protocol: `rules`, in a chain on the leg's device."""

    needs = "nf_tables with the `netdev` family (Linux 4.2, CONFIG_NF_TABLES_NETDEV)"
    rules: Sequence[str]

    def __init__(self, lab: Lab, name: str, leg: str) -> None:
        super().__init__(lab, name)
        self._leg = leg_of(lab, name, leg)

    def _chains(self) -> Sequence[Chain]:
        return [Chain(self.name, f'ingress device "<{self._leg.name}>" priority 0', self.rules, table=OF_DEVICES)]


def _counted(listed: str) -> int:
    """The packets of all counters of a chain that nft listed as JSON."""
    rules = [each["rule"] for each in json.loads(listed)["nftables"] if "rule" in each]
    return sum(part["counter"]["packets"] for rule in rules for part in rule["expr"] if "counter" in part)
