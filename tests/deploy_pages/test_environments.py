"""Environments in the browser: list, page, form, builds."""

from __future__ import annotations

import sysconfig

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from config.paths import DataFolder
from deployments.building.environments import DONE_FILE
from deployments.models import Operation, Revision, Target
from registry.environments.curated import CURATED
from registry.environments.services import environment_archive, environment_create
from registry.environments.versions import environment_get
from registry.models import EnvironmentLock
from tests.deploy_pages.html import Page
from tests.factories import TargetFactory

LIST = reverse("deployments:environments")
NEW = reverse("deployments:environment-new")
BUILDS = reverse("deployments:environment-builds")


@pytest.fixture(autouse=True)
def local(db, tmp_path, monkeypatch) -> Target:
    """The local target alone, on a data folder of this test."""
    monkeypatch.setattr(settings, "DATA", DataFolder(tmp_path / "data"))
    return TargetFactory(name="local")


def of(view: str, version: str = "1", *more: str) -> str:
    return reverse(f"deployments:environment-{view}", args=["tools", version, *more])


def make(name: str = "tools", **values):
    return environment_create(name=name, user=None, **values)


def lock(row, digest: str = "a" * 64):
    return EnvironmentLock.objects.create(
        version=row,
        python=row.python,
        platform=sysconfig.get_platform(),
        text="numpy==2.4.1\npandas==3.1.0\n",
        sha256=digest,
        sizes={"numpy": 2**20, "pandas": 2**20},
    )


def typed(**values: str) -> dict[str, str]:
    empty = dict.fromkeys(
        ("description", "python", "packages", "file_text", "model", "variables", "base_image",
         "docker_steps"), ""
    )  # fmt: skip
    return {**empty, "name": "tools", "file_kind": "requirements.txt", **values}


def test_curated_ones_are_there_from_the_first_look_and_the_rail_leads_here(ada) -> None:
    page = Page(ada.get(LIST))
    for item in CURATED:
        assert item.name in page.one("main").text
    assert page.all("a", class_="rail-link", href=LIST, aria_current="page")


def test_the_list_can_be_searched_and_filtered(ada) -> None:
    make("mine")
    make("gone")
    environment_archive(name="gone", version="1", user=None)

    def names(**query: str) -> set[str]:
        page = Page(ada.get(LIST, query))
        return {item.text for item in page.all("a") if item.within(class_="details-list")}

    assert "mine" in names()
    assert "gone" not in names()
    assert names(q="MIN", kind="custom") == {"mine"}
    assert names(kind="archived") == {"gone"}
    assert names(q="nothing-has-this") == set()


def test_pages_of_a_long_list_follow_each_other(ada) -> None:
    for number in range(52):
        make(f"n-{number:03d}")
    page = Page(ada.get(LIST, {"kind": "custom"}))
    following = page.one("a", rel="next")["href"]
    assert "n-051" in Page(ada.get(LIST + following)).one("main").text


def test_the_page_shows_the_lock_with_sizes(ada) -> None:
    lock(make(packages=["numpy", "pandas"], variables={"OMP_NUM_THREADS": "1"}))
    text = Page(ada.get(of("version"))).one("main").text
    for shown in ("numpy", "2.4.1", "1.0 MB", "2.0 MB", "OMP_NUM_THREADS=1", "tools:1"):
        assert shown in text


def test_without_a_lock_there_is_a_button_that_resolves_it(ada) -> None:
    make()
    page = Page(ada.get(of("version")))
    form = page.one("form", action=of("resolve"))
    assert ada.post(form["action"])["location"] == of("version")
    operation = Operation.objects.get()
    assert (operation.subject, operation.asked) == ("tools:1", {"environment": "tools:1"})
    polled = Page(ada.get(of("version"))).one("div", id="environment-state")
    assert "2s" in polled["hx-trigger"]
    again = ada.get(of("version"), {"part": "state"})
    assert again.status_code == 200


def test_build_now_leads_to_the_operation(ada) -> None:
    make()
    answer = ada.post(of("build", "1", "local"))
    operation = Operation.objects.get()
    assert answer["location"] == reverse("deployments:operation", args=[operation.pk])
    assert operation.asked == {"environment": "tools:1", "target": "local"}
    page = Page(ada.get(answer["location"]))
    assert "tools:1 on local" in page.one("h1").text
    back = page.all("a", href=reverse("deployments:environment", args=["tools:1"]))[0]
    assert "Version 1" in Page(ada.get(back["href"])).one("main").text


def test_versions_are_listed_and_the_latest_is_the_page_of_the_name(ada) -> None:
    make()
    make(python="3.12")
    page = Page(ada.get(reverse("deployments:environment", args=["tools"])))
    assert "Version 2" in page.one("main").text
    assert page.all("a", href=of("version", "1"))


def test_services_that_name_a_version_are_shown(ada, service) -> None:
    make()
    Revision.objects.update(inference={"environment": "tools:1"})
    assert "diabetes-v1" in Page(ada.get(of("version"))).one("main").text


def test_archive_and_restore(ada) -> None:
    make()
    assert ada.post(of("archive"))["location"] == of("version")
    page = Page(ada.get(of("version")))
    assert page.all("form", action=of("restore"))
    assert not page.all("form", action=of("build", "1", "local"))
    ada.post(of("restore"))
    assert environment_get("tools").version == "1"


