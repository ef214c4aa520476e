"""An MLflow that fails: every page says so within 5 seconds and the rest of the studio works."""

from __future__ import annotations

import re
import socket
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from sqlalchemy.exc import OperationalError

from studio.comparing.api_urls import urlpatterns as comparing_api
from studio.comparing.urls import urlpatterns as comparing
from studio.experiments.api_urls import urlpatterns as experiments_api
from studio.experiments.urls import urlpatterns as experiments
from studio.runs.urls import urlpatterns as runs
from studio.search.urls import urlpatterns as search
from tests.odd.bad_server import WAYS, BadServer
from tests.odd.calls import Call, Place, changes, names_of, reads, rows_made
from tests.tracking.made_stores import postgres_database
from tests.tracking.mlflow_store import Store, open_store, use
from tests.tracking.stock_server import free_port
from workspaces import deadline, tracking
from workspaces.errors import Unavailable
from workspaces.tracking.store import opening as tracking_stores
from workspaces.tracking.store import waiting
from workspaces.tracking.store.bugs import answer_read
from workspaces.tracking.store.database import cursor_of, reading
from workspaces.tracking.store.errors import mlflow_errors

SLOWEST_S = 5.0
AT_ONCE = 12
WAIT_S = 3
ONE_WAIT_S = 5.8  # less than two of them, with much room for a busy machine
PLACE = Place("1", ["a" * 32, "b" * 32], "rmse", "alpha", "team", "a.txt")
ALONE = {  # calls that need no MLflow: what people keep lies in the studio's own database
    *("home", "search", "search-results", "search-group", "home-runs"),
    *("api:experiment-views", "api:view", "view-change", "pin-size", "pin-move", "pin-edit"),
    *("pin-remove", "api:board-pin", "filter-complete", "filter-names"),
}
LISTS = {  # MLflow itself says by an empty answer that there is nothing
    *("experiments", "experiment-tag-keys", "runs-live", "run-children", "column-choices"),
    *("run-chart", "run-history", "run-news", "pin-chart", "compare", "runs-export"),
    *("api:experiments", "api:compare", "api:runs-archive", "api:runs-restore"),
}
OFTEN = {"500", "half", "html", "other json"}  # the other ways are for the soak
SILENT = {"experiments", "experiment", "run", "run-tab", "run-chart", "board", "leaderboard"}
ELSEWHERE = ("/services/", "/models/", "/targets/", "/environments/", "/tokens/", "/deploy/")


@pytest.fixture
def place(person: Client, bad_server: BadServer, monkeypatch: pytest.MonkeyPatch) -> Place:
    use(monkeypatch, tracking_uri=bad_server.uri)
    return _place()


def _place() -> Place:
    user = get_user_model().objects.get(username="ada")
    pin, view = rows_made(user, PLACE.experiment, PLACE.runs, PLACE.metric)
    return Place(**{**vars(PLACE), "pin": pin, "view": view})


def every(place: Place) -> list[Call]:
    return [*reads(place), *changes(place)]


def test_the_calls_are_all_there_are() -> None:
    """A new page must be added to `calls`, or it is not tried with a failing MLflow."""
    known = names_of(iter(every(PLACE)))
    pages = {one.name for one in (*experiments, *runs, *comparing, *search)}
    api = {f"api:{one.name}" for one in (*experiments_api, *comparing_api)}
    assert pages | api <= known


def says_so(call: Call, answer: Any, seconds: float, *, empty_is_fine: bool = False) -> str:
    """What is wrong with the answer; empty when nothing is."""
    text = answer.body.decode("utf-8", "replace")
    if seconds > SLOWEST_S:
        return f"took {seconds:.1f} s"
    if answer.status_code >= 500 and answer.status_code != 503:
        return f"status {answer.status_code}"
    if call.name in ALONE:
        return ""
    if empty_is_fine and call.name in LISTS and answer.status_code in {200, 286}:
        return ""
    if call.name == "api:runs-delete" and answer.status_code == 409:
        return ""  # a remote server has no call for it, whether it answers or not
    if answer.status_code == 503 and (call.is_api or "HX-Request" in call.headers):
        body = answer.json()
        return "" if body["code"] and body["message"] else "no sentence"
    if answer.status_code == 503:
        return (
            ""
            if "Try again" in text or answer.get("Content-Type") == "application/json"
            else "page"
        )
    if call.method == "post" and answer.status_code in {302, 422}:
        return ""  # the sentence is shown by the next page, or above the form
    shown = re.sub(r"<[^>]+>|\s+", " ", text)[-300:]
    return f"status {answer.status_code}: {shown}"


def problems_at_once(person: Client, calls: list[Call], slowest: float) -> list[str]:
    """As `problems`, for failures that are waited for: many calls at a time."""

    def one(call: Call) -> str:
        browser = Client(raise_request_exception=False)
        browser.cookies = person.cookies
        try:
            answer, seconds = call.send(browser)
        finally:
            connection.close()
        if seconds > slowest:
            return f"{call}: took {seconds:.1f} s"
        problem = says_so(call, answer, 0)
        return f"{call}: {problem}" if problem else ""

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return [problem for problem in pool.map(one, calls) if problem]


