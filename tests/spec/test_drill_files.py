"""Drill files: what is right is read, what is wrong is told with its file, line, key and the nearest right word."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from scenarios.cli import main as command_line
from scenarios.lab.errors import UsageError
from scenarios.report.catalogue_pages import pages
from scenarios.spec.catalogue import DRILLS, drills, find_drills, load_drill
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.drill import Drill
from scenarios.spec.explain import explained
from scenarios.spec.json_schema import drill_schema
from scenarios.spec.program_faults import Replace
from scenarios.spec.service import services
from tests.mistakes import changed, each_mistake, refusal, rows

SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's where PyYAML has it
HEAD = """\
drill: one
claim: A lost SYN costs a second.
why: It is sent again.
source: [RFC 6298]
tags: [reaching]
service: search/selectors
script:
  - fault: {name: lose, drop: {first: 1, of: syn, from: client, to: server}}
"""
RIGHT = (
    HEAD
    + """\
  - call: {name: hello}
  - heal: lose
expect:
  - outcome: {call: hello, is: answered}
  - packets: {at: client-leg, where: tcp.flags.syn == 1, exactly: 2, apart: 0.9s to 1.5s}
control:
  - outcome: {call: hello, is: answered}
"""
)


def written(folder: Path, text: str) -> Path:
    path = folder / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_right_drill_is_read(tmp_path: Path) -> None:
    drill = load_drill(written(tmp_path, RIGHT))
    assert drill.claim == "A lost SYN costs a second."
    assert [fault.name for fault in drill.faults] == ["lose"]
    packets = drill.expect[1].packets
    assert packets is not None
    assert packets.right == "exactly 2, 900ms to 1.5s apart"


def test_what_is_wrong_with_a_drill_s_own_keys_is_told_beside_what_is_wrong_with_a_step(tmp_path: Path) -> None:
    text = changed(RIGHT, "claim: A lost SYN costs a second.", "claim: ''")
    text = changed(changed(text, "first: 1", "frist: 1"), "[RFC 6298]", "[]")
    error = refusal(load_drill, written(tmp_path, text))
    assert [each.key for each in error.all] == ["claim", "source", "script.1.fault.drop"]


def test_a_file_is_parsed_once_for_each_text_and_what_is_made_of_it_is_each_caller_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []
    compose = yaml.compose

    def counted(text: str, **words: Any) -> object:
        parsed.append(text)
        return compose(text, **words)

    monkeypatch.setattr(yaml, "compose", counted)
    known = services()
    parsed.clear()
    path = written(tmp_path, RIGHT)
    first, again = load_drill(path, known), load_drill(path, known)
    assert first == again
    assert first is not again
    assert len(parsed) == 1
    changed = load_drill(written(tmp_path, RIGHT.replace("a second", "two seconds")), known)
    assert changed.claim == "A lost SYN costs two seconds."
    for _ in range(2):
        with pytest.raises(DeclarationError, match="clam"):
            load_drill(written(tmp_path, RIGHT.replace("claim:", "clam:")), known)


# what is replaced, by what, and the error: its line, its key, and what it says
WRONG = {
    "claim:": {
        "clam:": "2: unknown key 'clam'; did you mean 'claim'?",
    },
    "why: It is sent again.\n": {
        "": "1: the key 'why' is missing",
    },
    "first: 1, of: syn": {
        "frist: 1, of: syn": "8: script.1.fault.drop: unknown key 'frist'; did you mean 'first'?",
    },
    "of: syn": {
        "of: sin": "8: script.1.fault.drop.of: unknown word 'sin'; did you mean 'syn'?",
    },
    "from: client": {
        "from: cleint": "8: script.1.fault.drop.from: unknown word 'cleint'; did you mean 'client'?",
    },
    "first: 1, of": {
        "first: 0, of": "8: script.1.fault.drop.first: first is 1 to",
        "first: 1, nth: 2, of": "8: script.1.fault.drop: a pick has one of nth, first, byte and percent",
    },
    "drop: {": {
        "dorp: {": "8: script.1.fault: unknown key 'dorp'; did you mean 'drop'?",
    },
    "drop: {first: 1, of: syn, from: client, to: server}": {
        "": "8: script.1.fault: the fault lose has exactly one of drop, hold",
        "idle_timeout: {after: 1s, of: udp, by: tcp-reset}": (
            "8: script.1.fault.idle_timeout.by: tcp-reset answers TCP only"
        ),
        "forget: {of: icmp}": "8: script.1.fault.forget.of: unknown word 'icmp",
    },
    "- heal: lose": {
        "- heal: loose": "10: script.3.heal: unknown fault 'loose'; did you mean 'lose'?",
        "- wait: 5 seconds": (
            "10: script.3.wait: expected a length of time such as 200ms, 1.5s or 2min, got '5 seconds'"
        ),
        "- wait: 20min": "10: script.3.wait: '20min' is more than 600s",
        "- {wait: 1s, heal: lose}": "10: script.3: a step has exactly one of",
        "- await: hello": "10: script.3.await: unknown started call 'hello'",
        "- call: {name: hello}": "10: script.3.call.name: 'hello' is taken by step 2",
    },
    "call: hello, is: answered}\n  - packets": {
        "call: helo, is: answered}\n  - packets": (
            "12: expect.1.outcome.call: unknown call 'helo'; did you mean 'hello'?"
        ),
    },
    "is: answered}\n  - packets": {
        "is: anwsered}\n  - packets": "12: expect.1.outcome.is: unknown word 'anwsered'; did you mean 'answered'?",
    },
    "0.9s to 1.5s": {
        "1.5s to 0.9s": "13: expect.2.packets.apart: the band '1.5s to 0.9s' ends before it begins",
        "[0.9s to 1.5s, 2s to 3s]": "13: expect.2.packets.apart: of 2 gaps, exactly or at_most must be 3",
    },
    "exactly: 2,": {
        "exactly: 2, at_least: 1,": "13: expect.2.packets.exactly: use either exactly, or at_least and at_most",
    },
    "at: client-leg": {
        "at: client-net": "13: expect.2.packets.at: unknown word 'client-net'; did you mean 'client-leg'?",
    },
    "where: tcp.flags.syn == 1": {
        "where: ''": "13: expect.2.packets.where: the display filter is empty",
    },
    "  - packets: {at: client-leg, where: tcp.flags.syn == 1, exactly: 2, apart: 0.9s to 1.5s}\n": {
        "": "12: expect: a verdict needs both",
    },
    "  - fault: {name: lose, drop: {first: 1, of: syn, from: client, to: server}}\n": {
        "": "9: script.2.heal: unknown fault 'lose'; this drill has no fault",
    },
    "service: search/selectors": {
        "service: search/selectros": "6: service: unknown service 'search/selectros'; did you mean 'search/selectors'?",
        "service: search": "6: service: expected one server of search, as search/",
    },
    "drill: one": {
        "drill: two": "1: drill: the file is one.yaml, and the drill calls itself 'two'",
    },
    "tags: [reaching]": {
        "tags: []": "5: tags: expected one or more",
    },
    "name: lose,": {
        "name: Lose It,": "8: script.1.fault.name: expected small letters, digits and hyphens",
    },
}


@each_mistake(WRONG)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = written(tmp_path, changed(RIGHT, old, new))
    assert str(refusal(load_drill, path)).startswith(f"{path}:{told}")


GENERAL = RIGHT.replace("script:", "fits: [tcp]\nscript:").replace("  - outcome: {call: hello, is: answered}\n", "", 1)


def test_a_drill_for_every_program_of_a_kind_may_claim_what_kernel_and_network_do_alone(tmp_path: Path) -> None:
    drill = load_drill(written(tmp_path, GENERAL))
    assert drill.is_general
    assert [each.outcome for each in drill.expect] == [None]
    assert "(depends on the program)" in pages({"one": drill}, {})["drills/reaching/README.md"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("packets: {at: client-leg, where: tcp.flags.syn == 1, exactly: 2, apart: 0.9s to 1.5s}",
         "hits: {fault: lose, exactly: 1}", "rests on nothing that kernel or network show"),
        ("fits: [tcp]", 'fits: ["echo/*"]', "needs both the application's outcome and packets"),
        ("control:\n  - outcome: {call: hello, is: answered}",
         "control:\n  - packets: {at: client-leg, where: tcp}", "control: expected an `outcome`"),
        ("control:", "premise:\n  - hits: {fault: lose}\ncontrol:", "premise.1.hits.fault: unknown given 'lose'"),
    ],
)  # fmt: skip
def test_a_general_drill_that_rests_on_nothing_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(DeclarationError, match=re.escape(says)):
        load_drill(written(tmp_path, changed(GENERAL, old, new)))


REPLACED = "replace: {who: WHO, run: python -m services.peers.limited --files 20 COMMAND}"
# whose program is replaced before the call and behind it, whether a restart follows, and what is wrong with that
REPLACEMENTS = [
    ("server", "server", True, ""),
    ("server", "server", False, "from a restart on, so one must follow"),
    ("hello", "hello", True, "must come before every call"),
    ("server", "helo", True, "unknown program that can be replaced 'helo'"),
]


@pytest.mark.parametrize(("before", "behind", "restarts", "says"), REPLACEMENTS)
def test_what_replaces_a_program_comes_before_the_calls_or_a_restart(
    tmp_path: Path, before: str, behind: str, restarts: bool, says: str
) -> None:
    first, second = (
        f"{{name: {name}, {REPLACED.replace('WHO', who).replace('COMMAND', 'services.echo.server_once')}}}"
        for name, who in (("one", before), ("two", behind))
    )
    script = f"  - given: {first}\n  - call: {{name: hello}}\n  - fault: {second}\n"
    script += "  - restart: server\n" if restarts else ""
    text = re.sub(r"(?s)(?<=script:\n).*?(?=expect:)", script, RIGHT)
    text = text.replace("fault: lose,", "fault: two,")
    if says:
        with pytest.raises(DeclarationError, match=re.escape(says)):
            load_drill(written(tmp_path, text))
    else:
        drill = load_drill(written(tmp_path, text))
        assert drill.from_the_start == ["one"]


def test_only_the_command_of_a_server_has_a_place_for_that_of_the_service() -> None:
    assert Replace(who="server", run="python -m services.peers.limited --files 20 {service}").who == "server"
    with pytest.raises(ValueError, match=re.escape("unknown placeholder {service}")):
        Replace(who="hello", run="python -m services.peers.limited --files 20 {service}")


def test_validate_tells_every_wrong_file_and_needs_no_lab(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for number, (old, new, _) in enumerate(rows(WRONG)[:3]):
        folder = tmp_path / str(number)
        folder.mkdir()
        paths.append(str(written(folder, RIGHT.replace(old, new, 1))))
    assert command_line.main(["validate", *paths]) == 64
    said = capsys.readouterr().out
    assert all(path in said for path in paths)
    assert "3 drills read; 3 wrong" in said


def test_validate_tells_of_a_display_filter_that_wireshark_does_not_take_where_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def compiled(filters: Sequence[str]) -> dict[str, str]:
        asked.extend(filters)
        return {each: f"invalid display filter {each!r}: no such field" for each in filters if "sin" in each}

    monkeypatch.setattr("scenarios.evidence.display_filters.refused", compiled)
    order = "  - order: {at: client-leg, of: [tcp.flags.fin == 1, tcp.flags.sin == 1]}\ncontrol:"
    path = written(tmp_path, RIGHT.replace("where: tcp.flags.syn", "where: tcp.flags.sin").replace("control:", order))
    assert command_line.main(["validate", str(path)]) == 64
    assert asked == ["tcp.flags.sin == 1", "tcp.flags.fin == 1"]
    lines = capsys.readouterr().out.splitlines()
    told = "invalid display filter 'tcp.flags.sin == 1': no such field"
    assert lines[0].endswith(f"{path}:13: expect.2.packets.where: {told}")
    assert lines[1].endswith(f"{path}:14: expect.3.order.of.2: {told}")
    assert lines[2] == "0 services and 1 drill read; 1 wrong"


def test_validate_says_when_it_could_not_have_the_filters_compiled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scenarios.lab.engine.image_id", lambda _: None)
    assert command_line.main(["validate", str(written(tmp_path, RIGHT))]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.endswith(
        "1 drill read; 0 wrong; display filters were not compiled: the image faultwire/firewall is not here; "
        "`make images` builds it"
    )


def _as_an_editor_reads(text: str) -> object:
    """With YAML 1.2, in which `on` is a text as any other; in PyYAML's 1.1 it is a boolean."""
    return yaml.load(re.sub(r"\bon: ", "'on': ", text), Loader=SAFE_LOADER)  # noqa: S506


