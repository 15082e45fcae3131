"""The pytest plugin: the fixture `lab`, the mark `faultwire`, and what is shown and kept of a test that fails.

Importing it imports neither Docker nor YAML, so that collection costs nothing: a lab is made when a test asks for it.
An `Unproven` is reported as an error: the test shows nothing, and the program is not to blame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import pytest

from scenarios.library.sigterm import STATUS, EndInOrder, Workers, is_worker
from scenarios.library.unproven import Unproven

if TYPE_CHECKING:
    from scenarios.library.drill_test import DrillTest
    from scenarios.library.lab import Lab
    from scenarios.verdict.check import Verdict

MARK: Final = "faultwire"
WORDS: Final = ("pair", "pairs", "family", "drills", "service")
PAIR, DRILL = "faultwire_pair", "drill"  # of fixtures
UNPROVEN_PHASE: Final = "proof"  # as in "ERROR at proof of test_one"
_STATE = pytest.StashKey["_State"]()


class _State:
    """What this process has: its lab, once a test asked for it, and the test that runs."""

    def __init__(self, sigterm: EndInOrder) -> None:
        self.sigterm = sigterm
        self.lab: Lab | None = None
        self.item: pytest.Item | None = None  # until it has ended
        self.pairs: list[str] = []
        self.is_broken_off = False  # by Ctrl-C or SIGTERM
        self.scopes: list[str] = []  # of the fixtures that are being made, each in the one before it

    def enter_fixture(self, scope: str) -> None:
        """Note that a fixture of this scope begins to be made."""
        self.scopes.append(scope)
        self.say_for_whom()

    def leave_fixture(self) -> None:
        """Note that it is made."""
        self.scopes.pop()
        self.say_for_whom()

    def say_for_whom(self) -> None:
        """Tell the lab for how many tests what is opened in it now is: the scope of the fixture that opens it."""
        if self.lab is not None and self.lab._open is not None:
            self.lab._open.blocks.scope = self.scopes[-1] if self.scopes else "function"

    def undo_left(self) -> str:
        """Undo what the test before left open in the lab; what that was, for a person."""
        if self.lab is None or self.lab._open is None:
            return ""
        return ", ".join(self.lab._open.blocks.undo())

    def begin(self) -> None:
        """Begin with the test that runs, on the pair that it asks for."""
        if self.lab is None or self.item is None:
            return
        self.undo_left()  # where the end of the test before was cut short
        words = _words(self.item)
        parameters = self.item.callspec.params if hasattr(self.item, "callspec") else {}
        pair = parameters.get(PAIR, words.get("pair"))
        self.lab.begin(self.item.nodeid, pair=pair, family=words.get("family"))


def _words(item: Any) -> dict[str, Any]:
    """The words of the marks of a test, the nearest mark first. Raises pytest.UsageError for a wrong one."""
    found: dict[str, Any] = {}
    for mark in item.iter_markers(MARK):
        for word, value in mark.kwargs.items():
            if word not in WORDS:
                from scenarios.spec.declaration_error import advice

                raise pytest.UsageError(f"@pytest.mark.faultwire: unknown word {word!r}{advice(word, WORDS)}")
            found.setdefault(word, value)
        if mark.args:
            raise pytest.UsageError(f"@pytest.mark.faultwire: expected words such as pair=…, got {mark.args[0]!r}")
    if isinstance(found.get("pairs"), str):
        found["pairs"] = (found["pairs"],)
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faultwire")
    group.addoption(
        "--faultwire-required",
        action="store_true",
        help="where no lab can be started, fail its tests instead of skipping them",
    )
    group.addoption("--faultwire-lab", type=int, metavar="N", help="the number of the lab (default: a free one)")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "faultwire(pair=…, pairs=…, family=…, drills=…, service=…): which machines of the lab are client and server "
        "(`pairs` runs the test on each), IPv4 or IPv6; with `drills` the fixture `drill` is each that fits `service`",
    )
    config.stash[_STATE] = _State(EndInOrder(config))
    if not is_worker(config):
        config.pluginmanager.register(Workers(), "faultwire-workers")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    words = _words(metafunc.definition)
    if words.get("pairs"):
        metafunc.fixturenames.append(PAIR)
        metafunc.parametrize(PAIR, words["pairs"], indirect=True)
    own = [mark for mark in metafunc.definition.own_markers if mark.name == MARK]
    if any("drills" in mark.kwargs for mark in own) and DRILL not in metafunc.fixturenames:
        raise pytest.UsageError(
            f"@pytest.mark.faultwire: {metafunc.definition.nodeid} runs no drill; "
            "use the fixture `drill` in it, or leave out drills=…"
        )
    if DRILL in metafunc.fixturenames and "drills" in words:
        from scenarios.lab.errors import UsageError
        from scenarios.library.drill_test import names
        from scenarios.spec.declaration_error import DeclarationError

        try:
            metafunc.parametrize(DRILL, names(words["drills"], words.get("service")), indirect=True)
        except (UsageError, DeclarationError) as error:
            raise pytest.UsageError(str(error)) from None


def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Know all pairs before the lab comes up: some have machines of their own."""
    found: list[str] = []
    for item in items:
        words = _words(item)
        found += [*words.get("pairs", ()), *([words["pair"]] if words.get("pair") else [])]
    config.stash[_STATE].pairs = list(dict.fromkeys(found))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    state = item.config.stash[_STATE]
    if state.sigterm.was_told:  # what was running took that for an error of its own
        state.sigterm.end()
    state.item = item
    if "lab" in getattr(item, "fixturenames", ()):
        state.begin()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """When all fixtures of the test are gone: what it left open in the lab is undone, and its error."""
    _check_nothing_was(item.config.stash[_STATE].undo_left())


