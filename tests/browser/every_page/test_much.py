"""Every page with a thousand of everything, and with the longest names there can be."""

from collections.abc import Callable

import pytest

from deployments.models import Operation
from tests.browser.every_page import crowd
from tests.browser.every_page.conftest import MANY, World
from tests.browser.every_page.crowd_environments import LONGEST

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def world(fill: Callable[[int], World], sign_in, admin) -> World:
    sign_in(admin)
    return fill(MANY)


def test_the_lists_hold_a_thousand(world, visit) -> None:
    visit("/")
    for path in ("/experiments/", "/experiments/100/", "/models/", "/services/"):
        visit(path)
    visit("/search/?q=e")
    visit("/services/?page=7")
    visit(f"/models/{world.model}/")
    visit(f"/models/{world.model}/services/")


@pytest.mark.soak
def test_the_administrators_pages_hold_a_thousand(world, visit) -> None:
    for path in ("overview", "operations", "quotas", "users"):
        visit(f"/admin/{path}/")
    for path in ("/targets/", "/targets/local/", "/targets/docker/"):
        visit(path)


@pytest.mark.soak
def test_the_pages_of_a_run_hold_the_longest_names_and_values(world, visit) -> None:
    for tab in ("", "metrics/", "parameters/", "media/", "artifacts/", "model/", "register/"):
        visit(f"/runs/{world.run_id}/{tab}")


@pytest.mark.soak
def test_the_pages_of_a_model_hold_the_longest_names_and_values(world, visit) -> None:
    for tab in ("", "details/", "services/", "compare/", "versions/1/"):
        visit(f"/models/{world.long_model}/{tab}")
    visit(f"/models/{world.model}/versions/1/")
    visit(f"/deploy/?model={world.model}&version=1")
    visit("/deploy/")


@pytest.mark.soak
def test_the_pages_of_a_service_hold_in_every_state(world, visit) -> None:
    for number in range(len(crowd.ENDS)):
        visit(f"/services/{crowd.name_of(number)}/")
    name = crowd.name_of(4)
    for tab in ("test", "consume", "logs", "settings"):
        visit(f"/services/{name}/{tab}/")
    for operation in Operation.objects.filter(service_name__in=map(crowd.name_of, (0, 1, 4))):
        visit(f"/operations/{operation.pk}/")


@pytest.mark.soak
def test_the_pages_of_environments_hold_the_longest_names_and_values(world, visit) -> None:
    for path in ("", "new/", "builds/", f"{LONGEST}/", f"new/?from={LONGEST}"):
        visit(f"/environments/{path}")
