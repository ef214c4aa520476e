"""The studio's secret key: made on first start, kept 0600 in the data folder."""

import os
import secrets
from pathlib import Path

from config.env import SettingError


def read_or_make_secret_key(path: Path) -> str:
    """Return the key in `path`, making it when absent; safe when two processes start at once.

    Raises:
        SettingError: it can neither be read nor made.
    """
    try:
        return _read_or_make(path)
    except OSError as error:
        raise SettingError(
            f"The data folder {path.parent} cannot be used ({error.strerror or error}): "
            "set SLIPWAY_DATA_DIR to a folder that can be written."
        ) from error


def _read_or_make(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(secrets.token_urlsafe(48))
    try:
        os.link(temporary, path)  # fails when another process was first: theirs counts
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    return path.read_text(encoding="ascii").strip()
