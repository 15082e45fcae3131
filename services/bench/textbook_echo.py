"""Echo as a textbook on asyncio's streams has it: what the echo service's servers are measured beside.

    python -m services.bench.textbook_echo HOST PORT

No idle time, no count of the bytes, no journal of the connections: it is to be measured, and not to be learnt from.
"""

import asyncio

from services.bench.textbook import main

READ_BYTES = 64 * 1024  # as the echo service's servers read


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ_BYTES):
        writer.write(data)
        await writer.drain()


if __name__ == "__main__":
    main("services.bench.textbook_echo", __doc__, echo)
