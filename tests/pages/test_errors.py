"""What people and programs see when something is wrong."""

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path

from config.urls import handler400, handler403, handler404, handler500
from config.urls import urlpatterns as pages
from studio import errors
from workspaces.errors import Conflict, Invalid

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
__all__ = ["handler400", "handler403", "handler404", "handler500"]


def conflicting(request: HttpRequest) -> HttpResponse:
    raise Conflict("Service “iris” is being updated. Wait for it or cancel it.")


def invalid(request: HttpRequest) -> HttpResponse:
    raise Invalid("The service could not be made.", fields={"cpu": ["must be above 0"]})


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("secret detail")


urlpatterns = [
    path("test/conflict/", conflicting),
    path("test/invalid/", invalid),
    path("test/broken/", broken),
    path("api/test/conflict/", conflicting),
    *pages,
]


@pytest.fixture
def reader():
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_user("ada"))
    return client


def test_an_unknown_page_keeps_the_frame(reader):
    answer = reader.get("/nothing/")
    assert answer.status_code == 404
    assert "Not found" in answer.content.decode()
    assert 'class="rail"' in answer.content.decode()


def test_a_stranger_gets_the_page_without_the_navigation():
    answer = Client().get("/nothing/")
    assert answer.status_code == 404
    assert 'class="rail"' not in answer.content.decode()


def test_an_unknown_api_address_answers_json(reader):
    answer = reader.get("/api/v1/nothing")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_a_problem_that_no_page_handled_becomes_its_own_page(reader):
    answer = reader.get("/test/conflict/")
    assert answer.status_code == 409
    assert "Service “iris” is being updated." in answer.content.decode()


def test_a_problem_lists_every_field(reader):
    answer = reader.get("/test/invalid/")
    assert answer.status_code == 400
    assert "must be above 0" in answer.content.decode()


@pytest.mark.parametrize("headers", [{"HX-Request": "true"}, {}])
def test_a_program_and_htmx_get_the_problem_as_json(reader, headers):
    url = "/test/conflict/" if headers else "/api/test/conflict/"
    answer = reader.get(url, headers=headers)
    assert answer.status_code == 409
    assert answer.json() == {
        "code": "conflict",
        "message": "Service “iris” is being updated. Wait for it or cancel it.",
        "fields": {},
    }


def test_a_fault_of_ours_tells_nothing_of_its_inside(reader):
    answer = reader.get("/test/broken/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.content.decode()
    assert "secret detail" not in answer.content.decode()


def test_a_form_without_a_token_is_refused_with_a_sentence():
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_user("ada"))
    answer = client.post("/demo/")
    assert answer.status_code == 403
    assert "open for too long" in answer.content.decode()


def test_the_last_page_needs_no_database(django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = errors.server_error(RequestFactory().get("/"))
    assert answer.status_code == 500


def test_every_page_forbids_inline_script(reader):
    policy = reader.get("/nothing/").headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe-eval" not in policy
