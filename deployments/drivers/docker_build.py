"""One image build or pull: its output line by line, cancelled at any moment, its cause in words."""

from __future__ import annotations

import collections
import contextlib
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from deployments.drivers import docker_client
from deployments.drivers.base import DriverError

if TYPE_CHECKING:
    from docker import APIClient
    from requests import Response

_TICK = 0.2  # seconds between two looks at `cancelled`
_KEPT = 200  # lines, to find the cause in
_ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class BuildFailed(DriverError):
    """The image cannot be built; the message says why in plain words."""


class BuildCancelled(Exception):
    """`cancelled()` answered True; nothing of this build is left but its finished layers."""


@dataclass(frozen=True)
class Watch:
    """Who follows a build, and how long it may take (seconds)."""

    log: Callable[[str], None]
    cancelled: Callable[[], bool]
    timeout: float = 1800.0


def build(base_url: str, context: IO[bytes], watch: Watch, **options: Any) -> None:
    """Build the tar archive `context`; `options` are those of docker-py's `build`.

    Raises:
        BuildFailed, BuildCancelled, TargetUnreachable.
    """

    def start(client: APIClient) -> Iterable[dict[str, Any]]:
        engine: Any = client  # the stubs leave build untyped
        messages: Iterable[dict[str, Any]] = engine.build(
            fileobj=_Cancellable(context, watch.cancelled),
            custom_context=True,
            rm=True,
            forcerm=True,
            decode=True,
            timeout=None,
            **options,
        )
        return messages

    _follow(base_url, start, watch)


def pull(base_url: str, image: str, watch: Watch) -> None:
    """Fetch an image from its registry. Raises as `build` does."""
    from docker.utils import parse_repository_tag

    repository, tag = parse_repository_tag(image)

    def start(client: APIClient) -> Iterable[dict[str, Any]]:
        messages: Iterable[dict[str, Any]] = client.pull(
            repository, tag=tag or "latest", stream=True, decode=True
        )
        return messages

    _follow(base_url, start, watch)


def _follow(
    base_url: str, start: Callable[[APIClient], Iterable[dict[str, Any]]], watch: Watch
) -> None:
    """Read a stream of the engine in a thread of its own: a silent step must not hide a cancel."""
    client = docker_client.connect(base_url, timeout=watch.timeout)
    responses: list[Response] = []
    client.hooks["response"].append(lambda response, *_, **__: responses.append(response))
    messages: queue.SimpleQueue[dict[str, Any] | BaseException | None] = queue.SimpleQueue()

    def pump() -> None:
        try:
            for message in start(client):
                messages.put(message)
            messages.put(None)
        except BaseException as error:  # handed over: raised by the thread that reads
            messages.put(error)

    threading.Thread(target=pump, name="docker-build", daemon=True).start()
    try:
        _read(messages, watch, _Output(watch.log), base_url)
    finally:
        for response in responses:
            _hang_up(response)
        client.close()


def _read(
    messages: queue.SimpleQueue[dict[str, Any] | BaseException | None],
    watch: Watch,
    output: _Output,
    base_url: str,
) -> None:
    deadline = time.monotonic() + watch.timeout
    while True:
        if watch.cancelled():
            raise BuildCancelled
        if time.monotonic() > deadline:
            raise BuildFailed(f"The build took longer than {watch.timeout / 60:.0f} minutes.")
        try:
            message = messages.get(timeout=_TICK)
        except queue.Empty:
            continue
        if message is None:
            output.flush()
            return
        if isinstance(message, BuildCancelled):
            raise message
        if isinstance(message, BaseException):
            raise _failure(message, base_url)
        output.take(message)


def _failure(error: BaseException, base_url: str) -> BaseException:
    """Return our error for one that the engine answered or that the connection had."""
    from docker.errors import APIError

    if isinstance(error, APIError):  # the answer itself: a bad Dockerfile, or no base image
        return BuildFailed(cause([str(error.explanation or error)]))
    try:
        with docker_client.translated(base_url):
            raise error
    except DriverError as translated:
        return translated


def _hang_up(response: Response) -> None:
    """Close the connection; the engine then ends the build and removes its container."""
    from docker.errors import DockerException
    from docker.types import CancellableStream

    # A finished response has no socket any more, which shows as any of these.
    with contextlib.suppress(OSError, AttributeError, ValueError, DockerException):
        CancellableStream(iter(()), response).close()


