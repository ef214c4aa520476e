"""Small files into and out of a container, as the tar archives that Docker takes and gives."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from deployments.drivers.docker_layout import REPLICA_DIR, USER_ID
from serving.contract import AUTH_FILE, CONFIG_FILE, STOP_FILE, AuthDocument, ReplicaConfig

if TYPE_CHECKING:
    from docker import APIClient

_MAX_READ = 64 * 1024  # of a file that the model's code can write: never trust its size


def put_replica(
    client: APIClient, container: str, config: ReplicaConfig, auth: AuthDocument
) -> None:
    """Write service.json and auth.json into a container that does not run."""
    entries = [_file(CONFIG_FILE, config, 0o644), _file(AUTH_FILE, auth, 0o600)]
    client.put_archive(container, REPLICA_DIR, _archive(entries))


def put_documents(client: APIClient, container: str, documents: Mapping[str, Any]) -> None:
    """Write JSON documents into the replica's folder of a container that does not run."""
    entries = [_file(name, document, 0o644) for name, document in documents.items()]
    client.put_archive(container, REPLICA_DIR, _archive(entries))


def put_auth(client: APIClient, container: str, auth: AuthDocument) -> None:
    """Replace auth.json of a container that may be running.

    Docker unpacks by removing the old file and writing a new one in place, so a reader could see
    half of it; and a rename would need a program inside the image. So the archive holds the whole
    document under another name and then `auth.json` as a hard link to it: what a reader finds
    under that name is always whole.
    """
    name = f".{AUTH_FILE}.new"
    link = tarfile.TarInfo(AUTH_FILE)
    link.type, link.linkname = tarfile.LNKTYPE, name
    link.mode, link.uid, link.gid, link.mtime = 0o600, USER_ID, USER_ID, time.time()
    entries = [_file(name, auth, 0o600), (link, b"")]
    client.put_archive(container, REPLICA_DIR, _archive(entries))


def put_stop(client: APIClient, container: str) -> None:
    """Write the stop file, which says since when this container is asked to end."""
    client.put_archive(container, REPLICA_DIR, _archive([_file(STOP_FILE, time.time(), 0o644)]))


def stopping_since(client: APIClient, container: str) -> float | None:
    """Return when the stop file was written, in seconds since the epoch; None when it is not."""
    found = read_json(client, container, STOP_FILE)
    return float(found) if isinstance(found, int | float) else None


def read_json(client: APIClient, container: str, name: str, newer_than: str = "") -> Any:
    """Return the JSON document `name` of the replica's folder; None when absent or broken.

    With `newer_than`, one of Docker's times, also None for a file of a former life.
    """
    from docker.errors import APIError

    try:
        stream, facts = client.get_archive(container, f"{REPLICA_DIR}/{name}")
    except APIError as error:
        if error.status_code and error.status_code < 500:
            return None  # 404: not written yet
        raise
    data = _bounded(stream)
    if newer_than and facts and _time(facts["mtime"]) < _time(newer_than):
        return None
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            member = archive.next()
            file = archive.extractfile(member) if member and member.isfile() else None
            return json.loads(file.read(_MAX_READ)) if file else None
    except (tarfile.TarError, ValueError):
        return None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)  # nanoseconds are cut to microseconds


def _bounded(stream: Iterable[bytes]) -> bytes:
    data = bytearray()
    for chunk in stream:
        data += chunk
        if len(data) > _MAX_READ:
            break
    return bytes(data)


def _file(name: str, document: Any, mode: int) -> tuple[tarfile.TarInfo, bytes]:
    data = json.dumps(document).encode()
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(data), mode, time.time()
    info.uid = info.gid = USER_ID
    return info, data


def _archive(entries: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
