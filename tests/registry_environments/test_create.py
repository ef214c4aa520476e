"""Environments are made version by version, and every violation is told at once."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from registry.environments.files import conda_read, requirements_read
from registry.environments.services import environment_archive, environment_create, name_for
from registry.environments.versions import environment_get
from workspaces.errors import Conflict, Invalid
from workspaces.models import Event

pytestmark = pytest.mark.django_db
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ada")


def make(name: str = "tools", **values: Any) -> Any:
    return environment_create(name=name, **{"user": None, **values})


def refused(**values: Any) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as raised:
        make(**values)
    return raised.value.fields


def test_the_same_name_makes_the_next_version(user: User) -> None:
    first = make(packages=["numpy"], user=user)
    second = make(packages=["numpy", "pandas"], description="Tables", user=user)
    assert [str(first), str(second)] == ["tools:1", "tools:2"]
    assert environment_get("tools").packages == ("numpy", "pandas")
    assert environment_get("tools:1").packages == ("numpy",)
    assert second.environment.description == "Tables"
    assert Event.objects.filter(kind="environment.created", subject="tools").count() == 2


def test_what_is_left_out_has_defaults() -> None:
    made = make()
    assert (made.python, made.packages, made.variables) == (OWN, [], {})
    assert (made.base_image, made.docker_steps, made.created_by) == ("", [], None)


def test_a_file_and_more_packages_come_together_once() -> None:
    made = make(
        parsed=requirements_read("numpy\nscipy"),
        packages=["scipy", "pandas"],
        source="requirements.txt",
    )
    assert (made.packages, made.source) == (["numpy", "scipy", "pandas"], "requirements.txt")


@pytest.mark.parametrize(
    "name",
    ["Microsoft-x", "AzureML-sklearn", "slipway-mine", "new", "builds", "-a", "", "a b", "ü", None,
     "a" * 256, "a:1", 5],
)  # fmt: skip
def test_names_that_cannot_be_taken(name: Any) -> None:
    assert list(refused(name=name)) == ["name"]


def test_every_violation_is_in_one_message() -> None:
    fields = refused(
        name="AzureML-x",
        python="3",
        packages=["-r x", "good", "a @ https://x"],
        variables={"1A": "x", "SLIPWAY_X": "y", "A": 5},
        base_image="not an image",
        docker_steps=["COPY . .", "ENTRYPOINT x", "RUN"],
        description="\x00",
        parsed=requirements_read("-x"),
    )
    counts = {name: len(texts) for name, texts in fields.items()}
    assert counts == {
        "name": 1,
        "description": 1,
        "python": 1,
        "packages": 2,
        "file": 1,
        "variables": 3,
        "base_image": 1,
        "docker_steps": 3,
    }


@pytest.mark.parametrize("value", [5, "numpy", [5], [None], {"a": 1}, [""], ["a"] * 501])
def test_packages_of_another_shape_are_refused(value: Any) -> None:
    assert list(refused(packages=value)) == ["packages"]


def test_a_dockerfile_begins_with_its_base_image() -> None:
    made = make(docker_steps=["FROM python:3.11-slim", "RUN apt-get update"])
    assert (made.base_image, made.docker_steps) == ("python:3.11-slim", ["RUN apt-get update"])
    assert "docker_steps" in refused(base_image="a", docker_steps=["FROM b"])


@pytest.mark.parametrize(
    "image",
    ["python", "python:3.11-slim", "registry.example.org:5000/a/b:1.2", "a@sha256:" + "0" * 64],
)
def test_names_of_images_are_taken_as_docker_writes_them(image: str) -> None:
    assert make(base_image=image).base_image == image


@pytest.mark.parametrize("image", ["A", "a b", "a:b:c", "-a", "a\nRUN x", "a@sha256:1", "x" * 513])
def test_other_texts_are_no_images(image: str) -> None:
    assert list(refused(base_image=image)) == ["base_image"]


def test_conda_only_packages_need_an_image_that_has_them() -> None:
    parsed = conda_read("dependencies: [numpy, cudatoolkit=11.3]")
    assert "cudatoolkit" in refused(parsed=parsed)["file"][0]
    made = make(parsed=parsed, docker_steps=["RUN apt-get install -y cuda"])
    assert made.packages == ["numpy"]
    assert [item["missing"] for item in made.conda] == [False, True]


def test_archiving_hides_and_restoring_shows() -> None:
    make()
    make()
    archived = environment_archive(name="tools", version="2", user=None)
    assert archived.archived
    assert environment_get("tools").version == "1"
    environment_archive(name="tools", version="2", archived=False, user=None)
    assert environment_get("tools").version == "2"


def test_curated_ones_are_made_once_and_are_not_changeable() -> None:
    from registry.environments.curated import CURATED, curated_ensure
    from registry.models import EnvironmentVersion

    curated_ensure()
    curated_ensure()
    rows = EnvironmentVersion.objects.filter(environment__curated=True)
    assert {row.environment.name for row in rows} == {item.name for item in CURATED}
    assert rows.count() == len(CURATED)
    with pytest.raises(Conflict, match="Curated"):
        environment_archive(name=CURATED[0].name, version="1", user=None)


def test_other_ranges_of_a_new_slipway_are_a_new_version() -> None:
    from registry.environments.curated import CURATED, curated_ensure
    from registry.models import EnvironmentVersion

    curated_ensure()
    EnvironmentVersion.objects.filter(environment__name=CURATED[0].name).update(packages=["old"])
    curated_ensure()
    assert environment_get(f"{CURATED[0].name}:1").packages == ("old",)
    assert environment_get(CURATED[0].name).packages == CURATED[0].packages


@pytest.mark.parametrize("model", ["iris", "ü", "", "a/b c", "Microsoft", "slipway-x", "x" * 500])
def test_a_name_suggested_for_a_models_environment_is_one(model: str) -> None:
    assert make(name=name_for(model)).environment.name == name_for(model)


@pytest.mark.django_db(transaction=True)
def test_versions_made_at_the_same_moment_get_numbers_of_their_own() -> None:
    def one(_: int) -> str:
        try:
            return str(make().version)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(one, range(8)))
    assert sorted(numbers) == [str(number) for number in range(1, 9)]
