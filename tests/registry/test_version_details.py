"""What a version has beside its files: properties, notes, its archive, another one to compare."""

from __future__ import annotations

import io
import os
import time
import zipfile
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from registry import markdown, selectors, services
from registry.comparing import compare
from registry.models import VersionRecord
from tests.registry.conftest import Store
from workspaces import tracking
from workspaces.errors import Conflict, Invalid
from workspaces.tokens import token_create

EXAMPLES = int(os.environ.get("SLIPWAY_TEST_EXAMPLES", "25"))


@pytest.fixture
def registered(store: Store, admin_user: Any) -> str:
    for run in (store.run_id, store.two_models_run_id):
        services.model_register_from_run(run_id=run, name="diabetes", user=admin_user)
    return "diabetes"


def change(user: Any, **values: Any) -> Any:
    return services.version_update(name="diabetes", version="1", user=user, **values)


# --- properties ----------------------------------------------------------------------------------


def test_properties_are_set_once_and_tags_as_often_as_one_likes(
    registered: str, admin_user: Any
) -> None:
    assert change(admin_user, properties={"owner": "ada"}).properties == {"owner": "ada"}
    both = {"owner": "ada", "team": "qna"}
    assert change(admin_user, properties=both).properties == both
    with pytest.raises(Conflict, match="“owner”") as error:
        change(admin_user, properties={"owner": "bob", "more": "x"})
    assert set(error.value.fields) == {"properties"}
    assert selectors.version_get(registered, "1").properties == both
    for value in ("a", "b"):
        assert change(admin_user, tags={"stage": value}).tags == {"stage": value}


def test_properties_have_rules(registered: str, admin_user: Any) -> None:
    for wrong in ({"": "x"}, {"a\n": "x"}, {"registered_by": "x"}, {"a": "\x00"}, ["a"]):
        with pytest.raises(Invalid) as error:
            change(admin_user, properties=wrong)
        assert set(error.value.fields) == {"properties"}


def test_who_registered_it_was_a_property_once_and_is_still_known(
    registered: str, admin_user: Any
) -> None:
    VersionRecord.objects.filter(version="1").update(
        properties={"registered_by": "bob"}, origin={}, format=""
    )
    info = selectors.version_get(registered, "1")
    assert (info.registered_by, info.properties) == ("bob", {})


def test_properties_are_added_on_the_page(registered: str, admin_client: Client) -> None:
    url = reverse("registry:version-properties", args=[registered, "1"])
    assert "ada" in admin_client.post(url, {"key": "owner", "value": "ada"}).content.decode()
    answer = admin_client.post(url, {"key": "owner", "value": "bob"})
    assert answer.status_code == 422
    assert "never change" in answer.content.decode()


def test_properties_and_notes_are_changed_by_api(
    registered: str, admin_user: Any, client: Client
) -> None:
    _row, plain = token_create(user=admin_user, name="test")
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {plain}"
    url = "/api/v1/models/diabetes/versions/1"
    body = {"properties": {"owner": "ada"}, "notes": "*good*"}
    found = client.patch(url, body, "application/json").json()
    assert (found["properties"], found["notes"]) == ({"owner": "ada"}, "*good*")
    refused = client.patch(url, {"properties": {"owner": "bob"}}, "application/json")
    assert (refused.status_code, refused.json()["code"]) == (409, "immutable")
    assert set(refused.json()["fields"]) == {"properties"}
    assert client.get(url).json()["properties"] == {"owner": "ada"}


# --- notes ---------------------------------------------------------------------------------------


def test_notes_are_markdown(registered: str, admin_user: Any, admin_client: Client) -> None:
    url = reverse("registry:version-notes", args=[registered, "1"])
    text = "# Data\n\n- **all** of 2025\n- `clean.py`\n\n<script>alert(1)</script>"
    answer = admin_client.post(url, {"notes": text}, headers={"HX-Request": "true"})
    page = reverse("registry:version", args=[registered, "1"])
    assert answer["HX-Redirect"] == page
    shown = admin_client.get(page).content.decode()
    assert "<h3>Data</h3>" in shown
    assert "<li><strong>all</strong> of 2025</li>" in shown
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert change(admin_user, notes="").notes == ""


def test_marks_become_elements() -> None:
    cases = {
        "a\nb\n\nc": "<p>a<br>b</p>\n<p>c</p>",
        "1. x\n2. y": "<ol><li>x</li><li>y</li></ol>",
        "```\n<b> **x**\n```": "<pre><code>&lt;b&gt; **x**</code></pre>",
        "*x* and 2 * 3 * 4": "<p><em>x</em> and 2 * 3 * 4</p>",
        "`**x**`": "<p><code>**x**</code></p>",
        "[x](https://a.example/?a=1&b=2)": '<p><a href="https://a.example/?a=1&amp;b=2" '
        'rel="noopener noreferrer nofollow">x</a></p>',
        "[x](javascript:alert(1))": "<p>[x](javascript:alert(1))</p>",
        "[x](javascript:1)": "<p>x (javascript:1)</p>",
        "[x](//evil.example)": "<p>x (//evil.example)</p>",
        '[x](/a"onclick="b)': '<p><a href="/a&quot;onclick=&quot;b" '
        'rel="noopener noreferrer nofollow">x</a></p>',
    }
    for text, html in cases.items():
        assert markdown.render(text) == html


@pytest.mark.parametrize(
    "text", ["# a" + " " * 99_000 + "a", "# a" + " #" * 49_000 + "a", "#" + " " * 99_000]
)
def test_notes_of_spaces_take_no_time(text: str) -> None:
    started = time.process_time()
    markdown.render(text)
    assert time.process_time() - started < 1


