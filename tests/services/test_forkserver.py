"""The fork server as a process: what it runs is as if started anew, and whatever that does, nothing hangs or stays."""

from __future__ import annotations

import json
import math
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from services.forkserver import leavings
from services.forkserver.__main__ import CALLS_LIMIT, FOLLOWED_LIMIT, KILL_AFTER_S, OUTPUT_LIMIT, STOP_WITHIN_S
from services.forkserver.commands import (
    LINE_LIMIT,
    NAME_LIMIT,
    Cancel,
    CommandError,
    Release,
    Signal,
    Start,
    Stop,
    Warm,
    parse,
)
from services.forkserver.leavings import MARK
from tests.services.running import PATIENCE_S, ROOT, eventually

Said = dict[str, Any]


class Talk:
    """A conversation with a fork server."""

    def __init__(self, process: subprocess.Popen[bytes], mark: str) -> None:
        self.process = process
        self.mark = mark
        self.came = bytearray()
        self.names: set[object] = set()  # of all that was called or served

    def say(self, **command: object) -> None:
        self.names |= {command[verb] for verb in ("call", "serve") if verb in command}
        self.say_line(json.dumps(command).encode())

    def say_line(self, line: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def hear(self, within_s: float = PATIENCE_S) -> Said:
        """The next answer."""
        assert self.process.stdout
        deadline_s = time.monotonic() + within_s
        while b"\n" not in self.came:
            left_s = max(0.0, deadline_s - time.monotonic())
            assert select.select([self.process.stdout], [], [], left_s)[0], f"no answer within {within_s} s"
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            assert data, "it ended"
            self.came += data
        line, _, rest = self.came.partition(b"\n")
        self.came = bytearray(rest)
        said: Said = json.loads(line)
        return said

    def run(self, *argv: str, timeout_s: float = PATIENCE_S, **more: object) -> Said:
        """A call of a module, to its end."""
        self.say(call="it", argv=argv, timeout_s=timeout_s, **more)
        return self.hear()

    def execute(self, *argv: str, timeout_s: float = PATIENCE_S) -> Said:
        self.say(call="it", exec=argv, timeout_s=timeout_s)
        return self.hear()

    def end(self) -> int:
        """End its input, and wait; its exit status."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(PATIENCE_S)


@contextmanager
def fork_server(folder: Path, *modules: str) -> Iterator[Talk]:
    """A fork server that finds modules in `folder` too, and that is ready."""
    path = f"{ROOT}{os.pathsep}{folder}"
    mark = secrets.token_hex(8)
    process = subprocess.Popen(
        [sys.executable, "-m", "services.forkserver", *modules],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {MARK: mark, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        talk = Talk(process, mark)
        assert talk.hear()["ready"] == list(modules)
        yield talk
    finally:
        assert process.stdin
        assert process.stdout
        process.stdin.close()
        process.wait(PATIENCE_S)
        process.stdout.close()
        assert marked(mark) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("modules")


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[Talk]:
    with fork_server(folder) as found:
        yield found


@pytest.fixture
def talk(shared: Talk) -> Iterator[Talk]:
    """One for the tests that leave it as it was. What one that failed left is ended: it fails no other."""
    yield shared
    shared.say_line(b"")  # the end of a line that was begun
    deadline_s = time.monotonic() + PATIENCE_S
    while not end_all(shared):
        assert time.monotonic() < deadline_s
    shared.names.clear()


def end_all(talk: Talk) -> bool:
    """End what is called and what is served; whether none of it was there any more. Earlier answers are passed over."""
    talk.say(warm="json")
    while "warm" not in talk.hear():
        pass
    for name in talk.names:
        talk.say(stop=name)
        talk.say(cancel=name)  # the other of the two is an error
    talk.say(warm="json")
    errors = 0
    while "warm" not in (said := talk.hear()):
        errors += "error" in said
    return errors == 2 * len(talk.names)


def marked(value: str) -> list[str]:
    """The processes that carry the mark of a fork server."""
    mark = f"{MARK}={value}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(f"{process.name} {(process / 'cmdline').read_bytes()!r}")
        except OSError:  # it ended meanwhile
            continue
    return found


def write(folder: Path, name: str, text: str) -> str:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return name


# A module in a fork server is what `python -m` is

SEEN = """
import json, os, signal, sys
seen = {
    "name": __name__, "package": __package__, "file": __file__, "argv": sys.argv, "path": sys.path, "cwd": os.getcwd(),
    "main": sys.modules["__main__"].__dict__ is globals(),
    "descriptors": sorted(set(os.listdir("/proc/self/fd")) & {str(n) for n in range(3, 100)})[1:],
    "stdin": sys.stdin.read(),
    "handlers": {number.name: str(signal.getsignal(number)) for number in signal.Signals if number < 32},
    "masked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "encodings": [sys.stdout.encoding, sys.stdout.errors, sys.stderr.encoding, sys.stdout.line_buffering],
    "wakes": signal.set_wakeup_fd(-1),
}
print(json.dumps(seen))
"""


def python_m(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = f"{ROOT}{os.pathsep}{folder}"
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=PATIENCE_S,
        env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_a_module_finds_everything_as_if_it_was_started_by_python_itself(talk: Talk, folder: Path) -> None:
    name = write(folder, "seen", SEEN)
    here = talk.run(name, "a b", "é", "\udcff")
    there = python_m(folder, name, "a b", "é", "\udcff")
    assert here["status"] == there.returncode == 0, (here, there)
    seen, expected = json.loads(here["stdout"]), json.loads(there.stdout)
    # SIGINT that was ignored when the tests began stays so in `python -m`; a call can be interrupted all the same.
    assert seen["handlers"].pop("SIGINT") == str(signal.default_int_handler)
    del expected["handlers"]["SIGINT"]
    assert seen == expected


@pytest.mark.parametrize(
    "ends",
    [
        "pass",
        "sys.exit(7)",
        "sys.exit(256 + 8)",
        "sys.exit('no such thing')",
        "raise ValueError('gone wrong')",
        "os._exit(9)",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "os.kill(os.getpid(), signal.SIGTERM)",
        "os.abort()",
        "atexit.register(print, 'at exit')",
        "threading.Thread(target=lambda: (time.sleep(0.1), print('a thread'))).start()",
        "os.close(1)",
        "print('no end of line', end='')",
    ],
)
def test_a_module_ends_as_if_it_was_started_by_python_itself(talk: Talk, folder: Path, ends: str) -> None:
    name = write(folder, "ends", f"import atexit, os, signal, sys, threading, time\n{ends}\n")
    here, there = talk.run(name), python_m(folder, name)
    if there.returncode < 0:
        assert (here["status"], here["signal"]) == (None, signal.Signals(-there.returncode).name)
    else:
        assert (here["status"], here["signal"]) == (there.returncode, None), here["stderr"]
    assert here["stdout"] == there.stdout
    assert here["stderr"].splitlines()[-1:] == there.stderr.splitlines()[-1:]


def test_a_program_that_is_warm_has_its_imports_made_and_has_not_run(tmp_path: Path) -> None:
    write(tmp_path, "library", "import os\nprint('an import prints')\n")
    write(tmp_path, "unguarded", f"import library\nopen({str(tmp_path / 'ran')!r}, 'a').write('x')\nprint('it runs')\n")
    with fork_server(tmp_path, "unguarded") as talk:
        assert not (tmp_path / "ran").exists()
        assert talk.run("unguarded")["stdout"] == "it runs\n", "the import was made before, and prints no more"
        assert (tmp_path / "ran").read_text() == "x"


def test_what_cannot_be_made_warm_is_named_and_its_calls_say_why(tmp_path: Path) -> None:
    write(tmp_path, "lacking", "import nowhere\n")
    write(tmp_path, "wrong", "this is no Python\n")
    write(tmp_path, "leaving", "import leaves\n")
    write(tmp_path, "leaves", "import sys\nsys.exit(5)\n")
    with fork_server(tmp_path) as talk:
        for module, missing in (
            ("lacking", "nowhere"),
            ("wrong", "wrong"),
            ("absent", "absent"),
            ("leaving", "leaves"),
        ):
            talk.say(warm=module)
            assert talk.hear() == {"warm": module, "missing": [missing]}
        assert "No module named 'nowhere'" in talk.run("lacking")["stderr"]
        assert talk.run("absent")["status"] == 1
        assert talk.run("leaving")["status"] == 5


# Other programs


def test_another_program_is_executed_with_the_signals_that_a_shell_gives_it(talk: Talk) -> None:
    ran = talk.execute("sh", "-c", "grep -E '^Sig(Ign|Blk)' /proc/self/status; ls /proc/self/fd | wc -l; cat; exit 3")
    assert (ran["status"], ran["stderr"]) == (3, "")
    _, blocked, _, ignored, descriptors = ran["stdout"].split()
    assert int(blocked, 16) == 0
    # What whoever started the tests ignores is ignored here too; but not what Python does, and a shell does not.
    pythons_own = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGCHLD)
    assert [each.name for each in pythons_own if int(ignored, 16) & 1 << (each - 1)] == []
    assert descriptors == "4", "0, 1, 2, and the one of ls"


def test_a_program_that_is_not_there_is_told_as_a_shell_tells_it(talk: Talk, folder: Path) -> None:
    ran = talk.execute("no-such-program")
    assert (ran["status"], ran["stderr"]) == (127, "no-such-program: No such file or directory\n")
    assert talk.execute(str(folder))["status"] == 126


# Times, output and limits


def test_the_times_are_those_of_the_program_and_comparable_with_this_process(talk: Talk) -> None:
    before = time.time()
    ran = talk.execute("sleep", "0.2")
    assert before <= ran["started"] <= time.time()
    assert 0.2 <= ran["duration_s"] < 0.2 + PATIENCE_S / 10
    assert 0 < ran["cpu_s"] < 0.2
    assert ran["timed_out"] is ran["cancelled"] is False


@pytest.mark.parametrize(("more", "dropped"), [(0, 0), (1, 1), (10**7, 10**7)])
def test_output_is_kept_up_to_its_limit_and_what_is_dropped_is_counted(talk: Talk, more: int, dropped: int) -> None:
    ran = talk.execute("head", "-c", str(OUTPUT_LIMIT + more), "/dev/zero")
    assert (len(ran["stdout"]), ran["stdout_dropped"], ran["stderr_dropped"]) == (OUTPUT_LIMIT, dropped, 0)


def test_a_call_that_is_to_be_told_of_is_heard_while_it_runs_and_its_end_has_all_of_it(talk: Talk) -> None:
    script = "echo one; echo two >&2; printf '\\303'; read -r _ <fifo; printf '\\251\\n'"
    talk.say(
        call="it",
        exec=["sh", "-c", f"cd $(mktemp -d) && mkfifo fifo && (sleep 0.3 >fifo &) ; {script}"],
        timeout_s=9,
        told=True,
    )
    heard: dict[str, str] = {"stdout": "", "stderr": ""}
    while "printed" in (said := talk.hear()):
        assert said["printed"] == "it"
        heard[said["on"]] += said["text"]
    assert heard == {"stdout": "one\né\n", "stderr": "two\n"}
    assert (said["ended"], said["stdout"], said["stderr"]) == ("it", heard["stdout"], heard["stderr"])


def test_a_call_is_told_of_up_to_the_limit_of_its_output(talk: Talk) -> None:
    talk.say(call="it", exec=["head", "-c", str(OUTPUT_LIMIT + 1), "/dev/zero"], timeout_s=9, told=True)
    told = 0
    while "printed" in (said := talk.hear()):
        told += len(said["text"])
    assert (told, said["stdout_dropped"]) == (OUTPUT_LIMIT, 1)


def test_output_that_is_no_utf_8_is_told_with_backslashes(talk: Talk) -> None:
    assert talk.execute("printf", r"\303\251\377")["stdout"] == "é\\xff"


def test_a_program_that_floods_its_output_is_ended_at_its_deadline(talk: Talk) -> None:
    ran = talk.execute("yes", timeout_s=0.2)
    assert (ran["signal"], ran["timed_out"]) == ("SIGTERM", True)
    assert ran["stdout_dropped"] > OUTPUT_LIMIT


def cancelled_when(talk: Talk, script: str, ready: Path) -> Said:
    """A shell script that says in a file that it is ready, and is cancelled then."""
    ready.unlink(missing_ok=True)
    talk.say(call="it", exec=["sh", "-c", script, str(ready)], timeout_s=60)
    eventually(ready.exists, "that the script is ready")
    talk.say(cancel="it")
    return talk.hear()


def test_a_program_that_ignores_sigterm_is_killed(talk: Talk, folder: Path) -> None:
    began_s = time.monotonic()
    ran = cancelled_when(talk, "trap '' TERM; >$0; while :; do sleep 0.05; done", folder / "ready")
    assert (ran["signal"], ran["cancelled"]) == ("SIGKILL", True)
    assert KILL_AFTER_S <= ran["duration_s"] <= time.monotonic() - began_s


def test_a_program_may_end_well_after_its_sigterm(talk: Talk, folder: Path) -> None:
    ran = cancelled_when(talk, "trap 'echo bye; exit 4' TERM; >$0; while :; do sleep 0.05; done", folder / "ready")
    assert (ran["status"], ran["stdout"], ran["cancelled"]) == (4, "bye\n", True)


def test_a_stopped_program_is_ended_too(talk: Talk, folder: Path) -> None:
    ran = cancelled_when(talk, "(sleep 0.1; >$0) & kill -STOP $$", folder / "ready")
    assert ran["signal"] == "SIGKILL"


def test_a_slow_call_holds_up_no_other_and_can_be_cancelled(talk: Talk) -> None:
    talk.say(call="slow", exec=["sleep", "60"], timeout_s=60)
    assert talk.execute("echo", "quick")["stdout"] == "quick\n"
    talk.say(call="slow", exec=["true"], timeout_s=1)
    assert talk.hear() == {"error": "a call 'slow' runs already", "call": "slow"}
    talk.say(cancel="slow")
    ran = talk.hear()
    assert (ran["ended"], ran["signal"], ran["cancelled"], ran["timed_out"]) == ("slow", "SIGTERM", True, False)
    talk.say(cancel="slow")
    assert talk.hear() == {"error": "no running call is named 'slow'", "cancel": "slow"}


def test_as_many_calls_as_the_limit_run_at_once_and_one_more_is_refused(folder: Path) -> None:
    with fork_server(folder) as talk:
        for number in range(CALLS_LIMIT + 1):
            talk.say(call=str(number), exec=["true"], timeout_s=PATIENCE_S, barrier="all")
        said = talk.hear()
        while "error" not in said:
            assert "held" in said
            said = talk.hear()
        assert said == {"error": f"{CALLS_LIMIT} calls run already", "call": str(CALLS_LIMIT)}
        talk.say(release="all")
        ended: list[tuple[str, int]] = []
        while len(ended) < CALLS_LIMIT:
            if "ended" in (said := talk.hear()):
                ended.append((said["ended"], said["status"]))
        assert sorted(ended, key=lambda each: int(each[0])) == [(str(number), 0) for number in range(CALLS_LIMIT)]
        assert talk.execute("true")["status"] == 0, "there is room again"


# Barriers


def until_held(talk: Talk, count: int) -> None:
    while len(talk.hear().get("calls", ())) < count:
        pass


def test_none_of_the_calls_at_a_barrier_begins_before_its_release(folder: Path) -> None:
    with fork_server(folder) as talk:
        for number in range(5):
            talk.say(call=str(number), exec=["true"], timeout_s=PATIENCE_S, barrier="one")
        until_held(talk, 5)
        talk.say(call="other", exec=["true"], timeout_s=PATIENCE_S, barrier="two")
        assert talk.hear() == {"held": "two", "calls": ["other"]}
        released = time.time()
        talk.say(release="one")
        started = [talk.hear()["started"] for _ in range(5)]
        assert min(started) >= released
        talk.say(release="one")
        assert talk.hear() == {"error": "nobody is held at 'one'", "release": "one"}
        talk.say(release="two")
        assert talk.hear()["ended"] == "other"


def test_a_call_held_at_connect_has_done_all_else_and_asks_nobody_before_the_release(folder: Path) -> None:
    with fork_server(folder) as talk, socket.create_server(("127.0.0.1", 0)) as listening, ExitStack() as accepted:
        port = listening.getsockname()[1]
        for number in range(5):
            client = ["services.echo.client_blocking", "127.0.0.1", str(port), "--timeout", "5"]
            talk.say(call=str(number), argv=client, timeout_s=PATIENCE_S, barrier="all", hold="connect")
        talk.say(call="wrong", argv=["services.echo.client_blocking"], timeout_s=5, barrier="all", hold="connect")
        heard: list[Said] = []
        while not any("ended" in said for said in heard) or len(heard[-1].get("calls", ())) < 5:
            heard.append(talk.hear())
        assert [(said["ended"], said["status"]) for said in heard if "ended" in said] == [("wrong", 64)]
        listening.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listening.accept()
        talk.say(release="all")
        listening.settimeout(PATIENCE_S)
        for _ in range(5):
            accepted.enter_context(listening.accept()[0])
        accepted.close()
        assert {talk.hear()["status"] for _ in range(5)} <= {11, 14}, "reset or broken off: we said nothing"


def test_the_time_at_the_barrier_is_not_in_that_of_the_call(folder: Path) -> None:
    with fork_server(folder) as talk:
        talk.say(call="it", exec=["sleep", "0.1"], timeout_s=1, barrier="all")
        until_held(talk, 1)
        with pytest.raises(AssertionError, match="no answer within"):
            talk.hear(within_s=1.2)
        talk.say(release="all")
        ran = talk.hear()
        assert (ran["status"], ran["timed_out"]) == (0, False)
        assert ran["duration_s"] < 1.1


def test_a_held_call_can_be_cancelled_and_never_began(folder: Path) -> None:
    with fork_server(folder) as talk:
        for name in ("one", "two"):
            talk.say(call=name, exec=["true"], timeout_s=5, barrier="all")
        until_held(talk, 2)
        talk.say(cancel="one")
        ran = talk.hear()
        assert (ran["ended"], ran["started"], ran["duration_s"], ran["signal"]) == ("one", None, None, "SIGTERM")
        assert talk.hear() == {"held": "all", "calls": ["two"]}


# What is served


def serve(talk: Talk, *argv: str, kind: str = "exec", **more: object) -> int:
    """Start what is served, as `it`; its process number."""
    talk.say(serve="it", **{kind: argv}, **more)
    said = talk.hear()
    assert said["began"] == "it", said
    return int(said["pid"])


def printed_until(talk: Talk, end: str, within_s: float = PATIENCE_S) -> str:
    """What it printed, until that ends so."""
    text = ""
    while not text.endswith(end):
        text += talk.hear(within_s)["text"]
    return text


def until_ended(talk: Talk) -> tuple[str, Said]:
    """What it printed until it ended by itself, and how it ended. It is stopped then."""
    text, said = "", talk.hear()
    while "ended" not in said:
        text += said["text"]
        said = talk.hear()
    stop_ended(talk)
    return text, said


def stop_ended(talk: Talk) -> None:
    """Stop what has ended already."""
    talk.say(stop="it")
    assert talk.hear() == {"stopped": "it"}


def send(talk: Talk, name: str, to: str = "it") -> None:
    """Send it a signal, and hear that it was sent. What it printed before that is left out."""
    talk.say(signal=name, to=to)
    while "printed" in (said := talk.hear()):
        pass
    assert said == {"signalled": f"SIG{name.removeprefix('SIG')}", "to": to}


def stop(talk: Talk) -> Said:
    """Stop it; how it ended."""
    talk.say(stop="it")
    said = talk.hear()
    while "ended" not in said:
        assert "printed" in said, said
        said = talk.hear()
    assert talk.hear() == {"stopped": "it"}
    return said


FOLLOWS = """
import sys, time
print("first"); sys.stdout.flush()
print("second", file=sys.stderr)
sys.stdin.read()
print("third", end=""); sys.stdout.flush()
time.sleep(60)
"""


def test_what_is_served_is_told_as_it_is_printed_and_in_its_order(talk: Talk, folder: Path) -> None:
    pid = serve(talk, write(folder, "follows", FOLLOWS), kind="argv")
    assert printed_until(talk, "third") == "first\nsecond\nthird"
    assert f"{MARK}={talk.mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    said = stop(talk)
    assert (said["status"], said["signal"]) == (None, "SIGTERM")


def test_a_module_that_is_served_finds_everything_as_if_it_was_started_by_python_itself(
    talk: Talk, folder: Path
) -> None:
    name = write(folder, "seen", SEEN)
    write(folder, "limits", "print(open('/proc/self/limits').read())\n")
    for module, words in ((name, ["a b", "é"]), ("limits", [])):
        serve(talk, module, *words, kind="argv")
        text, said = until_ended(talk)
        assert said["status"] == 0, text
        expected = python_m(folder, module, *words).stdout
        if module == name:
            seen, known = json.loads(text), json.loads(expected)
            del seen["handlers"]["SIGINT"], known["handlers"]["SIGINT"]
            assert seen == known
        else:
            assert text == expected


@pytest.mark.parametrize("ends", ["sys.exit(7)", "raise ValueError('wrong')", "os.kill(os.getpid(), signal.SIGSEGV)"])
def test_what_is_served_may_end_by_itself_and_its_end_comes_after_all_that_it_printed(
    talk: Talk, folder: Path, ends: str
) -> None:
    lines = "print('x' * 5000); sys.stdout.flush()\n"
    name = write(folder, "ends", f"import os, signal, sys\n{lines * 10}{ends}\n")
    there = python_m(folder, name)
    serve(talk, name, kind="argv")
    text, said = until_ended(talk)
    assert text.startswith(there.stdout)
    assert text.splitlines()[-1] == (there.stdout + there.stderr).splitlines()[-1]
    assert (said["status"], said["signal"]) == ((None, "SIGSEGV") if there.returncode < 0 else (there.returncode, None))


def test_characters_and_lines_may_be_printed_in_pieces_and_what_is_no_utf_8_is_told_with_backslashes(
    talk: Talk, folder: Path
) -> None:
    pieces = (
        "import os, time\nfor byte in 'é🐰'.encode() + b'\\xff.':\n    os.write(1, bytes([byte])); time.sleep(0.01)\n"
    )
    serve(talk, write(folder, "pieces", pieces), kind="argv")
    assert printed_until(talk, ".") == "é🐰\\xff."
    assert talk.hear()["status"] == 0
    talk.say(stop="it")
    assert talk.hear() == {"stopped": "it"}


@pytest.mark.parametrize(("more", "dropped"), [(0, 0), (1, 1), (10**6, 10**6)])
def test_output_is_told_up_to_its_limit_and_the_rest_is_counted(talk: Talk, more: int, dropped: int) -> None:
    serve(talk, "head", "-c", str(FOLLOWED_LIMIT + more), "/dev/zero")
    text, said = until_ended(talk)
    assert (len(text), said["dropped"]) == (FOLLOWED_LIMIT, dropped)


def test_a_signal_goes_to_the_process_alone_and_by_either_of_its_names(talk: Talk) -> None:
    script = (
        "trap 'echo one' USR1; (trap 'echo child' USR1; echo up; while :; do sleep 0.05; done) & while :; do wait; done"
    )
    serve(talk, "sh", "-c", script)
    printed_until(talk, "up\n")
    for name in ("USR1", "SIGUSR1"):
        send(talk, name)
        assert printed_until(talk, "\n") == "one\n"
    with pytest.raises(AssertionError, match="no answer"):
        talk.hear(within_s=0.3)
    stop(talk)


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_what_is_served_can_be_paused_and_goes_on(talk: Talk) -> None:
    pid = serve(talk, "sh", "-c", "while :; do echo .; sleep 0.01; done")
    printed_until(talk, "\n")
    send(talk, "STOP")
    eventually(lambda: state(pid) == "T", "that it is stopped")
    with suppress(AssertionError):  # what it printed before
        while True:
            talk.hear(within_s=0.2)
    send(talk, "CONT")
    assert printed_until(talk, "\n")
    stop(talk)


def test_one_that_is_paused_is_stopped_at_once_and_does_nothing_more(talk: Talk, folder: Path) -> None:
    woken = folder / "woken"
    pid = serve(talk, "sh", "-c", "trap '>$0; exit' TERM; echo up; while :; do sleep 0.01; done", str(woken))
    printed_until(talk, "up\n")
    send(talk, "STOP")
    eventually(lambda: state(pid) == "T", "that it is stopped")
    began_s = time.monotonic()
    assert stop(talk)["signal"] == "SIGKILL"
    assert time.monotonic() - began_s < STOP_WITHIN_S
    assert not woken.exists()


def test_one_that_ignores_sigterm_is_killed_after_its_time(talk: Talk) -> None:
    serve(talk, "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done")
    printed_until(talk, "up\n")
    began_s = time.monotonic()
    talk.say(stop="it")
    assert talk.hear(within_s=2 * STOP_WITHIN_S)["signal"] == "SIGKILL"
    assert time.monotonic() - began_s >= STOP_WITHIN_S
    assert talk.hear() == {"stopped": "it"}


def test_the_children_of_one_that_was_killed_go_on_until_it_is_stopped(talk: Talk) -> None:
    serve(talk, "sh", "-c", "sh -c 'while :; do echo child $$; sleep 0.02; done' & wait")
    child = printed_until(talk, "\n").split()[1]
    send(talk, "KILL")
    said = talk.hear()
    while "ended" not in said:
        said = talk.hear()
    assert said["signal"] == "SIGKILL"
    assert f"child {child}" in printed_until(talk, "\n")
    assert not ended(child)
    talk.say(stop="it")
    while talk.hear() != {"stopped": "it"}:
        pass
    eventually(lambda: ended(child), "the end of its child")


def test_nothing_is_left_of_children_that_fork_while_they_are_ended(talk: Talk) -> None:
    before = marked(talk.mark)
    for _ in range(5):
        serve(talk, "sh", "-c", "sh -c 'while :; do sleep 9 & sleep 0.001; done' >/dev/null 2>&1 & echo up; wait")
        printed_until(talk, "up\n")
        send(talk, "KILL")
        assert talk.hear()["signal"] == "SIGKILL"
        eventually(lambda: len(marked(talk.mark)) > len(before), "one of them, or this would show nothing")
        stop_ended(talk)
        assert marked(talk.mark) == before


FORKS = """
import os, threading, time
for _ in range(2):
    if os.fork() == 0:
        time.sleep(60)
threading.Thread(target=time.sleep, args=[60]).start()
print("up", flush=True)
"""


def test_one_that_forks_and_has_threads_is_stopped_whole(talk: Talk, folder: Path) -> None:
    before = marked(talk.mark)
    serve(talk, write(folder, "forks", FORKS), kind="argv")
    printed_until(talk, "up\n")
    assert len(marked(talk.mark)) == len(before) + 3
    assert stop(talk)["signal"] == "SIGTERM"
    eventually(lambda: len(marked(talk.mark)) == len(before), "the end of its children")


def test_two_that_are_served_do_not_have_the_same_random_numbers(talk: Talk, folder: Path) -> None:
    name = write(folder, "randoms", "import random, uuid\nprint(random.random(), uuid.uuid4(), flush=True)\n")
    talk.say(warm=name)
    talk.hear()
    seen = set()
    for _ in range(3):
        serve(talk, name, kind="argv")
        seen.update(printed_until(talk, "\n").split())
        stop(talk)
    assert len(seen) == 6


def test_what_is_served_and_what_is_called_are_not_taken_for_each_other(talk: Talk) -> None:
    serve(talk, "sleep", "60")
    talk.say(cancel="it")
    assert talk.hear() == {"error": "no running call is named 'it'", "cancel": "it"}
    talk.say(call="it", exec=["true"], timeout_s=1)
    assert talk.hear() == {"error": "a call 'it' runs already", "call": "it"}
    talk.say(serve="it", exec=["true"])
    assert talk.hear() == {"error": "a call 'it' runs already", "serve": "it"}
    stop(talk)
    talk.say(call="slow", exec=["sleep", "60"], timeout_s=60)
    talk.say(stop="slow")
    assert talk.hear()["error"] == "no running server is named 'slow'"
    talk.say(cancel="slow")
    assert talk.hear()["cancelled"] is True


@pytest.mark.parametrize("how", ["end of input", "SIGTERM"])
def test_what_is_served_ends_with_the_fork_server(folder: Path, how: str) -> None:
    with fork_server(folder) as talk:
        pid = serve(talk, "sh", "-c", "trap '' TERM; sleep 60; sleep 60")
        talk.say(serve="paused", exec=["sleep", "60"])
        talk.hear()
        send(talk, "STOP", "paused")
        talk.say(serve="paused", exec=["true"])
        assert talk.hear()["error"] == "a call 'paused' runs already"
        if how == "SIGTERM":
            talk.process.send_signal(signal.SIGTERM)
            assert talk.process.wait(PATIENCE_S) == 0
        else:
            assert talk.end() == 0
        assert ended(str(pid))
        assert marked(talk.mark) == []


# What is left behind


def ended(pid: str) -> bool:
    """Whether a process is no more, or awaits only that init takes note of it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_the_rest_of_its_process_group_ends_with_a_call(talk: Talk) -> None:
    ran = talk.execute("sh", "-c", "sleep 60 & echo $!")
    assert (ran["status"], ran["escaped"]) == (0, 0)
    eventually(lambda: ended(ran["stdout"].strip()), "the end of its child")


def test_who_has_left_the_group_and_holds_the_output_is_killed(talk: Talk, folder: Path) -> None:
    ready = folder / "escaped"
    script = """setsid sh -c 'echo $$; >$0; exec sleep 60' "$0" & until [ -e "$0" ]; do sleep 0.01; done"""
    ran = talk.execute("sh", "-c", script, str(ready))
    assert (ran["status"], ran["escaped"]) == (0, 1)
    eventually(lambda: ended(ran["stdout"].strip()), "the end of who escaped")


def test_one_within_execve_is_known_by_the_environment_that_it_gets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(MARK, "ours")
    for name, text in (("environ", ""), ("cmdline", ""), ("stat", "7 (sh) R 1 7 7 0 -1 4194304 0")):
        (tmp_path / name).write_text(text)
    was_read = []

    def read_bytes(path: Path, real: Callable[[Path], bytes] = Path.read_bytes) -> bytes:
        was_read.append(path.name)
        if was_read.count("environ") == 3:
            (tmp_path / "environ").write_text(f"A=B\0{MARK}=ours\0")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert leavings._is_marked(tmp_path)
    assert was_read == ["environ", "cmdline", "environ", "cmdline", "environ"]


@pytest.mark.parametrize(
    ("cmdline", "stat"),
    [
        ("true", "7 (true) R 1 7 7 0 -1 4194304 0"),  # of an empty environment
        ("", "7 (sh) Z 1 7 7 0 -1 4194308 0"),
        ("", "7 (sh) R 1 7 7 0 -1 4194308 0"),  # it is ending
        ("", "7 (kworker/0:1) I 2 0 0 0 -1 69238880 0"),
    ],
)
def test_one_that_gets_no_environment_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cmdline: str, stat: str
) -> None:
    monkeypatch.setenv(MARK, "ours")
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail(f"it slept for {seconds} s"))
    for name, text in (("environ", ""), ("cmdline", cmdline), ("stat", stat)):
        (tmp_path / name).write_text(text)
    assert not leavings._is_marked(tmp_path)


