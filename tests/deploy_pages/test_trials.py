"""Try it first, and how big should it be?: on the Deploy page, on a version's page, by API."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from mlflow import MlflowClient

from deployments.building import runtimes
from deployments.choices import OperationKind, OperationStatus
from deployments.configuring.configuration import DeploymentConfiguration
from deployments.models import Finding, Operation, Target
from deployments.trying.profile_plan import Wanted, level_of, profile_result
from registry import selectors as registry
from registry.models import VersionRecord
from registry.scripts.folders import SourceFile, source_create
from tests.deploy_pages.html import Page
from tests.deploy_pages.test_deploy import form
from tests.deploy_pages.test_deploy import targets as targets
from tests.factories import RevisionFactory, ServiceFactory
from workspaces.tracking.store.opening import store_id

pytestmark = pytest.mark.usefixtures("model", "targets")
TRIAL, TRY = reverse("deployments:deploy-trial"), reverse("deployments:deploy-try")
VERSION = ("diabetes", "1")
API = "/api/v1/models/diabetes/versions/1"


def keep(kind: str = OperationKind.PREFLIGHT, **changes: Any) -> Finding:
    registry.version_get(*VERSION)
    record = VersionRecord.objects.get()
    wish = DeploymentConfiguration().as_dict()
    check = {"name": "load", "result": "failed", "sentence": "It broke.", "next_step": "Mend it."}
    usual: dict[str, Any] = {
        **{"record": record, "identity": record.identity, "kind": kind, "target": "fake"},
        **{"runtime": runtimes.version(), "result": "failed", "operation": uuid.uuid4()},
        **{"asked": {"deployment": wish, "inference": {}}, "checks": [check]},
        **{"environment_hash": uuid.uuid4().hex, "measured": {"traceback": "in score.py"}},
    }
    return Finding.objects.create(**{**usual, **changes})


def profiled() -> dict[str, Any]:
    levels = [level_of(n, 1.0, [5.0] * 100 * n, 0, cpu=0.5, memory_mb=200) for n in (1, 2)]
    return profile_result(levels, Wanted(), cpu=1, memory_mb=1024, stopped="Enough.")


def test_the_deploy_page_offers_to_try_it_first_and_does_not_by_itself(ada: Client) -> None:
    url = reverse("deployments:deploy")
    page = Page(ada.get(url, {"model": "diabetes", "version": "1"}))
    assert page.one("div", id="trial")["hx-post"] == TRIAL
    part = Page(ada.post(TRIAL, form()))
    assert "Try it first" in part.one("button").text
    assert Operation.objects.count() == 0


def test_try_it_first_asks_once_and_is_followed_until_it_ended(ada: Client) -> None:
    part = Page(ada.post(TRY, form(sample_input='{"inputs": [1]}', sample_output="[2]")))
    assert "every 1s" in part.one("div", id="trial")["hx-trigger"]
    assert part.all("button") == []
    operation = Operation.objects.get()
    assert operation.asked["input"] == {"inputs": [1]}
    assert operation.asked["output"] == [2]
    assert Page(ada.post(TRY, form(cpu="2"))).one("div", role="alert").text.endswith("cancel it.")
    Operation.objects.update(status=OperationStatus.CANCELLED, ended_at=timezone.now())
    part = Page(ada.post(TRIAL, form()))
    assert "The last trial: Cancelled." in part.one("div", role="status").text
    assert "every 1s" not in part.one("div", id="trial")["hx-trigger"]


def test_an_older_result_is_shown_with_its_age_and_what_changed(ada: Client) -> None:
    keep()
    text = Page(ada.post(TRIAL, form(memory="2"))).one("div", id="trial").text
    for words in ("Tried on fake", "It broke.", "Mend it.", "1024 MB of memory then; 2048 MB"):
        assert words in text
    assert "Try it again" in text
    assert "Tried on" not in Page(ada.post(TRIAL, form(target="local"))).one("div").text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sample_input": "{"}, "is no JSON"),
        ({"sample_input": "[NaN]"}, "is no JSON: NaN"),
        ({"sample_input": "[1e999]"}, "too large"),
        ({"sample_output": '["\\u0000"]'}, "NUL"),
        ({"target": "nowhere"}, "nowhere"),
        ({"version": "9"}, "9"),
        ({"target": "\x00"}, ""),
        ({"model": "a\x00b"}, ""),
        ({"cpu": "much"}, "cpu"),
    ],
)
def test_what_cannot_be_tried_is_said(ada: Client, changes: dict[str, str], words: str) -> None:
    answer = ada.post(TRY, form(**changes))
    assert answer.status_code == 422
    assert words in Page(answer).one("div", role="alert").text
    assert Operation.objects.count() == 0


def test_the_page_of_a_version_shows_what_was_found(ada: Client) -> None:
    url = reverse("deployments:version-findings", args=VERSION)
    page = Page(ada.get(reverse("registry:version", args=VERSION)))
    assert url in [element.attributes.get("hx-get") for element in page.all("div")]
    assert "was not tried yet" in ada.get(url).content.decode()
    keep()
    keep(OperationKind.PROFILE, measured=profiled(), checks=[], result="passed")
    part = Page(ada.get(url))
    text = " ".join(element.text for element in part.all("section"))
    for words in ("It broke.", "in score.py", "Measured on fake", "200", "Measure again"):
        assert words in text
    assert part.one("div", id="profile-chart")["data-figure"]


def test_how_big_should_it_be_is_asked_with_the_form(ada: Client) -> None:
    url = reverse("deployments:version-profile-make", args=VERSION)
    given = {"target": "fake", "cpu": "1", "memoryInGB": "0.5", "requests_per_second": "20"}
    part = Page(ada.post(url, {**given, "p99_ms": ""}))
    assert part.one("div", id="profile")["hx-trigger"] == "every 1s"
    operation = Operation.objects.get()
    assert operation.kind == OperationKind.PROFILE
    assert operation.asked["deployment"]["memory_mb"] == 512
    assert operation.asked["wanted"]["requests_per_second"] == 20
    Operation.objects.all().delete()
    wrong = ada.post(url, {**given, "cpu": "no", "p99_ms": "-1"})
    assert wrong.status_code == 422
    alert = Page(wrong).one("div", role="alert").text
    assert "cpu" in alert
    assert "p99_ms" in alert


# --- a version that an entry script serves -------------------------------------------------------


@pytest.fixture
def weights(model: str, tmp_path: Path, settings: Any) -> str:
    """A version of files that only a script can serve; its environment is another thing."""
    uri = settings.SLIPWAY.tracking_uri
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"w")
    client = MlflowClient(uri, uri)
    client.create_registered_model("net")
    client.create_model_version("net", str(folder))
    registry.version_get("net", "1")
    return "net"


def script(**more: Any) -> dict[str, Any]:
    text = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"
    source = source_create(files=[SourceFile.text("score.py", text)], user=None).sha256
    packages = {"packages": ["numpy"]}
    return {"entryScript": "score.py", "source": source, "environment": packages, **more}


PROFILE = reverse("deployments:version-profile", args=["net", "1"])
MEASURE = reverse("deployments:version-profile-make", args=["net", "1"])
ASKED = {"target": "fake", "cpu": "1", "memoryInGB": "0.5"}


def tried_with(inference: dict[str, Any]) -> Finding:
    record = VersionRecord.objects.get(name="net")
    return Finding.objects.create(
        record=record,
        identity=record.identity,
        kind=OperationKind.PREFLIGHT,
        target="local",
        asked={"inference": inference},
        result="passed",
    )


def test_without_a_known_script_the_next_step_stands_in_place_of_the_form(
    ada: Client, weights: str
) -> None:
    part = Page(ada.get(PROFILE))
    assert part.all("form") == []
    (link,) = [item for item in part.all("a") if item.text == "Try it first"]
    assert link["href"].endswith("?model=net&version=1")
    refused = ada.post(MEASURE, ASKED)
    assert refused.status_code == 422
    assert "entry script" in Page(refused).one("div", role="alert").text
    tried_with({"entryScript": "score.py", "source": "a" * 64})  # which was swept
    assert Page(ada.get(PROFILE)).all("form") == []


def test_a_version_is_measured_with_the_script_of_its_latest_trial(
    ada: Client, weights: str
) -> None:
    tried_with(script(sampleInput={"data": [1]}))
    part = Page(ada.get(PROFILE))
    assert "Measured with the entry script score.py, as it was tried on local." in (
        part.one("form").text
    )
    assert "required" not in part.one("textarea", name="sample_input").attributes
    assert ada.post(MEASURE, ASKED).status_code == 200
    asked = Operation.objects.get().asked
    assert asked["inference"]["entryScript"] == "score.py"
    assert asked["input"] == {"data": [1]}


def test_else_with_the_script_of_a_service_and_a_sample_that_is_typed(
    ada: Client, weights: str
) -> None:
    RevisionFactory(
        service=ServiceFactory(name="netting"),
        model_store=store_id(),
        model_name="net",
        inference=script(),
    )
    part = Page(ada.get(PROFILE))
    assert "of the service netting." in part.one("form").text
    assert "required" in part.one("textarea", name="sample_input").attributes
    wrong = ada.post(MEASURE, {**ASKED, "sample_input": "{"})
    assert wrong.status_code == 422
    assert Page(wrong).one("textarea", name="sample_input").text == "{"
    assert ada.post(MEASURE, {**ASKED, "sample_input": '{"data": [3]}'}).status_code == 200
    assert Operation.objects.get().asked["input"] == {"data": [3]}


def test_a_registered_sample_is_offered_and_compared(ada: Client, weights: str) -> None:
    VersionRecord.objects.filter(name="net").update(sample_input={"data": [4]}, sample_output=[4])
    page = Page(ada.get(reverse("deployments:deploy"), {"model": "net", "version": "1"}))
    assert page.one("textarea", id="id_sample").text == '{ "data": [4] }'
    assert "Sample input" in page.one("ul", class_="facts").text
    body = {"model": "models:/net/1", "target": "fake", "inference": script(), "deep": True}
    answer = ada.post("/api/v1/preflight", body, content_type="application/json")
    assert answer.status_code == 202, answer.content
    asked = Operation.objects.get().asked
    assert (asked["input"], asked["output"]) == ({"data": [4]}, [4])


def test_without_a_script_it_is_not_tried(ada: Client, weights: str) -> None:
    body = {"model": "models:/net/1", "target": "fake", "deep": True}
    answer = ada.post("/api/v1/preflight", body, content_type="application/json")
    assert answer.status_code == 400
    assert set(answer.json()["fields"]) == {"inference"}


# --- what a trial says elsewhere -----------------------------------------------------------------


def test_the_quick_checks_tell_of_the_trial_and_hear_of_its_end(ada: Client) -> None:
    url = reverse("deployments:deploy-preflight")
    (check,) = [item.text for item in Page(ada.post(url, form())).all("li") if "tried" in item.text]
    assert check.startswith("Warning: It was not tried on fake yet")
    keep()
    page = Page(ada.post(url, form()))
    (check,) = [item.text for item in page.all("li") if "was tried" in item.text]
    assert check.startswith("Warning: When it was tried on fake, it failed: It broke. Mend it.")
    assert "disabled" not in page.one("button", id="deploy-button").attributes
    part = Page(ada.post(TRY, form()))
    assert part.one("div", id="trial")["hx-vals"] == '{"watching": "1"}'
    assert "HX-Trigger-After-Settle" not in ada.post(TRIAL, form(watching="1")).headers
    Operation.objects.update(status=OperationStatus.CANCELLED, ended_at=timezone.now())
    ended = ada.post(TRIAL, form(watching="1"))
    assert "trial-ended" in ended.headers["HX-Trigger-After-Settle"]
    assert "HX-Trigger-After-Settle" not in ada.post(TRIAL, form()).headers


def test_the_api_tells_of_the_trial_unless_it_makes_one(ada: Client) -> None:
    body = {"model": "models:/diabetes/1", "target": "fake"}

    def names(**more: Any) -> set[str]:
        answer = ada.post("/api/v1/preflight", {**body, **more}, content_type="application/json")
        return {item["name"] for item in answer.json()["items"]}

    assert "trial" in names()
    assert "trial" not in names(deep=True)


def test_a_finding_links_its_log_and_the_log_its_version(ada: Client) -> None:
    ada.post(TRY, form())
    operation = Operation.objects.get()
    Operation.objects.update(status=OperationStatus.FAILED, ended_at=timezone.now())
    keep()  # whose operation is gone
    findings_url = reverse("deployments:version-findings", args=VERSION)
    log = reverse("deployments:operation", args=[operation.pk])
    assert Page(ada.get(findings_url)).all("a", href=log) == []
    keep(operation=operation.pk)
    assert Page(ada.get(findings_url)).one("a", href=log).text == "Show the log"
    crumbs = [item["href"] for item in Page(ada.get(log)).all("a") if "href" in item.attributes]
    assert reverse("registry:version", args=VERSION) in crumbs


def test_queries_do_not_grow_with_what_was_found(
    ada: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        keep()
    with django_assert_max_num_queries(12):
        ada.post(TRIAL, form())
    with django_assert_max_num_queries(16):
        ada.get(reverse("deployments:version-findings", args=VERSION))


def test_the_api_tries_deeply_when_it_is_asked_to(ada: Client) -> None:
    body = {"model": "models:/diabetes/1", "target": "fake", "sample_output": None}
    kind = "application/json"
    quick = ada.post("/api/v1/preflight", body, content_type=kind)
    assert (quick.status_code, set(quick.json())) == (200, {"items"})
    assert quick.json()["items"][0].keys() == {"name", "result", "sentence", "next_step"}
    deep = ada.post("/api/v1/preflight", {**body, "deep": True}, content_type=kind)
    assert deep.status_code == 202
    made = deep.json()["operation"]
    assert (made["kind"], made["service"]) == ("preflight", "")
    assert made["subject"] == "models:/diabetes/1 on fake"
    assert "output" not in Operation.objects.get().asked
    again = {**body, "deep": True, "deployment": {"maxQueue": 3}}
    assert ada.post("/api/v1/preflight", again, content_type=kind).status_code == 409
    Target.objects.filter(name="fake").update(problems=["It is away."])
    refused = ada.post("/api/v1/preflight", {**body, "deep": True}, content_type=kind)
    assert refused.json()["fields"] == {"target": ["It is away."]}


def test_the_api_answers_with_what_was_found(ada: Client) -> None:
    assert ada.get(f"{API}/preflight").json() == {"items": []}
    keep(runtime="older")
    keep(OperationKind.PROFILE, measured=profiled())
    (found,) = ada.get(f"{API}/preflight").json()["items"]
    assert (found["result"], found["target"]) == ("failed", "fake")
    assert found["checks"][0]["next_step"] == "Mend it."
    assert found["changes"] == ["Slipway was updated since."]
    (found,) = ada.get(f"{API}/profile").json()["items"]
    assert found["measured"]["latencyPercentile99InMs"] == 5.0
    assert ada.get("/api/v1/models/diabetes/versions/9/preflight").status_code == 404


def test_the_api_asks_for_a_profile_and_names_all_that_is_wrong(ada: Client) -> None:
    body = {"target": "fake", "requests_per_second": 20, "sample_input": {"inputs": [1]}}
    made = ada.post(f"{API}/profile", body, content_type="application/json")
    assert made.status_code == 202
    assert made.json()["operation"]["kind"] == "profile"
    wrong = {"target": "nowhere", "p99_ms": [], "max_clients": 0.5, "inference": 5}
    refused = ada.post(f"{API}/profile", wrong, content_type="application/json")
    assert refused.status_code == 400


def test_trying_again_lands_on_the_new_operation(ada: Client) -> None:
    ada.post(TRY, form())
    first = Operation.objects.get()
    Operation.objects.update(status=OperationStatus.FAILED)
    answer = ada.post(reverse("deployments:operation-retry", args=[first.pk]))
    again = Operation.objects.get(status=OperationStatus.RUNNING)
    assert answer["location"] == reverse("deployments:operation", args=[again.pk])
    Operation.objects.update(status=OperationStatus.FAILED)
    retried = ada.post(f"/api/v1/operations/{again.pk}/retry")
    assert (retried.status_code, retried.json()["service"]) == (202, None)
