"""Opens MLflow's stores and turns its failures into ours. Only `workspaces.tracking*` import this.

The built-in store is read by its database URI in this process; a remote one by HTTP. Importing
MLflow takes seconds, so it is imported inside functions: management commands stay quick.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from django.conf import settings
from django.utils.translation import gettext as _

from workspaces.errors import Invalid, NotFound, Problem, Unavailable

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository
    from mlflow.utils.rest_utils import MlflowHostCreds

HTTP_TIMEOUT_S = 4  # a page must say so within 5 s when MLflow does not answer
ELSEWHERE = "elsewhere"  # code of the Unavailable that waiting does not mend
LOAD_WAIT_S = 4.0  # the same for a page that comes while another thread loads MLflow
NOT_FOUND = {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "ENDPOINT_NOT_FOUND"}
WRONG_INPUT = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "MALFORMED_REQUEST"}
REFUSED = {"UNAUTHENTICATED", "PERMISSION_DENIED", "CUSTOMER_UNAUTHORIZED"}
QUERY_LIMITS = (  # SQLite's and PostgreSQL's words for a query with too many parts
    "tables in a join",
    "too many SQL variables",
    "Expression tree is too large",
    "parser stack overflow",
    "stack depth limit exceeded",
)

_lock = threading.Lock()
_opened: dict[tuple[str, str, str], tuple[Any, Any]] = {}


def store_id() -> str:
    """Names the tracking store in our tables; at most 64 characters, never with a password.

    The store inside the data folder is "builtin" wherever that folder is moved to.
    """
    env = settings.SLIPWAY
    if env.tracking_uri == f"sqlite:///{env.data.tracking_database}":
        return "builtin"
    text = _without_password(env.tracking_uri)
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
    opened = _opened.get(key)
    if opened is None:
        with _loading():
            opened = _opened.get(key)
            if opened is None:
                with mlflow_errors():
                    opened = _open_remote() if env.tracking_is_remote else _open_database()
                _opened[key] = opened
    return opened


@contextmanager
def _loading() -> Iterator[None]:
    if not _lock.acquire(timeout=LOAD_WAIT_S):
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
    return TrackingStore(uri, "mlflow-artifacts:/"), RegistryStore(uri)


def _bounded_database_uri(uri: str) -> str:
    """PostgreSQL waits without end for a host that drops packets unless told not to."""
    if not uri.startswith("postgres"):
        return uri
    if uri.startswith("postgres://"):  # SQLAlchemy knows only the long name
        uri = "postgresql://" + uri.removeprefix("postgres://")
    if uri.startswith("postgresql://"):
        uri = "postgresql+psycopg://" + uri.removeprefix("postgresql://")
    return f"{uri}{'&' if '?' in uri else '?'}connect_timeout={HTTP_TIMEOUT_S}"


def _answers(uri: str) -> None:
    """One attempt to reach the database: MLflow itself would try for more than an hour."""
    import sqlalchemy

    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.pool.NullPool)
    try:
        sqlalchemy.inspect(engine).get_table_names()
    finally:
        engine.dispose()


def _open_remote() -> tuple[Any, Any]:
    from mlflow.store.model_registry.rest_store import RestStore as RegistryStore
    from mlflow.store.tracking.rest_store import RestStore as TrackingStore

    # MLflow's own defaults, 120 s and 7 retries, would hold a page for minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(HTTP_TIMEOUT_S))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
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
            % {"place": _without_password(uri)},
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
    rows = answer.json().get("files", [])
    return [
        FileInfo(posixpath.join(path, row["path"]), row["is_dir"], row.get("file_size"))
        for row in rows
    ]


def http_artifact(repository: Any, path: str) -> Any:
    """A streaming `requests` answer for one file of a remote tracking server's artifacts."""
    from mlflow.utils.rest_utils import http_request

    answer = http_request(
        repository._host_creds, "/" + quote(path), "GET", stream=True, timeout=HTTP_TIMEOUT_S
    )
    answer.raise_for_status()
    return answer


@contextmanager
def mlflow_errors(field: str = "", subject: str = "") -> Iterator[None]:
    """Turns every failure of MLflow into one of ours.

    Args:
        field: the input field to blame when MLflow calls the input wrong.
        subject: what was asked for, as the start of a sentence, for "… does not exist."
    """
    try:
        yield
    except Problem:
        raise
    except Exception as error:  # the boundary: MLflow raises its own, SQLAlchemy's, requests'
        raise _problem(error, field, subject) from error


def _problem(error: Exception, field: str, subject: str) -> Problem:
    code = str(getattr(error, "error_code", ""))
    status = getattr(getattr(error, "response", None), "status_code", None)
    if code in NOT_FOUND or status == 404 or isinstance(error, FileNotFoundError):
        return NotFound(_("%(subject)s does not exist.") % {"subject": subject or _("It")})
    if code in REFUSED or status in {401, 403}:
        return Unavailable(
            _("The MLflow tracking server refuses this studio. Check SLIPWAY_TRACKING_TOKEN.")
        )
    if code in WRONG_INPUT and not _from_database(error):
        return _wrong_input(_first_line(error), field)
    if isinstance(error, ValueError | OverflowError) or "too large to convert" in str(error):
        return _wrong_input(_("This value cannot be used: ") + _first_line(error), field)
    if field and (_is_parser_limit(error) or any(text in str(error) for text in QUERY_LIMITS)):
        return _wrong_input(_("This is too long or too deeply nested to be searched for."), field)
    return Unavailable(_unavailable_sentence(error))


def _is_parser_limit(error: Exception) -> bool:
    return isinstance(error, RecursionError) or type(error).__module__.startswith("sqlparse")


def _wrong_input(message: str, field: str) -> Problem:
    return Invalid(message, fields={field: [message]} if field else None)


def _from_database(error: Exception) -> bool:
    """MLflow calls some database failures a bad request; their text is SQL, not for people."""
    return type(error.__cause__).__module__.startswith("sqlalchemy")


def _unavailable_sentence(error: Exception) -> str:
    where = _without_password(settings.SLIPWAY.tracking_uri)
    if "timeout" in str(error).lower() or "timed out" in str(error).lower():
        return _("MLflow at %(where)s did not answer within %(seconds)s s.") % {
            "where": where,
            "seconds": HTTP_TIMEOUT_S,
        }
    if "out-of-date database schema" in str(error):
        return _("The MLflow store is of an older version. Run: manage.py upgrade")
    return _("MLflow at %(where)s cannot be reached or does not answer properly.") % {
        "where": where
    }


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "message", "") or error).strip()
    text = text.removeprefix("INVALID_PARAMETER_VALUE:").strip()
    return (text.splitlines() or [type(error).__name__])[0][:500]


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
