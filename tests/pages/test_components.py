"""Components of templates/cotton/: what they promise, and that they escape what they show."""

import re
from pathlib import Path

import lucide
import pytest
from django.conf import settings
from django.template import engines
from django.template.loader import get_template
from django.test import RequestFactory

EVIL = "<script>alert(1)</script>\"'"
COMPONENTS = sorted((Path(settings.TEMPLATES[0]["DIRS"][0]) / "cotton").glob("*.html"))


def icon_exists(name):
    try:
        lucide._render_icon(name, 16)
    except lucide.IconDoesNotExist:
        return False
    return True


def render(text, **context):
    """Render text that uses components, as a page would."""
    from django_cotton.compiler_regex import CottonCompiler

    template = engines["django"].from_string(CottonCompiler().process(text))
    return template.render(context, RequestFactory().get("/?sort=name"))


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.stem)
def test_each_component_compiles_and_begins_with_its_contract(path):
    get_template(f"cotton/{path.name}")
    assert path.read_text("utf-8").startswith("{% comment %}"), "the contract comes first"


def test_components_and_partials_work_in_the_same_template():
    html = get_template("studio/home.html#runs").render({"runs": [], "demo": None})
    assert "<c-" not in html
    assert "empty-state" in html
    assert "<html" not in html


@pytest.mark.parametrize(
    "text",
    [
        '<c-page-header title="{{ evil }}" subtitle="{{ evil }}" state="{{ evil }}" />',
        '<c-page-header :title="evil" :state="evil" :reason="evil" />',
        '<c-pill :state="evil" :reason="evil" />',
        '<c-message-bar level="error" :title="evil" :fields="fields">{{ evil }}</c-message-bar>',
        '<c-command post="/" confirm="{{ evil }}" type="{{ evil }}">{{ evil }}</c-command>',
        '<c-command :panel="evil" disabled="{{ evil }}">x</c-command>',
        '<c-copy :text="evil" label="{{ evil }}" />',
        '<c-secret :value="evil" :label="evil" />',
        '<c-property :label="evil" :copy="evil">{{ evil }}</c-property>',
        '<c-empty :title="evil" :text="evil" />',
        '<c-code id="a" :label="evil">{{ evil }}</c-code>',
        '<c-filter-pill :label="evil" :value="evil" :remove="evil" />',
        '<c-step :label="evil" :message="evil" state="failed" />',
        '<c-field name="a" :label="evil" :help="evil" :errors="errors">x</c-field>',
        '<c-search :value="evil" :placeholder="evil" />',
        '<c-lazy :url="evil" :error="evil" />',
        '<c-log :url="evil" :label="evil" />',
    ],
)
def test_what_people_typed_is_escaped(text):
    html = render(text, evil=EVIL, fields={EVIL: [EVIL]}, errors=[EVIL])
    assert "<script>alert" not in html
    assert "alert(1)" in html
    assert "\"'" not in html.replace("=\"'", "")


def test_a_figure_cannot_leave_its_attribute():
    html = render('<c-chart id="f" :figure="figure" label="l" />', figure={"data": [EVIL]})
    assert "<script>" not in html
    assert "alert(1)" in html


def test_every_icon_that_a_template_names_exists():
    folder = Path(settings.TEMPLATES[0]["DIRS"][0])
    for path in folder.rglob("*.html"):
        text = re.sub(r"{% comment %}.*?{% endcomment %}", "", path.read_text("utf-8"), flags=re.S)
        for name in re.findall(r"""(?:{% icon |\bicon=)["']([a-z0-9-]+)["']""", text):
            assert icon_exists(name), f"{path.name} names an icon that does not exist: {name}"


def test_a_pill_never_says_it_by_colour_alone():
    html = render('<c-pill state="Unhealthy" />')
    assert "Unhealthy" in html
    assert "<svg" in html
    assert "tone-warning" in html


def test_a_time_carries_the_moment_for_the_reader_s_own_zone():
    assert 'datetime="1970-01-12T13:46:40.000+00:00"' in render('<c-time :value="1000000" />')
    assert "–" in render('<c-time :value="nothing" />', nothing=None)


def test_a_disabled_command_says_why_and_does_nothing():
    html = render('<c-command href="/x/" disabled="No earlier revision">Back</c-command>')
    assert 'title="No earlier revision"' in html
    assert "/x/" not in html


def test_a_posting_command_carries_the_csrf_token_and_its_question():
    html = render(
        '<c-command post="/x/" danger confirm="Delete “iris”?" verb="Delete">D</c-command>'
    )
    assert "csrfmiddlewaretoken" in html
    assert 'data-confirm="Delete “iris”?"' in html
    assert "data-confirm-danger" in html


def test_a_pager_with_one_page_and_no_text_is_not_there():
    assert render("<c-pager />").strip() == ""
    html = render('<c-pager next="?page=2" />')
    assert 'href="?page=2"' in html
    assert 'aria-disabled="true"' in html


def test_a_sorted_column_says_so():
    html = render('<c-th sort="name">Name</c-th><c-th sort="age" num>Age</c-th>')
    assert 'aria-sort="ascending"' in html
    assert 'aria-sort="none"' in html
    assert 'href="?sort=-name"' in html


def test_the_same_variable_outside_does_not_leak_into_a_component():
    html = render('<c-section>text</c-section><c-pill state="Healthy" />', title="X1", reason="X2")
    assert "X1" not in html
    assert "X2" not in html
