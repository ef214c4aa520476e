"""The reference and the product name the same things: every setting, command, route and kind."""

from __future__ import annotations

import pkgutil
import re
import runpy
from pathlib import Path

import pytest
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator

from deployments.choices import ServiceState
from deployments.configuring.configuration import WHOLE, DeploymentConfiguration

DOCS = Path(__file__).resolve().parent.parent / "docs"
APPS = ("workspaces", "registry", "deployments", "studio")


def headings(page: str) -> set[str]:
    text = (DOCS / "reference" / page).read_text(encoding="utf-8")
    return set(re.findall(r"^#{2,4} (.+)$", text, flags=re.MULTILINE))


def settings_read() -> set[str]:
    """Names of the variables that config/env.py reads."""
    source = (settings.SOURCE_ROOT / "config" / "env.py").read_text(encoding="utf-8")
    return set(re.findall(r'"(SLIPWAY_[A-Z_]+|DATABASE_URL|REDIS_URL)"', source))


def own_commands() -> set[str]:
    folders = [settings.SOURCE_ROOT / app / "management" / "commands" for app in APPS]
    return {module.name for module in pkgutil.iter_modules([str(folder) for folder in folders])}


def api_routes() -> set[str]:
    """Method and path of every call of the OpenAPI document."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    methods = {"get", "post", "put", "patch", "delete"}
    return {
        f"{method.upper()} {path}"
        for path, calls in paths.items()
        for method in calls
        if method in methods
    }


def test_every_setting_has_a_heading_and_every_heading_is_a_setting() -> None:
    assert headings("settings.md") == settings_read()


def test_every_command_has_a_heading_and_every_heading_is_a_command() -> None:
    assert headings("commands.md") == own_commands()


def test_every_api_call_has_a_heading_and_every_heading_is_a_call() -> None:
    assert headings("api.md") == api_routes()


def test_the_list_of_calls_is_what_make_docs_writes() -> None:
    script = runpy.run_path(str(settings.SOURCE_ROOT / "scripts" / "api_reference.py"))
    written = script["PAGE"].read_text(encoding="utf-8").partition(script["MARK"])[2]
    assert written.strip() == script["calls"]().strip()


def test_every_field_of_the_configuration_has_a_heading_with_its_range() -> None:
    named = {name.partition(".")[0] for name in DeploymentConfiguration().as_json()}
    assert headings("deployment-configuration.md") == {*named, "computeType", "port"}
    text = (DOCS / "reference" / "deployment-configuration.md").read_text(encoding="utf-8")
    for key, (name, low, high) in WHOLE.items():
        said = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
        usual = getattr(DeploymentConfiguration(), key)
        for number in {low, high, usual}:
            assert re.search(rf"\b({number}|{number:,})\b", said), (name, number)


def test_every_state_and_kind_of_target_has_a_heading() -> None:
    kinds = set(settings.SLIPWAY_DRIVERS) - {"fake"}
    assert {*ServiceState.values, *kinds} <= headings("states.md")


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