def test_headings_may_be_closed() -> None:
    assert markdown.render("# a # b ##") == "<h3>a # b</h3>"
    assert markdown.render("#### #") == "<h6>#</h6>"


def test_bars_make_a_table() -> None:
    text = "see\n| name | n \\| m | |\n|:--|--:|:-:|\n| **a** <b> | `x` | c | d |\n| short\n\nend"
    assert markdown.render(text) == (
        '<p>see</p>\n<div class="notes-table"><table><thead><tr><th>name</th>'
        '<th class="text-end">n | m</th><th class="text-center"></th></tr></thead><tbody>'
        '<tr><td><strong>a</strong> &lt;b&gt;</td><td class="text-end"><code>x</code></td>'
        '<td class="text-center">c</td></tr><tr><td>short</td></tr></tbody></table></div>'
        "\n<p>end</p>"
    )


@pytest.mark.parametrize(
    "text", ["a | b\nc | d", "a | b\n---", "a\n---", "| a |\n| b- |", "a|b\n-|"]
)
def test_bars_alone_make_no_table(text: str) -> None:
    assert "<table" not in markdown.render(text)


def test_no_table_grows_beyond_its_text() -> None:
    wide = "|" * 100_000 + "\n" + "|-" * 100_000 + "\n" + "a\n" * 10_000
    long = "|a" * 150 + "\n" + "|-" * 150 + "\n" + "a\n" * 20_000
    started = time.process_time()
    assert "<table" not in markdown.render(wide)
    assert len(markdown.render(long)) < 30 * len(long)
    assert time.process_time() - started < 2


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(alphabet="ab<>&\"'`*[]()#-\n /:1.|\x00", max_size=80))
def test_no_text_becomes_an_element_of_its_own(text: str) -> None:
    import html.parser

    class Elements(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            names = {
                "p",
                "br",
                "ul",
                "ol",
                "li",
                "code",
                "pre",
                "strong",
                "em",
                "a",
                "h3",
                "h4",
                "h5",
                "h6",
            } | {"div", "table", "thead", "tbody", "tr", "th", "td"}
            assert tag in names
            assert {name for name, _value in attrs} <= {"href", "rel", "class"}

    Elements().feed(markdown.render(text))


# --- the archive ---------------------------------------------------------------------------------


def test_a_version_is_downloaded_as_one_archive(registered: str, admin_client: Client) -> None:
    url = reverse("registry:version-download", args=[registered, "1"])
    answer = admin_client.get(url)
    assert answer["Content-Disposition"] == 'attachment; filename="diabetes-1.zip"'
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        files = selectors.version_get(registered, "1").files
        assert {item.filename: item.file_size for item in archive.infolist()} == {
            item.path: item.size for item in files
        }
    page = admin_client.get(reverse("registry:version", args=[registered, "1"])).content.decode()
    assert f'href="{url}"' in page
    assert admin_client.get(url.replace("/1/", "/9/")).status_code == 404


# --- two versions --------------------------------------------------------------------------------


def test_two_versions_are_compared(
    registered: str, store: Store, admin_user: Any, admin_client: Client
) -> None:
    for run, value in ((store.run_id, 2.0), (store.two_models_run_id, 3.0)):
        store.client.log_metric(run, "rmse", value)
        store.client.log_param(run, "alpha", str(value))
        store.client.log_param(run, "solver", "auto")
    infos = [selectors.version_get(registered, version) for version in ("1", "2")]
    runs = [tracking.run_get(info.run_id) for info in infos]
    groups = {group.title: group for group in compare(infos[0], infos[1], runs[0], runs[1])}
    (rmse,) = groups["Metrics"].rows
    assert (rmse.left, rmse.right, rmse.change, rmse.differs) == (2.0, 3.0, 50.0, True)
    assert [(row.name, row.differs) for row in groups["Parameters"].rows] == [
        ("alpha", True),
        ("solver", False),
    ]
    assert groups["Requirements"].differing == 0
    assert any(row.name == "input bmi" and row.left == "double" for row in groups["Signature"].rows)
    url = reverse("registry:model-compare", args=[registered])
    text = admin_client.get(url, {"left": "1", "right": "2"}).content.decode()
    assert "+50.0 %" in text
    assert admin_client.get(url).status_code == 200
    assert admin_client.get(url, {"left": "1", "right": "9"}).status_code == 404
    assert "two different" in admin_client.get(url, {"left": "1", "right": "1"}).content.decode()


def test_a_model_without_versions_has_nothing_to_compare(
    store: Store, admin_client: Client
) -> None:
    store.client.create_registered_model("empty")
    url = reverse("registry:model-compare", args=["empty"])
    assert "no versions" in admin_client.get(url).content.decode()


# --- where it came from --------------------------------------------------------------------------


def test_the_page_says_where_it_came_from(registered: str, admin_client: Client) -> None:
    text = admin_client.get(reverse("registry:version", args=[registered, "1"])).content.decode()
    for words in ("A model is code.", "It comes from the run", "a run: model", "MLflow model"):
        assert words in text, words


def test_the_models_page_leads_to_uploading(store: Store, admin_client: Client) -> None:
    url = reverse("registry:upload")
    assert f'href="{url}"' in admin_client.get(reverse("registry:models")).content.decode()
    text = admin_client.get(url, {"name": "m"}).content.decode()
    for words in ('enctype="multipart/form-data"', "webkitdirectory", 'value="m"', "ONNX"):
        assert words in text
    assert "server_path" not in text
