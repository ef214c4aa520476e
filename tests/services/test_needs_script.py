"""A version that is no MLflow model is deployed with an entry script or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from deployments.configuring.checks import script_check, version_get
from deployments.models import Service
from deployments.services import service_update
from deployments.trying.preflight import preflight
from tests.services.conftest import Create, Turn
from workspaces.errors import Invalid


@pytest.fixture
def weights(model: str, tmp_path: Path, settings: object) -> str:
    """A version whose files are a folder with anything in it."""
    uri = settings.SLIPWAY.tracking_uri  # type: ignore[attr-defined]
    folder = Path(settings.SLIPWAY.artifact_root) / "weights"  # type: ignore[attr-defined]
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_bytes(b"w")
    client = MlflowClient(uri, uri)
    client.create_registered_model("net")
    client.create_model_version("net", str(folder))
    return "models:/net/1"


def test_without_a_script_it_is_not_deployed(create: Create, weights: str) -> None:
    with pytest.raises(Invalid, match="entry script") as error:
        create(model=weights)
    assert set(error.value.fields) == {"inference"}
    assert not Service.objects.exists()


def test_pre_flight_says_so_before(create: Create, weights: str) -> None:
    checks = preflight(name="net", model=weights, target="fake")
    (found,) = [check for check in checks if check.name == "model"]
    assert found.result == "failed"
    assert "entry script" in found.sentence


def test_a_service_is_not_updated_to_it(create: Create, weights: str, turn: Turn) -> None:
    service = create().service
    assert service is not None
    with pytest.raises(Invalid, match="entry script"):
        service_update(service=service, model=weights, user=None)


def test_with_a_script_nothing_is_against_it(weights: str, db: None) -> None:
    script_check(version_get(weights), {"entryScript": "score.py"})
