"""However a file is mutated, its reader takes it or says what is wrong, with file and line; and never anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.spec.service import SERVICE_FILE
from scenarios.stress.mutated_files import Crash, Reader, fuzz, originals
from scenarios.stress.mutations import MUTATIONS, Mutant, mutants

SEED, COUNT = 1, 2000


def test_no_mutated_file_crashes_its_reader_and_each_error_names_file_and_line(tmp_path: Path) -> None:
    told, crashes = fuzz(SEED, COUNT, tmp_path)
    assert not crashes, "\n".join(map(str, crashes[:5]))
    assert told.total() == COUNT
    assert told["taken"] > COUNT / 20, "mutants that are all refused at once test nothing of what comes behind"
    assert told["refused"] > COUNT / 2


def test_the_same_seed_makes_the_same_files_of_every_kind_and_another_seed_others() -> None:
    every = originals()
    first, again, other = (list(mutants(every, seed, 400)) for seed in (1, 1, 2))
    assert first == again
    assert [each.content for each in first] != [each.content for each in other]
    assert {each.what.split(",")[0] for each in first} == set(MUTATIONS)
    assert {each.original.kind for each in first} == {"drill", "service"}


@pytest.mark.parametrize(
    ("kind", "name", "content"), [("drill", "lost-syn", b"drill: x\n"), ("service", "echo", b"service: echo\n")]
)
def test_the_check_of_the_mutants_can_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, content: bytes
) -> None:
    reader = Reader(tmp_path)
    original = next(each for each in originals() if (each.kind, each.name) == (kind, name))
    assert reader.read(Mutant(0, original, "nothing", original.text.encode()))
    assert not reader.read(Mutant(1, original, "a short file", content))
    assert (tmp_path / "services" / "echo").is_dir()
    place = tmp_path / ("drills/lost-syn.yaml" if kind == "drill" else f"services/echo/{SERVICE_FILE}")
    assert place.read_bytes() == content
    monkeypatch.setattr("scenarios.spec.typed_nodes._mapping", lambda *_: 1 / 0)
    with pytest.raises(Crash, match=f"mutant 2, {kind} {name}, a crash: (?s:.*)ZeroDivisionError"):
        reader.read(Mutant(2, original, "a crash", content))


@pytest.mark.parametrize("word", ["x" * 70_000, "9" * 5000, "python -m services." + "x" * 70_000])
def test_a_program_with_a_name_without_end_is_refused_in_a_line_of_bounded_length(tmp_path: Path, word: str) -> None:
    """Seed 7 found it: the error held the whole name."""
    original = next(each for each in originals() if (each.kind, each.name) == ("service", "framing"))
    command = "python -m services.framing.server {bind} {port} --framing fixed"
    content = original.text.replace(command, f"'{word}'")
    assert content != original.text
    assert not Reader(tmp_path).read(Mutant(0, original, "a name without end", content.encode()))
