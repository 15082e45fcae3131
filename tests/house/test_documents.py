"""What README and the documents name is there: verbs of make, their variables, modules, commands, files."""

from __future__ import annotations

import functools
import importlib.util
import re
import shlex
from collections.abc import Iterator

import pytest

from scenarios.cli.main import main, parser
from scenarios.lab.topology import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
VARIABLES = set(re.findall(r"\$\((?:[a-z]+ )*(?:command line[^)]*origin )?([A-Z_]+)", MAKEFILE))
CODE = re.compile(r"`([^`\n]+)`|^    (?! )(.+)$", re.MULTILINE)  # in the line, or a line of a block
FENCED = re.compile(r"^```[a-z]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A verb, and the variables behind it; not `make` of another program's Makefile (-C, -j …).
MAKE = re.compile(r"(?:^|[;&] )make ((?:[A-Z_]+=\S+ )*)([a-z][a-z-]*)((?: [A-Z_]+=\S*)*)")
MODULE = re.compile(r"python -m ((?:scenarios|tests|services)[\w.]*)(?: ([a-z][a-z-]*))?")
# A command of the lab as one would type it, up to what is for the shell, or a word for the reader.
COMMAND = re.compile(r"(?:^|[;&] |bin/)(?:faultwire|python -m scenarios) ([a-z][a-z-]*(?: (?![#;&|>])\S+)*)")
TYPED = re.compile(r" (?!--)\S|^(?:doctor|list|report|setup|schema|validate)\b")
PLACEHOLDER = re.compile(r"…|\.\.\.|\bVERB\b|\bNAME\b|\$")
FILE = re.compile(r"(?<![\w/.-])((?:scenarios|services|images|tests|docs)/[\w./-]*\w)(?![\w*{…<])")

LONGEST = 120  # characters of a line

# What a page has its reader write, or stands for any name.
OF_THE_READER = {
    "scenarios/drills/lost-answer.yaml",
    "services/mine",
    "services/mine/service.yaml",
    "services/thermo",
    "services/thermo/service.yaml",
}


@functools.cache
def code() -> list[tuple[str, str]]:
    """Each piece of code of each page, with the page's name."""
    return [*_code()]


def _code() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        text = page.read_text("utf-8")
        for inline, block in CODE.findall(FENCED.sub("", text)):
            yield page.name, inline or block
        for block in FENCED.findall(text):
            yield from ((page.name, line) for line in block.splitlines())


def matches_in_code(pattern: re.Pattern[str]) -> list[tuple[str, tuple[str, ...]]]:
    return sorted({(page, match.groups("")) for page, piece in code() for match in pattern.finditer(piece)})


def test_the_pages_name_commands_at_all() -> None:
    assert len(matches_in_code(MAKE)) > 50
    assert len(matches_in_code(MODULE)) > 5
    assert len(matches_in_code(FILE)) > 20


def test_each_verb_of_make_and_each_of_its_variables_is_in_the_makefile() -> None:
    wrong = [f"{page}: make {verb}" for page, (_, verb, _) in matches_in_code(MAKE) if verb not in TARGETS] + [
        f"{page}: make {verb} {name}="
        for page, (before, verb, after) in matches_in_code(MAKE)
        for name in re.findall(r"([A-Z_]+)=", f"{before}{after}")
        if name not in VARIABLES
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "module", sorted({named[0] for _, named in matches_in_code(MODULE) if not named[0].endswith(".NAME")})
)
def test_each_module_that_a_page_would_run_is_there(module: str) -> None:
    assert importlib.util.find_spec(module), module


@pytest.mark.parametrize(
    "verb", sorted({verb for _, (module, verb) in matches_in_code(MODULE) if module == "scenarios" and verb})
)
def test_each_command_that_a_page_would_run_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert f"{verb} " in capsys.readouterr().out


def test_each_file_that_a_page_names_is_there() -> None:
    named = [(page, name) for page, (name,) in matches_in_code(FILE) if name not in OF_THE_READER]
    wrong = [f"{page}: {name}" for page, name in named if not (ROOT / name).exists()]
    assert not wrong, "\n".join(wrong)


def commands() -> list[tuple[str, str]]:
    named = matches_in_code(COMMAND)
    # A verb without a word or with a flag alone, `faultwire run --json`, is a name and nothing to type.
    return [(page, words) for page, (words,) in named if not PLACEHOLDER.search(words) and TYPED.search(words)]


def test_the_pages_have_commands_with_flags() -> None:
    assert len(commands()) > 15
    assert sum(" --" in words for _, words in commands()) > 5


@pytest.mark.parametrize(("page", "words"), commands())
def test_each_command_can_be_typed_as_it_is_written(page: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its verb, its flags and what they take; nothing is run."""
    verb, *rest = shlex.split(words)
    try:
        parser(verb).parse_args([verb, *rest])
    except SystemExit as ended:
        pytest.fail(f"{page}: {words}: status {ended.code}: {capsys.readouterr().err}")


def test_a_command_that_cannot_be_typed_is_found() -> None:
    with pytest.raises(SystemExit):
        parser("run").parse_args(["run", "lost-syn", "--one-pear"])


def test_no_line_of_prose_is_too_long_to_read() -> None:
    """Beside tables, blocks of code, pictures, and what cannot be broken."""
    wrong = []
    for page in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CONTRIBUTING.md"]:
        text = FENCED.sub(lambda block: "\n" * block[0].count("\n"), page.read_text("utf-8"))
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > LONGEST and not line.startswith(("|", "    ", "![")):
                wrong.append(f"{page.name}:{number}: {len(line)} characters; at most {LONGEST}")
    assert not wrong, "\n".join(wrong)


def test_the_page_on_limits_counts_its_own_table() -> None:
    text = " ".join((ROOT / "docs" / "limits.md").read_text("utf-8").split())
    rows = [text.count(f"| {word} |") for word in ("yes", "partly", "no")]
    counted = re.search(r"Of (\d+) reports (\d+) can be said, (\d+) in part, (\d+) not\.", text)
    assert counted
    assert [int(each) for each in counted.groups()] == [sum(rows), *rows]
