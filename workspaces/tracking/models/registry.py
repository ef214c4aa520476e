"""The gateway to MLflow's model registry: registered models, versions, tags, aliases, files.

Frozen values come out; every failure is one of `workspaces.errors`. Works on the built-in store
by its database and on a remote one by HTTP.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, TypeVar

from django.conf import settings
from django.utils.translation import gettext as _

from workspaces.errors import Conflict, Invalid, NotFound, Unavailable
from workspaces.tracking.models.values import (
    LoggedModel,
    StoredModel,
    StoredVersion,
    logged_value,
    model_value,
    version_value,
)
from workspaces.tracking.store.opening import mlflow_errors, stores
from workspaces.tracking.values import Page, Run

PAGE_SIZE = 50
MAX_NAME = 256  # MLflow's column
CREATE_ATTEMPTS = 8
TAKEN = {"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS", "RESOURCE_CONFLICT"}
_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
T = TypeVar("T")


def _tracking() -> Any:
    return stores()[0]


def _registry() -> Any:
    return stores()[1]


# --- reading -------------------------------------------------------------------------------------


def models_search(
    *, search: str = "", page_token: str = "", max_results: int = PAGE_SIZE
) -> Page[StoredModel]:
    """Registered models whose name contains `search` (case ignored), newest change first."""
    text = re.sub(r"[\"'`%\\\x00]", "_", search.strip())[:MAX_NAME]  # "_" stands for any character
    with mlflow_errors():
        found = _registry().search_registered_models(
            filter_string=f"name ILIKE '%{_encodable(text)}%'" if text else None,
            max_results=max_results,
            order_by=["last_updated_timestamp DESC", "name ASC"],
            page_token=_page_token(page_token),
        )
    return Page(tuple(model_value(item) for item in found), found.token or "")


def model_get(name: str) -> StoredModel:
    """Raises: NotFound."""
    _check_name(name)
    with _absent(_("There is no model named “%(name)s”.") % {"name": name}), mlflow_errors():
        found = _registry().get_registered_model(name)
    if found._is_prompt():
        raise NotFound(_("“%(name)s” is a prompt, not a model.") % {"name": name})
    return model_value(found)


def models_living(names: Collection[str]) -> set[str]:
    """Which of these names are registered models; one question for all that have plain names."""
    plain = sorted(name for name in names if re.fullmatch(r"[\w\-. ]{1,256}", name, re.ASCII))
    found: set[str] = set()
    if plain:
        listed = ", ".join(f"'{name}'" for name in plain)
        try:
            with mlflow_errors():
                rows = _registry().search_registered_models(f"name IN ({listed})", len(plain))
            found = {item.name for item in rows}
        except Invalid:  # an older server knows no IN
            plain = []
    return found | {name for name in set(names).difference(plain) if _lives(name)}


def _lives(name: str) -> bool:
    try:
        model_get(name)
    except NotFound:
        return False
    return True


def versions_search(
    name: str, *, page_token: str = "", max_results: int = PAGE_SIZE
) -> Page[StoredVersion]:
    """Versions of one model, the highest first.

    Raises:
        NotFound: there is no such model.
    """
    model = model_get(name)
    if "'" in name and '"' in name:  # MLflow's filter language cannot quote such a name
        return _versions_one_by_one(model)
    quote = '"' if "'" in name else "'"
    with mlflow_errors():
        found = _registry().search_model_versions(
            filter_string=f"name = {quote}{name}{quote}",
            max_results=max_results,
            order_by=["version_number DESC"],
            page_token=_page_token(page_token),
        )
    return Page(tuple(version_value(item, model.aliases) for item in found), found.token or "")


def version_get(name: str, version: str) -> StoredVersion:
    """Raises: NotFound."""
    _check_name(name)
    missing = _("Model “%(name)s” has no version %(version)s.")
    if not _VERSION.fullmatch(version):
        raise NotFound(missing % {"name": name, "version": version[:40]})
    with _absent(missing % {"name": name, "version": version}), mlflow_errors():
        return version_value(_registry().get_model_version(name, version))


def version_location(name: str, version: str) -> str:
    """The URI of the version's folder of files."""
    _check_name(name)
    with mlflow_errors():
        return str(_registry().get_model_version_download_uri(name, version))


