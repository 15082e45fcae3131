"""The wheel: what it brings, and that the command works from it in a folder elsewhere, as it does in a clone."""

from __future__ import annotations

import ast
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.cli.main import OF_MAKERS as MAKERS_VERBS
from scenarios.cli.main import offered
from scenarios.lab import images
from scenarios.lab.places import CODE, ROOT
from scenarios.version import VERSION
from tests.installing import Installed, built

TARGETS = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
OF_THE_CLONE = re.compile(
    rf"\bmake (?:{'|'.join(TARGETS)})\b(?! (?:is|of|was))|python -m scenarios\b|(?<!ARG )\b[A-Z]{{2,}}=[a-z…]"
)
# They make the clone's own pages, or are run by it alone.
OF_THE_MAKERS = {
    "report/gallery_page.py",
    "report/catalogue_pages.py",
    "report/tutorial_programs_page.py",
    "report/tutorials_page.py",
    "byteorder/emulation.py",
    "lab/bundle_file.py",
} | {
    "lab/aloud.py",
    "byteorder/errno_table.py",
}


def test_the_wheel_brings_one_package_one_command_and_no_other_name(wheel: Installed) -> None:
    with zipfile.ZipFile(wheel.file) as archive:
        names = archive.namelist()
        entries = archive.read(f"faultwire-{VERSION}.dist-info/entry_points.txt").decode()
    assert {name.partition("/")[0] for name in names} == {"faultwire", f"faultwire-{VERSION}.dist-info"}
    assert re.findall(r"^(\w+) = ", entries.partition("[pytest11]")[0], re.MULTILINE) == ["faultwire"]
    shown = wheel.run("python", "-c", "import scenarios", cwd=wheel.environment)
    assert "No module named 'scenarios'" in shown.stderr


def test_no_module_of_the_package_imports_the_names_of_the_clone(wheel: Installed) -> None:
    imports = re.compile(r"^\s*(?:from|import) (?:scenarios|images|services)\b.*", re.MULTILINE)
    package = wheel.packages / "faultwire"
    found = {
        str(path.relative_to(package)): wrong
        for path in package.rglob("*.py")
        if "home" not in path.relative_to(package).parts[:1] and (wrong := imports.findall(path.read_text("utf-8")))
    }
    assert found == {}


