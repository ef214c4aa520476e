"""A package index of a test's own: tiny real wheels over HTTP, as PEP 503 says."""

from __future__ import annotations

import hashlib
import html
import http.server
import io
import json
import tarfile
import threading
import zipfile
from base64 import urlsafe_b64encode


def wheel(name: str, version: str, requires: tuple[str, ...] = ()) -> tuple[str, bytes]:
    """File name and bytes of a wheel that holds one module with its version."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text)}\n" for path, text in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return f"{name}-{version}-py3-none-any.whl", packed.getvalue()


def _digest(text: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def sdist(name: str, version: str) -> tuple[str, bytes]:
    """File name and bytes of a source package."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        text = f"from setuptools import setup\nsetup(name={name!r}, version={version!r})\n".encode()
        member = tarfile.TarInfo(f"{name}-{version}/setup.py")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return f"{name}-{version}.tar.gz", packed.getvalue()


def _document(name: str, files: dict[str, bytes]) -> bytes:
    listed = [
        {
            "filename": file,
            "url": f"/files/{file}",
            "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
            "size": len(content),
        }
        for file, content in files.items()
    ]
    document = {"meta": {"api-version": "1.1"}, "name": name, "versions": [], "files": listed}
    return json.dumps(document).encode()


class Index:
    """The index's server.

    While `holds` is set, files are not given out: a slow download. With `tells_sizes` it speaks
    JSON, as PyPI does (PEP 691, PEP 700); plain HTML has no sizes.
    """

    tells_sizes = False

    def __init__(self, *files: tuple[str, bytes], host: str = "127.0.0.1") -> None:
        self.files = dict(files)
        self.asked: list[str] = []
        self.holds = threading.Event()
        self.closing = threading.Event()
        index = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.answer(self)

            def do_HEAD(self) -> None:
                index.answer(self, body=False)

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer((host, 0), Answer)
        self.server.daemon_threads = True
        self.url = f"http://{host}:{self.server.server_port}/simple/"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, request: http.server.BaseHTTPRequestHandler, *, body: bool = True) -> None:
        self.asked.append(request.path)
        kind, name = request.path.strip("/").split("/", 1)
        if kind == "simple":
            content, found = self._links(name)
        else:
            while self.holds.is_set() and not self.closing.wait(0.05):
                pass
            content, found = self.files.get(name, b""), name in self.files
        request.send_response(200 if found else 404)
        request.send_header("content-type", self._type(kind))
        request.send_header("content-length", str(len(content)))
        request.end_headers()
        if body:
            request.wfile.write(content)

    def _type(self, kind: str) -> str:
        if kind != "simple":
            return "application/zip"
        return "application/vnd.pypi.simple.v1+json" if self.tells_sizes else "text/html"

    def _links(self, name: str) -> tuple[bytes, bool]:
        own = [file for file in self.files if file.split("-")[0].replace("_", "-") == name]
        if self.tells_sizes:
            return _document(name, {file: self.files[file] for file in own}), bool(own)
        links = "".join(f'<a href="/files/{html.escape(file)}">{file}</a>\n' for file in own)
        return f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), bool(own)

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