def _check_nothing_was(left: str) -> None:
    """Fail, at the end of a test, for what it left open."""
    if left:
        pytest.fail(f"faultwire: this test left open, and it was undone: {left}; use `with`", pytrace=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Iterator[None]:
    """What a fixture of more than one test opens in the lab stays open between them."""
    state = request.config.stash[_STATE]
    state.enter_fixture(fixturedef.scope)
    yield
    state.leave_fixture()


@pytest.fixture
def faultwire_pair(request: pytest.FixtureRequest) -> str:
    """The pair on which a test runs that is marked with several: `be-le`."""
    return str(request.param)


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab (`faultwire.Lab`) that is up, of this test process alone, for the session; each test begins in it anew.

    Where no Docker Engine answers, the tests that ask for it are skipped with the reason; with --faultwire-required
    they fail.
    """
    with request.config.stash[_STATE].sigterm.in_force():
        yield from _lab_of(request.config)


def _lab_of(config: pytest.Config) -> Iterator[Lab]:
    state, required = config.stash[_STATE], config.getoption("faultwire_required")
    try:
        from scenarios.lab.errors import NoEngine
        from scenarios.library.lab import Lab
    except ModuleNotFoundError as error:  # Docker's package, say
        _not_here(str(error), required)
    made = Lab(_number(config), pairs=tuple(state.pairs))
    try:
        made.__enter__()
    except NoEngine as error:
        _not_here(_reason() or str(error), required)
    state.lab = made
    try:
        state.begin()
        yield made
        state.sigterm.is_undoing = True
        left = state.undo_left()  # of the last test, whose end this is
    finally:
        state.sigterm.is_undoing = True
        state.lab = None
        try:
            from scenarios.library.evidence import close

            if (page := close(made._session)) is not None:
                config.stash[_STATE].item = None
                _tell(config, f"faultwire: evidence of what failed: {page}")
        finally:
            is_broken_off = state.is_broken_off or state.sigterm.was_told
            made.__exit__(KeyboardInterrupt if is_broken_off else None, None, None)
    if not state.is_broken_off:
        _check_nothing_was(left)


def _number(config: pytest.Config) -> int | None:
    """The number that was asked for; of several test processes (pytest-xdist) the first has it, the others borrow."""
    worker = getattr(config, "workerinput", {}).get("workerid", "gw0")
    number: int | None = config.getoption("faultwire_lab")
    return number if worker == "gw0" else None


def _not_here(reason: str, required: bool) -> None:
    if required:
        pytest.fail(f"faultwire: {reason}", pytrace=False)
    pytest.skip(f"faultwire: {reason}")


def _reason() -> str:
    """What the lab's doctor says is missing first, and how to get it."""
    from scenarios.lab.doctor import State, examine

    missing = next((each for each in examine() if each.state is State.MISSING), None)
    return f"{missing.what}: {missing.seen}; {missing.cure}" if missing else ""


def _tell(config: pytest.Config, line: str) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.ensure_newline()
        reporter.write_line(line)


@pytest.fixture
def drill(lab: Lab, request: pytest.FixtureRequest) -> DrillTest:
    """A drill of the catalogue with the service of the test's mark: `drill.run()`."""
    from scenarios.library.drill_test import DrillTest

    if not hasattr(request, "param"):
        raise pytest.UsageError("the fixture `drill` needs a mark; use @pytest.mark.faultwire(drills=…, service=…)")
    return DrillTest(lab._session, request.param, _words(request.node).get("service"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome: Any = yield
    report: pytest.TestReport = outcome.get_result()
    state = item.config.stash[_STATE]
    if call.when == "call" or call.excinfo is not None:
        state.item = None
    if call.excinfo is None or call.when != "call" or "lab" not in getattr(item, "fixturenames", ()):
        return
    if type(call.excinfo.value).__name__ == "NotHere":
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, f"Skipped: {call.excinfo.value}")
        return
    if not report.failed or state.lab is None:
        return
    error, story = call.excinfo.value, state.lab._session.story
    stalled = story.stalled if isinstance(error, AssertionError) else ""
    is_unproven = isinstance(error, Unproven) or _is_of_lab(error) or bool(stalled)
    if is_unproven:
        report.when = UNPROVEN_PHASE  # type: ignore[assignment] # what is not `call` is an error, and no failure
    if stalled:
        report.sections.append(("faultwire: unproven", f"{stalled}: this failure proves nothing; run the test again"))
    for number, ladder in enumerate(story.ladders, 1):
        report.sections.append((f"faultwire: recording {number}", ladder()))
    from scenarios.verdict.check import Verdict

    sentence = stalled or str(error).partition("\n")[0] or type(error).__name__
    if kept := _keep(state.lab, item, sentence, Verdict.UNPROVEN if is_unproven else Verdict.FAIL):
        report.sections.append(("faultwire: evidence", kept))


def _keep(lab: Lab, item: pytest.Item, sentence: str, verdict: Verdict) -> str:
    """Keep the evidence of a test; where it is, or why it could not be kept. Empty where there is none."""
    session = lab._session
    if DRILL in getattr(item, "fixturenames", ()) and not session.story.recorded:
        return ""  # the drill has kept its own, and its message says where
    try:
        from scenarios.library.evidence import keep

        return str(keep(session, session.story, sentence, verdict, f"pytest {item.nodeid}"))
    except Exception as problem:  # the test's own end is what matters
        return f"the evidence could not be kept: {type(problem).__name__}: {problem}"


@pytest.hookimpl(tryfirst=True)  # the lab is up still
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep the evidence of the test that was broken off, by Ctrl-C or SIGTERM, and give SIGTERM its exit status."""
    state = session.config.stash[_STATE]
    state.sigterm.is_undoing = True
    state.is_broken_off = exitstatus in (pytest.ExitCode.INTERRUPTED, STATUS)
    lab, item = state.lab, state.item
    if state.is_broken_off and lab is not None and item is not None and "lab" in getattr(item, "fixturenames", ()):
        from scenarios.verdict.check import Verdict

        by = " by SIGTERM" if state.sigterm.was_told else ""
        _keep(lab, item, f"broken off{by}, before its end", Verdict.UNPROVEN)
    if state.sigterm.was_told and not is_worker(session.config):  # xdist takes another than 2 for an ordinary end
        session.exitstatus = STATUS


def _is_of_lab(error: BaseException) -> bool:
    """Whether the lab, and not the program, is to blame."""
    from scenarios.lab.errors import CommandFailed, LabProblem, NoEngine

    return isinstance(error, LabProblem | CommandFailed | NoEngine)


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """What shows nothing is an error."""
    if report.when == UNPROVEN_PHASE and report.failed:  # type: ignore[comparison-overlap] # makereport gave it
        return "error", "E", "ERROR"
    return None


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show how a call ended where its outcome is compared as a whole."""
    if type(left).__name__ == "Ended" and type(left).__module__.endswith("library.ended"):
        return [f"{left!r} {op} {right!r}"]
    return None
