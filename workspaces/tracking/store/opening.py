"""Opens MLflow's stores. Only `workspaces.tracking` imports this.

The built-in store is read by its database URI in this process; a remote one by HTTP. Importing
MLflow takes seconds, so it is imported inside functions: management commands stay quick.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from workspaces import deadline
from workspaces.errors import Problem, Unavailable
from workspaces.tracking.store.bugs import answer_read
from workspaces.tracking.store.errors import HTTP_TIMEOUT_S, without_password
from workspaces.tracking.store.errors import mlflow_errors as mlflow_errors
from workspaces.tracking.store.waiting import database_bound, http_bound

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository
    from mlflow.utils.rest_utils import MlflowHostCreds

FileMark = tuple[int, int] | None  # device and inode
ELSEWHERE = "elsewhere"  # code of the Unavailable that waiting does not mend
LOCK_WAIT_S = 3.5  # for somebody who writes for long into the built-in store's SQLite file
LOAD_WAIT_S = 4.0  # the same for a page that comes while another thread loads MLflow


@dataclass(frozen=True)
class Opened:
    """The stores, and which file they were opened on: another one in its place is not read."""

    stores: tuple[Any, Any]
    file: FileMark


_lock = threading.Lock()
_opened: dict[tuple[str, str, str], Opened] = {}


def store_id() -> str:
    """Names the tracking store in our tables; at most 64 characters, never with a password.

    The store inside the data folder is "builtin" wherever that folder is moved to.
    """
    env = settings.SLIPWAY
    if env.tracking_uri == f"sqlite:///{env.data.tracking_database}":
        return "builtin"
    text = without_password(env.tracking_uri)
    return text if len(text) <= 64 else hashlib.sha256(text.encode()).hexdigest()


def warm() -> None:
    """Imports MLflow and opens the stores; a problem is shown by the first page that needs them."""
    with contextlib.suppress(Problem):
        stores()


def stores() -> tuple[Any, Any]:
    """The (tracking store, model registry store) of this studio; opened once per process.

    The first call imports MLflow. Whatever else imports it must have called this before: two
    threads that import its modules in different orders see half of them.

    Raises:
        Unavailable: the database or the server cannot be opened, or another thread is still
            loading MLflow; the next call tries again.
    """
    env = settings.SLIPWAY
    key = (env.tracking_uri, env.artifact_root, env.tracking_token)
    file = _file_mark(env.tracking_uri)
    opened = _opened.get(key)
    if opened is None or opened.file != file:
        with _loading():
            opened = _opened.get(key)
            if opened is None or opened.file != file:
                opened = _opened[key] = _open(opened)
                deadline.restart()  # loading is our own time
    return opened.stores


def _open(before: Opened | None) -> Opened:
    env = settings.SLIPWAY
    if before is not None:
        _file_is_there(env.tracking_uri)
        for store in before.stores:  # its connections still read the file that was there
            store.engine.dispose()
    with mlflow_errors():
        found = _open_remote() if env.tracking_is_remote else _open_database()
    return Opened(found, _file_mark(env.tracking_uri))


def _file_mark(uri: str) -> FileMark:
    """Which file an SQLite store is; None: there is none, or the store is no file."""
    if not uri.startswith("sqlite:///"):
        return None
    try:
        found = Path(_sqlite_file(uri)).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _sqlite_file(uri: str) -> str:
    return uri.removeprefix("sqlite:///").partition("?")[0]


def _file_is_there(uri: str) -> None:
    """Raises: Unavailable: the file was there when it was opened first; an empty one is no help."""
    if uri.startswith("sqlite:///") and _file_mark(uri) is None:
        raise Unavailable(
            _("The MLflow store's file %(file)s is gone. Bring it back or restart the studio.")
            % {"file": _sqlite_file(uri)}
        )


@contextmanager
def _loading() -> Iterator[None]:
    left = deadline.seconds_left()
    if not _lock.acquire(timeout=LOAD_WAIT_S if left is None else min(LOAD_WAIT_S, left)):
        raise Unavailable(
            _("MLflow is still being loaded. Try again in a few seconds."), code="loading"
        )
    try:
        yield
    finally:
        _lock.release()


def _open_database() -> tuple[Any, Any]:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore

    env = settings.SLIPWAY
    uri = _bounded_database_uri(env.tracking_uri)
    _answers(uri)
    # clients anywhere reach artifacts by the proxy, so a fresh store must not get a local path
    opened = TrackingStore(uri, "mlflow-artifacts:/"), RegistryStore(uri)
    for store in opened:
        if uri.startswith("sqlite:"):
            store.ManagedSessionMaker = _impatient(store.ManagedSessionMaker)
        else:
            database_bound(store.engine)
    return opened


def _impatient(sessions: Callable[..., Any]) -> Callable[..., Any]:
    """MLflow's sessions, which wait LOCK_WAIT_S for a lock in place of its own 20 s."""
    from sqlalchemy import text

    @contextmanager
    def make(*args: Any, **options: Any) -> Iterator[Any]:
        with sessions(*args, **options) as session:
            wait_s = 0 if deadline.gave_up() else LOCK_WAIT_S
            session.execute(text(f"PRAGMA busy_timeout = {int(wait_s * 1000)}"))
            yield session

    return make


def _bounded_database_uri(uri: str) -> str:
    """PostgreSQL waits without end for a host that drops packets unless told not to."""
    if not uri.startswith("postgres"):
        return uri
    if uri.startswith("postgres://"):  # SQLAlchemy knows only the long name
        uri = "postgresql://" + uri.removeprefix("postgres://")
    if uri.startswith("postgresql://"):
        uri = "postgresql+psycopg://" + uri.removeprefix("postgresql://")
    # the others are for connections that were open when the network went away
    limits = f"connect_timeout={HTTP_TIMEOUT_S}&tcp_user_timeout={HTTP_TIMEOUT_S * 1000}"
    limits += "&keepalives_idle=2&keepalives_interval=1&keepalives_count=2"
    return f"{uri}{'&' if '?' in uri else '?'}{limits}"


