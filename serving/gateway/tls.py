"""TLS: a certificate that is replaced while the gateway runs."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from serving.files import stamp

log = logging.getLogger("serving.gateway")


class TlsError(Exception):
    """The certificate or its key cannot be used; the message is for the person who set them."""


class Certificate:
    """Certificate and key of the gateway, read again when one of the files changes."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read them; raises TlsError."""
        self._files = (certificate, key)
        self._stamps = (stamp(certificate), stamp(key))
        self._current = self._read()
        # Connections begin in this context, and are moved to the current one by their first
        # message: OpenSSL asks also when the client names no server.
        self.context = self._read()
        self.context.sni_callback = self._move

    def refresh(self, *, force: bool = False) -> None:
        """Read the files again if they changed; what cannot be used leaves the last ones."""
        found = (stamp(self._files[0]), stamp(self._files[1]))
        if not force and found == self._stamps:
            return
        self._stamps = found
        try:
            self._current = self._read()
        except TlsError as error:
            log.error("the last certificate stays: %s", error)  # noqa: TRY400
        else:
            log.info("the certificate was read again")

    def _move(self, connection: ssl.SSLObject, _name: str | None, _first: ssl.SSLContext) -> None:
        connection.context = self._current

    def _read(self) -> ssl.SSLContext:
        certificate, key = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            text = f"{certificate} and {key} cannot be used as certificate and key: {error}"
            raise TlsError(text) from error
        return context


def _no_password() -> str:
    raise ValueError("the key is encrypted; the gateway asks nobody for a password")
