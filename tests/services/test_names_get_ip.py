"""gethostbyname beside getaddrinfo: what the rows say, and how asking ends."""

import re
import socket
import threading
import time

import pytest

from services.names import get_ip
from services.names.get_ip import main, rows, rows_within, table
from services.outcome import CallError, Outcome

TWO_OF_EACH = [
    (socket.AF_INET6, ("2001:db8::1", 80, 0, 0)),
    (socket.AF_INET6, ("2001:db8::2", 80, 0, 0)),
    (socket.AF_INET, ("192.0.2.2", 80)),
    (socket.AF_INET, ("192.0.2.1", 80)),
]


@pytest.fixture
def four_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_ip, "resolved", lambda *_: TWO_OF_EACH)
    monkeypatch.setattr(socket, "gethostbyname", lambda _: "192.0.2.2")


@pytest.mark.usefixtures("four_addresses")
def test_the_rows_stand_side_by_side_in_the_order_of_getaddrinfo() -> None:
    assert table(rows("four.example", 80, reverse=False)).splitlines() == [
        "gethostbyname         getaddrinfo",
        "(shows no IPv6)       AF_INET6 ('2001:db8::1', 80, 0, 0)",
        "(shows no IPv6)       AF_INET6 ('2001:db8::2', 80, 0, 0)",
        "192.0.2.2             AF_INET  ('192.0.2.2', 80)",
        "(shows one address)   AF_INET  ('192.0.2.1', 80)",
    ]


@pytest.mark.usefixtures("four_addresses")
def test_a_name_that_changed_between_the_two_questions_shows_both_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostbyname", lambda _: "192.0.2.9")
    shown = rows("four.example", 80, reverse=False)
    assert [row.by_name for row in shown if row.by_info == "(nothing)"] == ["192.0.2.9"]
    assert len(shown) == 5


@pytest.mark.usefixtures("four_addresses")
def test_names_of_addresses_are_asked_for_only_when_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def own_name(address: tuple[object, ...], _: int) -> tuple[str, str]:
        asked.append(address[0])
        if address[0] == "192.0.2.1":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return f"{address[0]}.example", "80"

    monkeypatch.setattr(socket, "getnameinfo", own_name)
    assert "getnameinfo" not in table(rows("four.example", 80, reverse=False))
    assert asked == []
    lines = table(rows("four.example", 80, reverse=True)).splitlines()
    assert [line.split()[-1] for line in lines] == [
        *("getnameinfo", "2001:db8::1.example", "2001:db8::2.example", "192.0.2.2.example", "(nothing)"),
    ]


def test_an_address_is_a_2_tuple_of_ipv4_and_a_4_tuple_of_ipv6() -> None:
    assert [row.by_info for row in rows("127.0.0.1", 80, reverse=False)] == ["AF_INET  ('127.0.0.1', 80)"]
    assert [row.by_info for row in rows("::1", 80, reverse=False)] == ["AF_INET6 ('::1', 80, 0, 0)"]


def test_a_name_that_does_not_exist_is_one_line_and_status_68(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(get_ip, "resolved", nothing)
    monkeypatch.setattr("sys.argv", ["get_ip", "nowhere.example"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 68
    assert capsys.readouterr() == ("", "not resolved: nowhere.example: Name or service not known\n")


def test_a_resolver_that_says_nothing_is_given_up_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = threading.Event()

    def silent(*_: object) -> None:
        given_up.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(get_ip, "resolved", silent)
    began_s = time.monotonic()
    with pytest.raises(CallError, match=r"not done within 0\.2 s, resolving silent\.example") as ended:
        rows_within(0.2, "silent.example", 80, reverse=False)
    given_up.set()
    assert ended.value.outcome is Outcome.TIMED_OUT
    assert 0.2 <= time.monotonic() - began_s < 5


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "NAME"),
        ([""], "NAME is empty"),
        (["bücher.example"], "not a host's name or address in ASCII"),
        (["localhost", "http"], "'http' is not a whole number from 0 to 65535"),
        (["localhost", "--timeout", "0"], "not a number of seconds"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_64(
    words: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["get_ip", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    written = capsys.readouterr().err
    assert (ended.value.code, written.count("\n")) == (64, 1)
    assert says in written


def test_all_five_fields_of_each_answer_are_shown_with_the_scope_id_of_a_link_local_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["get_ip", "fe80::1%lo", "80", "--all"])
    main()
    heading, *lines = capsys.readouterr().out.splitlines()
    assert re.split(r" {2,}", heading) == ["family", "type", "protocol", "canonical name", "address"]
    assert {line.split()[1] for line in lines} == {"SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW"}
    scope = socket.if_nametoindex("lo")
    assert all(re.search(rf"^AF_INET6 .*\('fe80::1(%lo)?', 80, 0, {scope}\)$", line) for line in lines), lines


def test_all_fields_of_a_name_that_does_not_exist_are_one_line_and_status_68(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    monkeypatch.setattr("sys.argv", ["get_ip", "nowhere.example", "--all"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 68
    assert capsys.readouterr().err.count("\n") == 1
