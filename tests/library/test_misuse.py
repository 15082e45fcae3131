"""Words of the library that are of no use: each is told by its name, with what was expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

import pytest

from scenarios.lab.errors import UsageError
from scenarios.lab.image_notes import Notes
from scenarios.library.lab import Lab
from tests.library.without_lab import LabWithoutMachines, lab

__all__ = ("lab",)
WRONG: dict[str, Callable[[Any], Any]] = {
    "lab.until: fault: expected what `lab.fault(…)` gave, got 'x'": lambda lab: lab.until(fault="x"),
    "lab.until: log: expected what `lab.serve(…)` or `lab.start(…)` gave": lambda lab: lab.until(log="x", line="y"),
    "lab.until: state: the sockets of `on` need one": lambda lab: lab.until(on="server"),
    "lab.until: expected one of fault, log, on; got none": lambda lab: lab.until(),
    "lab.host: ports: expected a sequence of numbers, as (4000,), got 4000": lambda lab: lab.host(
        ports=4000
    ).__enter__(),
    "lab.host: ports: expected a sequence of numbers, as (4000,), got ('1',)": lambda lab: lab.host(
        ports=("1",)
    ).__enter__(),
    "lab.fault: after: expected a fault that is in force, got 'nope'": lambda lab: lab.fault(
        drop="data", from_="client", to="server", after={"fault": "nope", "hits": 1}
    ).__enter__(),
    "Lab: number: expected 0 to 255, got '13'": lambda _: Lab("13"),  # type: ignore[arg-type]
    "Lab: number: expected 0 to 255, got 300": lambda _: Lab(300),
    "Lab: pair: unknown pair 'xx-le'; did you mean": lambda _: Lab(pair="xx-le"),
    "Lab: pairs: unknown pair 'be-el'": lambda _: Lab(pairs=("be-el",)),
    "Lab: pairs: expected a sequence of pairs, as ('be-le',), got 'be-le'": lambda _: Lab(pairs="be-le"),  # type: ignore[arg-type]
    "Lab: family: unknown family 'ipv5'; did you mean": lambda _: Lab(family="ipv5"),  # type: ignore[arg-type]
    "Lab: seed: expected a whole number, got 'x'": lambda _: Lab(seed="x"),  # type: ignore[arg-type]
    "lab.begin: pair: unknown pair 'xx-le'; did you mean": lambda lab: lab.begin(pair="xx-le"),
    "lab.begin: family: unknown family 'ip'": lambda lab: lab.begin(family="ip"),
    "lab.begin: test: expected a string, got 3": lambda lab: lab.begin(3),
    "lab.begin: pair: the machines of be64-le are not up; use Lab(pairs=": lambda lab: lab.begin(pair="be64-le"),
    "lab.address: unknown role 'servr'; did you mean 'server'": lambda lab: lab.address("servr"),
    "lab.url: unknown role 'servr'; did you mean 'server'": lambda lab: lab.url("servr", 80),
    "lab.url: port: expected a whole number, got 'x'": lambda lab: lab.url("server", "x"),
    "lab.url: port: expected a whole number, got None": lambda lab: lab.url("server", None),
    "lab.url: port: expected 1 to 65535, got 65536": lambda lab: lab.url("server", 65536),
    "lab.url: path: expected a string, got 3": lambda lab: lab.url("server", 80, 3),
    "lab.url: scheme: expected a string, got None": lambda lab: lab.url("server", 80, scheme=None),
    "lab.serve: port: expected the port on which": lambda lab: lab.serve("one"),
    "lab.serve: port: expected a whole number, got '80'": lambda lab: lab.serve("one", port="80"),
    "lab.serve: command: expected a string, got 3": lambda lab: lab.serve(3, port=80),
    "lab.serve: command: the command is empty": lambda lab: lab.serve("", port=80),
    "lab.serve: service: unknown service 'ecko'. Expected one of: ": lambda lab: lab.serve(service="ecko"),
    "lab.serve: on: unknown role 'names'. Expected one of: ": lambda lab: lab.serve("one", port=80, on="names"),
    "lab.serve: environment: expected a mapping of strings, got 'A=b'": lambda lab: lab.serve(
        "one", port=80, image="one", environment="A=b"
    ),
    "lab.serve: starts_within_s: expected more than 0": lambda lab: lab.serve("one", port=80, starts_within_s=0),
    "lab.fault: called: expected a string, got 3": lambda lab: lab.fault(drop="data", called=3),
    "lab.fault: unknown effect 'dorp'; did you mean 'drop'": lambda lab: lab.fault(dorp="data"),
    "lab.given: unknown effect 'dorp'; did you mean 'drop'": lambda lab: lab.given(dorp="data"),
    "lab.given: who: no server of this test runs": lambda lab: lab.given(pause="server").__enter__(),
    "lab.sockets: on: unknown role 'servr'; did you mean 'server'": lambda lab: lab.sockets("servr"),
    "lab.counters: on: unknown role 'servr'; did you mean 'server'": lambda lab: lab.counters("servr"),
    "lab.until: within_s: expected a length of time such as 200ms": lambda lab: lab.until(on="server", within_s="x"),
    "lab.until: within_s: expected more than 0s": lambda lab: lab.until(on="server", state="LISTEN", within_s=0),
    "lab.until: state: unknown word 'LISTENS'; did you mean 'LISTEN'": lambda lab: lab.until(
        on="server", state="LISTENS"
    ),
    "lab.until: hits: expected a whole number, got True": lambda lab: lab.until(
        fault=lab.fault(drop="data", from_="client", to="server"), hits=True
    ),
    "lab.until: line: 3 is not a regular expression": lambda lab: lab.until(log=lab.serve("one", port=80), line=3),
    "lab.host: side: unknown side 'x'": lambda lab: lab.host("x").__enter__(),
    "lab.host: ports: expected 1 to 65535, got 0": lambda lab: lab.host(ports=(0,)).__enter__(),
    "lab.host: ports: expected a sequence of numbers, as (4000,), got (True,)": lambda lab: lab.host(
        ports=(True,)
    ).__enter__(),
    "lab.control: body: expected a function, got 3": lambda lab: lab.control(3),
    "lab.control: check: expected a function, got None": lambda lab: lab.control(lambda: 1, None),
}
CALLS: dict[str, Mapping[str, Any]] = {
    "within_s: expected a length of time such as 200ms": {"within_s": "soon"},
    "within_s: expected more than 0": {"within_s": 0},
    "within_s: expected more than 0, at most 600 seconds, got 601": {"within_s": 601},
    "command: expected a string, got 3": {"command": 3},
    "command: 'x \"' cannot be split into words": {"command": 'x "'},
    "expected either a command or service=…": {"service": "echo"},
    "service: unknown service 'ecko'. Expected one of: ": {"command": None, "service": "ecko"},
    "service: expected a string, got 3": {"command": None, "service": 3},
    "image: expected a string, got 3": {"image": 3},
    "port: expected a whole number, got '80'": {"port": "80"},
    "port: expected 1 to 65535, got 0": {"command": None, "service": "echo", "port": 0},
    "port: no server of this test runs on server": {"command": "one {port}"},
    "from_: unknown role 'names'. Expected one of: ": {"from_": "names"},
    "to: unknown role 'servr'; did you mean 'server'": {"command": "one {port}", "to": "servr"},
    "to: expected a string, got ['server']": {"to": ["server"]},
    "named: expected a string, got 3": {"named": 3},
    "status: expected a whole number": {"status": "x"},
    "says: unknown outcome 'rejected'": {"says": {"rejected": "x"}},
    "environment: expected a mapping of strings, got 'A=b'": {"environment": "A=b"},
    "image: 'no/such:image' is not here; `docker pull no/such:image`": {"image": "no/such:image"},
}


@pytest.mark.parametrize("told", WRONG)
def test_it_is_told(lab: LabWithoutMachines, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        WRONG[told](lab)
    assert str(raised.value).startswith(told)


@pytest.mark.parametrize("method", ["call", "start"])
@pytest.mark.parametrize("told", CALLS)
def test_a_call_is_told_by_the_method_that_was_called(
    lab: LabWithoutMachines, told: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Notes, "note", lambda *_: False)
    with pytest.raises(UsageError) as raised:
        getattr(lab, method)(**{"command": "one", **CALLS[told]})
    assert str(raised.value).startswith(f"lab.{method}: {told}")


def test_a_keyword_that_a_call_has_not_is_told_with_the_nearest(lab: LabWithoutMachines) -> None:
    with pytest.raises(UsageError, match=r"^lab\.call: unknown word 'withins'; did you mean 'within_s'\?"):
        lab.call("one", withins=3)


def test_every_public_method_that_takes_something_has_a_wrong_call_here() -> None:
    takes = {
        name
        for name, each in vars(Lab).items()
        if not name.startswith("_") and callable(each) and len(signature(each).parameters) > 1
    }
    tried = {told.partition(":")[0].removeprefix("lab.") for told in WRONG} | {"call", "start"}
    assert takes <= tried