class _Output:
    """Turns the engine's messages into log lines and remembers the last ones."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self.log = log
        self.rest = ""
        self.lines: collections.deque[str] = collections.deque(maxlen=_KEPT)

    def take(self, message: dict[str, Any]) -> None:
        """Log one message; raises BuildFailed for the one that ends a failed build."""
        if "stream" in message:
            *whole, self.rest = (self.rest + message["stream"]).split("\n")
            for line in whole:
                self._line(line)
        elif "status" in message and not message.get("progressDetail"):
            self._line(" ".join(filter(None, [message.get("id", ""), message["status"]])))
        elif "error" in message:
            self.flush()
            self._line(str(message["error"]))
            raise BuildFailed(cause(list(self.lines)))

    def flush(self) -> None:
        """Log what has no line end yet."""
        if self.rest:
            self._line(self.rest)
            self.rest = ""

    def _line(self, text: str) -> None:
        # A carriage return is a progress bar's: only its last state is of interest.
        text = _ANSI.sub("", text).rstrip().rpartition("\r")[2]
        if text.strip():
            self.lines.append(text)
            self.log(text)


class _Cancellable:
    """A file whose reading ends when the person cancels: a large model takes a while to send."""

    def __init__(self, file: IO[bytes], cancelled: Callable[[], bool]) -> None:
        self.file, self.cancelled = file, cancelled
        self.fileno = file.fileno  # requests asks it for the length

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; raises BuildCancelled."""
        if self.cancelled():
            raise BuildCancelled
        return self.file.read(size)

    def tell(self) -> int:
        """Return the position; requests subtracts it from the length."""
        return self.file.tell()

    def __iter__(self) -> _Cancellable:
        return self

    def __next__(self) -> bytes:
        if block := self.read(1024 * 1024):
            return block
        raise StopIteration


_CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"(?:pull access denied for|manifest for|manifest unknown)"
        r" ?(?P<image>[\w./:\-]*)",
        "The base image {image} cannot be fetched. Name one that this Docker host has, or may"
        " fetch, in SLIPWAY_BASE_IMAGE.",
    ),
    (
        r"Get \"?https?://(?P<registry>[^/\"]+)/v2/",
        "The image registry {registry} cannot be reached from this Docker host. Name a base image"
        " that it has already in SLIPWAY_BASE_IMAGE.",
    ),
    (
        r"[Nn]o space left on device|os error 28",
        "The disk of the Docker host is full. Free some space, for example with"
        " 'docker system prune', and retry.",
    ),
    (
        r"invalid peer certificate|certificate verify failed|CERTIFICATE_VERIFY_FAILED",
        "The package index was reached, but its certificate is not trusted inside the base image.",
    ),
    (
        r"dns error|[Tt]emporary failure in name resolution|[Cc]onnection refused|tcp connect error"
        r"|[Nn]etwork is unreachable|error sending request|operation timed out|[Ff]ailed to fetch",
        "The build could not reach the package index. Check this machine's network and retry.",
    ),
    (
        r"Because (?P<package>[\w.\-\[\]]+) was not found in the package registry",
        "The package {package} does not exist on the package index.",
    ),
    (
        r"Because (?P<package>\S+?) has no wheels? with a matching (?P<what>[\w ]+? tag)",
        "The package {package} exists, but not for this Python or platform"
        " (no wheel with a matching {what}).",
    ),
    (
        r"Because (?P<package>\S+?) has no usable wheels",
        "The package {package} is only there as source, and sources are not built here"
        " unless you allow it.",
    ),
    (
        r"Could not find a version that satisfies the requirement (?P<package>\S+)",  # pip's words
        "No version of {package} on the package index fits the model's requirements.",
    ),
    (
        r"Because there (?:is|are) no versions? of (?P<package>\S+)",
        "No version of {package} on the package index fits the model's requirements.",
    ),
    (
        r"Because you require (?P<one>\S+) and (?:you require )?(?P<other>\S+),",
        "The model's requirements contradict each other: {one} and {other}.",
    ),
    (
        r"the requested Python version \((?P<python>[^)]+)\) does not satisfy (?P<wish>\S+)",
        "A package needs {wish}, and the image has Python {python}.",
    ),
    (
        r"[Hh]ash mismatch for [`']?(?P<package>[^`'\s]+)",
        "The package {package} on the index is not the one in the lock (its hash differs).",
    ),
    (
        r"[Kk]illed|returned a non-zero code: 137",
        "The build was killed, most likely because the Docker host ran out of memory.",
    ),
)


def cause(lines: list[str]) -> str:
    """Return one sentence that says why a build with this output failed."""
    text = " ".join(" ".join(lines).split())  # uv wraps its sentences
    for pattern, sentence in _CAUSES:
        found = re.search(pattern, text)
        if found:
            return sentence.format(**{key: value or "" for key, value in found.groupdict().items()})
    telling = [line for line in lines if re.search(r"(?i)\b(error|cause)\b", line)]
    last = (telling or lines or ["it said nothing"])[-1]
    return f"The build failed: {last.strip()[:300]}"
