"""A backend that says exactly what a test wants, byte by byte."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable


class RawBackend:
    """Accepts connections and runs `talk` on each, in a thread of its own."""

    def __init__(self, talk: Callable[[RawConnection], None]) -> None:
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.connections: list[RawConnection] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = RawConnection(self._listener.accept()[0])
                self.connections.append(connection)
                threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: RawConnection) -> None:
        with contextlib.suppress(OSError), connection.socket:
            self._talk(connection)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.connections:
            connection.socket.close()


class RawConnection:
    """One connection of the gateway's."""

    def __init__(self, accepted: socket.socket) -> None:
        self.socket = accepted
        self.sent = 0
        self.is_gone = threading.Event()  # the gateway has closed it
        self._rest = b""

    def head(self) -> bytes:
        """Read one request's head; raises ConnectionError at the end of the connection."""
        while b"\r\n\r\n" not in self._rest:
            self._read()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        return head

    def body(self, size: int) -> bytes:
        """Read `size` bytes of the body."""
        while len(self._rest) < size:
            self._read()
        body, self._rest = self._rest[:size], self._rest[size:]
        return body

    def _read(self) -> None:
        block = self.socket.recv(65536)
        if not block:
            self.is_gone.set()
            raise ConnectionError("the gateway closed it")
        self._rest += block

    def request(self) -> bytes:
        """Read a request with Content-Length, and return its body."""
        head = self.head().lower()
        _, found, length = head.partition(b"content-length: ")
        return self.body(int(length.split(b"\r\n")[0])) if found else b""

    def say(self, data: bytes) -> None:
        """Send, as fast as the gateway takes it."""
        for start in range(0, len(data), 65536):
            self.sent += self.socket.send(data[start : start + 65536])

    def until_gone(self) -> None:
        """Read until the gateway closes the connection."""
        try:
            while True:
                self._read()
        finally:
            self.is_gone.set()