@pytest.fixture(scope="module")
def catalogue() -> dict[str, Drill]:
    return drills()


def test_the_whole_catalogue_is_right(catalogue: dict[str, Drill]) -> None:
    assert set(catalogue) == {path.stem for path in DRILLS.glob("*.yaml")}


def test_each_drill_can_be_explained_in_sentences(catalogue: dict[str, Drill]) -> None:
    for drill in catalogue.values():
        lines = list(explained(drill))
        assert drill.claim in lines[0]
        assert len(lines) > 8
        assert not any(re.search(r"\bNone\b|<class|object at", line) for line in lines), lines


def test_every_drill_has_an_expectation_that_one_frame_breaks(catalogue: dict[str, Drill]) -> None:
    for drill in catalogue.values():
        counted = any(each.packets and each.packets.exactly is not None for each in drill.expect)
        assert counted or (drill.control_with and any(each.alike for each in drill.expect)), drill.drill


def test_the_schema_takes_every_drill_and_refuses_what_the_reader_refuses(catalogue: dict[str, Drill]) -> None:
    schema = drill_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for drill in catalogue.values():
        validator.validate(_as_an_editor_reads(drill.path.read_text(encoding="utf-8")))
    document = yaml.safe_load(RIGHT)
    validator.validate(document)
    for old, new, told in rows(WRONG)[:5]:
        wrong = yaml.safe_load(RIGHT.replace(old, new, 1))
        assert not validator.is_valid(wrong), told


