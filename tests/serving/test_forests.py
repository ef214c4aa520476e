"""A forest whose trees are asked in order answers as with scikit-learn's scheduler."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingRegressor,
)

from serving.loaders import forests

MODULE = sys.modules[forests.MODULE]
RANDOM = np.random.default_rng(7)
X = RANDOM.normal(size=(200, 5))
Y = X @ [1.0, -2.0, 0.5, 0.0, 3.0] + RANDOM.normal(size=200)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> type:
    """scikit-learn's own scheduler, whatever a test that loaded a forest here has put before it."""
    found = vars(MODULE)["Parallel"]
    scheduler = getattr(found, "scheduler", found)
    monkeypatch.setattr(MODULE, "Parallel", scheduler)
    return scheduler  # type: ignore[no-any-return]


# with several jobs scikit-learn itself adds the trees up in any order
FORESTS = [
    RandomForestRegressor(30, random_state=1),
    ExtraTreesRegressor(30, random_state=1),
    RandomForestClassifier(30, random_state=1),
    ExtraTreesClassifier(30, random_state=1, n_jobs=1),
    VotingRegressor([("forest", RandomForestRegressor(10, random_state=1))]),
]


@pytest.mark.parametrize("rows", [1, 2, 64, 200])
@pytest.mark.parametrize("forest", FORESTS, ids=repr)
def test_the_answers_are_equal_to_the_last_bit(own: type, forest: Any, rows: int) -> None:
    classes = hasattr(forest, "predict_proba")
    forest.fit(X, Y > 0 if classes else Y)
    asked = [forest.predict, *([forest.predict_proba] if classes else [])]
    before = [ask(X[:rows]) for ask in asked]
    forests.in_order()
    for was, ask in zip(before, asked, strict=True):
        np.testing.assert_array_equal(ask(X[:rows]), was)


def test_several_outputs_are_equal_too(own: type) -> None:
    forest = RandomForestRegressor(20, random_state=2).fit(X, np.stack([Y, -Y], axis=1))
    before = forest.predict(X)
    forests.in_order()
    np.testing.assert_array_equal(forest.predict(X), before)


def test_one_job_needs_no_scheduler_and_more_keep_it(
    own: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled: list[int] = []

    class Counting(own):  # type: ignore[misc, valid-type]
        def __init__(self, n_jobs: int, **options: Any) -> None:
            scheduled.append(n_jobs)
            super().__init__(n_jobs, **options)

    monkeypatch.setattr(MODULE, "Parallel", Counting)
    one, two = (RandomForestRegressor(4, n_jobs=jobs).fit(X, Y) for jobs in (1, 2))
    scheduled.clear()
    forests.in_order()
    one.predict(X)
    assert scheduled == []
    two.predict(X)
    assert scheduled == [2]


def test_it_is_done_once_and_without_scikit_learn_nothing_is_done(
    own: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    forests.in_order()
    first = vars(MODULE)["Parallel"]
    forests.in_order()
    assert vars(MODULE)["Parallel"] is first
    monkeypatch.delitem(sys.modules, forests.MODULE)
    forests.in_order()
    assert forests.MODULE not in sys.modules
