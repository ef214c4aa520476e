"""Changing tags, aliases and descriptions."""

from __future__ import annotations

from typing import Any

import pytest

from registry import selectors, services
from tests.registry.conftest import Store
from workspaces.errors import Invalid


@pytest.fixture
def registered(store: Store, user: Any) -> str:
    for _number in range(2):
        services.model_register_from_run(
            run_id=store.run_id, name="diabetes", tags={"area": "qna"}, user=user
        )
    return "diabetes"


def test_what_is_omitted_stays(registered: str, user: Any) -> None:
    services.version_update(name=registered, version="1", aliases=["champion"], user=user)
    info = services.version_update(name=registered, version="1", description="new", user=user)
    assert (info.description, info.tags, info.aliases) == ("new", {"area": "qna"}, ("champion",))


def test_tags_are_replaced_but_those_of_mlflow_stay(
    registered: str, store: Store, user: Any
) -> None:
    store.client.set_model_version_tag(registered, "1", "mlflow.thing", "kept")
    info = services.version_update(name=registered, version="1", tags={"b": "2"}, user=user)
    assert info.tags == {"b": "2"}
    stored = store.client.get_model_version(registered, "1").tags
    assert stored == {"b": "2", "mlflow.thing": "kept"}


def test_an_alias_moves_from_one_version_to_another(registered: str, user: Any) -> None:
    services.version_update(name=registered, version="1", aliases=["champion", "a"], user=user)
    services.version_update(name=registered, version="2", aliases=["champion"], user=user)
    assert selectors.model_get(registered).aliases == {"a": "1", "champion": "2"}
    services.version_update(name=registered, version="2", aliases=[], user=user)
    assert selectors.version_get(registered, "2").aliases == ()


def test_all_violations_come_at_once_and_nothing_changes(registered: str, user: Any) -> None:
    with pytest.raises(Invalid) as error:
        services.version_update(
            name=registered,
            version="1",
            description="\x00",
            tags={"a//b": "1", "ok": None},  # type: ignore[dict-item]
            aliases=["latest", "v3", "with space", ""],
            user=user,
        )
    counts = {field: len(texts) for field, texts in error.value.fields.items()}
    assert counts == {"description": 1, "tags": 2, "aliases": 4}
    assert selectors.version_get(registered, "1").tags == {"area": "qna"}


def test_a_model_has_description_and_tags_of_its_own(registered: str, user: Any) -> None:
    services.model_update(name=registered, description="Progression", tags={"x": ""}, user=user)
    found = services.model_update(name=registered, tags={"y": "ü"}, user=user)
    assert (found.description, dict(found.tags)) == ("Progression", {"y": "ü"})
