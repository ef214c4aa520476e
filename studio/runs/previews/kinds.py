"""Kinds of files, by their names."""

from __future__ import annotations

import posixpath

IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".svg": "image/svg+xml",
}
AUDIO = {
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
}
PDF = {".pdf": "application/pdf"}
PAGES = {".html", ".htm"}
TABLES = {".csv": ",", ".tsv": "\t"}
PARQUET = {".parquet", ".pq"}
JSONS = {".json", ".geojson"}
NOTEBOOKS = {".ipynb"}
MARKDOWN = {".md", ".markdown"}
TEXTS = {
    f".{name}"
    for name in (
        *("txt", "log", "rst", "tex", "py", "r", "jl", "js", "ts", "css", "sql", "sh"),
        *("yaml", "yml", "toml", "ini", "cfg", "conf", "xml", "jsonl", "ndjson", "lock"),
        *("diff", "patch", "dot", "java", "scala", "cpp", "c", "h", "go", "rs", "env"),
    )
}
FRAMED = {"image", "page", "audio", "pdf"}  # shown from an address that serves them in a sandbox
_KINDS: tuple[tuple[str, set[str]], ...] = (
    ("image", set(IMAGES)),
    ("audio", set(AUDIO)),
    ("pdf", set(PDF)),
    ("page", PAGES),
    ("table", set(TABLES)),
    ("parquet", PARQUET),
    ("notebook", NOTEBOOKS),
    ("markdown", MARKDOWN),
    ("json", JSONS),
    ("text", TEXTS),
)


def extension_of(path: str) -> str:
    return posixpath.splitext(path)[1].lower()


def kind_of(path: str) -> str:
    """One of the kinds above, or "unknown" when only the content can tell."""
    extension = extension_of(path)
    return next((kind for kind, known in _KINDS if extension in known), "unknown")


def media_type(path: str) -> str:
    """What a browser is told of an image, a sound or a PDF."""
    return {**IMAGES, **AUDIO, **PDF}[extension_of(path)]
