"""Users: the first administrator, and what administrators do."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from workspaces.bootstrap import ensure_admin
from workspaces.errors import Conflict, Invalid, NotFound
from workspaces.models import Membership, Workspace
from workspaces.users import (
    user_create,
    user_reset_password,
    user_set_active,
)


def test_the_first_start_makes_an_administrator_and_tells_the_password_once(
    db: None, django_user_model: Any
) -> None:
    password = ensure_admin()
    user = django_user_model.objects.get()
    assert user.username == "admin"
    assert user.is_staff
    assert user.check_password(password)
    assert Membership.objects.get().workspace == Workspace.objects.get(name="default")
    assert ensure_admin() is None
    assert django_user_model.objects.count() == 1


def test_a_password_that_was_given_is_not_told(db: None, django_user_model: Any) -> None:
    assert ensure_admin("from-the-environment") is None
    assert django_user_model.objects.get().check_password("from-the-environment")


def test_a_user_is_made_with_a_password_shown_once(admin: Any) -> None:
    user, password = user_create(username="bob", actor=admin)
    assert user.check_password(password)
    assert not user.is_staff


@pytest.mark.parametrize("name", ["", "a b", "x" * 151, "a/b", "<b>"])
def test_a_wrong_name_is_named(db: None, name: str) -> None:
    with pytest.raises(Invalid) as caught:
        user_create(username=name)
    assert caught.value.fields["username"]


def test_all_violations_come_at_once(db: None) -> None:
    with pytest.raises(Invalid) as caught:
        user_create(username="a b", email="nonsense")
    assert set(caught.value.fields) == {"username", "email"}


def test_a_name_is_taken_whatever_its_case(ada: Any) -> None:
    with pytest.raises(Conflict):
        user_create(username="ADA")


def test_a_reset_password_ends_sessions(ada: Any, admin: Any) -> None:
    browser = Client()
    browser.force_login(ada)
    page = reverse("workspaces:tokens")
    assert browser.get(page).status_code == 200
    password = user_reset_password(username="ada", actor=admin)
    assert browser.get(page).status_code == 302
    ada.refresh_from_db()
    assert ada.check_password(password)


def test_a_deactivated_user_is_out_at_once_and_can_come_back(ada: Any, admin: Any) -> None:
    browser = Client()
    browser.force_login(ada)
    user_set_active(username="ada", active=False, actor=admin)
    assert browser.get(reverse("workspaces:tokens")).status_code == 302
    user_set_active(username="ada", active=True, actor=admin)
    assert Client().login(username="ada", password="a-long-password-1")


def test_one_administrator_always_stays(admin: Any) -> None:
    with pytest.raises(Conflict):
        user_set_active(username="root", active=False, actor=admin)
    with pytest.raises(Conflict):
        user_set_active(username="root", active=False)


def test_an_unknown_user_is_not_found(admin: Any) -> None:
    with pytest.raises(NotFound):
        user_reset_password(username="nobody", actor=admin)


def test_administrators_manage_users_on_the_page(admin: Any, ada: Any, client: Any) -> None:
    client.force_login(admin)
    page = reverse("workspaces:users")
    made = client.post(page, {"username": "carol", "email": "c@example.org"})
    password = made.context["plain"]
    assert password in made.content.decode()
    assert password not in client.get(page).content.decode()
    assert Client().login(username="carol", password=password)
    reset = client.post(reverse("workspaces:user-password", args=["carol"]))
    assert Client().login(username="carol", password=reset.context["plain"])
    client.post(reverse("workspaces:user-deactivate", args=["ada"]))
    ada.refresh_from_db()
    assert not ada.is_active
    wrong = client.post(page, {"username": "a b"})
    assert wrong.status_code == 422


def test_others_do_not_see_it(ada: Any, client: Any) -> None:
    client.force_login(ada)
    assert client.get(reverse("workspaces:users")).status_code == 403
    answer = client.post(reverse("workspaces:user-password", args=["ada"]))
    assert answer.status_code == 403
    ada.refresh_from_db()
    assert ada.check_password("a-long-password-1")


def test_the_list_costs_the_same_for_many_users(
    admin: Any, client: Any, django_assert_num_queries: Any, django_user_model: Any
) -> None:
    client.force_login(admin)
    page = reverse("workspaces:users")
    client.get(page)
    with django_assert_num_queries(4):
        client.get(page)
    users = [django_user_model(username=f"user{number}") for number in range(200)]
    django_user_model.objects.bulk_create(users)
    with django_assert_num_queries(4):
        client.get(page)


def test_the_commands_print_a_password(db: None) -> None:
    for action in ("create", "reset-password"):
        out = StringIO()
        call_command("user", action, "dave", stdout=out)
        assert Client().login(username="dave", password=out.getvalue().strip())
    with pytest.raises(CommandError, match="dave"):
        call_command("user", "create", "dave")