def test_nothing_is_left_of_who_has_left_the_group_and_forks_while_it_is_killed(talk: Talk, folder: Path) -> None:
    before = marked(talk.mark)
    forks = "setsid sh -c '>$0; while :; do sleep 9 & sleep 0.001; done' $0 & until [ -e $0 ]; do sleep 0.01; done"
    for number in range(5):
        ran = talk.execute("sh", "-c", forks, str(folder / f"forks-{number}"))
        assert ran["status"] == 0
        assert ran["escaped"] > 1
        assert marked(talk.mark) == before


def test_a_daemon_that_holds_nothing_lasts_until_the_fork_server_ends(folder: Path) -> None:
    with fork_server(folder) as talk:
        daemon = """setsid sh -c '>$0; exec sleep 60' "$0" >/dev/null 2>&1 & until [ -e "$0" ]; do sleep 0.01; done"""
        ran = talk.execute("sh", "-c", daemon, str(folder / "daemon"))
        assert [each for each in marked(talk.mark) if "sleep" in each], "it is there, or this would show nothing"
        assert ran["escaped"] == 0
        assert talk.end() == 0
        assert marked(talk.mark) == []


@pytest.mark.parametrize("how", ["end of input", "SIGTERM"])
def test_at_its_end_whatever_runs_or_is_held_is_killed(folder: Path, how: str) -> None:
    with fork_server(folder) as talk:
        talk.say(call="deaf", exec=["sh", "-c", "trap '' TERM; sleep 60; sleep 60"], timeout_s=60)
        talk.say(call="held", exec=["touch", str(folder / "held-ran")], timeout_s=60, barrier="all")
        until_held(talk, 1)
        began_s = time.monotonic()
        if how == "SIGTERM":
            talk.process.send_signal(signal.SIGTERM)
            assert talk.process.wait(PATIENCE_S) == 0
        else:
            assert talk.end() == 0
        assert time.monotonic() - began_s < PATIENCE_S / 2
        assert marked(talk.mark) == []
        assert not (folder / "held-ran").exists()


