"""The limit on what all peers of a search server hold together."""

from services.search.holding import Holding


def holding(held: dict[str, int], limit: int = 10) -> Holding[str]:
    return Holding(limit, lambda peer: held.get(peer, 0))


def noted(held: dict[str, int]) -> Holding[str]:
    """Of peers that have all been looked at, in this order."""
    counted = holding(held)
    for peer in held:
        counted.note(peer)
    return counted


def test_the_limit_is_held_and_one_byte_more_costs_the_oldest_its_place() -> None:
    held = {"old": 4, "new": 6}
    counted = holding(held)
    assert counted.note("old") == counted.note("new") == []
    assert counted.total == 10
    held["new"] = 7
    assert counted.note("new") == ["old"]
    assert counted.total == 7


def test_who_came_to_hold_nothing_is_the_newest_when_it_holds_something_again() -> None:
    held = {"one": 5, "two": 5}
    counted = noted(held)
    held["one"] = 0
    counted.note("one")
    held["one"] = 6
    assert counted.note("one") == ["two"]


def test_what_has_gone_unnoticed_is_counted_before_anybody_is_cut_off() -> None:
    held = {"sent": 9, "other": 5}
    counted = holding(held)
    counted.note("sent")
    held["sent"] = 0  # its answer has left, and nobody was told
    assert counted.note("other") == []
    assert counted.total == 5


def test_one_that_holds_more_than_all_may_goes_itself_and_as_many_as_it_takes() -> None:
    held = {"one": 3, "two": 3, "three": 3}
    counted = noted(held)
    held["three"] = 11
    assert counted.note("three") == ["one", "two", "three"]
    assert counted.total == 0


def test_who_is_gone_is_counted_no_more() -> None:
    held = {"one": 6, "two": 6}
    counted = holding(held)
    counted.note("one")
    counted.forget("one")
    counted.forget("one")
    assert counted.note("two") == []
