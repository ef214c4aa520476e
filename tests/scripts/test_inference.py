"""Services with an entry script: what is refused, what is kept, what replicas are given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mlflow import MlflowClient

from deployments.choices import StepName
from deployments.configuring import scripted as steps
from deployments.configuring.checks import inference_check
from deployments.configuring.inference import needs
from deployments.control.instances import instance_spec
from deployments.control.operations import operation_end
from deployments.control.step_handlers import Work, copy_model
from deployments.control.teardown import clean_up
from deployments.drivers.docker_layout import inner
from deployments.models import Revision, Service
from deployments.pages import script_parts
from deployments.services import service_update
from deployments.trying.preflight import preflight
from registry.models import Environment, EnvironmentVersion, VersionUse
from serving.script.layout import lay_out, models_of
from tests.factories import RevisionFactory
from tests.scripts.conftest import ECHO, Keep
from workspaces.errors import Invalid

pytestmark = pytest.mark.django_db
OWN = "models:/diabetes/1"


@pytest.fixture
def more(model: str, tmp_path: Path) -> str:
    """Another model, whose files are no MLflow model."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "net.pt").write_bytes(b"weights")
    uri = settings.SLIPWAY.tracking_uri
    client = MlflowClient(uri, uri)
    client.create_registered_model("more")
    client.create_model_version("more", str(folder))
    return "models:/more/1"


@pytest.fixture
def tools(db: None) -> str:
    made = Environment.objects.create(name="tools")
    EnvironmentVersion.objects.create(
        environment=made,
        version="3",
        python="3.11",
        packages=["toolz==1.0.0", "azureml-defaults>=1.0.45"],
        variables={"MODE": "quick"},
    )
    return "tools:3"


def wrong(inference: Any, model: Any = OWN) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as caught:
        inference_check(inference, model)
    return caught.value.fields


def test_nothing_is_no_code(model: str) -> None:
    assert inference_check(None) == inference_check({}) == {}


def test_what_is_left_out_takes_its_default(keep: Keep, model: str) -> None:
    source = keep()
    assert inference_check({"entryScript": "score.py", "source": source}, OWN) == {
        "entryScript": "score.py",
        "source": source,
        "environment": None,
        "models": [OWN],
    }


def test_an_environment_is_named_with_its_version(keep: Keep, model: str, tools: str) -> None:
    given = {"entryScript": "score.py", "source": keep(), "environment": "tools"}
    assert inference_check(given, OWN)["environment"] == tools


def test_every_violation_is_in_one_message(keep: Keep, model: str) -> None:
    text = "def run(*data): pass"
    found = wrong(
        {
            "entryScript": "score.py",
            "source": keep(text),
            "environment": "nobody:1",
            "models": ["models:/unknown/1", "nonsense"],
            "entry": 1,
        }
    )
    assert set(found) == {
        *("inference.entryScript", "inference.environment", "inference.models", "inference.entry")
    }
    assert len(found["inference.entryScript"]) == 2
    assert "score.py: Line 1:" in " ".join(found["inference.entryScript"])
    assert len(found["inference.models"]) == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"entryScript": None}, "entryScript"),
        ({"entryScript": "../score.py"}, "entryScript"),
        ({"entryScript": "other.py"}, "entryScript"),
        ({"source": None}, "source"),
        ({"source": "0" * 64}, "source"),
        ({"source": 7}, "source"),
        ({"models": "models:/diabetes/1"}, "models"),
        ({"models": [3]}, "models"),
        ({"environment": 3}, "environment"),
        ({"environment": {"packages": ["--index-url http://x"]}}, "environment.packages"),
        ({"environment": {"packages": ["a @ file:///x"]}}, "environment.packages"),
        ({"environment": {"packages": "numpy"}}, "environment.packages"),
        ({"environment": {"packages": ["a @\thttps://x/a.whl"]}}, "environment.packages"),
        ({"environment": {"packages": ["HTTP://x/a.whl"]}}, "environment.packages"),
        ({"environment": {"packages": ["a @ /x/a.whl"]}}, "environment.packages"),
        ({"environment": {"dockerSteps": ["FROM evil/image"]}}, "environment.dockerSteps"),
        ({"environment": {"dockerSteps": ["RUN a\nFROM b"]}}, "environment.dockerSteps"),
        ({"environment": {"dockerSteps": ["COPY --from=evil / /"]}}, "environment.dockerSteps"),
        ({"environment": {"dockerSteps": "RUN a"}}, "environment.dockerSteps"),
        ({"environment": {"baseImage": "a\u00a0b"}}, "environment.baseImage"),
        ({"environment": {"baseImage": "--flag"}}, "environment.baseImage"),
        ({"environment": {"variables": {"SLIPWAY_SECRET": "x"}}}, "environment.variables"),
        ({"environment": {"python": "2.7"}}, "environment.python"),
        ({"environment": {"variables": {"A B": "x"}}}, "environment.variables"),
        ({"environment": {"variables": {"A": 1}}}, "environment.variables"),
        ({"environment": {"conda": []}}, "environment.conda"),
        ({"sampleInput": "x" * 1_000_001}, "sampleInput"),
    ],
)
def test_what_cannot_be_used_is_named(
    keep: Keep, model: str, changes: dict[str, Any], field: str
) -> None:
    found = wrong({"entryScript": "score.py", "source": keep(), **changes})
    assert list(found) == [f"inference.{field}"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["entryScript", "source", "environment", "models", "python", "docker"]
                )
                | st.text(max_size=4),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
