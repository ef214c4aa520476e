"""Settings from the environment: parsed and validated once, errors name the variable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.paths import DataFolder


class SettingError(Exception):
    """A setting has a value that cannot be used; the message is for the person who set it."""


@dataclass(frozen=True)
class Env:
    """Every setting of Slipway with its default. Names are those of the variables, lower case."""

    data: DataFolder
    host: str
    port: int
    gateway_port: int
    port_range: range
    admin_password: str
    base_image: str
    base_images: tuple[str, ...]
    secret_key: str
    database_url: str
    redis_url: str
    tracking_uri: str
    tracking_token: str
    artifact_root: str
    public_url: str
    gateway_public_url: str
    gateway_tls: tuple[Path, Path] | None
    allowed_hosts: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    max_steps: int
    min_free_bytes: int
    max_upload_bytes: int
    max_files: int
    model_paths: tuple[Path, ...]
    keep_deleted_days: int
    deploy_timeout_s: int
    service_user: str
    otlp_endpoint: str
    token_lifetime_s: int
    debug: bool
    log_level: str

    @property
    def tracking_is_remote(self) -> bool:
        return self.tracking_uri.startswith(("http://", "https://"))


def _int(source: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    raw = source.get(name, "").strip()
    if not raw:
        return default
    try:
        value = int(raw)
    except ValueError:
        raise SettingError(f"{name} must be a whole number, not {raw!r}.") from None
    if not low <= value <= high:
        raise SettingError(f"{name} must be from {low} to {high}, not {value}.")
    return value


def _bool(source: Mapping[str, str], name: str) -> bool:
    raw = source.get(name, "").strip().lower()
    if raw in {"", "0", "false", "no"}:
        return False
    if raw in {"1", "true", "yes"}:
        return True
    raise SettingError(f"{name} must be true or false, not {raw!r}.")


def _ports(source: Mapping[str, str]) -> range:
    raw = source.get("SLIPWAY_PORT_RANGE", "").strip() or "20000-29999"
    try:
        low, high = (int(part) for part in raw.replace("–", "-").split("-"))
    except ValueError:
        raise SettingError(f"SLIPWAY_PORT_RANGE must look like 20000-29999, not {raw!r}.") from None
    if not 1024 <= low <= high <= 65535:
        raise SettingError("SLIPWAY_PORT_RANGE must lie within 1024-65535, low first.")
    return range(low, high + 1)


def _list(source: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in source.get(name, "").split(",") if part.strip())


def _url(source: Mapping[str, str], name: str) -> str:
    raw = source.get(name, "").strip().rstrip("/")
    if raw and not raw.startswith(("http://", "https://")):
        raise SettingError(f"{name} must start with http:// or https://, not {raw!r}.")
    return raw


def _gateway_tls(source: Mapping[str, str]) -> tuple[Path, Path] | None:
    """Return the files of certificate and key; None: the gateway speaks plain HTTP."""
    names = ("SLIPWAY_GATEWAY_TLS_CERT", "SLIPWAY_GATEWAY_TLS_KEY")
    raw = [source.get(name, "").strip() for name in names]
    if not any(raw):
        return None
    for name, value in zip(names, raw, strict=True):
        if not value:
            raise SettingError(f"{' and '.join(names)} go together; {name} is not set.")
        if not Path(value).expanduser().is_file():
            raise SettingError(f"{name} names no file: {value!r}.")
    certificate, key = (Path(value).expanduser().resolve() for value in raw)
    return certificate, key


def _folders(source: Mapping[str, str], name: str) -> tuple[Path, ...]:
    """Folders, links resolved, so that what is below one of them can be told by its real path."""
    found = tuple(Path(part).expanduser() for part in _list(source, name))
    for folder in found:
        if not folder.is_absolute() or not folder.is_dir():
            raise SettingError(f"{name} must list folders by their whole path, not {folder}.")
    return tuple(folder.resolve() for folder in found)


def load(source: Mapping[str, str] | None = None) -> Env:
    """Read all settings.

    Args:
        source: variables; `os.environ` when omitted.
    Raises:
        SettingError: a value cannot be used; the message names the variable.
    """
    env = os.environ if source is None else source
    data = DataFolder(
        Path(env.get("SLIPWAY_DATA_DIR", "").strip() or "data").expanduser().resolve()
    )
    return Env(
        data=data,
        host=env.get("SLIPWAY_HOST", "").strip() or "127.0.0.1",
        port=_int(env, "SLIPWAY_PORT", 8000, 1, 65535),
        gateway_port=_int(env, "SLIPWAY_GATEWAY_PORT", 8001, 1, 65535),
        port_range=_ports(env),
        admin_password=env.get("SLIPWAY_ADMIN_PASSWORD", ""),
        base_image=env.get("SLIPWAY_BASE_IMAGE", "").strip() or "python:3.11-slim",
        base_images=_list(env, "SLIPWAY_BASE_IMAGES") or ("python:*",),
        secret_key=env.get("SLIPWAY_SECRET_KEY", ""),
        database_url=env.get("DATABASE_URL", "").strip() or f"sqlite:///{data.database}",
        redis_url=env.get("REDIS_URL", "").strip(),
        tracking_uri=env.get("SLIPWAY_TRACKING_URI", "").strip().rstrip("/")
        or f"sqlite:///{data.tracking_database}",
        tracking_token=env.get("SLIPWAY_TRACKING_TOKEN", ""),
        artifact_root=env.get("SLIPWAY_ARTIFACT_ROOT", "").strip() or str(data.artifacts),
        public_url=_url(env, "SLIPWAY_PUBLIC_URL"),
        gateway_public_url=_url(env, "SLIPWAY_GATEWAY_PUBLIC_URL"),
        gateway_tls=_gateway_tls(env),
        allowed_hosts=_list(env, "SLIPWAY_ALLOWED_HOSTS"),
        trusted_proxies=_list(env, "SLIPWAY_TRUSTED_PROXIES"),
        max_steps=_int(env, "SLIPWAY_MAX_STEPS", 2, 1, 64),
        min_free_bytes=_int(env, "SLIPWAY_MIN_FREE", 1_000_000_000, 0, 2**50),
        max_upload_bytes=_int(env, "SLIPWAY_MAX_UPLOAD", 20_000_000_000, 1, 2**50),
        max_files=_int(env, "SLIPWAY_MAX_FILES", 20_000, 1, 1_000_000),
        model_paths=_folders(env, "SLIPWAY_MODEL_PATHS"),
        keep_deleted_days=_int(env, "SLIPWAY_KEEP_DELETED_DAYS", 30, 0, 36_500),
        deploy_timeout_s=_int(env, "SLIPWAY_DEPLOY_TIMEOUT", 600, 5, 86_400),
        service_user=env.get("SLIPWAY_SERVICE_USER", "").strip() or "nobody",
        otlp_endpoint=_url(env, "SLIPWAY_OTLP_ENDPOINT"),
        token_lifetime_s=_int(env, "SLIPWAY_TOKEN_LIFETIME", 3600, 60, 30 * 86_400),
        debug=_bool(env, "SLIPWAY_DEBUG"),
        log_level=env.get("SLIPWAY_LOG_LEVEL", "").strip().upper() or "INFO",
    )
