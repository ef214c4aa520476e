"""Looks into pickles, joblib files included, without ever loading one.

A pickle is a program; here its opcodes are listed at most (`pickletools` runs none of them), and
its bytes are searched for the version that scikit-learn writes into the state of each estimator.
"""

from __future__ import annotations

import bz2
import itertools
import lzma
import pickletools
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from django.utils.translation import gettext as _

from registry.formats.reading import CHUNK, Part, Read, chunks, search

HEAD = 256 * 1024  # bytes whose opcodes are listed
MOST_SCANNED = 4 * 1024**3
MOST_UNPACKED = 256 * 1024**2  # of a compressed joblib file
MEMORY = 256 * 1024**2  # that the decoder of xz may take
TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the magic number of torch.save before 1.6
COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x5d\x00\x00": "xz",
    b"x\x01": "zlib",
    b"x\x5e": "zlib",
    b"x\x9c": "zlib",
    b"x\xda": "zlib",
}
ENDINGS = (".joblib", ".pkl", ".pickle", ".z", ".gz", ".bz2", ".xz", ".lzma", ".sav")
ROOTS = {"sklearn", "xgboost", "lightgbm", "imblearn"}  # whose estimators have scikit-learn's API
# what may be imported besides, with the name that a requirement goes by
PACKAGES = {
    "sklearn": "scikit-learn",
    "imblearn": "imbalanced-learn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "numpy": "numpy",
    "scipy": "scipy",
    "pandas": "pandas",
    "joblib": "joblib",
    "threadpoolctl": "threadpoolctl",
    "cloudpickle": "cloudpickle",
}
_MEMO = rb"(?:\x94|q.|r....)?"
_TEXT = rb"(?:\x8c(?:.)|X....)"
_VERSION = re.compile(
    rb"_sklearn_version" + _MEMO + _TEXT + rb"([0-9][0-9A-Za-z.+]{1,30}?)(?=[^0-9A-Za-z.+]|q|r)",
    re.DOTALL,
)
_JOBLIB = re.compile(rb"(joblib\.numpy_pickle)")
_MAIN = re.compile(rb"(?:c|\x8c\x08|X\x08\x00\x00\x00)(__main__)")
# further on in a file than where its opcodes are listed, the libraries that matter
_NAMED = {
    top: re.compile(_TEXT + b"(" + top.encode() + rb")\.", re.DOTALL)
    for top in ("xgboost", "lightgbm", "imblearn")
}
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


def is_torch(head: bytes) -> bool:
    """Whether PyTorch saved it before its files were zip archives."""
    return head.startswith(TORCH)


def look(path: str, size: int, head: bytes, read: Read) -> Part | None:
    """What a pickle is; None when it holds no estimator of a known library.

    `facts`: `root` (the estimator's class), `packages` (names of requirements), `modules` (imported
    and not known here), `numpy2`.
    """
    packed = _compression(path, head)
    if packed == "" and not (head[:1] == b"\x80" and head[1:2] and 2 <= head[1] <= 5):
        return None

    def stream() -> Iterator[bytes]:
        raw = chunks(path, size, read, MOST_SCANNED)
        return _unpacked(raw, packed) if packed else raw

    start = _first(stream(), HEAD)
    names = _globals(start)
    root = next((name for name in names if name.split(".")[0] not in {"copyreg", "copy_reg"}), "")
    if root.split(".")[0] not in ROOTS:
        return None
    is_joblib = bool(packed) or path.lower().endswith(".joblib") or _has(_JOBLIB, stream())
    foreign = sorted({name.split(".")[0] for name in names} - set(PACKAGES) - _standard())
    facts: dict[str, Any] = {
        "root": root,
        "packages": sorted(
            {PACKAGES[top] for name in names if (top := _top(name)) in PACKAGES}
            | {PACKAGES[top] for top, named in _NAMED.items() if _has(named, stream())}
        ),
        "modules": [name for name in foreign if name != "__main__"],
        "numpy2": any(name.startswith("numpy._core") for name in names),
    }
    version = search(_VERSION, stream()).decode("ascii")
    problem = _main() if _has(_MAIN, stream()) else ""
    return Part("sklearn-joblib" if is_joblib else "sklearn-pickle", version, facts, problem)