def test_the_schema_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == drill_schema()


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["run", "lost-sin"], 64, "did you mean 'lost-syn'?"),
        (["explain", "lost-sin"], 64, "did you mean 'lost-syn'?"),
        (["run", "lost-syn", "--service", "qotd/udp"], 64, "does not fit qotd/udp"),
        (["run", "lost-syn", "--service", "echo/selectro"], 64, "did you mean 'echo/select"),
        (["run", "lost-syn", "--dry-run", "--pair", "all", "--service", "all"], 0, "nothing was run"),
        (["list", "no-such-word"], 1, "0 drills"),
        (["list", "syn"], 0, "lost-syn"),
    ],
)
def test_commands_that_need_no_lab(
    words: list[str], status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(words) == status
    assert says in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--pair", "le-el"], ["--seed", "-1"], ["--jobs", "0"], ["--repeat", "x"]])
def test_a_wrong_flag_of_run_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        command_line.main(["run", "lost-syn", *words])
    assert raised.value.code == 64
    assert words[0] in capsys.readouterr().err


def test_a_file_beside_the_caller_that_is_no_drill_of_the_project_is_told_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as raised:
        find_drills(["my-own"], {})
    told = r"unknown drill 'my-own'.* Expected one of: [a-z0-9-]+(, [a-z0-9-]+){11} and \d+ more"
    assert re.fullmatch(told, str(raised.value))
    (tmp_path / "drills").mkdir()
    (tmp_path / "drills" / "my-own.yaml").touch()
    with pytest.raises(UsageError, match=r"'my-own'; there is a file: \./drills/my-own\.yaml runs it, and "):
        find_drills(["my-own"], {})
