"""Section 2.1: /swagger.json, from the script's schema or from a file of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.serving.replica import Replica

VERSIONS = {"2": "2.0", "2.0": "2.0", "3": "3.0.3", "3.0": "3.0.3", "3.1": "3.1.0"}


def schemas(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document.get("definitions") or document["components"]["schemas"]
    return found


@pytest.mark.parametrize("asked", VERSIONS)
@pytest.mark.parametrize("name", ["plain", "raw", "schema", "powerbi"])
def test_every_version_is_there(name: str, asked: str, request: pytest.FixtureRequest) -> None:
    replica: Replica = request.getfixturevalue(name)
    document = replica.get(f"/swagger.json?version={asked}").json()
    assert document.get("swagger", document.get("openapi")) == VERSIONS[asked]
    assert document["info"]["title"] == "scored"
    assert document["info"]["version"] == "3"
    paths = document["paths"]
    assert paths["/"]["get"]["operationId"] == "ServiceHealthCheck"
    assert paths["/score"]["post"]["operationId"] == "RunMLService"
    assert paths["/swagger.json"]["get"]["operationId"] == "GetSwaggerSpec"
    assert set(schemas(document)) == {"ServiceInput", "ServiceOutput", "ErrorResponse"}
    bearer = document.get("securityDefinitions") or document["components"]["securitySchemes"]
    assert bearer["Bearer"]["type"] == "apiKey"


def test_version_2_is_the_default(plain: Replica) -> None:
    assert plain.get("/swagger.json").json()["swagger"] == "2.0"


@pytest.mark.parametrize("asked", ["4", "", "3.2", "two"])
def test_other_versions_are_a_404(plain: Replica, asked: str) -> None:
    answer = plain.get(f"/swagger.json?version={asked}")
    assert answer.status_code == 404
    text = f"Swagger version [{asked}] is not valid. Supported versions: [2, 3, 3.1]."
    assert answer.json() == {"message": text}


def test_the_schema_describes_parameters_and_examples(schema: Replica) -> None:
    found = schemas(schema.get("/swagger.json?version=3").json())
    properties = found["ServiceInput"]["properties"]
    assert properties["num"]["format"] == "numpy.ndarray"
    assert properties["frame"]["items"]["properties"]["a"]["type"] == "integer"
    assert found["ServiceInput"]["example"]["num"] == [[1.0, 2.0]]
    assert found["ServiceOutput"]["type"] == "array"


def test_the_example_of_the_document_scores(schema: Replica, powerbi: Replica) -> None:
    for replica in (schema, powerbi):
        document = replica.get("/swagger.json?version=3.1").json()
        example = schemas(document)["ServiceInput"]["example"]
        assert replica.post("/score", example).status_code == 200


def test_files_of_the_person_win(start: Any, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("def init(): pass\ndef run(data): return data\n")
    (tmp_path / "swagger3.json").write_text(json.dumps({"openapi": "3.0.3", "mine": 3}))
    (tmp_path / "swagger3.1.json").write_text("{broken")
    (tmp_path / "swagger.json").write_text(json.dumps({"swagger": "2.0", "mine": 2}))
    replica = start("main", source_dir=str(tmp_path))
    assert replica.get("/swagger.json").json()["mine"] == 2
    assert replica.get("/swagger.json?version=3").json()["mine"] == 3
    assert replica.get("/swagger.json?version=3.1").json()["openapi"] == "3.1.0"