def test_every_module_of_the_package_can_be_imported(wheel: Installed, tmp_path: Path) -> None:
    program = (
        "import importlib, pkgutil, faultwire\n"
        "for each in pkgutil.walk_packages(faultwire.__path__, 'faultwire.'):\n"
        "    without_pytest = not each.name.endswith(('.fuzz_caller', '.pytest_plugin', '.sigterm'))\n"
        "    if not each.name.startswith('faultwire.home') and without_pytest:\n"
        "        try:\n"
        "            importlib.import_module(each.name)\n"
        "        except ModuleNotFoundError as error:\n"
        "            of_extra = ('distributed', 'dask', 'cryptography')\n"
        "            clustered = ('faultwire.cluster.', 'faultwire.bench.cluster_load',"
        " 'faultwire.bench.idle_worker')\n"
        "            if not each.name.startswith(clustered) or error.name not in of_extra:\n"
        "                raise\n"
    )
    ran = wheel.run("python", "-c", program, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_library_is_there_by_the_package_s_own_name(wheel: Installed, tmp_path: Path) -> None:
    program = "import sys, faultwire; assert 'docker' not in sys.modules; print(faultwire.Lab, faultwire.Unproven)"
    assert "faultwire.library.lab.Lab" in wheel.run("python", "-c", program, cwd=tmp_path).stdout
    with zipfile.ZipFile(wheel.file) as archive:
        entries = archive.read(f"faultwire-{VERSION}.dist-info/entry_points.txt").decode()
    assert "[pytest11]\nfaultwire = faultwire.library.pytest_plugin" in entries


def test_the_same_files_give_the_same_bytes(wheel: Installed, tmp_path: Path) -> None:
    again = built(tmp_path, {"TZ": "Asia/Tokyo", "LC_ALL": "C"})
    assert again.read_bytes() == wheel.file.read_bytes()


def test_an_image_is_as_fresh_for_the_wheel_as_for_the_clone(wheel: Installed, tmp_path: Path) -> None:
    program = (
        "from faultwire.lab import images\n"
        "for name, recipe in images.RECIPES.items():\n"
        "    if name != 'browser': print(name, images.inputs_digest(recipe, 'debian'))\n"
    )
    ran = wheel.run("python", "-c", program, cwd=tmp_path)
    of_clone = {
        name: images.inputs_digest(recipe, "debian") for name, recipe in images.RECIPES.items() if name != "browser"
    }
    assert dict(line.split() for line in ran.stdout.splitlines()) == of_clone, ran.stderr


SAYING = """
import contextlib, io, json, sys
from faultwire.cli.main import main
for verb in json.loads(sys.argv[1]):
    said, status = io.StringIO(), None
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main([*filter(None, [verb]), "--help"])
        except SystemExit as ended:
            status = ended.code or 0
    print(json.dumps([verb, status, said.getvalue()]))
"""


@pytest.fixture(scope="module")
def helps(wheel: Installed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """What `faultwire VERB --help` says of every verb, and without one, with its exit status: all in one process."""
    verbs = json.dumps(["", *offered()])
    ran = wheel.run("python", "-c", SAYING, verbs, cwd=tmp_path_factory.mktemp("helps"))
    assert ran.returncode == 0, ran.stderr
    return {verb: (status, said) for verb, status, said in map(json.loads, ran.stdout.splitlines())}


def test_the_command_says_its_version_and_has_every_command_but_the_makers(
    wheel: Installed, tmp_path: Path, helps: dict[str, tuple[int, str]]
) -> None:
    assert wheel.run("faultwire", "--version", cwd=tmp_path).stdout == f"faultwire {VERSION}\n"
    status, shown = helps[""]
    assert (status, shown.startswith("usage: faultwire ")) == (0, True)
    there = {verb for verb in offered() if re.search(rf"^ +{verb}\b", shown, re.MULTILINE)}
    assert there == {*offered()} - {*MAKERS_VERBS}
    for verb in offered():
        status, said = helps[verb]
        is_there = (0, False) if verb in there else (64, True)  # they are for whoever works on the lab, in a clone
        assert (status, f"invalid choice: '{verb}'" in said) == is_there, said
    ran = wheel.run("faultwire", MAKERS_VERBS[0], cwd=tmp_path)  # as a process, which must say the same
    assert (ran.returncode, f"invalid choice: '{MAKERS_VERBS[0]}'" in ran.stderr) == (64, True)


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("list", "lost", "syn"), 0, "lost-syn"),
        (("explain", "lost-syn"), 0, "RFC 6298"),
        (("list", "--json", "lost-syn"), 0, '"file": "'),
        (("validate",), 0, "0 wrong"),
        (("schema", "service"), 0, '"properties"'),
        (("run", "lost-sin"), 64, "did you mean 'lost-syn'"),
        (("gallery", "--dry-run"), 0, "nothing was run"),
        (("run", "lost-syn", "--cluster", "local:2"), 64, "many machines need the extra: pip install 'faultwire[clus"),
        (("worker", "tcp://127.0.0.1:9"), 64, "many machines need the extra: pip install 'faultwire[clus"),
    ],
)
def test_what_needs_no_lab_works_in_a_folder_elsewhere(
    wheel: Installed, tmp_path: Path, words: tuple[str, ...], status: int, says: str
) -> None:
    ran = wheel.run("faultwire", *words, cwd=tmp_path)
    assert (ran.returncode, says in ran.stdout + ran.stderr) == (status, True), ran.stdout + ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_help_and_no_list_of_the_wheel_speaks_of_make(
    wheel: Installed, tmp_path: Path, helps: dict[str, tuple[int, str]]
) -> None:
    told = "\n".join(said for status, said in helps.values() if status == 0)
    told += wheel.run("faultwire", "list", "lost", cwd=tmp_path).stdout
    assert "packet" in told
    assert re.findall(rf".*(?:{OF_THE_CLONE.pattern}).*", told) == []


