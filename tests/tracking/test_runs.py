"""Experiments and runs as the gateway gives them, from a real store."""

import contextlib
import math
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tracking.mlflow_store import Store
from workspaces import tracking
from workspaces.errors import Invalid, NotFound, Problem, Unavailable
from workspaces.tracking.history.reading import history_read

ODD_NAMES = [
    "100 % sure/percent",
    'it\'s "quoted"',
    "<script>alert(1)</script>",
    "Ωμέγα 実験 🚢",
    "back\\slash & amp",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_experiment_of_any_name_is_found_by_a_part_of_it(store: Store, name: str) -> None:
    wanted = store.experiment(name)
    store.experiment("something else")
    found = tracking.experiments_search(text=name[2:].upper() if name.isascii() else name[2:])
    assert [row.id for row in found.items] == [wanted]
    assert tracking.experiment_get(wanted).name == name


def test_a_deleted_experiment_is_not_listed_but_can_be_opened(store: Store) -> None:
    gone = store.experiment("gone")
    store.client.delete_experiment(gone)
    assert gone not in [row.id for row in tracking.experiments_search().items]
    assert tracking.experiment_get(gone).deleted


@pytest.mark.parametrize("wrong", ["999999", "abc", "-1", "9" * 40, "1 or 1=1", ""])
def test_an_experiment_that_cannot_be_is_not_found(store: Store, wrong: str) -> None:
    with pytest.raises(NotFound):
        tracking.experiment_get(wrong)


@pytest.mark.parametrize("wrong", ["nope", "a" * 500, "%2e%2e", "'; drop table runs; --"])
def test_a_run_that_cannot_be_is_not_found(store: Store, wrong: str) -> None:
    with pytest.raises(NotFound):
        tracking.run_get(wrong)
    with pytest.raises(NotFound):
        history_read(wrong, "x")


def test_a_run_keeps_its_odd_values(store: Store) -> None:
    run_id = store.run(
        store.experiment("values"),
        params={"long": "x" * 5000},
        metrics={"nan": math.nan, "up": math.inf, "down": -math.inf, "plain": 1.5},
        tags={"note/it.s": "<b>"},
    )
    run = tracking.run_get(run_id)
    assert run.params["long"] == "x" * 5000
    assert math.isnan(run.metrics["nan"])
    assert (run.metrics["up"], run.metrics["down"]) == (math.inf, -math.inf)
    assert run.metrics["plain"] == 1.5
    assert run.own_tags == {"note/it.s": "<b>"}
    assert run.status == "FINISHED"
    assert run.duration is not None


def test_an_empty_run_is_a_run(store: Store) -> None:
    run = tracking.run_get(store.run(store.experiment("empty"), end=""))
    assert (run.params, run.metrics, run.datasets, run.model_ids) == ({}, {}, (), ())
    assert run.is_open
    assert not run.has_model


def test_runs_are_sorted_by_a_metric(store: Store) -> None:
    experiment = store.experiment("sorted")
    for value in (3.0, 1.0, 2.0):
        store.run(experiment, f"r{value}", metrics={"a b/c.d": value})
    order = ["metrics.`a b/c.d` ASC"]
    found = tracking.runs_search(experiment_ids=[experiment], order_by=order)
    assert [run.metrics["a b/c.d"] for run in found.items] == [1.0, 2.0, 3.0]


def test_pages_meet_every_run_once(store: Store) -> None:
    experiment = store.experiment("paged")
    wanted = {store.run(experiment) for _ in range(7)}
    seen: list[str] = []
    token = ""
    for _ in range(4):
        page = tracking.runs_search(experiment_ids=[experiment], page_token=token, limit=3)
        seen += [run.id for run in page.items]
        token = page.next_token
        if not token:
            break
    assert sorted(seen) == sorted(wanted)


@pytest.mark.parametrize("token", ["x", "####", "e30=", "bnVsbA==", "eyJvZmZzZXQiOiAtNX0=", "é"])
def test_a_page_that_cannot_be_is_refused(store: Store, token: str) -> None:
    experiment = store.experiment("paged")
    with pytest.raises(Invalid) as caught:
        tracking.runs_search(experiment_ids=[experiment], page_token=token)
    assert "page_token" in caught.value.fields


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("metrics.rmse <", "metrics.rmse"),
        ("bogus.x > 1", "bogus"),
        ("params.a = 1", "quoted"),
        ("metrics.x > 1 or metrics.y > 1", "or"),
        ("attributes.start_time > 99999999999999999999999", "too large"),
        ("x" * 5001, "5000"),
        ("a\x00b", "NUL"),
    ],
)
def test_a_wrong_filter_is_blamed_with_the_words_of_mlflow(
    store: Store, text: str, word: str
) -> None:
    with pytest.raises(Invalid) as caught:
        tracking.runs_search(experiment_ids=[store.experiment("f")], filter=text)
    assert word in caught.value.fields["filter"][0]


