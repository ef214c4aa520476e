"""A quick backend in a process of its own, to be killed: answers with the body it was sent.

Run as `python -m tests.serving.echo_process PORT NAME`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import httptools


class Echo(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport, self.body = transport, b""
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, block: bytes) -> None:
        self.body += block

    def on_message_complete(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nx-backend: %b\r\ncontent-length: %d\r\n\r\n"
        name = sys.argv[2].encode()
        self.transport.write(head % (name, len(self.body)) + self.body)
        self.body = b""


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
