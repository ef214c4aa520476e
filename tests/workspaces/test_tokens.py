"""API tokens: shown once, kept as a digest, ended at once."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from workspaces.errors import Conflict, Invalid, NotFound
from workspaces.models import ApiToken, Event
from workspaces.tokens import MOST_PER_USER, token_authenticate, token_create, token_revoke


def test_a_token_signs_its_user_in_until_it_is_revoked(ada: Any) -> None:
    row, plain = token_create(user=ada, name="laptop")
    assert token_authenticate(plain) == ada
    token_revoke(user=ada, token_id=row.pk)
    assert token_authenticate(plain) is None
    assert list(Event.objects.values_list("kind", flat=True)) == ["token.revoked", "token.created"]


def test_only_its_digest_is_kept(ada: Any) -> None:
    row, plain = token_create(user=ada, name="laptop")
    stored = str(ApiToken.objects.values().get(pk=row.pk)) + str(list(Event.objects.values()))
    assert plain not in stored
    assert plain.startswith(row.prefix)


def test_use_is_noted(ada: Any) -> None:
    row, plain = token_create(user=ada, name="laptop")
    token_authenticate(plain)
    row.refresh_from_db()
    assert row.last_used_at is not None


@pytest.mark.parametrize("plain", ["", "slw_", "slw_x", "Bearer", "slw_" + "x" * 10_000, "é"])
def test_what_is_no_token_signs_nobody_in(ada: Any, plain: str) -> None:
    assert token_authenticate(plain) is None


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb"])
def test_a_name_is_needed(ada: Any, name: str) -> None:
    with pytest.raises(Invalid) as caught:
        token_create(user=ada, name=name)
    assert caught.value.fields["name"]


def test_nobody_can_revoke_anothers_token(ada: Any, admin: Any) -> None:
    row, plain = token_create(user=ada, name="laptop")
    with pytest.raises(NotFound):
        token_revoke(user=admin, token_id=row.pk)
    assert token_authenticate(plain) == ada


def test_there_is_a_limit_per_user(ada: Any) -> None:
    for number in range(MOST_PER_USER):
        ApiToken.objects.create(user=ada, name="x", sha256=str(number), prefix="x")
    with pytest.raises(Conflict):
        token_create(user=ada, name="one more")


def test_the_page_shows_a_new_token_once(ada: Any, client: Any) -> None:
    client.force_login(ada)
    url = reverse("workspaces:tokens")
    made = client.post(url, {"name": "laptop"})
    plain = made.context["plain"]
    assert plain in made.content.decode()
    assert token_authenticate(plain) == ada
    assert "no-store" in made.headers["Cache-Control"]
    again = client.get(url).content.decode()
    assert plain not in again
    assert "laptop" in again
    row = ApiToken.objects.get()
    assert client.post(reverse("workspaces:token-revoke", args=[row.pk])).status_code == 302
    assert token_authenticate(plain) is None


def test_the_page_says_what_is_wrong_with_a_name(ada: Any, client: Any) -> None:
    client.force_login(ada)
    answer = client.post(reverse("workspaces:tokens"), {"name": " "})
    assert answer.status_code == 422
    assert "Give the token a name" in answer.content.decode()


def test_the_command_prints_a_token(ada: Any) -> None:
    out = StringIO()
    call_command("token", "create", "ada", stdout=out)
    assert token_authenticate(out.getvalue().strip()) == ada


def test_the_command_names_a_user_that_is_not_there(db: None) -> None:
    with pytest.raises(CommandError, match="nobody"):
        call_command("token", "create", "nobody")