def test_the_form_makes_an_environment_from_what_was_typed(ada) -> None:
    answer = ada.post(
        NEW,
        typed(
            packages="numpy>=2  # fast\n\npandas",
            variables="A=1\nB=x=y",
            python="3.12",
            base_image="python:3.12-slim",
            docker_steps="RUN apt-get update \\\n  && apt-get install -y libgomp1",
        ),
    )
    assert answer["location"] == of("version")
    found = environment_get("tools")
    assert found.packages == ("numpy>=2", "pandas")
    assert dict(found.variables) == {"A": "1", "B": "x=y"}
    assert (found.python, found.base_image) == ("3.12", "python:3.12-slim")
    assert len(found.docker_steps) == 1
    assert Operation.objects.get().subject == "tools:1"


@pytest.mark.parametrize("pasted", [True, False])
def test_a_file_is_taken_pasted_or_uploaded(ada, pasted: bool) -> None:
    text = "dependencies:\n - python=3.10\n - pytorch=2.1\n"
    if pasted:
        ada.post(NEW, typed(file_text=text, file_kind="conda.yaml"))
    else:
        upload = SimpleUploadedFile("conda.yaml", text.encode())
        ada.post(NEW, {**typed(), "file": upload})
    found = environment_get("tools")
    assert (found.python, found.packages) == ("3.10", ("torch==2.1.*",))
    assert "conda.yaml" in Page(ada.get(of("version"))).one("main").text


def test_a_models_own_requirements_are_one_click_from_its_page(ada, model) -> None:
    version = reverse("registry:version-files", args=[model, "1"])
    link = Page(ada.get(version)).all("a", href=f"{NEW}?model=diabetes&version=1")[0]
    page = Page(ada.get(link["href"]))
    assert page.one("input", name="model")["value"] == "models:/diabetes/1"
    name = page.one("input", name="name")["value"]
    ada.post(NEW, typed(name=name, model="models:/diabetes/1"))
    found = environment_get(name)
    assert (found.python, found.packages) == ("3.11", ("mlflow", "scikit-learn==1.6.1"))


def test_everything_wrong_is_said_at_its_field(ada) -> None:
    answer = ada.post(
        NEW,
        typed(
            name="AzureML-x",
            python="two",
            packages="-r x",
            docker_steps="COPY . .",
            base_image="no image",
            file_text="-e .",
        ),
    )
    assert answer.status_code == 422
    errors = [item.text for item in Page(answer).all("div", class_="error")]
    assert len(errors) == 6
    assert ada.post(NEW, typed(variables="no equals")).status_code == 422
    assert ada.post(NEW, typed(name="")).status_code == 422
    assert Operation.objects.count() == 0


def test_the_next_version_starts_from_the_last(ada) -> None:
    make(packages=["numpy"], variables={"A": "1"})
    page = Page(ada.get(NEW, {"from": "tools:1"}))
    assert page.one("input", name="name")["value"] == "tools"
    assert page.one("textarea", name="packages").text == "numpy"


def test_builds_are_listed_and_removed(ada, local) -> None:
    digest = "a" * 64
    folder = settings.DATA.environments / digest
    folder.mkdir(parents=True)
    (folder / DONE_FILE).write_text("2097152")
    lock(make(), digest)
    assert "part=list" in Page(ada.get(BUILDS)).one("div", data_lazy="")["hx-get"]
    page = Page(ada.get(BUILDS, {"part": "list"}))
    row = page.all("tr")[1].text
    for text in ("a" * 12, "local", "2.0 MB", "tools:1"):
        assert text in row
    assert "2.0 MB" in Page(ada.get(BUILDS, {"part": "list", "hash": digest})).all("tr")[1].text
    remove = reverse("deployments:environment-build-remove", args=[digest, "local"])
    assert ada.post(page.one("form", action=remove)["action"])["location"] == BUILDS
    assert not folder.exists()
    assert "Nothing is built" in ada.get(BUILDS, {"part": "list"}).content.decode()
    assert ada.post(reverse("deployments:environment-builds-remove-unused"))["location"] == BUILDS


def test_strangers_wrong_names_and_wrong_methods(ada, client) -> None:
    assert client.get(LIST).status_code == 302
    for name in ("x", "tools:9", ":", "a:b:c"):
        assert ada.get(reverse("deployments:environment", args=[name])).status_code == 404
    for url in (of("version"), reverse("deployments:environment", args=["x"])):
        assert ada.get(url).status_code == 404
    assert ada.post(of("build", "1", "local")).status_code == 404
    make()
    assert ada.get(of("build", "1", "local")).status_code == 405
    assert ada.get(of("version", "9")).status_code == 404
    assert ada.get(LIST, {"page_token": "%%"}).status_code == 400
    assert ada.get(LIST, {"q": "\x00", "kind": "odd"}).status_code == 200
    assert ada.get(NEW, {"from": "nobody:1"}).status_code == 404
    assert ada.get(BUILDS, {"part": "list", "hash": "\x00"}).status_code == 200


def test_the_number_of_queries_does_not_grow(ada, django_assert_max_num_queries) -> None:
    make("a-0")
    ada.get(LIST)
    with django_assert_max_num_queries(8) as few:
        ada.get(LIST, {"kind": "custom"})
    for number in range(1, 40):
        make(f"a-{number}")
        make(f"a-{number}")
    with django_assert_max_num_queries(8) as many:
        ada.get(LIST, {"kind": "custom"})
    assert len(few) == len(many)
