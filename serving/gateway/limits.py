"""Every limit of the gateway, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from serving.contract import MAX_BODY_BYTES

SMALL = 64 * 1024  # bytes; a body of at most this is passed on whole, a larger one is streamed
MAX_HEAD = 32 * 1024  # bytes of request line and headers, then 431
MAX_ANSWER_HEAD = 64 * 1024  # bytes of an answer's headers, then 502
MAX_FRAMING = 64 * 1024  # bytes of chunk sizes, extensions and trailers without any body
WRITE_BUFFER = 512 * 1024  # bytes that wait for one slow reader before the other side is held
FILES_OF_OUR_OWN = 64  # descriptors that are no connection

CONNECT_TIMEOUT = 2.0  # seconds to a backend, TLS included
BODY_RATE = 1024  # bytes per second, on average, that a body must come with
WRITE_TIMEOUT = 60.0  # seconds a client may take no byte of its answer
IDLE_CLIENT = 75.0  # seconds an idle connection of a client is kept
IDLE_BACKEND = 30.0  # seconds; shorter than a runtime keeps an idle connection
LINGER = 30.0  # seconds a refused upload is read and thrown away, so that its client sees why
GOODBYE = 0.5  # seconds an idle connection may still send a request while the gateway ends
DOWN = 1.0  # seconds in which a backend that refused a connection is asked last
DRAIN = 60.0  # seconds for requests under way at SIGTERM
TICK = 0.1  # seconds between looks at the routes and the clock


@dataclass(frozen=True)
class Limits:
    """What the command line can change."""

    max_body_bytes: int = MAX_BODY_BYTES  # of a request, where its route says nothing else
    max_answer_bytes: int = 1024 * 1024 * 1024  # then 502, or cut when it has begun
    max_connections: int = 10_000  # of clients, if the limit on open files allows it
    head_timeout: float = 15.0  # seconds from a request's first byte to the end of its headers
    body_timeout: float = 30.0  # seconds a client may stay silent within a body