def versions_of_source(source: str) -> int:
    """How many versions refer to this place, at most 1."""
    quote = '"' if "'" in source else "'"
    if quote in source:  # nobody can be asked for it
        return 1
    with mlflow_errors():
        found = _registry().search_model_versions(f"source_path = {quote}{source}{quote}", 1)
    return len(found)


def copies_of_location(location: str) -> int:
    """How many versions that are copies of another one have their files here, at most 1.

    A copy names the version that it was made of, and that may be deleted or renamed since; where
    its files are was written down when it was made.
    """
    token = None
    while True:
        with mlflow_errors():
            found = _registry().search_model_versions(
                "source_path LIKE 'models:/%'", PAGE_SIZE, page_token=token
            )
            for item in found:
                if location == _registry().get_model_version_download_uri(item.name, item.version):
                    return 1
        if not (token := found.token or None):
            return 0


def run_logged_models(run: Run) -> tuple[LoggedModel, ...]:
    """The models that a run logged, the most recent first (at most 200)."""
    with mlflow_errors():
        found = _tracking().search_logged_models(
            experiment_ids=[run.experiment_id],
            filter_string=f"source_run_id = '{run.id}'",
            max_results=200,
            order_by=[{"field_name": "creation_timestamp", "ascending": False}],
        )
    return tuple(logged_value(item) for item in found)


# --- writing -------------------------------------------------------------------------------------


def model_create_if_absent(name: str) -> bool:
    """Make the registered model unless there is one; safe when several do it at once.

    Returns: whether this call made it.
    """
    try:
        _again(lambda: _registry().create_registered_model(name))
    except Conflict:
        model_get(name)  # a prompt of this name is refused here
        return False
    return True


def version_create(
    *, name: str, source: str, run_id: str, model_id: str, description: str, tags: Mapping[str, str]
) -> StoredVersion:
    """Create the next version of a model; callers at the same moment get versions of their own.

    Args:
        source: `models:/m-…` of a logged model, else the URI of a folder.
        model_id: the logged model's id, "" when the source is a folder.
    """
    _registry()  # before any import of MLflow: two threads that do so lock each other out
    from mlflow.entities.model_registry import ModelVersionTag

    def create() -> Any:
        _pin_global_client()
        return _registry().create_model_version(
            name,
            source,
            run_id,
            [ModelVersionTag(key, value) for key, value in tags.items()],
            None,
            description or None,
            model_id=model_id or None,
        )

    created = version_value(_again(create))
    if model_id and not settings.SLIPWAY.tracking_is_remote:
        # the server's REST handler does this for remote stores: the run page lists the versions
        _again(lambda: _tracking().set_model_versions_tags(name, created.version, model_id))
    return created


def _pin_global_client() -> None:
    """Point MLflow's global client at our store: its registry asks it for logged models."""
    import mlflow

    before = os.environ.get("MLFLOW_TRACKING_URI")
    if mlflow.get_tracking_uri() == settings.SLIPWAY.tracking_uri:
        return
    mlflow.set_tracking_uri(settings.SLIPWAY.tracking_uri)
    # MLflow exports the URI, with its password, to every child process: take that back
    if before is None:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    else:
        os.environ["MLFLOW_TRACKING_URI"] = before


def model_describe(name: str, description: str) -> None:
    _again(lambda: _registry().update_registered_model(name, description))


