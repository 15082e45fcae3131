"""docs/protocol.md, from the code: `python -m services.wire.document > docs/protocol.md`.

Numbers, names and tables are read from the module that uses them; a test fails when the document differs.
"""
# ruff: noqa: E501 — a row of a Markdown table is one line

import sys

from .arrays import ELEMENTS, PIECE_BYTES, Element
from .header import BYTEORDERS, CONTENT_LIMIT, HEADER_LIMIT
from .jsontext import CONTAINER_LIMIT, INTEGER_LIMIT
from .states import RECEIVING, SENDING, Transition
from .text import ENCODINGS

TEMPLATE = """\
<!-- Made by `python -m services.wire.document`; edit services/wire/document.py, not this file. -->

# The message protocol

After this page you can write a client or a server of the search service in any language. `tests/vectors` has messages
with their bytes, right and wrong ones, to test it with.

Messages travel over one TCP connection, in each direction one after another with nothing between them. The default port
is 65432.

## Bytes

     0                   1
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
    +-------------------------------+
    |     header length (H)         |   2 bytes, unsigned, network byte order (big-endian)
    +-------------------------------+
    |     header                    |   H bytes: a JSON object in UTF-8
    |     ...                       |
    +-------------------------------+
    |     content                   |   content-length bytes, as the header says; may be 0
    |     ...                       |
    +-------------------------------+
    |     next message, or end      |

Nothing aligns, pads or ends a message: its length is 2 + H + content-length. Segment boundaries mean nothing. The
length is big-endian on every machine; `byteorder` does not change how anything of this framing is read.

## Header

One JSON object (RFC 8259). Names are exact and case-sensitive, in any order when read; we write them in this order:

| name | JSON type | value |
|---|---|---|
| `byteorder` | string | {byteorders}: the byte order of the machine that sent the message |
| `content-type` | string | any; `text/json` and `binary/array` have a meaning to the search service |
| `content-encoding` | string | {encodings} |
| `content-length` | number, an integer (not `41.0`, not `4.1e1`, not `true`) | bytes of content, 0 to the content limit |

All four are required. Further names may follow, of any JSON value; they are kept and ignored. We write non-ASCII
characters as UTF-8, not as `\\u` escapes, with one space after `:` and `,`; a reader takes any JSON whitespace and any
escapes.

## Limits

| limit | default | enforced |
|---|---|---|
| header limit | {header_limit} bytes | by its form: two bytes say no more |
| content limit | {content_limit} bytes, configurable | when the header is whole, before any content is waited for |
| container limit | {container_limit} objects and arrays in one JSON text, the outermost included; brackets inside strings do not count | before the text is parsed |
| integer limit | {integer_limit} digits of an integer, its sign not counted; fractions and exponents are no integers | while the text is parsed |

The content limit is the receiver's: a sender may send what it likes. Memory is taken for bytes that came, not for
bytes that a header promises.

## Malformed

Each of these, and nothing else, breaks the protocol. The one who sees it reads no more, answers the messages that came
whole before, and closes. There is no way to find the next message: nothing marks its start.

| what | example |
|---|---|
| the header is not UTF-8 (RFC 3629: no overlong forms, no surrogates) | `\\xff` |
| the header is not JSON: RFC 8259's grammar, no byte order mark, no `NaN` or `Infinity`, nothing after the value; H = 0 too | `{{"a": 1}}x` |
| a name twice in one object, at any depth, compared after escapes are resolved | `{{"byteorder": "big", "byteorder": "big"}}` |
| more objects and arrays than the container limit, or more digits in an integer than the integer limit | `[[[[…` |
| the header is JSON, and not an object | `[]` |
| a required name is missing | no `content-type` |
| a required name has a value of another JSON type | `"content-length": true`, `"41"` or `41.0` |
| `byteorder` is neither of the two | `"middle"`, `"BIG"` |
| `content-encoding` is none of those above | `"utf-7"`, `"UTF-8"`, `"latin1"` |
| `content-length` is negative (`-0` is 0) or over the content limit | `-1`, `{over}` |
| the stream ends inside a message, by FIN or RST: after 1 byte of the length, in the header, in the content | |

An end of stream between two messages is how a peer says that it has finished: its answers are still sent to it.
The receiver's error says which message (from 1), which byte of the stream (from 0), what was expected, what came and
which limit.

## States

Each end has two halves that do not wait for each other.

### Receiving (starts in IDLE)

{receiving}

### Sending (starts in OPEN)

{sending}

## Text

What `content-encoding` says of a content that is text. The names are exact; no other name of the same encoding is one.

| name | encoding | byte order mark, read | written |
|---|---|---|---|
| `utf-8` | UTF-8 (RFC 3629) | `ef bb bf` at the start is left out | none |
| `utf-16` | UTF-16 (RFC 2781) | `fe ff` or `ff fe` at the start says the byte order; without one the content is wrong | the sender's byte order, with its mark |
| `utf-16-le`, `utf-16-be` | UTF-16LE, UTF-16BE (RFC 2781, 4.1 and 4.2) | there is none: U+FEFF at the start is a character | none |
| `utf-32` | UTF-32 | `00 00 fe ff` or `ff fe 00 00`, as with `utf-16` | the sender's byte order, with its mark |
| `latin-1` | ISO 8859-1: U+0000 to U+00FF | there is none | none |
| `binary` | no text | | |

Nobody guesses: neither the header's `byteorder` nor the reader's machine says how UTF-16 without a mark is to be read
(RFC 2781, 4.3, would have it big-endian, and most programs that write it would not). The header of a message is UTF-8
without a mark, always.

Bytes that are no text in their encoding are a wrong content: an error that says which byte, in the message's place in
the stream. Characters that have no form in an encoding are an error at the sender, before a byte is sent, that names
the first of them and its place: `character 1, '🐶' (U+1F436), has no form in latin-1`; U+FEFF as the first of a text in
`utf-8`, which would be lost, is one too. Nothing is replaced by a `?`. In JSON a lone surrogate, which is legal as an
escape (`"\\ud800"`) and has no form in any UTF, is written as that escape; in `latin-1` it is an error too.

## Numbers

A message of `content-type` `binary/array` and `content-encoding` `binary` holds numbers of one kind, one behind the
other, nothing between, with two more names in its header, both required:

| name | JSON type | value |
|---|---|---|
| `element` | string | what each number is, below |
| `count` | number, an integer | how many there are, 0 or more: `content-length` is `count` times the element's size |

| element | size | range |
|---|---|---|
{elements}

Signed integers are two's complement. Each element lies in the byte order that the header's `byteorder` says: that of
the machine that sent it, which writes its numbers as they are in its memory. The receiver swaps each element's bytes if
the header's byte order is not its own, and only then. It does not look at the numbers to find out: every four bytes are
an `int32` in either order, so a wrong `byteorder` is right bytes and wrong numbers, and nobody can notice (the drill
`byteorder-lie`).

NaN, the infinities, -0.0 and subnormal numbers are elements as any other; which of the many NaNs it was is carried, and
means nothing. What is no element is an error at the sender: an integer out of range, a fraction for an integer, a
finite number that would round to an infinity in `float32`. Otherwise a float is rounded to its element, ties to even.

A header that is wrong in this is a wrong content, not a broken message: its framing was right. It is one error that
names the part, what was expected and what came:

| what | part | error |
|---|---|---|
| `element` missing; of another JSON type | `element` | `element: expected a string, got no such name`; `…, got a number, 5` |
| an element that there is not | `element` | `element: expected one of int8, …, float64, got 'int128'` |
| `count` missing; of another JSON type | `count` | `count: expected an integer, got no such name`; `…, got a number, 3.0` |
| `count` below 0 | `count` | `count: expected 0 or more elements, got -1` |
| `count` and `content-length` disagree | `count` | `count: expected the count of 13 bytes of content, 4 for each int32, got 3` |
| another `content-encoding` than `binary` | `content-encoding` | `content-encoding: expected one of binary, got 'utf-8'` |

An array is swapped in pieces of {piece} bytes. Its service holds the content and the doubled numbers, and then these
and the answer's bytes: at most three times the content, whatever its size; its client, which keeps its own numbers too,
three times.

## The search service

One request is one message; each is answered by one message, in order. A connection carries one request or many, which
may be sent without waiting for answers. The content of a `text/json` message is JSON by the same rules as the header's,
in the character encoding that `content-encoding` names.

| request | answer: `content-type`, `content-encoding`, content |
|---|---|
| `text/json`, `{{"action": "search", "value": v}}` | `text/json`, `utf-8`, `{{"result": r}}`: r as below |
| `text/json`, an object with another `action`, a string a | `text/json`, `utf-8`, `{{"result": "Error: invalid action 'a'."}}` |
| `text/json`, anything else (not JSON, not an object, `action` or `value` missing or not a string, encoding `binary`) | `text/json`, `utf-8`, `{{"result": "Error: invalid request: why."}}` |
| `binary/array` | `binary/array`, `binary`, the elements doubled, with `sum`, `minimum` and `maximum` in the header: as below |
| `binary/array`, of integers of which one has no double in its element | `text/json`, `utf-8`, `{{"result": "Error: overflow: element i: 2 × n is not in int32, …"}}` |
| `binary/array`, wrong as above | `text/json`, `utf-8`, `{{"result": "Error: invalid request: why."}}` |
| any other `content-type` | `binary/custom-server-binary-type`, `binary`, `First 10 bytes of request: ` and those bytes |

A wrong content is answered, and the connection goes on: its framing was right, so the next message can still be found.
Other names in a request are ignored. A binary request of fewer than 10 bytes is given back whole.

| v | r |
|---|---|
| `morpheus` | `Follow the white rabbit. 🐰` |
| `ring` | `In the caves beneath the Misty Mountains. 💍` |
| `🐶` | `🐾 Playing ball! 🏐` |
| any other | `No match for 'v'.` |

The answer to an array has the request's `element` and `count`; its numbers are in the server's own byte order. `sum`,
`minimum` and `maximum` are strings of decimal digits, for a JSON number of more than 53 bits is another number to many
readers (RFC 8259, 6):

| | integers | floats |
|---|---|---|
| `sum` | exact, of any length | each element, in their order, added to the sum so far in binary64, ties to even, from 0.0 on: so -0.0 alone makes 0.0, 1e308 twice `Infinity`, both infinities `NaN` |
| `minimum`, `maximum` | exact | IEEE 754-2019, 9.6: `NaN` if one of them is; -0.0 is less than 0.0 |
| doubled | an error if one does not fit | in the element's own format: too great a number becomes an infinity |
| of no elements | `"0"`, `null`, `null` | `"0.0"`, `null`, `null` |

A float is written with as many digits as read back as the same binary64, or as `NaN`, `Infinity`, `-Infinity`. The
client holds all of it against its own numbers; what is not right is a `wrong answer`.

The client sends the action `search` as `text/json`, in `utf-8` if nothing else is asked for; any other as
`binary/custom-client-binary-type` in `binary`, its content the action and the value as UTF-8 with nothing between.

The server closes when the peer has finished and all its answers are sent; when nothing moved for the idle time; and
when a message is not whole a given time after its first byte, however many bytes keep coming.

### One exchange, whole

`search morpheus`, big-endian client, little-endian server; 102 + 41 and 105 + 43 bytes:

    \\x00d{{"byteorder": "big", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 41}}{{"action": "search", "value": "morpheus"}}
    \\x00g{{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 43}}{{"result": "Follow the white rabbit. \\xf0\\x9f\\x90\\xb0"}}
"""


