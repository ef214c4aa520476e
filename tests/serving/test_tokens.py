"""Tokens: what opens a service beside its keys, and everything that looks like it and does not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from serving.tokens import Tokens
from tests.serving.replica import KEY, Replica, wait_until

SECRET = bytes(range(32))
AUDIENCE = "diabetes"


def encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def token(secret: bytes = SECRET, header: Any = None, **claims: Any) -> bytes:
    """A token signed by hand, valid unless told otherwise; a claim of None is left out."""
    given = {"aud": AUDIENCE, "exp": time.time() + 60, **claims}
    body = {name: value for name, value in given.items() if value is not None}
    header = {"alg": "HS256", "typ": "JWT"} if header is None else header
    signed = b".".join(encoded(json.dumps(part).encode()) for part in (header, body))
    signature = hmac.new(secret, signed, hashlib.sha256).digest()
    return signed + b"." + encoded(signature)


@pytest.fixture
def tokens() -> Tokens:
    return Tokens({"secret": SECRET.hex(), "audience": AUDIENCE})


@pytest.mark.parametrize(
    "claims",
    [{}, {"aud": ["other", AUDIENCE]}, {"exp": 10**11}, {"nbf": 10**9}],
    ids=str,
)
def test_a_whole_token_opens(tokens: Tokens, claims: dict[str, Any]) -> None:
    assert tokens.accepts(token(**claims))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"exp": 10**9},
        {"exp": "9999999999"},
        {"exp": True},
        {"aud": None},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": {AUDIENCE: 1}},
        {"nbf": 10**11},
        {"nbf": "soon"},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_does_not_open(tokens: Tokens, claims: dict[str, Any]) -> None:
    assert not tokens.accepts(token(**claims))


@pytest.mark.parametrize(
    "header",
    [{"alg": "none"}, {"alg": "HS512"}, {"alg": "hs256"}, {}, [], {"alg": "HS256", "crit": ["x"]}],
    ids=str,
)
def test_a_token_of_another_kind_does_not_open(tokens: Tokens, header: Any) -> None:
    assert not tokens.accepts(token(header=header))


def test_a_token_that_was_changed_does_not_open(tokens: Tokens) -> None:
    head, body, signature = token().split(b".")
    other = token(aud="other").split(b".")[1]
    wrong = [
        token(secret=b"x" * 32),
        b".".join([head, other, signature]),
        b".".join([head, body, b""]),
        b".".join([head, body]),
        b".".join([head, body, signature, b""]),
        b".".join([head, body, signature[:-4]]),
        b".".join([head, body, b"!" + signature]),
        b"..",
        b"",
    ]

    assert not any(tokens.accepts(candidate) for candidate in wrong)


def test_a_token_too_long_is_not_even_looked_at(tokens: Tokens) -> None:
    assert not tokens.accepts(token(note="x" * 5000))


@pytest.mark.parametrize("secret", ["", "00" * 31, "no hex"])
def test_a_weak_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError):
        Tokens({"secret": secret, "audience": AUDIENCE})


@pytest.fixture
def service(diabetes: Replica) -> Iterator[Replica]:
    """The shared replica with tokens on; its keys are put back after the test."""
    document = json.loads((diabetes.folder / "auth.json").read_text())
    document |= {"version": 21, "tokens": {"secret": SECRET.hex(), "audience": AUDIENCE}}
    diabetes.replace_auth(json.dumps(document))
    wait_until(lambda: diabetes.record()["auth_version"] == 21, "tokens are on", 5)
    yield diabetes
    diabetes.write_keys(version=1)
    wait_until(lambda: diabetes.record()["auth_version"] == 1, "the first keys are back", 5)


@pytest.mark.parametrize("path", ["/score", "/score?by=asgi"])
def test_a_service_is_opened_by_keys_and_tokens(service: Replica, path: str) -> None:
    body = {"data": [[0.1] * 10]}

    assert service.post(path, body, key=token().decode()).status_code == 200
    assert service.post(path, body, key=KEY).status_code == 200
    assert service.post(path, body, key=token(exp=1).decode()).status_code == 401


def test_without_settings_no_token_opens(diabetes: Replica) -> None:
    answer = diabetes.post("/score", {"data": [[0.1] * 10]}, key=token().decode())

    assert answer.status_code == 401
