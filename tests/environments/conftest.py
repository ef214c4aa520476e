"""uv itself on a small package index of the test's own, as the user that builds in the studio."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.conf import settings

from config.paths import DataFolder
from deployments.building import environments, pythons
from deployments.building.environments import Builder
from deployments.control import background, steps, wake
from deployments.models import Operation, Target
from tests.environments.index import Index, sdist, wheel
from tests.factories import TargetFactory
from tests.local_engine import USER, open_folder


@pytest.fixture(scope="session")
def packages() -> list[tuple[str, bytes]]:
    return [
        wheel("alpha", "1.0"),
        wheel("alpha", "2.0", ("beta>=1",)),
        wheel("beta", "1.0"),
        wheel("delta", "1.0", ("beta>=5",)),
        sdist("gamma", "1.0"),
    ]


@pytest.fixture
def index(packages: list[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The index that uv asks in this test."""
    made = Index(*packages)
    monkeypatch.setenv("UV_DEFAULT_INDEX", made.url)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    for name in ("UV_INDEX_URL", "UV_CACHE_DIR", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    yield made
    made.close()


@dataclass
class Site:
    """A place where environments are built, with what was logged there."""

    folder: Path
    lines: list[str] = field(default_factory=list)

    def builder(
        self,
        log: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Builder:
        made = Builder(
            root=self.folder / "environments",
            tmp=self.folder / "tmp",
            user=USER,
            log=log or self.lines.append,
            cancelled=cancelled,
        )
        environments.folders_ready(made)
        return made

    def commands(self, word: str) -> int:
        """How often uv was called with this command."""
        return sum(line.startswith(f"$ uv {word}") for line in self.lines)

    def complete(self) -> list[Path]:
        """Folders that look like an environment that can be used."""
        return [path.parent for path in (self.folder / "environments").glob("*/.slipway-complete")]


@pytest.fixture
def site(index: Index) -> Iterator[Site]:
    made = Site(open_folder("site"))
    yield made
    shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def python() -> pythons.Python:
    """An interpreter that the service user can start."""
    found = pythons.available(USER)
    return found.get(pythons.own_minor()) or next(iter(found.values()))


@pytest.fixture
def data(site: Site, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    """The studio's data folder is that of the site: operations build there."""
    made = DataFolder(site.folder)
    for folder in (made.run, made.operations, made.tmp):
        folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(settings, "DATA", made)
    monkeypatch.setattr(
        settings, "SLIPWAY", dataclasses.replace(settings.SLIPWAY, data=made, min_free_bytes=0)
    )
    monkeypatch.setattr(wake, "_send", lambda publish: None)
    return made


@pytest.fixture
def local(data: DataFolder, db: None) -> Target:
    return TargetFactory(name="local", node=data.node_id)


def operation_run(operation: Operation) -> Operation:
    """Let a worker run it to its end."""
    background.advance_all()
    steps.run_steps(str(operation.pk))
    background.advance_all()
    operation.refresh_from_db()
    return operation