def _main() -> str:
    return _(
        "The pickle refers to classes or functions of the program that saved it (__main__), which "
        "are not in the file."
    )


def _compression(path: str, head: bytes) -> str:
    if not path.lower().endswith(ENDINGS):
        return ""
    return next((name for magic, name in COMPRESSED.items() if head.startswith(magic)), "")


def _unpacked(pieces: Iterator[bytes], kind: str) -> Iterator[bytes]:
    """What joblib compressed, as far as it can be unpacked."""
    decoder: Any
    if kind in {"gzip", "zlib"}:
        decoder = zlib.decompressobj(31 if kind == "gzip" else 15)
    elif kind == "bz2":
        decoder = bz2.BZ2Decompressor()
    else:
        decoder = lzma.LZMADecompressor(memlimit=MEMORY)
    left = MOST_UNPACKED
    try:
        for piece in pieces:
            data = decoder.decompress(piece, CHUNK)
            while data and left > 0:
                left -= len(data)
                yield data
                data = _more(decoder)
            if left <= 0 or decoder.eof:
                return
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        return


def _more(decoder: Any) -> bytes:
    """What a decoder holds back because only so much was asked for at once."""
    if decoder.eof:
        return b""
    if hasattr(decoder, "unconsumed_tail"):  # zlib
        rest = decoder.unconsumed_tail
        return bytes(decoder.decompress(rest, CHUNK)) if rest else b""
    return b"" if decoder.needs_input else bytes(decoder.decompress(b"", CHUNK))


def _first(pieces: Iterator[bytes], count: int) -> bytes:
    found = b""
    for piece in pieces:
        found += piece[: count - len(found)]
        if len(found) >= count:
            break
    return found


def _has(pattern: re.Pattern[bytes], pieces: Iterator[bytes]) -> bool:
    return bool(search(pattern, pieces))


def _globals(start: bytes) -> list[str]:
    """Names ("module.Class") that the beginning of a pickle imports, in their order."""
    found: list[str] = []
    try:
        for name in _imports(itertools.islice(pickletools.genops(start), 200_000)):
            found.append(name)
            if name.startswith("joblib.numpy_pickle"):
                break  # the raw bytes of an array follow: they would be taken for opcodes
    except (ValueError, IndexError, OverflowError, UnicodeDecodeError):
        pass  # the beginning of a longer file
    return [name for name in dict.fromkeys(found) if _NAME.fullmatch(name) and len(name) < 200]


def _imports(opcodes: Iterable[Any]) -> Iterator[str]:
    """What GLOBAL names, and STACK_GLOBAL by the two texts that were pushed last."""
    texts: list[str] = []
    memo: dict[int, str | None] = {}  # None: something that is no text
    pushed: str | None = None  # the text that the opcode before pushed
    for opcode, value, _at in opcodes:
        if opcode.name in {"MEMOIZE", "BINPUT", "LONG_BINPUT"}:
            memo[len(memo) if opcode.name == "MEMOIZE" else int(value)] = pushed
            continue
        pushed = None
        if opcode.name in {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}:
            pushed = str(value)
        elif opcode.name in {"BINGET", "LONG_BINGET"}:
            pushed = memo.get(int(value))
        elif opcode.name == "GLOBAL":
            yield str(value).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(texts[-2:])
        if pushed is not None:
            texts = [*texts[-1:], pushed]


def _top(name: str) -> str:
    return name.split(".")[0]


def _standard() -> set[str]:
    return {*sys.stdlib_module_names, "__builtin__", "copy_reg", "__main__"}
