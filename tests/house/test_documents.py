"""What README and the documents name is there: verbs of make, their variables, modules, commands, files."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator

import pytest

from scenarios.cli.main import main
from scenarios.lab.topology import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
VARIABLES = set(re.findall(r"\$\((?:[a-z]+ )*(?:command line[^)]*origin )?([A-Z_]+)", MAKEFILE))
CODE = re.compile(r"`([^`\n]+)`|^    (?! )(.+)$", re.MULTILINE)  # in the line, or a line of a block
# A verb, and the variables behind it; not `make` of another program's Makefile (-C, -j …).
MAKE = re.compile(r"(?:^|[;&] )make ((?:[A-Z_]+=\S+ )*)([a-z][a-z-]*)((?: [A-Z_]+=\S*)*)")
MODULE = re.compile(r"python -m ((?:scenarios|tests|services)[\w.]*)(?: ([a-z][a-z-]*))?")
FILE = re.compile(r"(?<![\w/.-])((?:scenarios|services|images|tests|docs)/[\w./-]*\w)(?![\w*{…<])")

# What a page has its reader write, or stands for any name.
OF_THE_READER = {"scenarios/drills/lost-answer.yaml", "services/mine", "services/mine/service.yaml"}


def code() -> Iterator[tuple[str, str]]:
    """Yield each piece of code of each page, with the page's name."""
    for page in PAGES:
        for inline, block in CODE.findall(page.read_text("utf-8")):
            yield page.name, inline or block


def found(pattern: re.Pattern[str]) -> list[tuple[str, tuple[str, ...]]]:
    return sorted({(page, match.groups("")) for page, piece in code() for match in pattern.finditer(piece)})


def test_the_pages_name_commands_at_all() -> None:
    assert len(found(MAKE)) > 50
    assert len(found(MODULE)) > 5
    assert len(found(FILE)) > 20


def test_each_verb_of_make_and_each_of_its_variables_is_in_the_makefile() -> None:
    wrong = [f"{page}: make {verb}" for page, (_, verb, _) in found(MAKE) if verb not in TARGETS] + [
        f"{page}: make {verb} {name}="
        for page, (before, verb, after) in found(MAKE)
        for name in re.findall(r"([A-Z_]+)=", f"{before}{after}")
        if name not in VARIABLES
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", sorted({named[0] for _, named in found(MODULE) if not named[0].endswith(".NAME")}))
def test_each_module_that_a_page_would_run_is_there(module: str) -> None:
    assert importlib.util.find_spec(module), module


@pytest.mark.parametrize(
    "verb", sorted({verb for _, (module, verb) in found(MODULE) if module == "scenarios" and verb})
)
def test_each_command_that_a_page_would_run_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert f"{verb} " in capsys.readouterr().out


def test_each_file_that_a_page_names_is_there() -> None:
    named = [(page, name) for page, (name,) in found(FILE) if name not in OF_THE_READER]
    wrong = [f"{page}: {name}" for page, name in named if not (ROOT / name).exists()]
    assert not wrong, "\n".join(wrong)
