"""A second machine: an engine of its own in a network of its own, with images out of a bundle, and a worker over TLS.

It is joined to this machine by a cable. Each test has a scheduler and workers of its own, on a lab of either machine.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from scenarios.cluster import keys
from scenarios.lab.images import EVERY_LAB
from scenarios.lab.process_group import wait_or_kill
from scenarios.lab.topology import ROOT, topology
from scenarios.lab.waiting import wait_for
from tests import processes
from tests.bundling import bundled, checkout
from tests.conftest import free_numbers
from tests.pulled_cable import PULLS
from tests.second_engine import SecondEngine, cable, second_engine, why_not

pytestmark = pytest.mark.long

HERE, THERE = "198.19.255.1", "198.19.255.2"  # RFC 2544, beside the networks of the labs
VERDICTS: Final = {"lost-syn": "pass", "refused-closed-port": "pass", "wrong-syn": "fail"}
TIMES: Final = 3  # each
WITHIN_S: Final = 1200.0  # for what would hang; a busy machine takes minutes
PROGRAM: Final = """
import sys
from pathlib import Path
from scenarios.cli.main import main
from scenarios.evidence import run_folder
from scenarios.lab import signals
run_folder.RUNS = Path(sys.argv[1])
signals.end_in_order()
sys.exit(main(sys.argv[2:]))
"""


@dataclass(frozen=True, slots=True)
class Started:
    """A command that goes on, and the file with what it prints."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        """All that it has said, without line breaks: they depend on the width."""
        return re.sub(r"\s+", " ", self.log.read_text("utf-8", "replace"))

    def wait_for(self, words: str) -> re.Match[str]:
        """Wait until it has said so. Fail when it has ended before."""

        def found() -> re.Match[str] | None:
            seen = re.search(words, self.said)
            assert seen or self.process.poll() is None, self.said
            return seen

        match = wait_for(found, words, WITHIN_S, every_s=0.1)
        assert match
        return match


@dataclass(frozen=True, slots=True)
class Machines:
    """Both machines. `labs` are the numbers of the labs here, there, and of a worker that runs no cell.

    One of the drills is one's own, and claims what is not so: its evidence must come home red.
    """

    engine: SecondEngine
    folder: Path
    labs: tuple[int, int, int]

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @contextlib.contextmanager
    def started(
        self, name: str, *words: str, of: Sequence[str] = ("-m", "scenarios"), there: bool = False, cwd: Path = ROOT
    ) -> Iterator[Started]:
        """A command of this program, ended afterwards in order."""
        at = ["nsenter", f"--net=/proc/{self.engine.pid}/ns/net", "--"] if there else []
        environment = {key: value for key, value in os.environ.items() if key != "GITHUB_STEP_SUMMARY"}
        log = self.folder / f"{name}.log"
        env = self.engine.environment if there else environment
        process = processes.start_with_log([*at, sys.executable, *of, *words], log, cwd=cwd, env=env)
        try:
            yield Started(process, log)
        finally:
            process.terminate()
            wait_or_kill(process, 120)

    @contextlib.contextmanager
    def scheduler(self) -> Iterator[tuple[Started, str]]:
        """A scheduler that both machines reach, and its address."""
        words = ("cluster", "scheduler", f"tls://{HERE}:0", "--keys", str(self.keys))
        with self.started("scheduler", *words) as found:
            yield found, found.wait_for(r"listens at (\S+)")[1]

    @contextlib.contextmanager
    def workers(self, address: str) -> Iterator[Started]:
        """A worker here and one there, each with a lab; yield that one."""
        here, there, _ = self.labs
        with (
            self.started("here", *self.worker(address, "here", here)) as one,
            self.started("there", *self.worker(address, "there", there), there=True) as other,
        ):
            one.wait_for("has joined")
            other.wait_for("has joined")
            yield other

    def worker(self, address: str, name: str, lab: int) -> tuple[str, ...]:
        return ("worker", address, "--numbers", str(lab), "--name", name, "--keys", str(self.keys))

    @contextlib.contextmanager
    def head(self, *words: str) -> Iterator[Started]:
        """A command of the head, whose runs are in `runs`; the one before is not the newest any more."""
        if "--resume" not in words:
            self.forget_newest()
        with self.started("head", str(self.runs), *words, of=("-c", PROGRAM)) as found:
            yield found

    def forget_newest(self) -> None:
        """From now on the newest run is the next; what waits for results of that must not see those of the last."""
        (self.runs / "latest").unlink(missing_ok=True)

    def ran(self, *words: str) -> tuple[int, str]:
        """Have the head run a command to its end; its status, and what it said."""
        with self.head(*words) as head:
            return head.process.wait(WITHIN_S), head.said

    def ran_meanwhile(
        self, address: str, words: Sequence[str], condition: Callable[[], object], do: Callable[[], object]
    ) -> tuple[int, str]:
        """Have the head run a command on the cluster, and do something as soon as something is so."""
        self.forget_newest()
        doing = when(condition, do)
        try:
            return self.ran(*words, "--cluster", address, "--keys", str(self.keys))
        finally:
            doing.join()

    def works_there(self) -> bool:
        """Whether the other machine has handed in a cell of the newest run."""
        return "there" in self.machines()

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def asked(self) -> Sequence[str]:
        """What is run where nothing else is said."""
        drills = ("lost-syn", "refused-closed-port", str(self.folder / "wrong-syn.yaml"))
        return ("run", *drills, "--pair", "le-le", "--repeat", str(TIMES))

    def check_verdicts(self) -> None:
        """See that each cell of the newest run has the verdict that it has on one machine.

        Where a busy machine stood still, each time that the cell was tried, it is unproven on one machine, too.
        """
        of_cells = json.loads((self.runs / "latest" / "summary.json").read_text("utf-8"))["cells"]
        found = [(each["drill"], each["verdict"]) for each in of_cells if not self.stood_still(each["folder"])]
        assert len(of_cells) == TIMES * len(VERDICTS)
        assert {*found} == {*VERDICTS.items()}, of_cells

    def stood_still(self, folder: str) -> bool:
        """Whether a cell is unproven because a machine stood still, and for no other reason."""
        result = json.loads((self.runs / "latest" / folder / "result.json").read_text("utf-8"))
        checks = [each for each in (*result["control"], *result["expectations"]) if each["holds"] == "unproven"]
        return result["verdict"] == "unproven" and bool(checks) and all(each["stalled"] for each in checks)

    def results(self) -> list[dict[str, Any]]:
        """What cells of the newest run have come home by now; none while a run begins, or a folder moves."""
        try:
            found = sorted((self.runs / "latest").glob("[!.]*/*/*/result.json"))
            return [json.loads(each.read_text("utf-8")) for each in found]
        except FileNotFoundError:
            return []

    def machine_of(self, folder: str) -> str:
        """Where a cell of the newest run was run."""
        result = json.loads((self.runs / "latest" / folder / "result.json").read_text("utf-8"))
        return str(result["versions"]["machine"])

    def set_cable(self, state: str) -> None:
        """Pull the cable of the client there (`down`), or put it back (`up`)."""
        project = topology(self.labs[1]).project
        read = [f"{project}-client-1", "cat", "/sys/class/net/eth0/iflink"]
        other_end = self.engine.run(["docker", "exec", *read], timeout_s=60).stdout.strip()
        pulls = ["sh", "-euc", PULLS, "sh", other_end, state]
        pulled = self.engine.run(["docker", "exec", f"{project}-cables-1", *pulls], timeout_s=60)
        assert pulled.returncode == 0, pulled.stdout

    def machines(self) -> set[str]:
        """Where the cells of the newest run were run."""
        return {each["versions"]["machine"] for each in self.results()}


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Two machines. The one there has its images out of the bundle that its first worker was given."""
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("cluster")
    here, there, other = free_numbers(3)
    keys.make(folder / "keys")
    claims = (ROOT / "scenarios" / "drills" / "lost-syn.yaml").read_text("utf-8")
    wrong = claims.replace("drill: lost-syn", "drill: wrong-syn").replace("exactly: 2", "exactly: 3")
    (folder / "wrong-syn.yaml").write_text(wrong, "utf-8")
    bundle = folder / "lab.tar"
    wrote = subprocess.run(
        bundled(bundle, list(EVERY_LAB)), cwd=checkout(folder / "checkout"), capture_output=True, text=True,
        timeout=WITHIN_S, check=False,
    )  # fmt: skip
    assert wrote.returncode == 0, wrote.stdout + wrote.stderr
    with second_engine() as engine, cable(engine, f"{HERE}/30", f"{THERE}/30"):
        both = Machines(engine, folder, (here, there, other))
        with both.scheduler() as (_, address):
            first = both.worker(address, "first", there)
            with both.started("first", *first, "--bundle", str(bundle), there=True) as worker:
                worker.wait_for("has joined")
        bundle.unlink()
        assert "every digest is right" in worker.said
        assert "building" not in worker.said
        yield both


