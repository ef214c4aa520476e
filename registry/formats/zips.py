"""Model files that are zip archives inside: PyTorch's, Keras's and skops'; and Keras's HDF5."""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from typing import IO, Any, BinaryIO, cast

from registry.formats.pickles import PACKAGES
from registry.formats.reading import FileView, Part, Read, Unreadable

MAX_DIRECTORY = 20_000_000  # bytes of a zip's list of files, which zipfile reads whole
MAX_SCHEMA = 50_000_000
MAX_METADATA = 100_000
_END = b"PK\x05\x06"
_END64 = b"PK\x06\x07"
_RECORD64 = b"PK\x06\x06"
_BOUNDED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # whose output zipfile can bound
_HDF5_VERSION = re.compile(rb"keras_version.{0,200}?(\d+\.\d+\.\d+[\w.-]{0,10})", re.DOTALL)


def directory_size(file: IO[bytes]) -> int:
    """Bytes of a zip's list of files, as its end says. Ask before `zipfile` reads that list.

    Raises:
        Unreadable: it does not end as a zip does.
    """
    size = file.seek(0, 2)
    start = max(0, size - 65_557)  # 22 bytes and the longest comment
    file.seek(start)
    tail = file.read(size - start)
    at = tail.rfind(_END)
    if at < 0 or at + 22 > len(tail):
        raise Unreadable
    found = int(struct.unpack_from("<L", tail, at + 12)[0])
    locator = at - 20
    if locator >= 0 and tail[locator : locator + 4] == _END64:
        named = int(struct.unpack_from("<Q", tail, locator + 8)[0])
        # some readers go where the locator points, zipfile to what stands right before it
        if named != start + locator - 56:
            raise Unreadable
        file.seek(named)
        record = file.read(56)
        if len(record) != 56 or not record.startswith(_RECORD64):
            raise Unreadable
        found = max(found if found != 0xFFFFFFFF else 0, struct.unpack_from("<Q", record, 40)[0])
    return found


def look(path: str, size: int, read: Read) -> Part | None:
    """What a model file that is a zip is; None when it is another zip.

    Raises:
        Unreadable: it is no good zip.
    """
    view = cast(BinaryIO, FileView(path, size, read))
    if directory_size(view) > MAX_DIRECTORY:
        return None
    try:
        with zipfile.ZipFile(view) as archive:
            return _look(archive)
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, NotImplementedError,
            RuntimeError, RecursionError, OverflowError) as error:  # fmt: skip
        raise Unreadable from error


def _look(archive: zipfile.ZipFile) -> Part | None:
    names = archive.namelist()
    if "config.json" in names and "metadata.json" in names:
        metadata = _json(archive, "metadata.json", MAX_METADATA)
        version = metadata.get("keras_version") if isinstance(metadata, dict) else ""
        return Part("keras", str(version or "")[:40])
    if "schema.json" in names:
        return _skops(_json(archive, "schema.json", MAX_SCHEMA))
    if any(name.endswith("/data.pkl") or name == "data.pkl" for name in names):
        script = any(name.endswith("/constants.pkl") for name in names)
        return Part("pytorch", "", {"torchscript": script})
    return None


def _json(archive: zipfile.ZipFile, name: str, most: int) -> Any:
    if archive.getinfo(name).compress_type not in _BOUNDED:
        raise ValueError("compressed in another way")
    with archive.open(name) as member:
        data = member.read(most + 1)
    if len(data) > most:
        raise ValueError("too long")
    return json.loads(data)


def _skops(schema: Any) -> Part | None:
    """A skops file: its schema names every type that loading it makes."""
    if not isinstance(schema, dict) or "protocol" not in schema or "__module__" not in schema:
        return None
    types: dict[str, None] = {}
    versions: list[str] = []
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            kind, module = node.get("__class__"), node.get("__module__")
            if isinstance(kind, str) and isinstance(module, str):
                types[f"{module}.{kind}"] = None
            marked = node.get("_sklearn_version")
            if isinstance(marked, dict) and isinstance(marked.get("content"), str):
                versions.append(marked["content"].strip('"'))
            waiting += node.values()
    root = f"{schema['__module__']}.{schema.get('__class__')}"
    tops = {name.split(".")[0] for name in types}
    facts = {
        "root": root,
        "packages": sorted({PACKAGES[top] for top in tops & set(PACKAGES)} | {"skops"}),
        "modules": sorted(tops - set(PACKAGES) - {"builtins", "collections", "skops"}),
        "types": sorted(name for name in types if name.split(".")[0] in PACKAGES)[:1000],
        "numpy2": False,
    }
    good = [version for version in versions if re.fullmatch(r"[0-9][\w.+]{1,30}", version)]
    return Part("sklearn-skops", good[0] if good else "", facts)


def hdf5_keras_version(path: str, read: Read) -> str:
    """The version that Keras writes as an attribute; "" when it is not near the beginning."""
    match = _HDF5_VERSION.search(read(path, 0, 1024 * 1024))
    return match.group(1).decode("ascii") if match else ""
