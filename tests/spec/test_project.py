"""The file of a person's own project, faultwire.toml: what it names is seen, and each mistake is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.lab.places import ROOT
from scenarios.spec.catalogue import DRILLS, drill_files
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.project import Project, nearest
from scenarios.spec.service import services


def test_the_nearest_file_upwards_says_where_things_are(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    for folder in ("own/services", "more", "checks"):
        (tmp_path / folder).mkdir(parents=True)
    below.mkdir(parents=True)
    (tmp_path / "faultwire.toml").write_text(
        'services = ["own/services", "more"]\ndrills = "checks"\nruns = "out/faultwire"\n'
    )
    assert nearest(below) == Project(
        (tmp_path / "own/services", tmp_path / "more"),
        (tmp_path / "checks",),
        tmp_path / "out/faultwire",
        tmp_path / "faultwire.toml",
    )


def test_a_table_of_pyproject_toml_says_it_too_and_one_without_it_is_passed_over(tmp_path: Path) -> None:
    below = tmp_path / "package"
    (below / "tests").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.faultwire]\nruns = "kept"\n')
    (below / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["faultwire"]\n')
    found = nearest(below / "tests")
    assert found is not None
    assert found.runs == tmp_path / "kept"
    assert (found.services, found.drills) == ((tmp_path / "services",), (tmp_path / "drills",))
    (below / "faultwire.toml").write_text("")
    found = nearest(below / "tests")
    assert found is not None
    assert found.runs == below / "runs"


def test_without_a_file_there_is_no_project(tmp_path: Path) -> None:
    assert nearest(tmp_path) is None


WRONG = {
    'services = "sevices"': "1: services: no such folder: sevices; did you mean 'services'?",
    '\nservcies = ["services"]': "2: servcies: unknown key 'servcies'; did you mean 'services'?",
    "drills = 3": '1: drills: expected a folder, or a list of folders, as ["drills"], got 3',
    'drills = ["services", 3]': (
        "1: drills: expected a folder, or a list of folders, as [\"drills\"], got ['services', 3]"
    ),
    "drills = []": "1: drills: expected a folder, or a list of folders, got nothing",
    "services = true": '1: services: expected a folder, or a list of folders, as ["services"], got true',
    'services = " "': "1: services: expected a folder, got an empty string",
    'services = "services/mine"': (
        "1: services: services/mine is the folder of one service; name the folder that holds it: 'services'"
    ),
    'drills = "odd"': "1: drills: odd/one.yml: the file of a drill ends in .yaml",
    '# ours\nruns = ["a"]': "2: runs: expected a folder, as a string, got ['a']",
    'runs = ""': "1: runs: expected a folder, got an empty string",
    'runs = "a-file"': "1: runs: expected a folder, and a-file is a file",
    'services = "a-file"': "1: services: expected a folder, and a-file is a file",
}


@pytest.mark.parametrize(("text", "told"), WRONG.items(), ids=WRONG)
@pytest.mark.parametrize("shared", [False, True], ids=["faultwire.toml", "pyproject.toml"])
def test_each_mistake_is_told_with_file_line_and_key(tmp_path: Path, text: str, told: str, shared: bool) -> None:
    for folder in ("services/mine", "odd"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("services/mine/service.yaml", "odd/one.yml", "a-file"):
        (tmp_path / file).touch()
    path = tmp_path / ("pyproject.toml" if shared else "faultwire.toml")
    head = '[project]\nname = "x"\nruns = 1\n[tool.faultwire]\n' if shared else ""
    path.write_text(f"{head}{text}\n[tool.other]\nservices = 1\n" if shared else text)
    with pytest.raises(DeclarationError) as raised:
        nearest(tmp_path)
    line, _, what = told.partition(": ")
    place = f"{int(line) + 4}: tool.faultwire." if shared else f"{line}: "
    assert str(raised.value).startswith(f"{path}:{place}{what}")


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "faultwire.toml").write_text('runs = 1\ndrill = "x"\n')
    with pytest.raises(DeclarationError) as raised:
        nearest(tmp_path)
    assert [(each.line, each.key) for each in raised.value.all] == [(1, "runs"), (2, "drill")]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("faultwire.toml", b'\nruns = "a', ":2: not TOML: "),
        ("faultwire.toml", b'\nruns = "\xff"', ":2: byte 9 is not UTF-8"),
        ("pyproject.toml", b"[tool.faultwire]\nruns = \n", ":2: not TOML: "),
        ("pyproject.toml", b"[tool]\nfaultwire = 3\n", ":2: tool.faultwire: expected a table, got 3"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(tmp_path: Path, name: str, text: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(text)
    with pytest.raises(DeclarationError) as raised:
        nearest(tmp_path)
    assert f"{tmp_path / name}{told}" in str(raised.value)


def test_dotted_keys_and_quotes_have_a_line_too(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool]\n\n[tool."faultwire"]\n"runs" = 1\n')
    with pytest.raises(DeclarationError, match=r"pyproject.toml:4: tool\.faultwire\.runs"):
        nearest(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool]\nother.runs = 2\nfaultwire.runs = 1\n")
    with pytest.raises(DeclarationError, match=r"pyproject.toml:3: tool\.faultwire\.runs"):
        nearest(tmp_path)


def test_two_drills_and_two_services_of_one_name_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "lost-syn.yaml").touch()
    with pytest.raises(DeclarationError, match=r"lost-syn.yaml: the lab has a drill 'lost-syn' already"):
        drill_files(DRILLS, tmp_path)
    for each in ("a", "b"):
        (tmp_path / each / "mine").mkdir(parents=True)
        text = "service: mine\nabout: x\nport: 1\nimage: x\nservers: {s: {run: a, about: a}}\n"
        (tmp_path / each / "mine" / "service.yaml").write_text(text + "clients: {c: {run: a, about: a}}\n")
    (wrong,) = services(tmp_path / "a", tmp_path / "b").wrong.values()
    assert f"b/mine/service.yaml: {tmp_path}/a has a service 'mine' already" in str(wrong)


DRILL = (DRILLS / "any-lost-syn.yaml").read_text("utf-8")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A project with a service and a drill of its own, and a folder below, from which commands are called."""
    (tmp_path / "own" / "mine").mkdir(parents=True)
    (tmp_path / "checks").mkdir()
    (tmp_path / "below").mkdir()
    (tmp_path / "faultwire.toml").write_text('services = "own"\ndrills = "checks"\n')
    (tmp_path / "own" / "mine" / "service.yaml").write_text(
        "service: mine\nabout: mine\nport: 4000\nimage: mine\nspeaks: echo\nservers: {one: {run: a, about: a}}\n"
    )
    (tmp_path / "checks" / "my-lost-syn.yaml").write_text(DRILL.replace("drill: any-lost-syn", "drill: my-lost-syn"))
    return tmp_path