def when(condition: Callable[[], object], do: Callable[[], object]) -> threading.Thread:
    """Do something as soon as something is so, beside the test."""

    def wait_and_do() -> None:
        wait_for(condition, "the moment", WITHIN_S, every_s=0.05)
        do()

    thread = threading.Thread(target=wait_and_do)
    thread.start()
    return thread


def test_both_machines_come_to_the_verdicts_of_one_and_a_worker_that_is_other_runs_no_cell(machines: Machines) -> None:
    """Two more workers: one has another drill, the other the keys of another cluster."""
    other = machines.folder / "checkout"
    with (other / "scenarios" / "drills" / "lost-syn.yaml").open("a") as drill:
        drill.write("# edited\n")
    keys.make(machines.folder / "of-others")
    with contextlib.ExitStack() as stack:
        _, address = stack.enter_context(machines.scheduler())
        assert address.startswith(f"tls://{HERE}:")
        stranger = machines.worker(address, "stranger", machines.labs[2])[:-1]
        stranger_started = stack.enter_context(
            machines.started("stranger", *stranger, str(machines.folder / "of-others"))
        )
        stack.enter_context(machines.workers(address))
        stranger_started.process.wait(WITHIN_S)
        assert "has joined" not in stranger_started.said
        assert stranger_started.process.returncode == 69, stranger_started.said
        of_another_version = machines.worker(address, "other", machines.labs[2])
        stack.enter_context(machines.started("other", *of_another_version, cwd=other)).wait_for("has joined")
        status, said = machines.ran(*machines.asked, "--cluster", address, "--keys", str(machines.keys))
    assert status == 1, said
    machines.check_verdicts()
    assert machines.machines() == {"here", "there"}
    refused = rf"other \(tls://{re.escape(HERE)}:\d+\) is of another version: drills differs; this worker gets no"
    assert re.search(refused, said), said
    assert "once more" not in said
    versions = json.loads((machines.runs / "latest" / "summary.json").read_text("utf-8"))["versions"]
    assert versions["machines"] == "here, there"


