"""The pages of deleted models and versions, with the longest names that there can be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from registry.models import DeletedModel, DeletedVersion
from tests.browser.every_page import crowd
from tests.browser.every_page.conftest import World
from workspaces.tracking.store.opening import store_id

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
GONE = "g" * 250


def _write(name: str, user: User) -> None:
    shared = {
        "store": store_id(),
        "name": name,
        "gone": True,
        "deleted_by": user,
        "deleted_at": timezone.now(),
        "description": crowd.LONG_VALUE,
    }
    DeletedModel.objects.create(**shared)
    DeletedVersion.objects.bulk_create(
        DeletedVersion(version=str(number), identity=str(number), **shared)
        for number in range(1, 61)
    )


def test_the_pages_of_what_was_deleted_hold(
    fill: Callable[[int], World], sign_in, admin: User, visit
) -> None:
    sign_in(admin)
    world = fill(8)
    visit("/deleted-models/")
    for name in (world.long_model, GONE, "short"):
        _write(name, admin)
    visit("/deleted-models/")
    visit(f"/deleted-models/{GONE}/")
    visit(f"/models/{world.long_model}/deleted/")
    visit("/models/")