@hypothesis_settings(
    max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_no_json_value_breaks_the_check(model: str, value: Any) -> None:
    try:
        inference_check(value, OWN)
    except Invalid as problem:
        if not problem.fields:
            raise


def test_a_model_without_requirements_needs_an_environment(
    keep: Keep, more: str, tools: str
) -> None:
    given = {"entryScript": "score.py", "source": keep()}
    assert list(wrong(given, more)) == ["inference.environment"]
    assert inference_check({**given, "environment": tools}, more)["models"] == [more]


def test_packages_of_azureml_are_the_runtime_s(tools: str) -> None:
    found = needs({"environment": tools}, ["ignored"], "3.9")
    assert found.packages == ["toolz==1.0.0"]
    assert found.dropped == ["azureml-defaults>=1.0.45"]
    assert (found.python, found.variables) == ("3.11", {"MODE": "quick"})
    own = needs(
        {"environment": None}, ["azureml-core", "azureml", "inference-schema[numpy]"], "3.9"
    )
    assert own.packages == ["inference-schema[numpy]"]
    assert own.python == "3.9"


# --- services ----------------------------------------------------------------------------------


def test_all_models_are_used_until_the_service_is_gone(scripted: Any, more: str, fake: Any) -> None:
    service: Service = scripted(models=[more]).service
    revision = service.revisions.get()
    assert revision.inference["models"] == [OWN, more]
    assert {(row.name, row.service) for row in VersionUse.objects.all()} == {
        ("diabetes", "diabetes"),
        ("more", "diabetes"),
    }
    clean_up(service, None, fake)
    assert not VersionUse.objects.exists()


def end(service: Service) -> None:
    for operation in service.operations.filter(status="Running"):
        operation_end(operation, "Succeeded")  # type: ignore[arg-type]


def test_an_update_keeps_the_script_unless_it_is_changed(
    scripted: Any, more: str, keep: Keep, user: User
) -> None:
    service: Service = scripted(models=[more]).service
    before = service.revisions.get().inference
    end(service)
    service_update(service=service, deployment={"workers": 2}, user=user)
    assert service.revisions.first().inference == before
    end(service)
    other = keep(ECHO + "# changed\n")
    service_update(service=service, inference={**before, "source": other}, user=user)
    assert service.revisions.first().inference["source"] == other
    end(service)
    service_update(service=service, inference={}, user=user)
    assert service.revisions.first().inference == {}


def test_an_update_to_another_version_moves_the_own_model_alone(
    scripted: Any, more: str, user: User, tmp_path: Path
) -> None:
    service: Service = scripted(models=[more]).service
    uri = settings.SLIPWAY.tracking_uri
    MlflowClient(uri, uri).create_model_version("diabetes", str(tmp_path / "files"))
    end(service)
    service_update(service=service, model="models:/diabetes/2", user=user)
    assert service.revisions.first().inference["models"] == ["models:/diabetes/2", more]


def test_an_update_with_a_broken_script_changes_nothing(
    scripted: Any, keep: Keep, user: User
) -> None:
    service: Service = scripted().service
    end(service)
    with pytest.raises(Invalid) as caught:
        service_update(
            service=service,
            inference={"entryScript": "score.py", "source": keep("nonsense(")},
            deployment={"workers": 0},
            user=user,
        )
    assert set(caught.value.fields) == {"inference.entryScript", "workers"}
    assert service.revisions.count() == 1


def test_preflight_judges_the_script_and_not_the_flavour(
    keep: Keep, more: str, tools: str, fake: Any
) -> None:
    def results(text: str) -> dict[str, str]:
        inference = {"entryScript": "score.py", "source": keep(text), "environment": tools}
        found = preflight(name="mine", model=more, target="fake", inference=inference)
        return {check.name: check.result for check in found}

    good = results(ECHO)
    assert (good["model"], good["inference"], good["example"]) == ("passed", "passed", "warning")
    assert results("x = 1")["inference"] == "failed"


# --- steps and replicas ------------------------------------------------------------------------


def work(operation: Any) -> tuple[Work, list[str]]:
    lines: list[str] = []
    step = operation.steps.get(name=StepName.COPY_MODEL)
    return Work(operation, step, lines.append, lambda: False), lines


def prepared(scripted: Any, **changes: Any) -> tuple[Revision, list[str]]:
    operation = scripted(**changes)
    done, lines = work(operation)
    copy_model(done)
    copy_model(done)  # again is the same
    from deployments.control.step_handlers import copied_facts

    found = steps.facts(done, copied_facts(done.model_dir))
    done.keep(environment_hash="e" * 64, loader="script")
    lines.append(" ".join(found.requirements))
    return done.revision, lines


def test_every_model_is_copied_and_laid_out_for_the_script(
    scripted: Any, more: str, tools: str, tmp_path: Path
) -> None:
    revision, lines = prepared(scripted, models=[more], environment=tools)
    assert any("Left out azureml-defaults" in line for line in lines)
    assert lines[-1] == "toolz==1.0.0"
    config = instance_spec(revision.service, revision).config
    assert config["loader"] == "script"
    assert config["environment"] == {"MODE": "quick"}
    assert Path(config["source_dir"], config["entry_script"]).read_text() == ECHO
    top = lay_out(models_of(config), tmp_path / "replica")
    assert (top / "more" / "1" / "net.pt").read_bytes() == b"weights"
    assert (top / "diabetes" / "1" / "MLmodel").is_file()


def test_one_model_is_its_own_model_dir(scripted: Any, tmp_path: Path) -> None:
    revision, _lines = prepared(scripted)
    config = instance_spec(revision.service, revision).config
    assert "environment" not in config
    top = lay_out(models_of(config), tmp_path / "replica")
    assert top.parts[-3:] == ("azureml-models", "diabetes", "1")


def test_paths_are_those_inside_of_an_image(scripted: Any, more: str) -> None:
    revision, _lines = prepared(scripted, models=[more])
    config = inner(instance_spec(revision.service, revision).config)
    assert config["source_dir"] == "/slipway/source"
    assert [item["path"] for item in config["models"]] == ["/slipway/model", "/slipway/models/1"]
    assert str(settings.DATA.root) not in json.dumps(config)
    places = [place for _path, place in script_parts.image_parts(revision)]
    assert places == ["/slipway/source", "/slipway/models/1"]


def test_a_service_without_code_is_given_what_it_always_was(model: str, fake: Any) -> None:
    revision = RevisionFactory()
    config = instance_spec(revision.service, revision).config
    assert not {"source_dir", "entry_script", "models", "environment"} & set(config)


def test_the_digest_follows_the_source(scripted: Any, keep: Keep) -> None:
    revision, _lines = prepared(scripted)
    before = instance_spec(revision.service, revision).digest
    revision.inference["source"] = keep("x = 1")
    assert instance_spec(revision.service, revision).digest != before