def test_a_cell_whose_worker_is_killed_runs_elsewhere(machines: Machines) -> None:
    with machines.scheduler() as (_, address), machines.workers(address) as there:
        status, said = machines.ran_meanwhile(address, machines.asked, machines.works_there, there.process.kill)
    assert status == 1, said
    machines.check_verdicts()
    assert machines.machines() == {"here", "there"}
    assert len(re.findall(r"there was lost while it ran .{,80}, which runs once more", said)) == 1, said


def test_what_was_run_when_the_scheduler_is_killed_is_kept_and_the_rest_is_run_with_another(machines: Machines) -> None:
    matrix = (
        "matrix",
        "lost-syn",
        "refused-closed-port",
        "--service",
        "echo/select,echo/threads",
        "--pair",
        "le-le,be-le",
    )
    count = 8

    def some_are_run() -> bool:
        return machines.works_there() and len(machines.results()) > 1

    with machines.scheduler() as (scheduler, address), machines.workers(address) as there:
        status, said = machines.ran_meanwhile(address, matrix, some_are_run, scheduler.process.kill)
        there.wait_for("of this worker are free again")
    assert status == 69, said
    kept = len(machines.results())
    assert 2 <= kept < count
    assert f"{kept} of {count} were run; all faults are undone" in said
    with machines.scheduler() as (_, address), machines.workers(address):
        status, said = machines.ran("matrix", "--resume", "--cluster", address, "--keys", str(machines.keys))
    summary = json.loads((machines.runs / "latest" / "summary.json").read_text("utf-8"))
    assert (summary["asked"], summary["run"], summary["verdicts"]["fail"]) == (count, count, 0)
    assert all(each["verdict"] == "pass" or machines.stood_still(each["folder"]) for each in summary["cells"]), said


def test_a_machine_that_is_ill_is_set_aside(machines: Machines) -> None:
    """Somebody pulls the cable of a host of its lab, and it stays out: every cell there is unproven, and none red."""
    count = 30
    words = ("run", "refused-closed-port", "lost-syn", "--pair", "le-le", "--repeat", str(count // 2))
    with machines.scheduler() as (_, address), machines.workers(address):
        try:
            pull = functools.partial(machines.set_cable, "down")
            status, said = machines.ran_meanwhile(address, words, machines.works_there, pull)
        finally:
            machines.set_cable("up")
    assert re.search(r"there \([^)]*\) is set aside: \d+ of its \d+ cells are unproven, \d+ of \d+ elsewhere", said), (
        said
    )
    cells = json.loads((machines.runs / "latest" / "summary.json").read_text("utf-8"))["cells"]
    assert status == 2, said
    assert len(cells) == count
    assert "fail" not in {each["verdict"] for each in cells}, said
    unproven = [
        each["folder"] for each in cells if each["verdict"] == "unproven" and not machines.stood_still(each["folder"])
    ]
    assert {machines.machine_of(folder) for folder in unproven} == {"there"}


def test_a_cell_whose_engine_is_killed_runs_elsewhere(machines: Machines) -> None:
    """The last: no engine is there afterwards."""
    with machines.scheduler() as (_, address), machines.workers(address):
        status, said = machines.ran_meanwhile(address, machines.asked, machines.works_there, machines.engine.kill)
    assert status == 1, said
    machines.check_verdicts()
    assert len(re.findall(r"there was lost while it ran .{,80}, which runs once more", said)) == 1, said
    assert re.search(r"there \([^)]*\): lab \d+ cannot be used: .*; this worker gets no more cells", said), said
