"""What the meter of the lab sees, on a /proc of files: which task of which container stood still, and for how long."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[2] / "images" / "meter" / "meter"
SERVER, GUEST, OTHER = "a" * 64, "b" * 64, "c" * 64
BEGAN_NS = 1_000_000_000_000


class Proc:
    """A /proc of files, and the clock of the machine."""

    def __init__(self, root: Path) -> None:
        self.root, self.now_ns, self.last = root / "proc", BEGAN_NS, 0
        self.root.mkdir()
        self.write("stat", "cpu  1 0 1 1 0 0 0 100 0 0\ncpu0 1\n")
        self.write("loadavg", "0.1 0.1 0.1 1/100 0\n")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        with path.open("r+" if path.exists() else "w") as file:  # the same file, for whoever has it open
            file.truncate()
            file.write(text)

    def task(
        self, number: int, container: str, state: str = "S", *, ran: int = 1, waited_ms: int = 0, name: str = "python"
    ) -> None:
        """A task, as it is from now on; that it `ran` once more is what a look must see to read its state again."""
        self.write(f"{number}/cgroup", f"6:freezer:/docker/{container}\n0::/docker/{container}\n")
        self.write(f"{number}/stat", f"{number} ({name}) {state} 1 1 1\n")
        self.write(f"{number}/schedstat", f"{ran}000 {waited_ms * 1_000_000} {ran}\n")
        self.write(f"{number}/status", f"Name:\tx\nNStgid:\t{number}\t7\n")
        self.last = max(self.last, number)
        self.write("loadavg", f"0.1 0.1 0.1 1/100 {self.last}\n")


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, proc: Proc) -> ModuleType:
    loader = SourceFileLoader("faultwire_meter", str(PROGRAM))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    module = module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, loader.name, module)  # for its dataclasses
    exec(compile(PROGRAM.read_bytes(), str(PROGRAM), "exec"), module.__dict__)  # noqa: S102 (without a .pyc beside it)
    monkeypatch.setattr(module, "time", SimpleNamespace(time_ns=lambda: proc.now_ns))
    return module


@pytest.fixture
def meter(program: ModuleType, proc: Proc, tmp_path: Path) -> Any:
    proc.task(10, SERVER)
    made = program.Meter(proc.root, tmp_path / "cgroups")
    made.start({SERVER: "server"})
    return made


def looks(meter: Any, proc: Proc, times: int = 1, after_ms: int = 20) -> None:
    for _ in range(times):
        proc.now_ns += after_ms * 1_000_000
        meter.look()


def stalls_of(meter: Any, came: Mapping[str, str] | None = None) -> list[tuple[str, str, str, int, int]]:
    """Machine, program, why, and from when to when in milliseconds since the beginning."""
    return [
        (
            each["machine"],
            each["program"],
            each["why"],
            (each["began_ns"] - BEGAN_NS) // 1_000_000,
            (each["ended_ns"] - BEGAN_NS) // 1_000_000,
        )
        for each in meter.stop(came or {})["stalls"]
    ]


def test_a_quiet_lab_has_no_stall(meter: Any, proc: Proc) -> None:
    proc.task(10, SERVER, ran=2, waited_ms=5)
    looks(meter, proc, 10)
    assert stalls_of(meter) == []


def test_a_stopped_task_is_noted_from_the_look_before_to_the_look_after(meter: Any, proc: Proc) -> None:
    looks(meter, proc)
    proc.task(10, SERVER, "T", ran=2)
    looks(meter, proc, 5)
    proc.task(10, SERVER, "S", ran=3)
    looks(meter, proc, 3)
    assert stalls_of(meter) == [("server", "python", "stopped", 20, 140)]


def test_one_that_is_stopped_to_the_end_or_was_so_from_the_beginning_is_noted_too(
    program: ModuleType, proc: Proc, tmp_path: Path
) -> None:
    proc.task(10, SERVER, "T")
    meter = program.Meter(proc.root, tmp_path)
    for _ in range(2):  # a second script finds it still stopped, though it did not run
        proc.now_ns = BEGAN_NS
        meter.start({SERVER: "server"})
        looks(meter, proc, 3)
        assert stalls_of(meter) == [("server", "python", "stopped", 0, 60)]


def test_a_task_that_ends_while_it_is_stopped_was_stopped_until_then(meter: Any, proc: Proc) -> None:
    proc.task(10, SERVER, "T", ran=2)
    looks(meter, proc, 3)
    proc.write("10/schedstat", "")
    proc.write("10/status", "")
    looks(meter, proc)
    (one,) = meter.noted
    assert one.pid == 7  # or it would not be known as the pause that a drill made
    assert stalls_of(meter) == [("server", "python", "stopped", 0, 80)]
    assert 10 not in meter.tasks


def test_a_moment_in_the_state_of_a_frozen_task_is_no_stall_and_two_looks_are(meter: Any, proc: Proc) -> None:
    proc.task(10, SERVER, "D", ran=2)
    looks(meter, proc)
    proc.task(10, SERVER, "S", ran=3)
    looks(meter, proc)
    proc.task(10, SERVER, "D", ran=4)
    looks(meter, proc, 4)
    proc.task(10, SERVER, "S", ran=5)
    looks(meter, proc)
    assert stalls_of(meter) == [("server", "python", "held", 40, 140)]


def test_what_waited_for_a_processor_is_noted_by_its_run_delay(meter: Any, proc: Proc) -> None:
    proc.task(10, SERVER, "S", ran=2, waited_ms=19)
    looks(meter, proc)
    proc.task(10, SERVER, "S", ran=3, waited_ms=19 + 35)
    looks(meter, proc, 3)
    assert stalls_of(meter) == [("server", "python", "starved", 5, 40)]


def test_when_the_meter_itself_waits_for_a_processor_nothing_else_stood_still(meter: Any, proc: Proc) -> None:
    proc.write("self/schedstat", "0 0 1\n")
    looks(meter, proc)
    proc.write("self/schedstat", "30000000 640000000 2\n")
    looks(meter, proc, after_ms=700)
    assert stalls_of(meter) == []
    looks(meter, proc)
    proc.write("self/schedstat", "40000000 700000000 3\n")  # 70 ms of 200: the rest is nobody's
    looks(meter, proc, after_ms=200)
    assert stalls_of(meter) == [("", "", "still", 740, 940)]


@pytest.mark.parametrize(
    ("command", "is_noted"),
    [
        ("cat\0/proc/net/tcp\0", False),
        ("/usr/bin/qemu-ppc\0cat\0/proc/net/tcp\0", False),
        ("/usr/bin/tshark\0-r\0-\0", False),
        ("timeout\0-k\0tcpdump\0-i\0", False),
        ("test\0-e\0/run/ready\0", False),
        ("/usr/bin/python3\0/usr/local/lib/faultwire/decode\0", False),
        ("/usr/bin/python3\0/usr/local/lib/faultwire/injector\0", True),
        ("cat\0", True),
        ("python\0-m\0services.tshark\0", True),
    ],
)
def test_who_only_reads_for_the_lab_holds_no_packet_up(meter: Any, proc: Proc, command: str, is_noted: bool) -> None:
    proc.write("11/cmdline", command)
    proc.task(11, SERVER, ran=2, waited_ms=5, name="register_all_pr")
    looks(meter, proc)
    proc.task(11, SERVER, ran=3, waited_ms=105, name="register_all_pr")
    looks(meter, proc)
    proc.task(11, SERVER, "T", ran=4, waited_ms=105, name="register_all_pr")
    looks(meter, proc, 3)
    noted = [("server", "register_all_pr", "starved", -60, 40), ("server", "register_all_pr", "stopped", 40, 100)]
    assert stalls_of(meter) == (noted if is_noted else [])


def test_when_the_meter_wakes_late_all_of_the_machine_stood_still(meter: Any, proc: Proc) -> None:
    looks(meter, proc)
    looks(meter, proc, after_ms=39)
    looks(meter, proc, after_ms=700)
    assert stalls_of(meter) == [("", "", "still", 59, 759)]


def test_a_container_that_a_cgroup_of_version_2_froze_is_seen_though_its_tasks_seem_to_sleep(
    program: ModuleType, proc: Proc, tmp_path: Path
) -> None:
    events = tmp_path / "cgroups" / "docker" / SERVER / "cgroup.events"
    events.parent.mkdir(parents=True)
    events.write_text("populated 1\nfrozen 0\n")
    proc.task(10, SERVER)
    meter = program.Meter(proc.root, tmp_path / "cgroups")
    meter.start({SERVER: "server"})
    looks(meter, proc)
    events.write_text("populated 1\nfrozen 1\n")
    looks(meter, proc, 3)
    events.write_text("populated 1\nfrozen 0\n")
    looks(meter, proc)
    assert stalls_of(meter) == [("server", "", "frozen", 20, 100)]


def test_what_only_waits_for_the_end_of_its_container_may_be_stopped_but_not_frozen(meter: Any, proc: Proc) -> None:
    proc.task(11, SERVER, "T", name="docker-init")
    proc.task(13, SERVER, waited_ms=90, name="runc:[2:INIT]")
    proc.task(12, SERVER, "D", name="sleep")
    looks(meter, proc, 3)
    assert stalls_of(meter) == [("server", "sleep", "held", 0, 60)]


def test_a_name_with_a_parenthesis_hides_no_state(meter: Any, proc: Proc) -> None:
    proc.task(11, SERVER, "T", name="a) S 1 (b")
    looks(meter, proc, 2)
    assert stalls_of(meter) == [("server", "a) S 1 (b", "stopped", 0, 40)]


def test_tasks_that_come_are_looked_at_and_those_of_other_labs_are_not(
    program: ModuleType, proc: Proc, tmp_path: Path
) -> None:
    proc.task(10, SERVER)
    proc.task(11, OTHER)
    meter = program.Meter(proc.root, tmp_path)
    assert meter.start({SERVER: "server"})["metering"] == 1
    for number, container in ((20, SERVER), (21, OTHER), (22, GUEST)):
        proc.task(number, container, "T")
    looks(meter, proc, 2)
    assert sorted(meter.tasks) == [10, 20, 22]
    assert [each[0] for each in stalls_of(meter, {GUEST: "client"})] == ["server", "client"]


def test_a_container_that_came_and_is_nobodys_here_is_told_nothing_of(meter: Any, proc: Proc) -> None:
    proc.task(22, GUEST, "T")
    looks(meter, proc, 2)
    assert stalls_of(meter) == []
    meter.start({SERVER: "server"})
    assert sorted(meter.tasks) == [10]
    proc.task(23, GUEST, "T")
    looks(meter, proc, 2)
    assert sorted(meter.tasks) == [10]


def test_a_process_that_is_put_into_its_container_after_its_birth_is_found_there(
    program: ModuleType, meter: Any, proc: Proc
) -> None:
    proc.task(20, "no container yet")
    looks(meter, proc)
    proc.task(20, SERVER)
    looks(meter, proc, program.SECOND_LOOK_TICKS)
    assert sorted(meter.tasks) == [10, 20]


def test_more_tasks_than_it_looks_at_are_counted_and_told(
    program: ModuleType, meter: Any, proc: Proc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "MOST_TASKS", 3)
    for number in range(11, 16):
        proc.task(number, SERVER)
    looks(meter, proc)
    assert meter.stop({})["unseen"] == "3 tasks beyond the first 3"


def test_where_no_process_of_the_lab_is_to_be_seen_it_says_so(program: ModuleType, proc: Proc, tmp_path: Path) -> None:
    meter = program.Meter(proc.root, tmp_path)
    meter.start({SERVER: "server"})
    assert meter.stop({})["unseen"] == "the processes of the lab's containers are not to be seen here"


def test_the_longest_stalls_are_kept_and_the_others_counted(
    program: ModuleType, meter: Any, proc: Proc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "MOST_STALLS", 2)
    for after_ms in (100, 500, 200, 400, 300):
        looks(meter, proc, after_ms=after_ms)
    answer = meter.stop({})
    lengths = [(each["ended_ns"] - each["began_ns"]) // 1_000_000 for each in answer["stalls"]]
    assert lengths == [500, 400]
    assert answer["left_out"] == 3


def test_the_time_that_was_stolen_is_that_since_the_beginning(program: ModuleType, meter: Any, proc: Proc) -> None:
    proc.write("stat", "cpu  1 0 1 1 0 0 0 103 0 0\ncpu0 1\n")
    assert meter.stop({})["stolen_s"] == 3 / program.TICKS_PER_S


def test_each_answer_has_the_number_of_its_request_and_what_is_neither_start_nor_stop_is_refused(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], proc: Proc
) -> None:
    asked = [{"id": 7, "pause": {}}, {"id": 8, "start": {SERVER: "server"}}, {"id": 9, "stop": {}}]
    commands = io.StringIO("".join(json.dumps(each) + "\n" for each in asked))
    monkeypatch.setattr(program, "Meter", functools.partial(program.Meter, proc.root))
    monkeypatch.setattr(program, "lines", lambda _file, _meter: (json.loads(line) for line in commands))
    monkeypatch.setattr(program.sys, "stdin", SimpleNamespace(fileno=lambda: 0))
    assert program.main() == 0
    refused, started, stopped = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert refused == {"id": 7, "error": f"expected start or stop, got {asked[0]!r}"}
    assert (started["id"], started["metering"]) == (8, 0)
    assert (stopped["id"], stopped["stalls"]) == (9, [])