def test_the_help_of_grade_names_the_grading_file_where_the_package_has_it(
    wheel: Installed, helps: dict[str, tuple[int, str]]
) -> None:
    file = wheel.packages / "faultwire" / "lessons" / "grading.yaml"
    assert file.is_file()
    _, said = helps["grade"]
    assert str(file) in "".join(said.split())  # a long path is wrapped at its hyphens


def test_doctor_names_the_cure_as_it_is_typed_here(wheel: Installed, tmp_path: Path) -> None:
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    ran = wheel.run("faultwire", "doctor", cwd=tmp_path, environment=nowhere)
    assert ran.returncode == 1
    assert "faultwire setup" in ran.stdout
    assert "make" not in ran.stdout


def said_outside_of_places(path: Path) -> Iterator[str]:
    """The strings of a module in which a clone's command stands, but for docstrings and `typed`'s words."""
    tree = ast.parse(path.read_text("utf-8"))
    left = {
        id(each)
        for node in ast.walk(tree)
        if (isinstance(node, ast.Call) and ast.unparse(node.func) in ("typed", "either"))
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for each in ast.walk(node)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and id(node) not in left
            and isinstance(node.value, str)
            and OF_THE_CLONE.search(node.value)
        ):
            yield f"{path.relative_to(CODE)}:{node.lineno}: {node.value}"


def test_no_message_speaks_of_a_command_but_by_the_module_that_knows_how_it_is_typed() -> None:
    read = [path for path in CODE.rglob("*.py") if path.relative_to(CODE).as_posix() not in OF_THE_MAKERS]
    assert len(read) > 100
    assert [found for path in read for found in said_outside_of_places(path)] == []


def test_a_message_with_a_command_of_the_clone_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.house.test_wheel.CODE", tmp_path)
    (tmp_path / "said.py").write_text(
        '"""make up"""\nWHY = f"`make setup` does {1}"\ntyped("up")\neither("make up", "")\n'
    )
    assert [*said_outside_of_places(tmp_path / "said.py")] == ["said.py:2: `make setup` does "]


def test_init_writes_where_it_is_called_and_the_service_stands_beside_those_of_the_lab(
    wheel: Installed, tmp_path: Path
) -> None:
    made = wheel.run("faultwire", "init", "mine", cwd=tmp_path)
    assert made.returncode == 0, made.stdout
    assert made.stdout.startswith("✓ services/mine/ has service.yaml")
    assert "faultwire call mine ; faultwire matrix --service mine" in made.stdout
    assert sorted(path.name for path in (tmp_path / "services" / "mine").iterdir()) == [
        "Dockerfile",
        "program",
        "service.yaml",
    ]
    assert "any-lost-syn" in wheel.run("faultwire", "list", "--service", "mine", cwd=tmp_path).stdout
    taken = wheel.run("faultwire", "init", "echo", cwd=tmp_path)
    assert (taken.returncode, "the lab has a service 'echo' already" in taken.stdout) == (64, True)


def test_a_service_with_a_name_of_the_labs_is_an_error_that_names_its_file(wheel: Installed, tmp_path: Path) -> None:
    assert wheel.run("faultwire", "init", "mine", cwd=tmp_path).returncode == 0
    (tmp_path / "services" / "mine").rename(tmp_path / "services" / "echo")
    ran = wheel.run("faultwire", "validate", cwd=tmp_path)
    assert ran.returncode == 64
    assert "services/echo/service.yaml: the lab has a service 'echo' already; take another name" in ran.stdout