def test_when_it_is_killed_no_held_call_begins(folder: Path) -> None:
    with fork_server(folder) as talk:
        talk.say(call="held", exec=["touch", str(folder / "held-ran")], timeout_s=60, barrier="all")
        until_held(talk, 1)
        ours = [int(each.split()[0]) for each in marked(talk.mark)]
        parents = {pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in ours}
        (serving,) = (pid for pid in ours if parents[pid] == talk.process.pid)
        os.kill(serving, signal.SIGKILL)
        assert talk.process.wait(PATIENCE_S) == 128 + signal.SIGKILL
        eventually(lambda: marked(talk.mark) == [], "the end of the held call")
        assert not (folder / "held-ran").exists()


def test_a_reader_that_reads_nothing_does_not_keep_it_from_ending(folder: Path) -> None:
    with fork_server(folder) as talk:
        for number in range(20):
            talk.say(call=str(number), exec=["head", "-c", str(OUTPUT_LIMIT), "/dev/zero"], timeout_s=60)
        assert talk.end() == 0


# Commands


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"garbage", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "expected an object, got list"),
        (b"{}", "expected exactly one of call, serve, signal, stop, cancel, release, warm; got none"),
        (b'{"call": "x", "cancel": "x"}', "got call, cancel"),
        (b'{"call": 1}', "call: expected a string of 1 to 64 characters"),
        (b'{"call": ""}', "call: expected a string"),
        (b'{"call": "x", "timeout_s": 1}', "expected one of argv and exec"),
        (b'{"call": "x", "argv": ["m"], "exec": ["p"], "timeout_s": 1}', "expected one of argv and exec"),
        (b'{"call": "x", "argv": [], "timeout_s": 1}', "argv: expected a list of strings"),
        (b'{"call": "x", "argv": "m", "timeout_s": 1}', "argv: expected a list of strings"),
        (b'{"call": "x", "exec": ["p", 1], "timeout_s": 1}', "exec: expected a list of strings"),
        (b'{"call": "x", "exec": ["p\\u0000"], "timeout_s": 1}', "cannot hold NUL"),
        (b'{"call": "x", "argv": ["m"]}', "timeout_s: expected a number"),
        (b'{"call": "x", "argv": ["m"], "timeout_s": true}', "timeout_s: expected a number"),
        (b'{"call": "x", "argv": ["m"], "timeout_s": 0}', "timeout_s: must be more than 0"),
        (b'{"call": "x", "argv": ["m"], "timeout_s": NaN}', "timeout_s: expected a number"),
        (b'{"call": "x", "argv": ["m"], "timeout_s": 3601}', "timeout_s: expected a number of seconds up to 3600"),
        (b'{"call": "x", "argv": ["m"], "timeout_s": 1, "hold": "start"}', "without a barrier"),
        (b'{"call": "x", "argv": ["m"], "timeout_s": 1, "barrier": "b", "hold": "end"}', "hold: expected"),
        (b'{"call": "x", "exec": ["p"], "timeout_s": 1, "barrier": "b", "hold": "connect"}', "hold: expected"),
        (b'{"call": "x", "argv": ["m"], "timeout_s": 1, "colour": "red"}', "unknown key colour"),
        (b'{"serve": "x"}', "expected one of argv and exec"),
        (b'{"serve": "x", "argv": ["m"], "timeout_s": 1}', "unknown key timeout_s"),
        (b'{"signal": "KIL", "to": "x"}', "signal: no signal has the name 'KIL'"),
        (b'{"signal": "KILL"}', "expected the name of a program, as to"),
        (b'{"stop": ""}', "stop: expected a string"),
    ],
)
def test_a_line_that_is_no_command_is_an_error_that_names_what_is_wrong(line: bytes, says: str) -> None:
    with pytest.raises(CommandError, match=says.replace("(", r"\(")):
        parse(line)


