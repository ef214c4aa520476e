"""Home: what needs attention, services, recent runs, how to start."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deployments.choices import Desired, OperationStatus, ServiceState
from deployments.models import Operation, Service, Target
from studio.home import concerns_list
from workspaces import tracking
from workspaces.errors import Unavailable

pytestmark = pytest.mark.django_db


@pytest.fixture
def target():
    return Target.objects.create(name="local", kind="local", node="here")


@pytest.fixture
def service(target):
    def make(name, state=ServiceState.HEALTHY, **more):
        return Service.objects.create(name=name, state=state, target=target, **more)

    return make


@pytest.fixture
def ended():
    def make(service, status, *, days_ago=0.0, error="No wheel for numpy.\nlong log"):
        operation = Operation.objects.create(
            kind="deploy",
            service=service,
            service_name=service.name,
            generation=1,
            status=status,
            error=error,
        )
        at = timezone.now() - timedelta(days=days_ago)
        Operation.objects.filter(pk=operation.pk).update(created_at=at, ended_at=at)
        return operation

    return make


@pytest.fixture
def reader(client):
    client.force_login(User.objects.create_user("ada"))
    return client


def test_a_service_that_does_not_serve_needs_attention(service):
    service("good")
    service("bad", ServiceState.FAILED, message="Out of memory: 612 of 512 MB.\ntrace")
    (concern,) = concerns_list()
    assert (concern.name, concern.message) == ("bad", "Out of memory: 612 of 512 MB.")


def test_a_service_that_a_person_stopped_or_deleted_does_not(service):
    service("stopped", ServiceState.UNHEALTHY, desired=Desired.STOPPED)
    service("deleted", ServiceState.FAILED, desired=Desired.DELETED)
    assert concerns_list() == []


def test_a_failed_operation_needs_attention_until_one_goes_well(service, ended):
    iris = service("iris")
    ended(iris, OperationStatus.FAILED, days_ago=1)
    (concern,) = concerns_list()
    assert concern.message == "No wheel for numpy."
    ended(iris, OperationStatus.SUCCEEDED)
    assert concerns_list() == []


def test_a_failed_operation_is_forgotten_after_a_week(service, ended):
    ended(service("iris"), OperationStatus.TIMED_OUT, days_ago=8)
    assert concerns_list() == []


def test_a_service_is_listed_once_even_when_its_operation_failed_too(service, ended):
    ended(service("iris", ServiceState.FAILED), OperationStatus.FAILED)
    assert [concern.what for concern in concerns_list()] == ["Service"]


def test_an_empty_studio_says_how_to_start(reader):
    page = reader.get("/").content.decode()
    assert "Get started" in page
    assert "MLFLOW_TRACKING_URI=http://testserver/mlflow" in page
    assert "Needs attention" not in page


def test_home_shows_the_first_services_and_how_many_there_are(
    reader, service, django_assert_max_num_queries
):
    for index in range(8):
        service(f"service-{index}", ServiceState.FAILED if index > 1 else ServiceState.HEALTHY)
    with django_assert_max_num_queries(8):
        page = reader.get("/").content.decode()
    assert "All 8 services" in page
    assert "1 more" in page
    assert "Get started" not in page


def test_home_does_not_wait_for_mlflow(reader, monkeypatch):
    def slow(limit):
        raise AssertionError("Home asked MLflow")

    monkeypatch.setattr(tracking, "runs_recent", slow)
    assert reader.get("/").status_code == 200


def test_the_runs_say_so_when_mlflow_does_not_answer(reader, monkeypatch):
    def broken(limit):
        raise Unavailable("MLflow does not answer at http://tracking:5000.")

    monkeypatch.setattr(tracking, "runs_recent", broken)
    answer = reader.get("/home/runs/")
    assert answer.status_code == 200
    assert "MLflow does not answer at http://tracking:5000." in answer.content.decode()
    assert "Try again" in answer.content.decode()


def test_home_asks_for_sign_in(client):
    assert client.get("/").status_code == 302
    assert client.get("/home/runs/").status_code == 302
    assert client.post("/demo/").status_code == 302
