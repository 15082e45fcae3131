"""What is read of a build, and what one is told when it fails, from recorded words of the builder (build_outputs/)."""

from __future__ import annotations

import copy
import os
import re
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from scenarios.lab import build_output, engine, images
from scenarios.lab.build_output import LAST_LINES, BuildEnded, Reading, build, side_by_side
from scenarios.lab.errors import CommandFailed
from scenarios.lab.waiting import wait_for

RECORDED = Path(__file__).with_name("build_outputs")
LONG_S = 60


def lines(name: str) -> list[str]:
    return (RECORDED / f"{name}.txt").read_bytes().decode("utf-8").removesuffix("\n").split("\n")


def read(name: str) -> Reading:
    reading = Reading()
    for line in lines(name):
        reading.feed(line)
    return reading


def test_the_cause_comes_first_and_then_the_last_lines_of_the_step_that_failed() -> None:
    cause, *printed = read("fails-in-a-stage").why.splitlines()
    assert cause.startswith("stage zlib, step 2/2: `RUN cd /tmp  && echo 'deb-src")
    assert cause.endswith("ended with exit code 100")
    assert len(printed) == LAST_LINES
    assert printed[0] == "  reading 16"
    assert printed[-2].startswith("  E: Failed to fetch http://deb.example/zlib_1.3.1.dfsg.orig.tar.gz  404  Not Found")
    assert not any("openssl" in line or "crypto" in line for line in printed)  # of the stage that was cancelled


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nothing-to-copy", 'stage stage-1, step 2/2: `COPY missing /b`: "/missing" not found: not found'),
        ("no-such-image", "`[internal] load metadata for nosuch.invalid/image:1`: failed to do request: "),
        ("unknown-instruction", "ERROR: failed to solve: "),
    ],
)
def test_what_fails_before_a_command_runs_is_told_in_the_builders_own_words(name: str, why: str) -> None:
    assert read(name).why.startswith(why)


def test_a_builder_that_says_nothing_is_told_so() -> None:
    assert Reading().why == "it printed nothing"


def test_of_a_line_that_a_program_overwrites_one_sees_what_a_terminal_shows() -> None:
    reading = read("overwritten-line")
    assert reading.failed is None
    (step,) = [step for step in reading._steps.values() if "kill -9" in step.name]
    assert list(step.printed) == ["one", "full"]