def test_each_command_is_read_with_all_that_it_may_hold() -> None:
    start = b'{"call": "x", "argv": ["m", ""], "timeout_s": 3600, "barrier": "b", "hold": "connect"}'
    assert parse(start) == Start("x", ("m", ""), True, 3600.0, "b", "connect")
    assert parse(b'{"call": "x", "exec": ["p"], "timeout_s": 0.5}') == Start("x", ("p",), False, 0.5)
    assert parse(b'{"serve": "x", "argv": ["m"]}') == Start("x", ("m",), True, math.inf, followed=True)
    assert parse(b'{"serve": "x", "exec": ["p"]}') == Start("x", ("p",), False, math.inf, followed=True)
    assert parse(b'{"signal": "SIGKILL", "to": "x"}') == Signal("x", signal.SIGKILL)
    assert parse(b'{"signal": "CONT", "to": "x"}') == Signal("x", signal.SIGCONT)
    assert parse(b'{"stop": "x"}') == Stop("x")
    assert parse(b'{"cancel": "x"}') == Cancel("x")
    assert parse(b'{"release": "b"}') == Release("b")
    assert parse(b'{"warm": "m"}') == Warm("m")
    assert parse(json.dumps({"cancel": "x" * NAME_LIMIT}).encode()) == Cancel("x" * NAME_LIMIT)
    with pytest.raises(CommandError):
        parse(json.dumps({"cancel": "x" * (NAME_LIMIT + 1)}).encode())


