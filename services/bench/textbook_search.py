"""The search service as a textbook on asyncio's streams has it: what the service's own servers are measured beside.

    python -m services.bench.textbook_search HOST PORT

Read exactly 2 bytes, then the header, then the content; json.loads, json.dumps, write, drain. It speaks the
protocol less what a textbook leaves out: the limits within JSON, names that come twice, the journal, both timeouts.
"""

import asyncio
import json
import struct
import sys
from typing import Any

from services.bench.textbook import main
from services.search.answers import FOUND

CONTENT_LIMIT = 128 * 1024 * 1024


async def search(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        (length,) = struct.unpack(">H", await reader.readexactly(2))
        try:
            header = json.loads(await reader.readexactly(length))
        except ValueError:
            return
        if not well_formed(header):
            return
        content = await reader.readexactly(header["content-length"])
        writer.write(answer(header, content))
        await writer.drain()


def well_formed(header: Any) -> bool:
    return (
        isinstance(header, dict)
        and header.get("byteorder") in ("big", "little")
        and isinstance(header.get("content-type"), str)
        and header.get("content-encoding") in ("utf-8", "binary")
        and type(header.get("content-length")) is int
        and 0 <= header["content-length"] <= CONTENT_LIMIT
    )


def answer(header: dict[str, Any], content: bytes) -> bytes:
    if header["content-type"] == "text/json":
        answered = json.dumps({"result": result(content, header["content-encoding"])}, ensure_ascii=False).encode()
        return message(answered, "text/json", "utf-8")
    return message(b"First 10 bytes of request: " + content[:10], "binary/custom-server-binary-type", "binary")


def result(content: bytes, encoding: str) -> str:
    try:
        request = json.loads(content.decode(encoding))
        action, value = request["action"], request.get("value")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        return f"Error: invalid request: {error}."
    if action != "search":
        return f"Error: invalid action '{action}'."
    if not isinstance(value, str):
        return "Error: invalid request: value: expected a string."
    return FOUND.get(value) or f"No match for '{value}'."


def message(content: bytes, content_type: str, content_encoding: str) -> bytes:
    header = {
        "byteorder": sys.byteorder,
        "content-type": content_type,
        "content-encoding": content_encoding,
        "content-length": len(content),
    }
    encoded = json.dumps(header, ensure_ascii=False).encode()
    return struct.pack(">H", len(encoded)) + encoded + content


if __name__ == "__main__":
    main("services.bench.textbook_search", __doc__, search)