def render() -> str:
    """The whole document, ending in a newline."""
    return TEMPLATE.format(
        byteorders=_either(BYTEORDERS),
        encodings=_either(tuple(ENCODINGS)),
        header_limit=f"{HEADER_LIMIT:,}",
        content_limit=f"{CONTENT_LIMIT:,}",
        container_limit=CONTAINER_LIMIT,
        integer_limit=f"{INTEGER_LIMIT:,}",
        elements="\n".join(map(_element, ELEMENTS.values())),
        piece=f"{PIECE_BYTES:,}",
        over=CONTENT_LIMIT + 1,
        receiving=_table(RECEIVING),
        sending=_table(SENDING),
    )


def _either(values: tuple[str, ...]) -> str:
    return " or ".join(f"`{value}`" for value in values)


def _element(element: Element) -> str:
    names = {"float32": "IEEE 754 binary32", "float64": "IEEE 754 binary64"}
    values = names[element.name] if element.is_float else f"{element.least} to {element.most}"
    return f"| `{element.name}` | {element.size} | {values} |"


def _table(rows: tuple[Transition, ...]) -> str:
    head = "| in state | on | goes to | and gives |\n|---|---|---|---|\n"
    return head + "\n".join(f"| {r.state.name} | {r.on.name} | {r.to.name} | {r.gives} |" for r in rows)


if __name__ == "__main__":
    sys.stdout.buffer.write(render().encode())
