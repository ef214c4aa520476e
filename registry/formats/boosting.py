"""Recognises models in XGBoost's and LightGBM's own formats, and what such a file says of itself.

Their files can be hundreds of megabytes: only the beginning and the end are looked at, and both
libraries write there what matters.
"""

from __future__ import annotations

import json
import re
from typing import Any

from registry.formats.reading import Read

BEGINNING = 1024 * 1024
END = 4096
MAX_NAMES = 5_000
_JSON = re.compile(rb'^\s*\{\s*"(learner|version|Config)"\s*:')
_UBJ = b"{L\x00\x00\x00\x00\x00\x00\x00\x07"  # an object whose first key has 7 letters
_VERSION = re.compile(rb'"version"\s*:\s*\[\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\]')
_NAMES = re.compile(rb'"feature_names"\s{0,9}:\s{0,9}(?=\[)')
_ESTIMATOR = re.compile(rb'_estimator_type\\*"\s*:\s*\\*"(classifier|regressor|ranker)')
_CATEGORIES = re.compile(rb"pandas_categorical:\s*\[\s*\[")  # then columns are no plain numbers
_TYPES = re.compile(rb'"feature_types"\s{0,9}:\s{0,9}(?=\[)')
_BOOSTERS = (b"gbtree", b"gblinear", b"dart")
_OLD_ENDINGS = (".model", ".bin", ".xgb", ".bst", ".deprecated")
ESTIMATORS = {"classifier": "XGBClassifier", "regressor": "XGBRegressor", "ranker": "XGBRanker"}


def look(path: str, size: int, head: bytes, read: Read) -> dict[str, Any] | None:
    """What a file of one of the two libraries says of itself; None when it is neither's.

    Returns: `format`, `version` ("" when not told), `names` of the features ([] when not told),
        and for XGBoost `serialization` (json, ubj, binary) and `model_class`.
    """
    if head.startswith((b"tree\n", b"tree\r\n")):
        return _lightgbm(path, size, read)
    if _JSON.match(head):
        return _xgboost_json(path, size, read)
    if head.startswith(_UBJ) and head[10:17] in (b"learner", b"version"):
        return _xgboost_ubj(path, size, read)
    old = head.startswith(b"binf") or path.lower().endswith(_OLD_ENDINGS)
    if old and any(name in head for name in _BOOSTERS):
        return _xgboost("", [], "binary", "")
    return None


def _lightgbm(path: str, size: int, read: Read) -> dict[str, Any] | None:
    said: dict[bytes, bytes] = {}
    for line in read(path, 0, BEGINNING).splitlines()[1:40]:
        key, is_pair, value = line.partition(b"=")
        if is_pair:
            said[key] = value
    version = re.fullmatch(rb"v(\d+)", said.get(b"version", b"").strip())
    if version is None:
        return None
    names = said.get(b"feature_names", b"").decode("utf-8", "replace").split(" ")
    return {
        "format": "lightgbm",
        "version": version.group(1).decode(),
        "names": [] if _CATEGORIES.search(read(path, max(0, size - END), END)) else _names(names),
        "objective": said.get(b"objective", b"").decode("utf-8", "replace")[:100],
    }


def _xgboost_json(path: str, size: int, read: Read) -> dict[str, Any] | None:
    start, end = read(path, 0, BEGINNING), read(path, max(0, size - END), END)
    if b'"learner"' not in start:
        return None
    version = _VERSION.search(end) or _VERSION.search(start)
    types = _list_after(_TYPES, start)
    try:
        names = [] if b'"c"' in types else json.loads(_list_after(_NAMES, start) or b"[]")
    except (ValueError, RecursionError):
        names = []
    return _xgboost(_dotted(version), names, "json", _class(start))


def _list_after(key: re.Pattern[bytes], data: bytes) -> bytes:
    """The text of a list by its key, the first of that name; as far as it was read."""
    found = key.search(data)
    if found is None:
        return b""
    end = data.find(b"]", found.end())
    return data[found.end() : end + 1] if end >= 0 else data[found.end() :]


def _xgboost_ubj(path: str, size: int, read: Read) -> dict[str, Any] | None:
    start, end = read(path, 0, BEGINNING), read(path, max(0, size - END), END)
    if b"learner_model_param" not in start + end and b"gradient_booster" not in start:
        return None
    version = _ubj_version(end) or _ubj_version(start)
    categories = b"c" in _ubj_texts(start, b"feature_types")
    names = [] if categories else _ubj_texts(start, b"feature_names")
    decoded = [name.decode("utf-8", "replace") for name in names]
    return _xgboost(version, decoded, "ubj", _class(start))


def _xgboost(version: str, names: list[Any], form: str, model_class: str) -> dict[str, Any]:
    return {
        "format": "xgboost",
        "version": version,
        "names": _names(names),
        "serialization": form,
        "model_class": model_class or "xgboost.core.Booster",
    }


def _class(start: bytes) -> str:
    """The class that saved itself, which XGBoost keeps for its estimators only."""
    match = _ESTIMATOR.search(start)
    return f"xgboost.sklearn.{ESTIMATORS[match.group(1).decode()]}" if match else ""


def _dotted(match: re.Match[bytes] | None) -> str:
    return ".".join(part.decode() for part in match.groups()) if match else ""


def _ubj_version(data: bytes) -> str:
    """Three integers in an array named "version"; XGBoost writes each as small as it fits."""
    at = data.rfind(b"\x07version[")
    if at < 0:
        return ""
    at += len(b"\x07version[")
    if data[at : at + 1] == b"#":  # a count: "L" and eight bytes
        at += 10
    found = []
    sizes = {b"i": 1, b"U": 1, b"I": 2, b"l": 4, b"L": 8}
    for _number in range(3):
        width = sizes.get(data[at : at + 1], 0)
        if not width:
            return ""
        found.append(int.from_bytes(data[at + 1 : at + 1 + width], "big"))
        at += 1 + width
    return ".".join(map(str, found)) if all(part < 10_000 for part in found) else ""


def _ubj_texts(data: bytes, key: bytes) -> list[bytes]:
    """The texts of an array by its key; none when it is absent or longer than what was read."""
    mark = bytes([len(key)]) + key + b"[#L"
    at = data.find(mark)
    if at < 0:
        return []
    at += len(mark)
    count = int.from_bytes(data[at : at + 8], "big")
    at += 8
    found = []
    for _number in range(min(count, MAX_NAMES)):
        if data[at : at + 2] != b"SL":
            return []
        length = int.from_bytes(data[at + 2 : at + 10], "big")
        text = data[at + 10 : at + 10 + length]
        if len(text) != length:
            return []
        found.append(text)
        at += 10 + length
    return found if len(found) == count else []


def _names(names: list[Any]) -> list[str]:
    """Names of columns, none when they are not all different texts."""
    good = 0 < len(names) <= MAX_NAMES and all(isinstance(name, str) and name for name in names)
    return list(names) if good and len(set(names)) == len(names) else []