SEEN = [
    ("list my-lost", "my-lost-syn"),
    ("list --service mine my-lost", "my-lost-syn"),
    ("explain my-lost-syn", "my-lost-syn"),
    ("run my-lost-* --service mine --dry-run", "my-lost-syn · mine/one · le-le"),
    ("matrix my-lost-syn --service mine --dry-run", "2 cells, of 1 architecture"),
    ("run my-lost-sin", "did you mean 'my-lost-syn'"),
    ("call mien", "did you mean 'mine/one'"),
    ("validate", "0 wrong"),
]


def test_every_command_sees_the_projects_own_services_and_drills_and_a_new_one_comes_there(theirs: Path) -> None:
    said = commands(theirs / "below", *(words for words, _ in SEEN), "init other")
    for (words, told), (_, printed) in zip(SEEN, said, strict=False):
        assert told in printed, words
    assert said[-1][0] == 0
    assert (theirs / "own" / "other" / "service.yaml").is_file()


def test_a_wrong_file_stops_every_command_before_it_does_anything(theirs: Path) -> None:
    (theirs / "faultwire.toml").write_text("\nrun = 1\n")
    told = f"cannot: {theirs}/faultwire.toml:2: run: unknown key 'run'; did you mean 'runs'?"
    for status, printed in commands(theirs / "below", "list", "init other", "doctor"):
        assert (status, told in " ".join(printed.split())) == (64, True), printed
    assert not (theirs / "below" / "services").exists()


RUN = """
import contextlib, io, json, sys
sys.path.insert(0, sys.argv[1])
from scenarios.cli.main import main
from scenarios.report.console import console
came = []
for words in sys.argv[2:]:
    console.file = printed = io.StringIO()
    came.append((main(words.split()), printed.getvalue()))
print(json.dumps(came))
"""


def commands(folder: Path, *lines: str) -> list[tuple[int, str]]:
    """Run these commands in a folder, one after another; the exit status of each, and what it printed."""
    environment = {"PATH": "/usr/bin:/bin", "COLUMNS": "400", "DOCKER_HOST": "unix:///nonexistent"}
    argv = [sys.executable, "-c", RUN, str(ROOT), *lines]
    ran = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=True)
    came: list[tuple[int, str]] = json.loads(ran.stdout)
    return came
