"""Two who take the last room of a quota at once: one gets it, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection

from deployments import quotas
from deployments.configuring.quota_rules import Ask
from deployments.models import Operation, Service, Target
from deployments.services import service_start
from tests.factories import RevisionFactory, ServiceFactory
from tests.services.conftest import Create
from workspaces.errors import Conflict

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], object]) -> list[str]:
    """What became of each act: "accepted" or the code of its refusal."""
    start, answers = threading.Barrier(len(acts)), []

    def run(act: Callable[[], object]) -> None:
        start.wait(20)
        try:
            act()
            answers.append("accepted")
        except Conflict as problem:
            answers.append(problem.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(answers)


def limit(services: int | None = None, cpu: float | None = None) -> Target:
    target = Target.objects.get(name="fake")
    given = {"services": services, "cpu": cpu, "memory_mb": None}
    quotas.quota_set(target=target, given=given, user=None)
    return target


def test_of_many_who_deploy_into_the_last_room_one_does(create: Create) -> None:
    target = limit(services=2, cpu=2)
    create("first")
    acts = [lambda name=f"rival-{number}": create(name) for number in range(5)]
    assert at_once(*acts) == ["accepted"] + ["quota"] * 4
    (state,) = quotas.states([target])
    assert state.used == Ask(2, 2.0, 2048)
    assert (Service.objects.count(), Operation.objects.count()) == (2, 2)


def test_a_deploy_and_starts_do_not_share_the_last_room(create: Create) -> None:
    stopped = []
    for number in range(3):
        service = ServiceFactory(name=f"stopped-{number}", desired="stopped", state="Stopped")
        service.wanted = RevisionFactory(service=service)
        service.save()
        stopped.append(service)
    target = limit(cpu=1.5)
    starts = [lambda row=row: service_start(service=row, user=None) for row in stopped]
    answers = at_once(*starts, lambda: create("new"))
    assert answers == ["accepted"] + ["quota"] * 3
    (state,) = quotas.states([target])
    assert state.used.services == 1


@pytest.mark.postgres
def test_the_same_on_postgresql(postgres_url: str, tmp_path: Path, source_root: Path) -> None:
    """In a process of its own, on a database of its own: a test run has one database."""
    url = urlunsplit(urlsplit(postgres_url)._replace(path=f"/quota_{os.getpid()}"))
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
        "SLIPWAY_TEST_DATABASE_URL": url,
        "SLIPWAY_TEST_ROOT": str(tmp_path),
    }
    chosen = ["-k", "room", "-q", "-p", "no:cacheprovider", "-n", "0", "--create-db"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", str(Path(__file__)), *chosen],
        cwd=source_root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert "2 passed" in ran.stdout
