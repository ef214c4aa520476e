"""Requirements become a lock, once; what cannot be resolved is said in plain words."""

from __future__ import annotations

import pytest

from deployments.building.environments import EnvironmentFailed, resolve
from deployments.building.pythons import Python
from tests.environments.conftest import Site
from tests.environments.index import Index


def test_requirements_become_a_lock_with_everything_they_need(site: Site, python: Python) -> None:
    assert resolve(site.builder(), ["alpha"], python.minor) == "alpha==2.0\nbeta==1.0\n"


def test_equal_requirements_are_resolved_once(site: Site, python: Python, index: Index) -> None:
    first = resolve(site.builder(), ["alpha"], python.minor)
    index.close()
    assert resolve(site.builder(), ["alpha"], python.minor) == first
    assert site.commands("pip compile") == 1


@pytest.mark.parametrize(
    ("requirement", "sentence"),
    [
        ("no-such-package", "There is no package named no-such-package."),
        ("alpha==9", "There is no version of alpha==9."),
        (
            "gamma",
            "gamma==1.0 has no wheel for this Python and platform; only wheels are installed.",
        ),
        ("-r /etc/hostname", "The requirement -r /etc/hostname names a file"),
        ("alpha @ http://127.0.0.1:9/a.whl", "names a file, an address or an option"),
        ("https://127.0.0.1:9/a.whl", "names a file, an address or an option"),
        ("git+https://127.0.0.1:9/a", "names a file, an address or an option"),
        ("--index-url http://127.0.0.1:9", "names a file, an address or an option"),
        ("-e .", "The requirement -e . names a file"),
        ("alpha @ file:///etc/hostname", "names a file"),
        ("alpha>=1,<1", "you require alpha<1 and alpha>=1, which are incompatible"),
        ("delta", "only beta==1.0 is available"),
        ("what is this", "what is this"),
    ],
)
def test_what_cannot_be_resolved_is_said_with_its_name(
    site: Site, python: Python, requirement: str, sentence: str
) -> None:
    with pytest.raises(EnvironmentFailed) as caught:
        resolve(site.builder(), ["beta", requirement], python.minor)
    assert sentence in str(caught.value)
    assert str(site.folder) not in str(caught.value)
    assert not list((site.folder / "environments" / "locks").glob("*.txt"))
    assert not list((site.folder / "tmp").iterdir())


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("UV_OFFLINE", "1"),
        ("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple"),
        ("UV_DEFAULT_INDEX", "http://no-such-host.invalid/simple"),
    ],
)
def test_without_a_network_it_says_so(
    site: Site, python: Python, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(EnvironmentFailed, match="package index does not answer"):
        resolve(site.builder(), ["alpha"], python.minor)
    monkeypatch.undo()


def test_a_failed_resolve_is_tried_anew(
    site: Site, python: Python, index: Index, packages: list[tuple[str, bytes]]
) -> None:
    index.files.clear()
    with pytest.raises(EnvironmentFailed):
        resolve(site.builder(), ["alpha==1.0"], python.minor)
    index.files.update(packages)
    assert resolve(site.builder(), ["alpha==1.0"], python.minor) == "alpha==1.0\n"


def test_a_project_that_holds_the_data_folder_has_no_say(site: Site, python: Python) -> None:
    """As in a clone of the project: uv would take its .venv, which the service user cannot use."""
    (site.folder / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\n'
        '[tool.uv.pip]\nindex-url = "http://127.0.0.1:9/simple"\n'
    )
    bin_folder = site.folder / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    (bin_folder.parent / "pyvenv.cfg").write_text("home = /usr/bin\n")
    closed = site.folder / "closed"
    closed.mkdir(mode=0o700)
    (closed / "python").symlink_to(python.path)
    (bin_folder / "python").symlink_to(closed / "python")
    assert resolve(site.builder(), ["alpha"], python.minor) == "alpha==2.0\nbeta==1.0\n"
