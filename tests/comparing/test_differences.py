"""The table of differences: what differs, what is best, what is left out."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from studio.comparing.differences import MOST_CELLS, Group, differences
from studio.comparing.directions import best_of, mode_of, modes_of
from tests.comparing.made import run

texts = st.text(min_size=1, max_size=8)
numbers = st.one_of(st.floats(), st.just(math.nan), st.sampled_from([0.0, -0.0, 1.0, math.inf]))
many = st.lists(
    st.tuples(
        st.dictionaries(texts, texts, max_size=5), st.dictionaries(texts, numbers, max_size=5)
    ),
    min_size=2,
    max_size=6,
)


def group(groups: list[Group], kind: str) -> Group:
    return next(item for item in groups if item.kind == kind)


def same(left: object, right: object) -> bool:
    both_nan = all(isinstance(v, float) and math.isnan(v) for v in (left, right))
    return both_nan or left == right


@settings(max_examples=40, deadline=None)
@given(many)
def test_a_row_is_shown_exactly_when_two_runs_disagree(rows: list) -> None:
    runs = [run(n, params=params, metrics=metrics) for n, (params, metrics) in enumerate(rows)]
    for kind in ("params", "metrics"):
        values = [getattr(item, kind) for item in runs]
        keys = {key for found in values for key in found}
        wanted = {
            key
            for key in keys
            if any(not same(values[0].get(key), found.get(key)) for found in values)
        }
        few = group(differences(runs), kind)
        assert {row.column.key for row in few.rows} == wanted
        assert (few.differing, few.total, few.more) == (len(wanted), len(keys), 0)
        whole = group(differences(runs, everything=True), kind)
        assert [row.column.key for row in whole.rows] == sorted(keys)
        assert {row.column.key for row in whole.rows if row.differs} == wanted


@settings(max_examples=40, deadline=None)
@given(many)
def test_every_cell_is_the_runs_own_value(rows: list) -> None:
    runs = [run(n, params=params, metrics=metrics) for n, (params, metrics) in enumerate(rows)]
    for row in group(differences(runs, everything=True), "metrics").rows:
        for item, shown in zip(runs, row.cells, strict=True):
            assert same(shown.value, item.metrics.get(row.column.key))


@settings(max_examples=40, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=8), st.sampled_from(["min", "max", ""]))
def test_the_best_are_no_worse_than_any_and_never_all(values: list[float], mode: str) -> None:
    named = {str(place): value for place, value in enumerate(values)}
    best = best_of(named, mode)
    known = [value for value in values if not math.isnan(value)]
    assert len(best) < len(values) or not best
    for key in best:
        assert named[key] == (min(known) if mode == "min" else max(known))
    if mode and len(set(known)) > 1:
        assert best


def test_what_the_name_says_is_better() -> None:
    lower = ["val_loss", "rmse", "train/logLoss", "testRMSE", "eval-wer", "fit_time", "loss2"]
    higher = ["accuracy", "val_AUC", "f1_score", "R2", "top5Accuracy", "map50", "ndcg@10"]
    unknown = ["", "score_time", "x", "epoch", "learning_rate", "accuracy_loss", "実験"]
    assert [mode_of(name) for name in lower] == ["min"] * len(lower)
    assert [mode_of(name) for name in higher] == ["max"] * len(higher)
    assert [mode_of(name) for name in unknown] == [""] * len(unknown)


def test_what_a_person_says_holds_before_the_name() -> None:
    assert modes_of(["loss", "auc"], high=["loss"], best="min:auc") == {"loss": "max", "auc": "min"}


def test_the_best_value_is_marked_and_ties_all_are() -> None:
    runs = [run(n, metrics={"rmse": value}) for n, value in enumerate([2.0, 1.0, 1.0, math.nan])]
    row = group(differences(runs, modes=mode_of), "metrics").rows[0]
    assert [cell.best for cell in row.cells] == [False, True, True, False]


def test_a_hundred_runs_with_thousands_of_metrics_give_a_page_of_bounded_size() -> None:
    runs = [run(n, metrics={f"m{k:04d}": float(n) for k in range(2_000)}) for n in range(100)]
    found = group(differences(runs), "metrics")
    assert len(found.rows) * len(runs) <= MOST_CELLS
    assert found.more == 2_000 - len(found.rows)
    assert [row.label for row in group(differences(runs, text="M1999"), "metrics").rows] == [
        "m1999"
    ]


def test_tags_of_mlflow_itself_are_attributes_and_no_tags() -> None:
    runs = [
        run(1, tags={"mlflow.source.git.commit": "a" * 40, "area": "qna"}),
        run(2, tags={"mlflow.source.git.commit": "b" * 40, "area": "qna"}),
    ]
    groups = differences(runs)
    assert group(groups, "tags").rows == ()
    assert "commit" in [row.column.key for row in group(groups, "attribute").rows]
