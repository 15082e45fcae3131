"""docs/protocol.md, from the code: `python -m services.wire.document > docs/protocol.md`.

Numbers, names and tables are read from the module that uses them; a test fails when the document differs.
"""
# ruff: noqa: E501 — a row of a Markdown table is one line

import sys

from .header import BYTEORDERS, CONTENT_LIMIT, ENCODINGS, HEADER_LIMIT
from .jsontext import CONTAINER_LIMIT, INTEGER_LIMIT
from .states import RECEIVING, SENDING, Transition

TEMPLATE = """\
<!-- Made by `python -m services.wire.document`; edit services/wire/document.py, not this file. -->

# The message protocol

Messages over one TCP connection, each way, one after another with nothing between them. Default port 65432.

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

Nothing aligns, pads or ends a message: its length is 2 + H + content-length. Segment boundaries mean nothing. The length
is big-endian on every machine; `byteorder` does not change how anything of this framing is read.

## Header

One JSON object (RFC 8259). Names are exact and case-sensitive, in any order when read; we write them in this order:

| name | JSON type | value |
|---|---|---|
| `byteorder` | string | {byteorders}: the byte order of the machine that sent the message |
| `content-type` | string | any; `text/json` has a meaning to the search service |
| `content-encoding` | string | {encodings} |
| `content-length` | number, an integer (not `41.0`, not `4.1e1`, not `true`) | bytes of content, 0 to the content limit |

All four are required. Further names may follow, of any JSON value; they are kept and ignored. We write non-ASCII characters
as UTF-8, not as `\\u` escapes, with one space after `:` and `,`; a reader takes any JSON whitespace and any escapes.

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

Each of these, and nothing else, breaks the protocol. The one who sees it reads no more, answers the messages that came whole
before, and closes. There is no way to find the next message: nothing marks its start.

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
| `content-encoding` is none of those above | `"utf-7"`, `"UTF-8"` |
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

## The search service

One request is one message; each is answered by one message, in order. A connection carries one request or many, which
may be sent without waiting for answers. The content of a `text/json` message is JSON by the same rules as the header's, in
the character encoding that `content-encoding` names.

| request | answer: `content-type`, `content-encoding`, content |
|---|---|
| `text/json`, `{{"action": "search", "value": v}}` | `text/json`, `utf-8`, `{{"result": r}}`: r as below |
| `text/json`, an object with another `action`, a string a | `text/json`, `utf-8`, `{{"result": "Error: invalid action 'a'."}}` |
| `text/json`, anything else (not JSON, not an object, `action` or `value` missing or not a string, encoding `binary`) | `text/json`, `utf-8`, `{{"result": "Error: invalid request: why."}}` |
| any other `content-type` | `binary/custom-server-binary-type`, `binary`, `First 10 bytes of request: ` and those bytes |

A wrong content is answered, and the connection goes on: its framing was right, so the next message can still be found.
Other names in a request are ignored. A binary request of fewer than 10 bytes is given back whole.

| v | r |
|---|---|
| `morpheus` | `Follow the white rabbit. 🐰` |
| `ring` | `In the caves beneath the Misty Mountains. 💍` |
| `🐶` | `🐾 Playing ball! 🏐` |
| any other | `No match for 'v'.` |

The client sends the action `search` as `text/json` in `utf-8`; any other action as `binary/custom-client-binary-type` in
`binary`, its content the action and the value as UTF-8 with nothing between. A lone surrogate in a JSON string, which is
legal as an escape (`"\\ud800"`) and has no UTF-8 form, is written back as that escape.

The server closes when the peer has finished and all its answers are sent; when nothing moved for the idle time; and when a
message is not whole a given time after its first byte, however many bytes keep coming.

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
        over=CONTENT_LIMIT + 1,
        receiving=_table(RECEIVING),
        sending=_table(SENDING),
    )


def _either(values: tuple[str, ...]) -> str:
    return " or ".join(f"`{value}`" for value in values)


def _table(rows: tuple[Transition, ...]) -> str:
    head = "| in state | on | goes to | and gives |\n|---|---|---|---|\n"
    return head + "\n".join(f"| {r.state.name} | {r.on.name} | {r.to.name} | {r.gives} |" for r in rows)


if __name__ == "__main__":
    sys.stdout.buffer.write(render().encode())
