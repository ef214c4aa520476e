"""Images over steps, and tables, known by what mlflow.log_image and mlflow.log_table write."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from studio.runs.images import image_series, logged_tables
from tests.tracking.mlflow_store import Store


def test_names_of_new_and_old_clients_are_read() -> None:
    series = image_series(
        [
            "images/dogs~big+step+10+timestamp+1700000000000+0a-b.png",
            "images/dogs~big+step+10+timestamp+1700000000000+0a-b+compressed.webp",
            "images/dogs~big+step+2+timestamp+1700000000000+cc.png",
            "images/cats#small%step%-1%timestamp%5%dd.png",
            "images/only+step+0+timestamp+1+ee+compressed.webp",
            "images/other.png",
            "images/x+step+1%timestamp+1+y.png",
        ]
    )
    found = {one.key: [(image.step, bool(image.small)) for image in one.images] for one in series}
    assert found == {
        "cats/small": [(-1, False)],
        "dogs/big": [(2, False), (10, True)],
        "only": [(0, True)],
    }


@given(st.lists(st.text("ab+%~#step1timestamp.png", max_size=60), max_size=20))
def test_any_names_are_images_or_not(names: list[str]) -> None:
    for one in image_series(names):
        assert one.images
        assert [image.step for image in one.images] == sorted(image.step for image in one.images)


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"type": "table"}]', "null", '[{"path": 3}]'])
def test_a_tag_that_is_odd_names_no_tables(text: str) -> None:
    assert logged_tables({"mlflow.loggedArtifacts": text}) == ()


def test_what_mlflow_logs_is_shown(person: Client, store: Store) -> None:
    import numpy as np

    run_id = store.run(store.experiment("images"))
    assert "Images and tables" not in person.get(f"/runs/{run_id}/").content.decode()
    for step in (0, 5, 10):
        picture = np.full((4, 4, 3), step * 20, dtype=np.uint8)
        store.client.log_image(run_id, picture, key="train/dogs", step=step)
    store.client.log_table(run_id, {"a": [1, 2], "b": ["<b>", "y"]}, "eval/table.json")
    page = person.get(f"/runs/{run_id}/media/").content.decode()
    assert "Images and tables" in page
    assert "path=eval%2Ftable.json" in page
    html = person.get(f"/runs/{run_id}/media/images/").content.decode()
    listed = json.loads(unescape(re.search(r'data-images="([^"]+)"', html)[1]))
    assert [image["step"] for image in listed] == [0, 5, 10]
    assert "train/dogs" in html
    assert 'max="2" value="2"' in html
    path = listed[-1]["path"]
    answer = person.get(f"/runs/{run_id}/artifacts/raw/", {"path": path})
    assert answer["Content-Type"] == "image/png"
    assert b"".join(answer.streaming_content).startswith(b"\x89PNG")
    table = person.get(f"/runs/{run_id}/artifacts/preview/", {"path": "eval/table.json"})
    assert "<td>&lt;b&gt;</td>" in table.content.decode()


def test_a_run_without_images_says_how_to_log_one(person: Client, store: Store) -> None:
    run_id = store.run(store.experiment("none"))
    html = person.get(f"/runs/{run_id}/media/images/").content.decode()
    assert "mlflow.log_image" in html