def model_tags_set(name: str, *, add: Mapping[str, str], remove: set[str]) -> None:
    _registry()  # before any import of MLflow, see version_create
    from mlflow.entities.model_registry import RegisteredModelTag

    for key, value in add.items():
        tag = RegisteredModelTag(key, value)
        _again(partial(_registry().set_registered_model_tag, name, tag))
    for key in remove:
        _again(partial(_registry().delete_registered_model_tag, name, key))


def version_describe(name: str, version: str, description: str) -> None:
    _again(lambda: _registry().update_model_version(name, version, description))


def version_tags_set(name: str, version: str, *, add: Mapping[str, str], remove: set[str]) -> None:
    _registry()  # before any import of MLflow, see version_create
    from mlflow.entities.model_registry import ModelVersionTag

    for key, value in add.items():
        tag = ModelVersionTag(key, value)
        _again(partial(_registry().set_model_version_tag, name, version, tag))
    for key in remove:
        _again(partial(_registry().delete_model_version_tag, name, version, key))


def aliases_set(name: str, version: str, *, add: set[str], remove: set[str]) -> None:
    """Point aliases at a version (they leave the one they were on) and take others off."""
    for alias in sorted(add):
        _again(partial(_registry().set_registered_model_alias, name, alias, version))
    for alias in sorted(remove):
        _again(partial(_registry().delete_registered_model_alias, name, alias))


def version_delete(name: str, version: str) -> None:
    """Raises: NotFound."""
    version_get(name, version)
    _again(lambda: _registry().delete_model_version(name, version))


def model_delete(name: str) -> None:
    """Delete a model with all its versions. Raises: NotFound."""
    model_get(name)
    _again(lambda: _registry().delete_registered_model(name))


def _again(call: Callable[[], T]) -> T:
    """Run a write, again when the database was busy with another one.

    SQLite fails at once, without waiting, when a transaction that began by reading wants to write
    after another one wrote; MLflow numbers versions in just such a transaction.
    """
    for attempt in range(CREATE_ATTEMPTS):
        try:
            with mlflow_errors():
                return _unless_taken(call)
        except Unavailable:
            if attempt == CREATE_ATTEMPTS - 1 or settings.SLIPWAY.tracking_is_remote:
                raise
            time.sleep(0.02 * 2**attempt)
    raise AssertionError("unreachable")


def _unless_taken(call: Callable[[], T]) -> T:
    _registry()  # before any import of MLflow, see version_create
    from mlflow.exceptions import MlflowException

    try:
        return call()
    except MlflowException as error:
        if str(error.error_code) in TAKEN:
            raise Conflict(_("The name is taken.")) from error
        raise


# --- translation ---------------------------------------------------------------------------------


class _absent:
    """Replace MLflow's "not found" text by ours."""

    def __init__(self, message: str) -> None:
        self.message = message

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, NotFound) or (isinstance(error, Invalid) and not error.fields):
            raise NotFound(self.message) from error


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME or "\x00" in name or not _is_text(name):
        raise NotFound(_("There is no model of this name."))


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can carry
        return False
    return True


def _encodable(value: str) -> str:
    return value.encode(errors="replace").decode()


def _page_token(token: str) -> str | None:
    """MLflow fails in many ways on a token that it did not make."""
    if not token or settings.SLIPWAY.tracking_is_remote:
        return token or None
    try:
        decoded = json.loads(base64.b64decode(token, validate=True))
        good = 0 < int(decoded["offset"]) < 2**31
    except (binascii.Error, ValueError, TypeError, KeyError, RecursionError):
        good = False
    if not good:
        raise Invalid(
            _("The page token is not one that this list gave out."),
            fields={"page_token": [_("Leave it out to start from the first page.")]},
        )
    return token


def _versions_one_by_one(model: StoredModel) -> Page[StoredVersion]:
    found = []
    for number in range(int(model.latest_version or 0), 0, -1):
        try:
            found.append(version_get(model.name, str(number)))
        except NotFound:
            continue  # numbers of deleted versions stay free
    return Page(tuple(found), "")
