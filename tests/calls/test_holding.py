"""Who holds a port, as it is told: from what ss and ps say on a host of a made-up lab."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from scenarios.calls import port_holders
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.process import Finished
from scenarios.spec.service import resolve

LISTENS = 'LISTEN 0 128 198.18.1.138:65432 0.0.0.0:* users:(("python",pid=77,fd=3),("python",pid=78,fd=3))\n'
PS = {"77": "   1505 python -m services.echo.server_select --port 65432\n", "78": "      9 python\n"}
CHOSEN = resolve("search/selectors")


class Host(Lab):
    """A lab on whose server these sockets are seen."""

    listing = LISTENS

    def run(self, machine: str, argv: Sequence[str], *, timeout_s: float, mark: bool = True) -> Finished:
        assert machine == "server"
        assert mark
        said = self.listing if argv[0] == "ss" else PS[argv[-1]]
        return Finished(tuple(argv), 0, said, "", timeout_s)


def test_pid_command_beginning_and_how_to_end_it_are_told_of_each() -> None:
    with pytest.raises(LabProblem) as raised:
        port_holders.check_free(Host(1), "server", CHOSEN)
    said = str(raised.value)
    assert said.startswith("port 65432 of server, for search/selectors, is held by pid 77, ")
    first, second = said.split(" and by ")
    assert "`python -m services.echo.server_select --port 65432`, since " in first
    assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(25 min\); ", first)
    assert first.endswith("`docker exec faultwire-1-server-1 kill 77` ends it")
    assert "pid 78, `python`, since " in second
    assert "UTC (9 s); `docker exec faultwire-1-server-1 kill 78` ends it" in second


def test_where_nobody_listens_the_problem_stays_as_it_was() -> None:
    lab = Host(1)
    lab.listing = ""
    port_holders.check_free(lab, "server", CHOSEN)
    problem = LabProblem("not within 30 s")
    assert port_holders.explained(lab, "server", CHOSEN, problem) is problem


def test_the_problem_of_a_server_is_told_after_who_holds_its_port() -> None:
    told = port_holders.explained(Host(1), "server", CHOSEN, LabProblem("it printed: EADDRINUSE"))
    assert re.fullmatch(r"port 65432 of server, .*\nit printed: EADDRINUSE", str(told))
