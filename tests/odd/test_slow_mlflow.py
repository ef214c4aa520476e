"""An MLflow that answers every call rightly, but late: a page's calls have one limit together."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.urls import path

from studio.middleware import DeadlineMiddleware
from tests.odd.bad_server import BadServer
from tests.odd.calls import Call, Place, reads, rows_made
from tests.odd.odd_store import OddStore, odd_store
from tests.odd.test_failing_mlflow import problems_at_once
from tests.tracking.mlflow_store import use
from tests.tracking.stock_server import stock_server
from workspaces import deadline
from workspaces.errors import Unavailable
from workspaces.tracking import runs_search
from workspaces.tracking.history.reading import metrics_latest

LATE_S = 2.0
IN_TIME = re.compile(r"status (200|286|404):")
SLOWEST_S = 5.0
FILES = {"runs-export", "run-history", "compare-table-csv", "compare-csv", "run-archive"}
FILES |= {"run-artifact-raw", "run-artifact-file"}


@pytest.fixture
def late(bad_server: BadServer, monkeypatch: pytest.MonkeyPatch) -> BadServer:
    """Every answer takes 0.9 s, and a page may wait for 1.5 s."""
    bad_server.way, bad_server.late_s = "late", 0.9
    monkeypatch.setattr(deadline, "PAGE_WAIT_S", 1.5)
    monkeypatch.setattr(bad_server, "pass_on", _empty_page_later(bad_server))
    use(monkeypatch, tracking_uri=bad_server.uri)
    runs_search(experiment_ids=["1"])  # opens the store
    bad_server.asked = 0
    return bad_server


def _empty_page_later(server: BadServer) -> Callable[[Any, bytes], None]:
    def answer(request: Any, _body: bytes) -> None:
        server.over.wait(server.late_s)
        server.send(request, 200, "application/json", b'{"runs": []}')

    return answer


def searches(count: int) -> None:
    for _n in range(count):
        runs_search(experiment_ids=["1"])


def test_calls_that_are_too_slow_together_end_with_the_page(late: BadServer) -> None:
    started = time.monotonic()
    with deadline.page(), pytest.raises(Unavailable, match="did not answer"):
        searches(5)
    assert time.monotonic() - started < 2.5
    assert late.asked == 2


@pytest.mark.parametrize("part", ["head", "body"])
def test_an_answer_in_drops_ends_with_the_page(late: BadServer, part: str) -> None:
    late.way = f"{part} by bytes"
    started = time.monotonic()
    with deadline.page(), pytest.raises(Unavailable, match="did not answer"):
        searches(1)
    assert 1.2 < time.monotonic() - started < 4


def test_a_page_that_has_waited_in_vain_asks_no_more(late: BadServer) -> None:
    with deadline.page():
        with pytest.raises(Unavailable):
            searches(5)
        started = time.monotonic()
        with pytest.raises(Unavailable):
            searches(1)
        assert time.monotonic() - started < 0.6
        assert late.asked == 2


def test_without_a_page_nothing_is_cut(late: BadServer) -> None:
    searches(3)
    with deadline.page(), deadline.lifted():
        searches(3)
    assert late.asked == 6


def test_threads_share_the_limit_of_their_page(late: BadServer) -> None:
    started = time.monotonic()
    with deadline.page(), pytest.raises(Unavailable):
        metrics_latest([f"{n:032x}" for n in range(60)], None)
    assert time.monotonic() - started < 3
    assert late.asked < 60


LIMITED = [
    ("get", "/runs/", True),
    ("head", "/models/", True),
    ("post", "/runs/", False),
    ("get", "/api/v1/experiments", False),
]


@pytest.mark.parametrize(("method", "address", "limited"), LIMITED)
def test_pages_have_a_limit_and_changes_and_the_api_have_none(
    method: str, address: str, limited: bool
) -> None:
    seen = []

    def sync(_request: HttpRequest) -> HttpResponse:
        seen.append(deadline.seconds_left() is not None)
        return HttpResponse()

    async def later(request: HttpRequest) -> HttpResponse:
        return await asyncio.to_thread(sync, request)

    request = getattr(RequestFactory(), method)(address)
    DeadlineMiddleware(sync)(request)
    asyncio.run(DeadlineMiddleware(later)(request))  # type: ignore[arg-type]
    assert seen == [limited, limited]
    assert deadline.seconds_left() is None


@login_not_required
def told(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(deadline.seconds_left() is not None))


@login_not_required
@deadline.lifted()
def sent(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(deadline.seconds_left() is not None))


urlpatterns = [path("told/", told), path("sent/", sent)]


@override_settings(ROOT_URLCONF=__name__)
def test_views_have_the_limit_under_asgi_as_well(db: None) -> None:
    """Django runs them in a thread there."""
    get = async_to_sync(AsyncClient().get)
    assert get("/told/").content == b"True"
    assert get("/sent/").content == b"False"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, OddStore]]:
    from mlflow import MlflowClient

    folder: Path = tmp_path_factory.mktemp("late")
    with stock_server(folder) as uri:
        yield uri, odd_store(MlflowClient(uri, uri), None, folder)


@pytest.mark.soak
@pytest.mark.django_db(transaction=True)
def test_every_page_says_so_within_five_seconds(
    person: Client,
    odd: tuple[str, OddStore],
    bad_server: BadServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two seconds a call: one call is in time, two are not, and what is sent as a file may wait."""
    bad_server.behind, store = odd
    bad_server.way = "late"
    use(monkeypatch, tracking_uri=bad_server.uri)
    user = get_user_model().objects.get(username="ada")
    pin, view = rows_made(user, store.place.experiment, store.place.runs, store.place.metric)
    place = Place(**{**vars(store.place), "pin": pin, "view": view})
    pages = [one for one in reads(place) if not one.is_api and one.name not in FILES]
    bad_server.late_s = 0
    Call("run", f"/runs/{place.runs[0]}/").send(person)
    bad_server.late_s = LATE_S
    found = problems_at_once(person, pages, SLOWEST_S)  # those that say so are none of them
    assert [text for text in found if not IN_TIME.search(text)] == []
    runs = "&run=".join(place.runs)
    answer, seconds = Call("compare", f"/compare/?run={runs}").send(person)
    assert answer.status_code == 503
    assert b"did not answer" in answer.body
    assert b"Try again" in answer.body
    assert seconds < SLOWEST_S