def test_after_any_garbage_it_goes_on(talk: Talk) -> None:
    talk.say_line(b"garbage")
    assert "not JSON" in talk.hear()["error"]
    talk.say(call="x", timeout_s=1)
    assert talk.hear() == {"error": "expected one of argv and exec", "call": "x"}
    talk.say_line(b'{"warm": "json"}'.ljust(LINE_LIMIT))
    assert talk.hear()["warm"] == "json"
    talk.say_line(b'{"warm": "json"}'.ljust(LINE_LIMIT + 1))
    assert talk.hear() == {"error": f"the line is longer than {LINE_LIMIT} bytes"}
    talk.say_line(b"x" * (10 * LINE_LIMIT))
    assert talk.hear() == {"error": f"the line is longer than {LINE_LIMIT} bytes"}
    assert talk.execute("true")["status"] == 0


def test_commands_may_come_in_any_pieces(talk: Talk) -> None:
    assert talk.process.stdin
    for byte in b'{"warm": "json"}\n{"cancel": "y"}\n{"warm": ':
        talk.process.stdin.write(bytes([byte]))
        talk.process.stdin.flush()
    assert talk.hear() == {"warm": "json", "missing": []}
    assert talk.hear()["cancel"] == "y"
    talk.say_line(b'"string"}')
    assert talk.hear() == {"warm": "string", "missing": []}