def _answers(uri: str) -> None:
    """One attempt to reach the database: MLflow itself would try for more than an hour."""
    import sqlalchemy

    if uri.startswith("sqlite:///"):
        Path(_sqlite_file(uri)).parent.mkdir(parents=True, exist_ok=True)
    wait = {"timeout": LOCK_WAIT_S} if uri.startswith("sqlite:") else {}
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.pool.NullPool, connect_args=wait)
    database_bound(engine)
    try:
        with deadline.page():  # also where no page waits: pages wait for who opens the store
            sqlalchemy.inspect(engine).get_table_names()
    finally:
        engine.dispose()


def _open_remote() -> tuple[Any, Any]:
    from mlflow.store.model_registry.rest_store import RestStore as RegistryStore
    from mlflow.store.tracking.rest_store import RestStore as TrackingStore

    # MLflow's own defaults, 120 s and 7 retries, would hold a page for minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(HTTP_TIMEOUT_S))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    http_bound()
    return TrackingStore(_credentials), RegistryStore(_credentials)


def _credentials() -> MlflowHostCreds:
    from mlflow.utils.rest_utils import MlflowHostCreds

    env = settings.SLIPWAY
    return MlflowHostCreds(env.tracking_uri, token=env.tracking_token or None)


def artifact_repository(uri: str) -> ArtifactRepository:
    """The repository of artifacts at `uri`, with `mlflow-artifacts:` mapped.

    Anyone who may log can choose where an experiment keeps artifacts, so only two places are
    read: the tracking server's own artifact service, and what lies below SLIPWAY_ARTIFACT_ROOT.

    Raises:
        Unavailable: the artifacts lie elsewhere; the message names the place.
    """
    if urlsplit(uri).scheme == "mlflow-artifacts":
        if settings.SLIPWAY.tracking_is_remote:
            return _remote_artifacts(uri)
        uri = _mapped(uri)
    if not _below_root(uri):
        raise Unavailable(
            _(
                "The artifacts are kept at %(place)s, which this studio may not read. Only "
                "artifacts below SLIPWAY_ARTIFACT_ROOT are shown."
            )
            % {"place": without_password(uri)},
            code=ELSEWHERE,
        )
    stores()  # before any import of MLflow
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with mlflow_errors():
        return get_artifact_repository(uri)


def _mapped(uri: str) -> str:
    path = unquote(urlsplit(uri).path).strip("/")
    root = settings.SLIPWAY.artifact_root.rstrip("/")
    if ".." in path.split("/"):
        raise Unavailable(_("The run has an artifact location that cannot be read."))
    return posixpath.join(root, path)


def local_path(uri: str) -> Path | None:
    """The folder `uri` means on this machine, links resolved; None for other schemes."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path)).resolve()
    return Path(uri).resolve() if not parts.scheme else None


def _below_root(uri: str) -> bool:
    root = settings.SLIPWAY.artifact_root
    here, top = local_path(uri), local_path(root)
    if here is not None or top is not None:
        return here is not None and top is not None and here.is_relative_to(top)
    clean = posixpath.normpath(urlsplit(uri).path)
    return uri.startswith(root.rstrip("/") + "/") and clean == urlsplit(uri).path.rstrip("/")


def _remote_artifacts(uri: str) -> ArtifactRepository:
    stores()  # before any import of MLflow
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

    tracking = urlsplit(settings.SLIPWAY.tracking_uri)
    if urlsplit(uri).netloc not in {"", tracking.netloc}:
        raise Unavailable(_("The artifacts are kept by another server than the tracking server."))

    class Repository(MlflowArtifactsRepository):  # type: ignore[misc]
        """MLflow's own, with our token in place of the process-wide variable."""

        @property
        def _host_creds(self) -> MlflowHostCreds:
            from mlflow.utils.rest_utils import MlflowHostCreds

            token = settings.SLIPWAY.tracking_token or None
            return MlflowHostCreds(self.artifact_uri, token=token)

        def list_artifacts(self, path: str | None = None) -> list[Any]:
            return _list_over_http(self.artifact_uri, path or "")

        def _is_multipart_download_enabled(self) -> bool:
            return False  # would follow a presigned URL of the server's choice

    return Repository(uri, tracking_uri=settings.SLIPWAY.tracking_uri)


def _list_over_http(artifact_uri: str, path: str) -> list[Any]:
    from mlflow.entities import FileInfo
    from mlflow.utils.rest_utils import MlflowHostCreds, http_request

    service = "/mlflow-artifacts/artifacts"
    base, tail = artifact_uri.split(service, maxsplit=1)
    token = settings.SLIPWAY.tracking_token or None
    answer = http_request(
        MlflowHostCreds(base, token=token),
        service,
        "GET",
        params={"path": posixpath.join(tail.lstrip("/"), path)},
    )
    answer.raise_for_status()
    with answer_read():
        return [
            FileInfo(posixpath.join(path, row["path"]), row["is_dir"], row.get("file_size"))
            for row in answer.json().get("files", [])
        ]


def http_artifact(repository: Any, path: str) -> Any:
    """A streaming `requests` answer for one file of a remote tracking server's artifacts."""
    from mlflow.utils.rest_utils import http_request

    answer = http_request(
        repository._host_creds, "/" + quote(path), "GET", stream=True, timeout=HTTP_TIMEOUT_S
    )
    answer.raise_for_status()
    return answer
