"""The states of a connection and its one transition table: the design, from which the document is made.

A connection has two halves that do not wait for each other: what we receive and what we send.
A pair that the table lacks is a `LocalProtocolError` of the caller.
"""

from enum import Enum, auto
from typing import NamedTuple


class State(Enum):
    __hash__ = object.__hash__  # members are single objects; Enum's own hash is a Python call for each lookup

    # the receiving half
    IDLE = auto()  # between messages: the only state in which the peer may finish
    LENGTH = auto()  # one of the two bytes of the header's length is here
    HEADER = auto()  # the length is known, the header is not whole
    CONTENT = auto()  # the header is known and within every limit, the content is not whole
    FINISHED = auto()  # the peer finished between two messages
    FAILED = auto()  # the peer broke the protocol: nothing that follows can be read
    # the sending half
    OPEN = auto()
    CLOSED = auto()  # we have said that we send no more


class On(Enum):
    __hash__ = object.__hash__

    # the receiving half
    FIRST_BYTE = auto()
    LENGTH_WHOLE = auto()
    HEADER_WHOLE = auto()
    CONTENT_WHOLE = auto()
    MALFORMED = auto()
    END_OF_STREAM = auto()
    # the sending half
    SEND_MESSAGE = auto()
    SEND_EOF = auto()


class Transition(NamedTuple):
    state: State
    on: On
    to: State
    gives: str


RECEIVING = (
    Transition(State.IDLE, On.FIRST_BYTE, State.LENGTH, ""),
    Transition(State.IDLE, On.END_OF_STREAM, State.FINISHED, "`Finished`"),
    Transition(State.LENGTH, On.LENGTH_WHOLE, State.HEADER, ""),
    Transition(State.LENGTH, On.END_OF_STREAM, State.FAILED, "`RemoteProtocolError`"),
    Transition(State.HEADER, On.HEADER_WHOLE, State.CONTENT, ""),
    Transition(State.HEADER, On.MALFORMED, State.FAILED, "`RemoteProtocolError`"),
    Transition(State.HEADER, On.END_OF_STREAM, State.FAILED, "`RemoteProtocolError`"),
    Transition(State.CONTENT, On.CONTENT_WHOLE, State.IDLE, "`Message`"),
    Transition(State.CONTENT, On.END_OF_STREAM, State.FAILED, "`RemoteProtocolError`"),
)
SENDING = (
    Transition(State.OPEN, On.SEND_MESSAGE, State.OPEN, "the message's bytes"),
    Transition(State.OPEN, On.SEND_EOF, State.CLOSED, "no bytes: shut the socket down for writing"),
)
TABLE = {(row.state, row.on): row.to for row in RECEIVING + SENDING}