def problems(person: Client, calls: list[Call], *, empty_is_fine: bool = False) -> list[str]:
    found = []
    for call in calls:
        answer, seconds = call.send(person)
        if problem := says_so(call, answer, seconds, empty_is_fine=empty_is_fine):
            found.append(f"{call}: {problem}")
    return found


def rest_works(person: Client) -> None:
    for path in ELSEWHERE:
        answer, seconds = Call("elsewhere", path).send(person)
        assert answer.status_code < 500 or answer.status_code == 503, path
        assert seconds < SLOWEST_S, path
        if answer.status_code == 503:
            assert b"Try again" in answer.body, path
    assert person.get("/services/").status_code == 200
    assert person.get("/targets/").status_code == 200


@pytest.mark.parametrize(
    "way",
    [way if way in OFTEN else pytest.param(way, marks=pytest.mark.soak) for way in WAYS[1:]],
)
def test_a_server_that_answers_nonsense_is_said_so(
    person: Client, place: Place, bad_server: BadServer, way: str
) -> None:
    bad_server.way = way
    found = problems(person, every(place), empty_is_fine=way in {"empty", "other json"})
    assert found == []
    rest_works(person)


def test_a_server_that_is_down_is_said_so(person: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, tracking_uri=f"http://127.0.0.1:{free_port()}")
    assert problems(person, every(_place())) == []
    rest_works(person)


