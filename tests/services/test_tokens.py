"""Keys and tokens: who may call belongs to the revision, and tokens end."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone

from deployments.access.credentials import service_keys_regenerate
from deployments.access.keys import auth_document
from deployments.access.tokens import service_token
from deployments.models import Revision, Service
from tests.factories import RevisionFactory
from workspaces.errors import Conflict
from workspaces.models import Event

pytestmark = pytest.mark.django_db


@pytest.fixture
def revision() -> Revision:
    """The active revision of a service that takes keys and tokens."""
    made = RevisionFactory(service__name="ridge")
    made.deployment["token_auth_enabled"] = True
    made.save()
    Service.objects.filter(pk=made.service_id).update(active=made, wanted=made)
    made.service.refresh_from_db()
    return made


def opened(revision: Revision, token: str) -> dict[str, Any]:
    """What a replica reads in a token with what auth.json tells it."""
    tokens = auth_document(revision.service, revision)["tokens"]
    key = bytes.fromhex(tokens["secret"])
    return jwt.decode(token, key, algorithms=["HS256"], audience=tokens["audience"])


def test_a_token_is_for_its_service_and_ends(revision: Revision, user: User) -> None:
    token = service_token(service=revision.service, user=user)
    claims = opened(revision, token.access_token)
    assert (claims["aud"], claims["sub"]) == ("ridge", "ada")
    assert claims["exp"] == token.expires_at.timestamp()
    assert timezone.now() < token.refresh_after < token.expires_at
    assert Event.objects.filter(kind="service.token_issued", subject="ridge").count() == 1
    with (
        time_machine.travel(token.expires_at + timedelta(seconds=1)),
        pytest.raises(jwt.ExpiredSignatureError),
    ):
        opened(revision, token.access_token)


def test_its_life_is_a_setting(revision: Revision, settings: Any) -> None:
    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, token_lifetime_s=60)
    claims = opened(revision, service_token(service=revision.service, user=None).access_token)
    assert claims["exp"] - claims["iat"] == 60


def test_a_token_of_another_service_opens_nothing(revision: Revision) -> None:
    other = RevisionFactory(service__name="lasso", deployment=revision.deployment)
    Service.objects.filter(pk=other.service_id).update(active=other)
    other.service.refresh_from_db()
    token = service_token(service=other.service, user=None).access_token
    with pytest.raises(jwt.InvalidTokenError):
        opened(revision, token)


def test_signing_anew_ends_every_token(revision: Revision) -> None:
    token = service_token(service=revision.service, user=None).access_token
    before = revision.service.keys_version
    service_keys_regenerate(service=revision.service, key="token", user=None)
    revision.service.refresh_from_db()
    assert revision.service.keys_version == before + 1
    with pytest.raises(jwt.InvalidSignatureError):
        opened(revision, token)


def test_no_token_while_tokens_are_off() -> None:
    revision = RevisionFactory()
    Service.objects.filter(pk=revision.service_id).update(active=revision)
    revision.service.refresh_from_db()
    with pytest.raises(Conflict, match="takes no tokens"):
        service_token(service=revision.service, user=None)


@pytest.mark.parametrize(
    ("by_key", "by_token", "enabled", "names"),
    [
        (True, False, True, {"primary", "secondary", "studio"}),
        (True, True, True, {"primary", "secondary", "studio"}),
        (False, True, True, {"studio"}),
        (False, False, False, {"primary", "secondary", "studio"}),
    ],
)
def test_a_replica_knows_what_its_revision_accepts(
    by_key: bool, by_token: bool, enabled: bool, names: set[str]
) -> None:
    revision = RevisionFactory()
    revision.deployment |= {"auth_enabled": by_key, "token_auth_enabled": by_token}
    document = auth_document(revision.service, revision)
    assert document["enabled"] is enabled
    assert {key["name"] for key in document["keys"]} == names
    assert ("tokens" in document) is by_token
