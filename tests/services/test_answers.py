"""What the search service makes of a request, and who has waited too long: neither needs a socket."""

import pytest

from services.deadlines import Deadlines
from services.search.answers import result
from services.search.conversation import Conversation
from services.wire import Connection, Header, Message


def search_message(content: bytes, encoding: str = "utf-8") -> Message:
    return Message(Header("big", "text/json", encoding, len(content)), content, number=1, offset=100)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"action": "search", "value": "morpheus"}', "Follow the white rabbit. 🐰"),
        ('{"action": "search", "value": "ring"}', "In the caves beneath the Misty Mountains. 💍"),
        ('{"action": "search", "value": "🐶"}', "🐾 Playing ball! 🏐"),
        ('{"action": "search", "value": "Ring"}', "No match for 'Ring'."),
        ('{"action": "search", "value": "it\'s", "more": [1]}', "No match for 'it's'."),
        ('{"action": "double", "value": 3}', "Error: invalid action 'double'."),
        ('{"action": "double"}', "Error: invalid action 'double'."),
        ('{"action": "search"}', "Error: invalid request: value is missing."),
        ('{"value": "ring"}', "Error: invalid request: action is missing."),
        (
            '{"action": "search", "value": ["ring"]}',
            "Error: invalid request: value: expected a string, got an array.",
        ),
        ('{"action": null}', "Error: invalid request: action: expected a string, got null."),
        ("[]", "Error: invalid request: expected an object, got an array."),
        ("{", "Error: invalid request: content: expected JSON, got "),
        ("[" * 101, "Error: invalid request: content: expected at most 100 objects and arrays, got more"),
    ],
)
def test_a_json_request_gets_its_answer_or_what_is_wrong_with_it(content: str, says: str) -> None:
    assert result(search_message(content.encode())).startswith(says)


def test_a_json_request_in_no_character_encoding_is_told_so() -> None:
    assert "content-encoding: expected a character encoding" in result(search_message(b"{}", "binary"))


def test_a_wrong_content_leaves_the_conversation_going_and_a_wrong_header_ends_it() -> None:
    conversation = Conversation(content_limit=1000)
    assert b"Error: invalid request" in conversation.receive_data(Connection().send_message(b"{", "text/json", "utf-8"))
    assert conversation.ended == ""
    assert conversation.receive_data(b"\x00\x02[]") == b""
    assert conversation.ended.startswith("protocol error: message 2, byte ")


def test_many_messages_that_came_at_once_are_answered_so_many_at_once_in_order_up_to_what_is_wrong() -> None:
    whole = b"".join(Connection().send_message(bytes([at]), "a/b", "binary") for at in range(8))
    apart, together = Conversation(content_limit=1000), Conversation(content_limit=1000)
    portions = [apart.receive_data(whole + b"\x00\x02[]" + whole, 3)]
    assert apart.ended == ""
    portions += [apart.answers(3), apart.answers(3)]
    assert apart.ended.startswith("protocol error: message 9, byte ")
    assert [each.count(b"First 10 bytes of request: ") for each in portions] == [3, 3, 2]
    assert b"".join(portions) == together.receive_data(whole + b"\x00\x02[]")
    assert (apart.answers(3), together.answers()) == (b"", b"")


def test_the_first_reason_of_an_end_stays() -> None:
    conversation = Conversation(content_limit=1000)
    conversation.receive_eof()
    conversation.end("server stopped")
    assert conversation.ended == "finished"


def test_the_idle_time_starts_again_whenever_something_moves() -> None:
    deadlines: Deadlines[str] = Deadlines(idle_s=10, message_s=3)
    assert deadlines.next_s() is None
    deadlines.idle("a", 0)
    deadlines.idle("b", 1)
    deadlines.idle("a", 2)
    assert deadlines.next_s() == 11
    assert deadlines.overdue(11.5) == [("b", "idle for 10 s")]
    assert deadlines.next_s() == 12


def test_the_time_of_a_message_starts_once_and_again_for_another_one() -> None:
    deadlines: Deadlines[str] = Deadlines(idle_s=10, message_s=3)
    deadlines.message("a", 0, another=False)
    deadlines.message("a", 2, another=False)
    assert deadlines.next_s() == 3
    deadlines.message("a", 2, another=True)
    assert deadlines.next_s() == 5
    assert deadlines.overdue(5) == [("a", "message not whole within 3 s")]
    assert deadlines.overdue(100) == []


def test_whoever_is_forgotten_is_never_due() -> None:
    deadlines: Deadlines[str] = Deadlines(idle_s=10, message_s=3)
    deadlines.idle("a", 0)
    deadlines.message("b", 0, another=True)
    deadlines.forget("a")
    deadlines.forget("b")
    deadlines.forget("never seen")
    assert deadlines.next_s() is None
