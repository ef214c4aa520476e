"""Whatever is sent to the API, in any shape: no 5xx, and answers as the OpenAPI document says."""

from __future__ import annotations

import os
from typing import Any

import schemathesis
from django.core.wsgi import get_wsgi_application
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.conftest import Studio

EXAMPLES = int(os.environ.get("SLIPWAY_TEST_FUZZ", "12"))  # of each call, times two
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
SCHEMA = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
SCHEMA.app = get_wsgi_application()
bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def send(case: Any, studio: Studio) -> None:
    """One request, whose changes are undone."""
    with transaction.atomic():
        answer = case.call(headers=studio.headers)
        transaction.set_rollback(True)
    case.validate_response(answer, checks=CHECKS)


@SCHEMA.parametrize()
@bounded
def test_any_address_and_any_body(case: Any, studio: Studio) -> None:
    send(case, studio)


@SCHEMA.given(data=st.data())
@SCHEMA.parametrize()
@bounded
def test_any_body_for_things_that_exist(case: Any, studio: Studio, data: Any) -> None:
    collection = case.path.removeprefix("/api/v1/").partition("/")[0]
    for name in case.path_parameters:
        known = studio.places.get(name) or studio.places[collection]
        case.path_parameters[name] = data.draw(st.sampled_from(known))
    if isinstance(case.body, dict):
        case.body = {**case.body, **{k: v for k, v in studio.body.items() if k in case.body}}
    send(case, studio)
