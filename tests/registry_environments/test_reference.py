"""`NAME` and `NAME:VERSION` lead to what was asked for, or to a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from registry.environments.versions import environment_get
from registry.models import Environment, EnvironmentVersion
from workspaces.errors import Invalid, NotFound


def _version(environment: Environment, version: str, **values: Any) -> EnvironmentVersion:
    given = {"python": "3.11", "packages": [f"numpy=={version}"]} | values
    return EnvironmentVersion.objects.create(environment=environment, version=version, **given)


@pytest.fixture
def environment(db: None) -> Environment:
    made = Environment.objects.create(name="tools")
    for number in range(1, 11):
        _version(made, str(number))
    return made


def test_a_name_alone_means_the_latest_version(environment: Environment) -> None:
    assert environment_get("tools").ref == "tools:10"


def test_a_version_means_itself(environment: Environment) -> None:
    found = environment_get("tools:2")
    assert (found.version, found.packages) == ("2", ("numpy==2",))


def test_an_archived_version_is_only_found_by_its_number(environment: Environment) -> None:
    environment.versions.filter(version="10").update(archived=True)
    assert environment_get("tools").version == "9"
    assert environment_get("tools:10").version == "10"


def test_everything_a_version_asks_for_is_told(environment: Environment) -> None:
    _version(
        environment,
        "11",
        variables={"OMP_NUM_THREADS": "1"},
        base_image="python:3.11-slim",
        docker_steps=["RUN true"],
    )
    found = environment_get("tools")
    assert dict(found.variables) == {"OMP_NUM_THREADS": "1"}
    assert (found.base_image, found.docker_steps) == ("python:3.11-slim", ("RUN true",))


@pytest.mark.parametrize("ref", ["nothing", "tools:11", "tools:01", "Tools"])
def test_what_is_not_there_is_said_on_the_field(environment: Environment, ref: str) -> None:
    with pytest.raises(NotFound) as raised:
        environment_get(ref)
    assert ref in raised.value.fields["environment"][0]


@pytest.mark.parametrize(
    "ref", ["", ":1", "a:b", "a:1:2", "-a", "a\x00", "tools:", "tools\n", None]
)
def test_what_is_no_reference_is_said_on_the_field(environment: Environment, ref: Any) -> None:
    with pytest.raises(Invalid) as raised:
        environment_get(ref)
    assert raised.value.fields["environment"]