def test_one_is_told_which_step_runs_and_of_several_that_which_spoke_last() -> None:
    reading, seen = Reading(), []
    for line in [
        "#0 building with \"default\" instance using docker driver",
        "#1 [internal] load build definition from Dockerfile",
        "#1 DONE 0.0s",
        "#5 [zlib 2/3] RUN make libz.a",
        "#5 0.380 CC adler32.c",
        "#6 [openssl 2/3] RUN ./Configure linux-ppc",
        "#5 [zlib 2/3] RUN make libz.a",
        "#5 DONE 4.1s",
        "#5 0.4 #6 ERROR: a program that talks as the builder does",
        "#6 CACHED",
        "#7 exporting to image",
        "#7 exporting layers",
        "#7 DONE 0.1s",
    ]:  # fmt: skip
        reading.feed(line)
        seen.append(reading.at)
    zlib, openssl = "[zlib 2/3] RUN make libz.a", "[openssl 2/3] RUN ./Configure linux-ppc"
    definition = "[internal] load build definition from Dockerfile"
    both, other_way = f"{openssl}; {zlib}", f"{zlib}; {openssl}"
    exporting = "exporting to image"
    assert seen == [
        "", definition, "", zlib, zlib, both, other_way, openssl, openssl, "", exporting, exporting, ""
    ]  # fmt: skip
    assert reading.failed is None


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDED.glob("*.txt")))
def test_a_recorded_build_that_breaks_off_anywhere_is_still_read(name: str) -> None:
    reading = Reading()
    for line in lines(name):
        for cut in range(0, len(line), 11):
            broken_off = copy.deepcopy(reading)
            broken_off.feed(line[:cut])
            assert broken_off.why
            assert broken_off.so_far
        reading.feed(line)


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A `docker` of our own, with this body, in place of the real one."""

    def made(body: str) -> None:
        program = tmp_path / "docker"
        program.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return made


def test_a_build_that_fails_names_the_image_the_cause_and_the_whole_log(
    docker: Callable[[str], None], tmp_path: Path
) -> None:
    recorded = RECORDED / "fails-in-a-stage.txt"
    docker(f"cat {recorded} >&2; exit 1")
    told: list[str] = []
    logs = tmp_path / ".cache" / "faultwire"  # whoever is new has no ~/.cache either
    with pytest.raises(CommandFailed) as failed:
        build("faultwire/bigendian", ["."], within_s=LONG_S, tell=told.append, logs=logs)
    first, *_, last = str(failed.value).splitlines()
    assert first.startswith("faultwire/bigendian could not be built: stage zlib, step 2/2: `RUN cd /tmp")
    log = logs / "build-bigendian.log"
    assert last == f"the whole log: {log}"
    assert log.read_bytes() == recorded.read_bytes()
    assert any(at.startswith("[zlib 2/2] RUN cd /tmp") for at in told)


def test_of_an_image_that_cannot_be_built_one_sees_the_archives_404_and_what_stands_on_it_is_not_begun(
    docker: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way, from the recipes on; only the engine and its builder are not there."""
    plain = f"cat {RECORDED / 'fails-in-a-stage.txt'} >&2"
    quiet = f"tail -n 1 {RECORDED / 'fails-in-a-stage.txt'} >&2"  # all that the builder prints with --quiet
    docker(f'case "$*" in *--progress=plain*) {plain};; *) {quiet};; esac; exit 1')
    monkeypatch.setattr(build_output, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(engine, "image_layers", lambda _: "sha256:debian")
    monkeypatch.setattr(images, "_label", lambda *_: None)
    said = list[str]()
    with pytest.raises(CommandFailed) as failed:
        images.build(said.append, images.with_what_they_stand_on(["host"]))
    assert said == ["building faultwire/base (not built)"]
    assert "\n  E: Failed to fetch http://deb.example/zlib_1.3.1.dfsg.orig.tar.gz  404  Not Found" in str(failed.value)
    assert str(failed.value).startswith("faultwire/base could not be built: stage zlib, step 2/2: `RUN cd /tmp")


def test_a_build_that_succeeds_is_timed_and_its_log_takes_the_place_of_the_last(
    docker: Callable[[str], None], tmp_path: Path
) -> None:
    docker('echo "$@"; printf "#5 without an end"')
    logs = tmp_path / "logs"
    logs.mkdir()
    elsewhere = tmp_path / "elsewhere"
    (logs / "build-host.log").symlink_to(elsewhere)
    assert build("faultwire/host", ["--tag", "faultwire/host", "."], within_s=LONG_S, logs=logs) >= 0
    assert not elsewhere.exists()  # the link was not followed
    (log,) = logs.iterdir()
    assert log.read_text("utf-8") == ("build --progress=plain --tag faultwire/host .\n#5 without an end")


def test_where_the_folder_takes_no_log_it_is_among_the_temporary_files(
    docker: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The home of a user who has none, or one that cannot be written: the image is built all the same."""
    docker("echo no such package; exit 1")
    (tmp_path / "logs").write_text("a file", "utf-8")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with pytest.raises(CommandFailed) as raised:
        build("faultwire/host", ["."], within_s=LONG_S, logs=tmp_path / "logs")
    (log,) = (tmp_path / "temporary").iterdir()
    assert re.fullmatch(r"faultwire-build-host-\w+\.log", log.name)
    assert str(raised.value).endswith(f"the whole log: {log}")
    assert log.read_text("utf-8") == "no such package\n"
    docker("true")
    build("faultwire/host", ["."], within_s=LONG_S, logs=tmp_path / "logs")
    assert [*(tmp_path / "temporary").iterdir()] == [log], "what is well leaves none"


def test_where_no_log_can_be_written_one_is_told_the_path(
    docker: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker("true")
    (tmp_path / "logs").write_text("a file", "utf-8")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(CommandFailed, match=r"logs/build-host\.log: the log of a build cannot be written"):
        build("faultwire/host", ["."], within_s=LONG_S, logs=tmp_path / "logs")


# A builder with a plugin below it, as the docker command has: the plugin's process id is in the file `plugin`.
WITH_A_PLUGIN = """
sh -c 'echo $$ >{0}/plugin; printf "#5 [cpython 2/3] RUN make\\n#5 1.0 CC main.c\\n"; exec sleep 300' &
wait
"""


def plugin(tmp_path: Path) -> int:
    def written() -> str:
        path = tmp_path / "plugin"
        return path.read_text("utf-8").strip() if path.exists() else ""

    return int(wait_for(written, "the plugin to run", LONG_S))


def runs(pid: int) -> bool:
    """Whether a process is there; one that has ended and waits to be reaped is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_build_that_takes_too_long_is_ended_with_all_that_it_started_and_says_where_it_was(
    docker: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker(WITH_A_PLUGIN.format(tmp_path))
    it_runs = threading.Event()
    monkeypatch.setattr(build_output, "time", SimpleNamespace(monotonic=lambda: 1801.0 if it_runs.is_set() else 0.0))
    with pytest.raises(CommandFailed) as failed:
        build("faultwire/bigendian", ["."], within_s=1800, tell=lambda _: it_runs.set(), logs=tmp_path / "logs")
    assert str(failed.value).splitlines() == [
        "faultwire/bigendian was not built within 1800 s: it was at `[cpython 2/3] RUN make`",
        "  CC main.c",
        f"the whole log: {tmp_path / 'logs' / 'build-bigendian.log'}",
    ]
    pid = plugin(tmp_path)
    wait_for(lambda: not runs(pid), "the plugin to end", LONG_S)


def test_when_one_build_fails_those_beside_it_are_ended_and_the_failure_is_told(
    docker: Callable[[str], None], tmp_path: Path
) -> None:
    docker(f'case "$*" in *slow*) {WITH_A_PLUGIN.format(tmp_path)};; esac; echo "ERROR: no space left" >&2; exit 1')
    logs, ended, begun, it_runs = tmp_path / "logs", list[BaseException](), list[str](), threading.Event()

    def slow(stop: threading.Event) -> None:
        try:
            build("faultwire/slow", ["slow"], within_s=LONG_S, tell=lambda _: it_runs.set(), stop=stop, logs=logs)
        except BuildEnded as problem:
            ended.append(problem)
            raise

    def quick(stop: threading.Event) -> None:
        assert it_runs.wait(LONG_S)
        build("faultwire/quick", ["quick"], within_s=LONG_S, stop=stop, logs=logs)

    with pytest.raises(CommandFailed, match="faultwire/quick could not be built: ERROR: no space left"):
        side_by_side(
            {"slow": slow, "quick": quick, "on it": lambda _: begun.append("on it")}, {"on it": ["quick"]}
        )  # fmt: skip
    assert begun == []  # what stands on an image that is not there
    assert str(ended[0]).startswith("the build of faultwire/slow was ended: it was at `[cpython 2/3] RUN make`")
    pid = plugin(tmp_path)
    wait_for(lambda: not runs(pid), "the plugin to end", LONG_S)


def test_ctrl_c_ends_the_builds_and_leaves_nothing_of_them(docker: Callable[[str], None], tmp_path: Path) -> None:
    docker(WITH_A_PLUGIN.format(tmp_path))

    def press() -> None:
        plugin(tmp_path)
        os.kill(os.getpid(), signal.SIGINT)

    def slow(stop: threading.Event) -> None:
        build("faultwire/slow", ["."], within_s=LONG_S, stop=stop, logs=tmp_path / "logs")

    pressing = threading.Thread(target=press)
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        side_by_side({"slow": slow})
    pressing.join()
    pid = plugin(tmp_path)
    wait_for(lambda: not runs(pid), "the plugin to end", LONG_S)


def test_a_job_begins_when_those_that_it_waits_for_have_ended_and_the_others_run_at_once() -> None:
    ended = list[str]()
    other_runs = threading.Event()

    def base(_: threading.Event) -> None:
        assert other_runs.wait(LONG_S)
        ended.append("base")

    def other(_: threading.Event) -> None:
        other_runs.set()

    jobs = {"base": base, "host": lambda _: ended.append("host"), "other": other}
    side_by_side(jobs, {"host": ["base", "not among the jobs"]})
    assert ended == ["base", "host"]
    side_by_side({})


def test_a_line_of_any_length_is_shown_cut() -> None:
    reading = Reading()
    reading.feed("#5 [1/1] RUN x")
    for text in ("y" * build_output.LONGEST_LINE, "z" * (build_output.LONGEST_LINE + 1)):
        reading.feed(f"#5 0.1 {text}")
    reading.feed("#5 ERROR: exit code: 1")
    assert [len(line) - 2 for line in reading.why.splitlines()[1:]] == [build_output.LONGEST_LINE] * 2
    assert "…" not in reading.why.splitlines()[1]
    assert reading.why.endswith("z…")