def test_a_file_as_its_input_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "commands").write_text('{"warm": "json"}\n', encoding="utf-8")
    with (tmp_path / "commands").open() as commands:
        ran = subprocess.run(
            [sys.executable, "-m", "services.forkserver"],
            stdin=commands,
            capture_output=True,
            cwd=ROOT,
            timeout=PATIENCE_S,
        )
    assert (ran.returncode, ran.stderr) == (64, b"python -m services.forkserver: stdin must be a pipe\n")


def test_a_signal_goes_to_a_call_too_and_its_process_is_told(talk: Talk) -> None:
    talk.say(call="it", exec=["sleep", "60"], timeout_s=60)
    talk.say(signal="STOP", to="it")
    said = talk.hear()
    assert (said["signalled"], said["to"]) == ("SIGSTOP", "it")
    stat = Path(f"/proc/{said['pid']}/stat")
    eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it to be stopped")
    talk.say(signal="CONT", to="it")
    assert talk.hear()["signalled"] == "SIGCONT"
    talk.say(signal="USR1", to="it")
    assert talk.hear()["signalled"] == "SIGUSR1"
    ended = talk.hear()
    assert (ended["ended"], ended["signal"]) == ("it", "SIGUSR1")


def test_a_signal_to_a_call_that_has_ended_is_an_error_that_names_it(talk: Talk) -> None:
    talk.say(call="it", exec=["true"], timeout_s=60)
    assert talk.hear()["ended"] == "it"
    talk.say(signal="USR1", to="it")
    assert talk.hear() == {"error": "no running server is named 'it'", "signal": "it"}
