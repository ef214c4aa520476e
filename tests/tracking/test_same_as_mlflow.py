"""Runs searched for by our own SQL: the same answers as MLflow's store gives, whatever is asked."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tracking.made_stores import asked_of_mlflow, comparable, fill, postgres_database
from tests.tracking.mlflow_store import use
from workspaces import tracking
from workspaces.errors import Invalid
from workspaces.tracking.sql import pages as tracking_sql_pages
from workspaces.tracking.sql import runs as tracking_sql
from workspaces.tracking.store.indexes import indexes_drop, indexes_make
from workspaces.tracking.store.opening import stores
from workspaces.tracking.values import EVERYTHING, Only

MANY = int(os.environ.get("SLIPWAY_TEST_EXAMPLES", "1500"))  # of a soak test
quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
long = settings(quick, max_examples=MANY)

KEYS = ("loss", "a b/c.d", "ключ", "%_", "mlflow.x", "it's")
TEXTS = (
    "",
    "a",
    "A",
    "aa",
    "b%",
    "_",
    "é",
    "<b>",
    "x" * 200,
    "it's",
    "10",
    "9",
    "y" * 63,
    "y" * 64,
)
NUMBERS = (0.0, -0.0, 1.0, 1.5, -2.0, 1e308, 5e-324, math.nan, math.inf, -math.inf)
numbers = st.one_of(st.sampled_from(NUMBERS), st.floats(width=32))
texts = st.sampled_from(TEXTS)
times = st.one_of(st.integers(0, 3), st.just(1_700_000_000_000))
runs = st.lists(
    st.fixed_dictionaries(
        {
            "experiment_id": st.sampled_from((1, 1, 1, 2)),
            "status": st.sampled_from(("RUNNING", "FINISHED", "FAILED", "KILLED")),
            "lifecycle_stage": st.sampled_from(("active", "active", "active", "deleted")),
            "start_time": times,
            "end_time": st.one_of(st.none(), times),
            "name": st.one_of(st.none(), texts),
            "metrics": st.dictionaries(st.sampled_from(KEYS), numbers, max_size=4),
            "params": st.dictionaries(st.sampled_from(KEYS), texts, max_size=3),
            "tags": st.dictionaries(
                st.sampled_from((*KEYS, "mlflow.runName", "mlflow.user", "mlflow.parentRunId")),
                st.one_of(texts, st.just("0" * 31 + "0")),
                max_size=3,
            ),
            "datasets": st.lists(
                st.tuples(st.sampled_from("ab"), st.sampled_from(("", "train"))), max_size=2
            ),
            "models": st.lists(st.sampled_from(("m-1", "m-2")), unique=True, max_size=2),
        }
    ),
    max_size=14,
)
keys = st.sampled_from(KEYS).map(lambda key: f"`{key}`")
compared = st.sampled_from(("=", "!=", ">", ">=", "<", "<="))
worded = st.sampled_from(("=", "!=", "LIKE", "ILIKE", "like"))
LONG, LONGER = f"'{'y' * 64}'", f"'{'x' * 200}'"  # what the index has of a value, and more
quoted = st.sampled_from(
    ("''", "'a'", "'A'", "'%a%'", "'_'", "'b\\%'", "'é'", '"it\'s"', "'10'", LONG, LONGER)
)
conditions = st.one_of(
    st.tuples(
        st.just("metrics."), keys, compared, st.sampled_from(("0", "1.5", "-2", "1e999"))
    ).map(lambda parts: "{}{} {} {}".format(*parts)),
    st.tuples(st.sampled_from(("params.", "tags.")), keys, worded, quoted).map(
        lambda parts: "{}{} {} {}".format(*parts)
    ),
    st.tuples(
        st.sampled_from(("params.", "tag.")), keys, st.sampled_from((" IS NULL", " is not null"))
    ).map("".join),
    st.tuples(st.sampled_from(("start_time", "end_time", "Created")), compared).map(
        lambda parts: "attributes.{} {} 2".format(*parts)
    ),
    st.tuples(st.sampled_from(("run_name", "status", "user_id", "`Run name`")), worded, quoted).map(
        lambda parts: "attributes.{} {} {}".format(*parts)
    ),
    st.sampled_from(
        (
            "attributes.status = 'RUNNING'",
            f"run_id IN ('{'0' * 31}0', '{'0' * 31}3')",
            f"attributes.run_id NOT IN ('{'0' * 31}1')",
            f"tags.`mlflow.parentRunId` = '{'0' * 32}'",
            "tags.mlflow.parentRunId IS NULL",
            "dataset.name = 'a'",
            "datasets.context = 'train'",
        )
    ),
)
filters = st.lists(conditions, max_size=3).map(" and ".join)
order_keys = st.one_of(
    st.tuples(st.sampled_from(("metrics.", "params.", "tags.")), keys).map("".join),
    st.just("metrics.`loss`"),
    st.sampled_from(("start_time", "end_time", "run_name", "status", "run_id", "Created")).map(
        lambda name: f"attributes.{name}"
    ),
)
directions = st.sampled_from(("", " ASC", " DESC", " desc"))
orders = st.lists(
    st.tuples(order_keys, directions).map("".join),
    max_size=3,
    unique_by=lambda order: order.split(" ")[0].replace("Created", "start_time"),
)
names = st.one_of(st.none(), st.lists(st.sampled_from(KEYS), max_size=3).map(tuple))
questions = st.fixed_dictionaries(
    {
        "experiments": st.sampled_from((["1"], ["1"], ["2"], ["1", "2"], ["9"], [])),
        "view": st.sampled_from(("active", "active", "deleted", "all")),
        "filter": filters,
        "order_by": orders,
        "limit": st.integers(1, 9),
        "only": st.one_of(
            st.just(EVERYTHING), st.builds(Only, metrics=names, params=names, tags=names)
        ),
    }
)


@pytest.fixture(scope="module")
def sqlite_uri(mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("made") / "mlflow.db"
    file.write_bytes(mlflow_template.read_bytes())
    return f"sqlite:///{file}"


@pytest.fixture(scope="module")
def postgres_uri(postgres_url: str) -> Iterator[str]:
    with postgres_database(postgres_url, "same_as_mlflow") as url:
        yield url


@pytest.fixture
def sqlite(sqlite_uri: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    return _opened(sqlite_uri, monkeypatch)


@pytest.fixture
def postgres(postgres_uri: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    return _opened(postgres_uri, monkeypatch)


def _opened(uri: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    use(monkeypatch, tracking_uri=uri, artifact_root="/nowhere")
    monkeypatch.setattr(tracking_sql_pages, "FEW_RUNS", 0)  # a walk pays from the first run on
    return stores()[0]


def _numbered(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [run | {"run_uuid": f"{number:032}"} for number, run in enumerate(made)]


def _every_page_is_the_same(
    store: Any, made: list[dict[str, Any]], question: dict[str, Any], indexed: bool
) -> None:
    (indexes_make if indexed else indexes_drop)(store.engine)
    fill(store.engine, _numbered(made), (1, 2))
    tracking_sql_pages._counts.clear()
    asked = [question[name] for name in ("experiments", "view", "filter", "order_by")]
    token = ""
    for _page in range(20):
        ours = tracking_sql.runs_page(*asked, token, question["limit"], question["only"])
        theirs = asked_of_mlflow(store, *asked, token, question["limit"], question["only"])
        if ours is None:
            assert "dataset" in question["filter"]
            return
        assert comparable(ours) == comparable(theirs)
        token = theirs.next_token
        if not token:
            return
    pytest.fail("more pages than runs")


@quick
@given(runs, questions, st.booleans())
def test_every_page_is_what_mlflow_answers(
    sqlite: Any, made: list[dict[str, Any]], question: dict[str, Any], indexed: bool
) -> None:
    _every_page_is_the_same(sqlite, made, question, indexed)


@pytest.mark.postgres
@quick
@given(runs, questions, st.booleans())
def test_every_page_is_what_mlflow_answers_on_postgresql(
    postgres: Any, made: list[dict[str, Any]], question: dict[str, Any], indexed: bool
) -> None:
    _every_page_is_the_same(postgres, made, question, indexed)


@pytest.mark.soak
@long
@given(runs, questions, st.booleans())
def test_many_pages_are_what_mlflow_answers(
    sqlite: Any, made: list[dict[str, Any]], question: dict[str, Any], indexed: bool
) -> None:
    _every_page_is_the_same(sqlite, made, question, indexed)


@pytest.mark.soak
@pytest.mark.postgres
@long
@given(runs, questions, st.booleans())
def test_many_pages_are_what_mlflow_answers_on_postgresql(
    postgres: Any, made: list[dict[str, Any]], question: dict[str, Any], indexed: bool
) -> None:
    _every_page_is_the_same(postgres, made, question, indexed)


def test_what_only_mlflow_can_say_is_asked_of_mlflow(sqlite: Any) -> None:
    fill(
        sqlite.engine,
        [
            {"run_uuid": "a" * 32, "experiment_id": 1, "start_time": 1, "datasets": [("x", "")]},
            {"run_uuid": "b" * 32, "experiment_id": 1, "start_time": 2},
        ],
        (1,),
    )
    found = tracking.runs_search(experiment_ids=["1"], filter="dataset.name = 'x'")
    assert [run.id for run in found.items] == ["a" * 32]
    assert [row.name for row in found.items[0].datasets] == ["x"]


def test_a_key_to_sort_by_twice_is_refused(sqlite: Any) -> None:
    with pytest.raises(Invalid) as caught:
        tracking.runs_search(experiment_ids=["1"], order_by=["metrics.a", "metrics.a DESC"])
    assert "order_by" in caught.value.fields
