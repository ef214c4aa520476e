"""Admin > Overview: parts that load by themselves and say what does not work."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from deployments.models import Heartbeat
from tests.deploy_pages.html import Page

URL = reverse("studio:admin-overview")
PARTS = ("services", "workers", "queues", "health", "mlflow", "disk", "versions")


def part(name: str) -> str:
    return reverse("studio:admin-overview-part", args=[name])


def beat(kind: str, seconds_ago: float) -> None:
    Heartbeat.objects.create(
        name=f"{kind}@n", kind=kind, node="n", at=timezone.now() - timedelta(seconds=seconds_ago)
    )


def test_the_page_asks_nothing_and_loads_every_part(admin, django_assert_max_num_queries) -> None:
    with django_assert_max_num_queries(3):
        page = Page(admin.get(URL))
    loaded = {item["hx-get"] for item in page.all("div") if item.attributes.get("hx-get")}
    assert loaded == {part(name) for name in PARTS}


@pytest.mark.parametrize("name", PARTS)
def test_every_part_answers_whatever_is_away(admin, model, name) -> None:
    assert admin.get(part(name)).status_code == 200


@pytest.mark.parametrize("address", [URL, part("disk")])
def test_it_is_for_administrators(ada, client, db, address) -> None:
    assert ada.get(address).status_code == 403
    assert client.get(address).status_code == 302


def test_wrong_parts_and_methods(admin) -> None:
    assert admin.get(part("secrets")).status_code == 404
    assert admin.post(URL).status_code == 405


def test_services_are_counted_by_state(admin, service, failed) -> None:
    counts = {
        item["href"].split("=")[1]: item.text
        for item in Page(admin.get(part("services"))).all("a")
        if "state=" in item["href"]
    }
    assert counts["Healthy"].startswith("1")
    assert counts["Failed"].startswith("1")
    assert counts["Stopped"].startswith("0")


def test_a_silent_worker_is_told_with_what_does_not_happen(admin) -> None:
    beat("control", 1)
    beat("steps", 300)
    beat("beat", 1)
    page = Page(admin.get(part("workers")))
    alerts = [item.text for item in page.all("div", role="alert")]
    assert len(alerts) == 1
    assert "steps" in alerts[0]
    assert page.one("table").text.count("Alive") == 2


def test_without_redis_the_lengths_are_not_known(admin) -> None:
    assert "Redis does not answer" in Page(admin.get(part("queues"))).one("div", role="alert").text


@pytest.mark.redis
def test_waiting_messages_are_counted(admin, redis_server, settings) -> None:
    import redis

    from studio.monitoring import selectors

    settings.CELERY_BROKER_URL = redis_server.url
    with selectors.redis_client() as client:
        client.rpush("steps", "a", "b")
        try:
            assert selectors.queue_lengths() == {"control": 0, "steps": 2}
        finally:
            client.delete("steps")
    assert redis.__version__
    assert selectors.redis_health().level == "success"


def test_a_full_disk_is_told(admin, settings) -> None:
    import dataclasses

    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, min_free_bytes=2**60)
    assert "deploys and uploads are refused" in admin.get(part("disk")).content.decode()