def test_a_filter_of_many_conditions_is_answered(store: Store) -> None:
    """MLflow's own store joins a table for each, and SQLite joins no more than 64."""
    experiment = store.experiment("many")
    wanted = store.run(experiment, metrics={f"m{i}": 1.0 for i in range(100)})
    store.run(experiment, metrics={"m0": 1.0})
    text = " and ".join(f"metrics.m{i} > 0" for i in range(100))
    found = tracking.runs_search(experiment_ids=[experiment], filter=text)
    assert [run.id for run in found.items] == [wanted]


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.one_of(
        st.text(max_size=40),
        st.lists(
            st.sampled_from(
                [
                    *("metrics.", "params.`a", "`", "'", '"', " and ", "=", " > ", "1", "in"),
                    *("(", ")", "LIKE", "is null", "tags.x", "1e999", "attributes.", "-"),
                    *(";", "--", "[", "∞"),
                ]
            ),
            max_size=9,
        ).map(" ".join),
    )
)
def test_no_filter_is_more_than_invalid(store: Store, text: str) -> None:
    with contextlib.suppress(Invalid):
        tracking.runs_search(experiment_ids=["0"], filter=text)


def test_activity_counts_the_runs_that_are_there(store: Store) -> None:
    first, second = store.experiment("first"), store.experiment("second")
    kept, gone = store.run(first), store.run(first)
    store.client.delete_run(gone)
    activity = tracking.experiments_activity([first, second])
    assert (activity[first].runs, activity[second].runs) == (1, 0)
    assert activity[first].last_run_at == tracking.run_get(kept).started_at
    assert activity[second].last_run_at is None


def test_recent_runs_come_from_every_experiment(store: Store) -> None:
    older = store.run(store.experiment("one"))
    time.sleep(0.002)
    newer = store.run(store.experiment("two"))
    assert [run.id for run in tracking.runs_recent(5)] == [newer, older]


def test_a_store_that_is_no_database_is_unavailable_at_once(
    store: Store, tmp_path, monkeypatch
) -> None:
    from tests.tracking.mlflow_store import use

    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is not a database, however long one looks at it" * 100)
    use(monkeypatch, tracking_uri=f"sqlite:///{broken}")
    started = time.monotonic()
    with pytest.raises(Unavailable):
        tracking.ping()
    assert time.monotonic() - started < 5


def test_a_store_id_tells_no_password(store: Store, monkeypatch) -> None:
    from tests.tracking.mlflow_store import use

    use(monkeypatch, tracking_uri="postgresql://slip:secret@db.example/mlflow")
    assert "secret" not in tracking.store_id()
    use(monkeypatch, tracking_uri="https://" + "m" * 100)
    assert len(tracking.store_id()) <= 64


def test_problems_are_ours(store: Store) -> None:
    with pytest.raises(Problem):
        tracking.experiments_search(order="nonsense SIDEWAYS")
