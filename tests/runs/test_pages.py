"""Pages of one run, over a real MLflow store."""

from __future__ import annotations

import json
import math
import re
from html import unescape

import pytest
from django.test import Client

from tests.tracking.mlflow_store import Store

TABS = ("", "metrics/", "parameters/", "media/", "artifacts/", "model/")


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", html))


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_shows_a_run_with_nothing_and_one_with_odd_values(
    person: Client, store: Store, tab: str
) -> None:
    experiment = store.experiment("tabs")
    odd = {"nan": math.nan, "inf": math.inf, "down": -math.inf}
    for run_id in (
        store.run(experiment, end=""),
        store.run(experiment, metrics=odd, params={"long": "x" * 5000}),
    ):
        assert person.get(f"/runs/{run_id}/{tab}").status_code == 200


def test_a_run_without_a_model_says_why_it_cannot_be_registered(
    person: Client, store: Store
) -> None:
    run_id = store.run(store.experiment("none"))
    html = person.get(f"/runs/{run_id}/").content.decode()
    assert re.search(r"<button[^>]+disabled[^>]*>.*?Register model", html, re.S)
    assert "there is nothing to register" in text_of(html)
    assert "log_model" in person.get(f"/runs/{run_id}/model/").content.decode()


def test_a_run_with_a_model_offers_to_register_it(person: Client, store: Store) -> None:
    history = json.dumps([{"artifact_path": "m"}])
    run_id = store.run(store.experiment("old"), tags={"mlflow.log-model.history": history})
    store.file(run_id, "m/MLmodel", b"flavors: {sklearn: {}, python_function: {}}")
    html = person.get(f"/runs/{run_id}/").content.decode()
    assert f'hx-get="/runs/{run_id}/register/"' in html
    part = person.get(f"/runs/{run_id}/model/part/").content.decode()
    assert "sklearn" in part
    assert "no signature" in part


def test_polling_stops_when_a_run_has_ended(person: Client, store: Store) -> None:
    run_id = store.run(store.experiment("live"), end="")
    html = person.get(f"/runs/{run_id}/metrics/").content.decode()
    assert html.count('hx-trigger="every 3s"') == 2
    store.client.log_metric(run_id, "first", 1.0)
    html = person.get(f"/runs/{run_id}/metrics/table/?fresh=1").content.decode()
    assert "Show the charts" in html
    assert person.get(f"/runs/{run_id}/state/").status_code == 200
    store.client.set_terminated(run_id)
    for part in ("state/", "metrics/table/"):
        assert person.get(f"/runs/{run_id}/{part}").status_code == 286
    assert "every 3s" not in person.get(f"/runs/{run_id}/metrics/").content.decode()


def test_a_run_says_where_it_came_from(person: Client, store: Store) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    run_id = store.run(
        store.experiment("origin"),
        tags={
            "mlflow.source.name": "train.py",
            "mlflow.source.git.commit": commit,
            "mlflow.source.git.branch": "better <i>",
            "mlflow.source.git.repoURL": "https://me:secret@github.com/a/b.git",
            "mlflow.project.entryPoint": "main",
        },
    )
    html = person.get(f"/runs/{run_id}/").content.decode()
    assert f'href="https://github.com/a/b/commit/{commit}"' in html
    for words in ("train.py", "better <i>", "main"):
        assert words in text_of(html)
    assert "secret" not in html


def test_a_failed_run_says_why(person: Client, store: Store) -> None:
    experiment = store.experiment("failed")
    told = store.run(experiment, end="FAILED", tags={"slipway.reason": "<b>CUDA out of memory"})
    html = person.get(f"/runs/{told}/").content.decode()
    assert "&lt;b&gt;CUDA out of memory" in html
    assert "The run failed." in html
    silent = store.run(experiment, end="KILLED")
    html = person.get(f"/runs/{silent}/").content.decode()
    assert "The run was killed." in html
    assert "slipway.reason" in html
    fine = store.run(experiment, tags={"slipway.reason": "left from a first try"})
    assert "left from a first try</pre>" not in person.get(f"/runs/{fine}/").content.decode()


def test_the_environment_of_a_model_is_shown(person: Client, store: Store) -> None:
    history = json.dumps([{"artifact_path": "m"}])
    run_id = store.run(store.experiment("env"), tags={"mlflow.log-model.history": history})
    store.file(run_id, "m/MLmodel", b"flavors: {python_function: {}}")
    store.file(run_id, "m/conda.yaml", b"dependencies: [python=3.11, '<b>']")
    store.file(run_id, "m/requirements.txt", b"scikit-learn==1.6.1")
    part = person.get(f"/runs/{run_id}/model/part/").content.decode()
    assert "python=3.11, &#x27;&lt;b&gt;" in part
    assert "scikit-learn==1.6.1" in part
    models = person.get(f"/runs/{run_id}/models/").content.decode()
    assert f"/runs/{run_id}/model/?model=m" in models


def test_a_parent_shows_its_children_and_they_show_it(person: Client, store: Store) -> None:
    experiment = store.experiment("family")
    parent = store.run(experiment, "parent")
    tags = {"mlflow.parentRunId": parent}
    children = [store.run(experiment, f"child <{n}>", tags=tags) for n in range(12)]
    store.run(experiment, "other", end="FAILED")
    store.client.delete_run(store.run(experiment, "gone", tags=tags))
    html = person.get(f"/runs/{parent}/").content.decode()
    assert re.search(r"Child runs</dt>\s*<dd[^>]*>\s*<a [^>]*>12</a>", html), html
    part = person.get(f"/runs/{parent}/below/").content.decode()
    assert part.count("Finished") == 10
    assert "child &lt;11&gt;" in part
    assert "gone" not in part
    everyone = unescape(re.search(r'<a href="([^"]+filter=[^"]+)"', part)[1])
    listed = person.get(everyone).content.decode()
    assert all(child in listed for child in children)
    assert "other" not in text_of(listed.partition("<tbody")[2].partition("</tbody")[0])
    assert f'href="/runs/{parent}/"' in person.get(f"/runs/{children[0]}/").content.decode()


def test_a_run_without_children_has_no_part_for_them(person: Client, store: Store) -> None:
    run_id = store.run(store.experiment("alone"))
    assert f"/runs/{run_id}/below/" not in person.get(f"/runs/{run_id}/").content.decode()
    assert person.get(f"/runs/{run_id}/below/").content.decode().strip() == ""