@pytest.mark.soak
@pytest.mark.django_db(transaction=True)
def test_a_server_that_answers_after_half_a_minute_is_waited_for_once(
    place: Place, person: Client, bad_server: BadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad_server.way = "slow"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", str(WAIT_S))
    assert problems_at_once(person, every(place), ONE_WAIT_S) == []
    assert person.get("/services/").status_code == 200


def test_the_studio_waits_four_seconds_for_a_server(
    place: Place, person: Client, bad_server: BadServer
) -> None:
    bad_server.way = "slow"
    answer, seconds = Call("run", f"/runs/{place.runs[0]}/").send(person)
    assert answer.status_code == 503
    assert b"did not answer" in answer.body
    assert b"Try again" in answer.body
    assert 3 < seconds < SLOWEST_S


@pytest.fixture
def local(
    person: Client, mlflow_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Store, Place]:
    """A store that was read already when it breaks."""
    monkeypatch.setattr(tracking_stores, "LOCK_WAIT_S", WAIT_S)
    store = open_store(mlflow_template, tmp_path, monkeypatch)
    return store, logged(store)


def logged(store: Store) -> Place:
    """Two runs with what PLACE names; every page has been seen once."""
    experiment = store.experiment("odd", team="x")
    values = {"metrics": {"rmse": 1.0}, "params": {"alpha": "1"}, "tags": {"team": "x"}}
    runs = [store.run(experiment, f"odd {n}", **values) for n in range(2)]
    user = get_user_model().objects.get(username="ada")
    pin, view = rows_made(user, experiment, runs, "rmse")
    tracking.run_get(runs[0])
    return Place(experiment, runs, "rmse", "alpha", "team", "a.txt", pin, view)


def cannot_be_read(person: Client, place: Place, slowest: float = SLOWEST_S) -> None:
    """Every call says so, quickly; what comes after waits gets several at a time."""
    assert problems_at_once(person, every(place), slowest) == []
    rest_works(person)


@pytest.mark.soak
@pytest.mark.django_db(transaction=True)
def test_a_file_that_is_locked_for_long_is_said_so(
    person: Client, local: tuple[Store, Place]
) -> None:
    store, place = local
    with closing(sqlite3.connect(file_of(store), isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        answer, _seconds = Call("run", f"/runs/{place.runs[0]}/").send(person)
        assert b"locked" in answer.body
        assert problems_at_once(person, every(place), ONE_WAIT_S) == []
        assert person.get("/services/").status_code == 200
    assert person.get(f"/runs/{place.runs[0]}/").status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["overwritten", "replaced"])
def test_a_file_that_is_rubbish_is_said_so(
    person: Client, local: tuple[Store, Place], how: str
) -> None:
    store, place = local
    file = file_of(store)
    if how == "replaced":
        file.rename(file.with_suffix(".old"))
    file.write_bytes(b"rubbish " * 20_000)
    cannot_be_read(person, place)
    if how == "replaced":
        file.with_suffix(".old").rename(file)
        assert person.get(f"/runs/{place.runs[0]}/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_file_that_is_gone_is_said_so_and_not_made_anew(
    person: Client, local: tuple[Store, Place]
) -> None:
    store, place = local
    file = file_of(store)
    file.rename(file.with_suffix(".old"))
    cannot_be_read(person, place)
    assert not file.exists()
    file.with_suffix(".old").rename(file)
    assert person.get(f"/runs/{place.runs[0]}/").status_code == 200


def file_of(store: Store) -> Path:
    return Path(store.uri.removeprefix("sqlite:///"))


def through(relay: Relay, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store behind a relay, which the studio reads."""
    from mlflow import MlflowClient

    uri = relay.url.replace("postgres://", "postgresql+psycopg://")
    use(monkeypatch, tracking_uri=relay.url, artifact_root=str(folder))
    return Store(uri, folder, MlflowClient(uri, uri))


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_database_server_that_is_away_is_said_so(
    person: Client, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres_database(postgres_url, "slipway_away") as url, Relay(url) as relay:
        store = through(relay, tmp_path, monkeypatch)
        place = logged(store)
        assert person.get(f"/runs/{place.runs[0]}/").status_code == 200
        relay.cut()
        cannot_be_read(person, place)
        store.client._tracking_client.store.engine.dispose()
    with pytest.raises(Unavailable):
        tracking.run_get(place.runs[0])


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_database_server_that_falls_silent_is_said_so(
    person: Client, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections stand, and are answered by nothing: neither old ones nor new ones."""
    with postgres_database(postgres_url, "slipway_silent") as url, Relay(url) as relay:
        store = through(relay, tmp_path, monkeypatch)
        place = logged(store)
        page = f"/runs/{place.runs[0]}/"
        assert person.get(page).status_code == 200
        relay.silent.set()
        pages = [one for one in reads(place) if not one.is_api and one.name in SILENT]
        assert problems_at_once(person, pages, ONE_WAIT_S) == []
        with deadline.page(), pytest.raises(Unavailable, match="did not answer"):
            tracking.run_get(place.runs[0])
        relay.silent.clear()
        assert person.get(page).status_code == 200
        store.client._tracking_client.store.engine.dispose()


@pytest.mark.postgres
@pytest.mark.parametrize("limited", [True, False])
def test_only_a_page_gives_up_a_long_query(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, limited: bool
) -> None:
    import sqlalchemy

    monkeypatch.setattr(waiting, "SILENCE_S", 0.3)
    uri = postgres_url.replace("postgres://", "postgresql+psycopg://")
    engine = sqlalchemy.create_engine(uri, pool_pre_ping=True)
    waiting.database_bound(engine)
    query = sqlalchemy.text("SELECT pg_sleep(0.8)")
    try:
        with engine.connect() as session:
            session.execute(sqlalchemy.text("SELECT 1"))
        given_up = pytest.raises(OperationalError) if limited else nullcontext()
        with deadline.page() if limited else nullcontext(), given_up, engine.connect() as session:
            session.execute(query)
        with deadline.page(), engine.connect() as session:
            assert session.execute(sqlalchemy.text("SELECT 1")).scalar() == 1
    finally:
        engine.dispose()


class Relay:
    """Stands between the studio and PostgreSQL until it is cut; passes nothing while `silent`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.there = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.open: list[socket.socket] = []
        self.silent = threading.Event()
        account = parts.netloc.rpartition("@")[0]
        port = self.listener.getsockname()[1]
        self.url = urlunsplit(parts._replace(netloc=f"{account}@127.0.0.1:{port}"))

    def __enter__(self) -> Relay:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _address = self.listener.accept()
                far = socket.create_connection(self.there)
            except OSError:
                return
            self.open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if not self.silent.is_set():
                    sink.sendall(data)
        except OSError:
            pass  # cut
        for end in (source, sink):
            end.close()

    def cut(self) -> None:
        for end in (self.listener, *self.open):  # shutdown wakes a waiting accept, close does not
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.mark.parametrize("mistake", [TypeError, KeyError, AttributeError])
def test_our_own_bugs_are_not_called_mlflows(
    mlflow_template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mistake: type[Exception],
) -> None:
    store = open_store(mlflow_template, tmp_path, monkeypatch)
    with pytest.raises(mistake), reading(field="filter"):
        raise mistake("ours")
    use(monkeypatch, tracking_uri="http://127.0.0.1:9")
    with pytest.raises(mistake), mlflow_errors():
        raise mistake("ours")
    with pytest.raises(TypeError), mlflow_errors():
        store.client.get_run()


def test_what_the_database_or_a_server_does_is_not_called_a_bug(
    mlflow_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy import text

    open_store(mlflow_template, tmp_path, monkeypatch)
    with pytest.raises(Unavailable), reading() as session:
        session.execute(text("SELECT * FROM no_such_table"))
    with (
        pytest.raises(Unavailable),
        reading() as session,
        cursor_of(session, "SELECT * FROM nowhere", []),
    ):
        pass
    with pytest.raises(Unavailable), mlflow_errors(), answer_read():
        {}["run_id"]


def test_a_form_that_could_not_be_sent_leads_back_to_its_page(
    person: Client, place: Place, bad_server: BadServer
) -> None:
    bad_server.way = "500"
    page = f"/experiments/{place.experiment}/?sort=-duration"
    for referer, again in ((f"http://testserver{page}", page), ("http://evil.example/x", "/")):
        answer = person.post(
            f"/experiments/{place.experiment}/archive/", headers={"Referer": referer}
        )
        assert answer.status_code == 503
        assert f'class="btn btn-primary" href="{again}"' in answer.content.decode()
