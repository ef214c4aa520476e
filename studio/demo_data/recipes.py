"""What the demo trains: two data sets, several algorithms, a few parameters each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 7
Curve = Iterator[tuple[int, dict[str, float]]]  # step, metrics


@dataclass(frozen=True)
class Data:
    """A data set, split once: every run of an experiment is compared on the same rows."""

    name: str
    x_train: pd.DataFrame
    x_test: pd.DataFrame
    y_train: pd.Series
    y_test: pd.Series
    labels: tuple[str, ...] = ()  # of classes; empty: a regression

    @property
    def is_classification(self) -> bool:
        return bool(self.labels)


@dataclass(frozen=True)
class Recipe:
    """One run: `fit` trains `model` and yields its metrics step by step as training goes on."""

    algorithm: str
    model: Any
    parameters: dict[str, Any]
    fit: Callable[[Any, Data], Curve]


@dataclass(frozen=True)
class Experiment:
    name: str
    description: str
    data: Data
    recipes: tuple[Recipe, ...]


def experiments() -> tuple[Experiment, ...]:
    """The two experiments of the demo."""
    return (
        Experiment(
            "diabetes-regression",
            "How far diabetes has progressed after one year, by ten measurements of 442 people.",
            diabetes(),
            tuple(_regressions()),
        ),
        Experiment(
            "wine-classification",
            "Which of three growers a wine is from, by thirteen measurements of 178 bottles.",
            wine(),
            tuple(_classifications()),
        ),
    )


def diabetes() -> Data:
    bunch = load_diabetes(as_frame=True, scaled=False)
    parts = train_test_split(
        bunch.data.astype(float), bunch.target.astype(float), test_size=0.25, random_state=SEED
    )
    return Data("diabetes", *parts)


def wine() -> Data:
    bunch = load_wine(as_frame=True)
    x_train, x_test, y_train, y_test = train_test_split(
        bunch.data.astype(float),
        bunch.target,
        test_size=0.3,
        random_state=SEED,
        stratify=bunch.target,
    )
    labels = tuple(f"grower {index + 1}" for index in range(len(bunch.target_names)))
    return Data("wine", x_train, x_test, y_train, y_test, labels)


def _regressions() -> Iterator[Recipe]:
    for alpha in (0.01, 0.1, 1.0, 10.0):
        yield _scaled("ridge", Ridge(alpha=alpha), alpha=alpha)
    for alpha in (0.1, 1.0):
        yield _scaled("lasso", Lasso(alpha=alpha), alpha=alpha)
    yield _scaled("elastic net", ElasticNet(alpha=0.1, l1_ratio=0.5), alpha=0.1, l1_ratio=0.5)
    yield _scaled("nearest neighbours", KNeighborsRegressor(n_neighbors=15), n_neighbors=15)
    for trees, depth in ((50, 4), (100, 6)):
        yield _forest(RandomForestRegressor, trees, depth)
    for rate, depth in ((0.3, 3), (0.1, 3), (0.05, 2)):
        yield _boosting(GradientBoostingRegressor, rate, depth)
    yield _network(MLPRegressor, (32,), 0.01)


def _classifications() -> Iterator[Recipe]:
    for strength in (0.01, 0.1, 1.0, 10.0):
        model = LogisticRegression(C=strength, max_iter=2000)
        yield _scaled("logistic regression", model, C=strength)
    for neighbours in (3, 9):
        model = KNeighborsClassifier(n_neighbors=neighbours)
        yield _scaled("nearest neighbours", model, n_neighbors=neighbours)
    for trees, depth in ((30, 2), (100, 5)):
        yield _forest(RandomForestClassifier, trees, depth)
    for rate, depth in ((0.3, 1), (0.1, 2)):
        yield _boosting(GradientBoostingClassifier, rate, depth)
    for units, rate in (((8,), 0.01), ((32,), 0.01), ((32, 16), 0.003)):
        yield _network(MLPClassifier, units, rate)


def _scaled(algorithm: str, estimator: Any, **parameters: Any) -> Recipe:
    model = make_pipeline(StandardScaler(), estimator)
    return Recipe(algorithm, model, parameters, _fit_growing_sample)


def _forest(kind: Any, trees: int, depth: int) -> Recipe:
    parameters = {"n_estimators": trees, "max_depth": depth}
    model = kind(n_estimators=trees, max_depth=depth, random_state=SEED, warm_start=True)
    return Recipe("random forest", model, parameters, _fit_tree_by_tree)


def _boosting(kind: Any, rate: float, depth: int) -> Recipe:
    parameters = {"n_estimators": 150, "learning_rate": rate, "max_depth": depth}
    model = kind(**parameters, random_state=SEED)
    return Recipe("gradient boosting", model, parameters, _fit_stages)


def _network(kind: Any, units: tuple[int, ...], rate: float) -> Recipe:
    parameters = {"hidden_layer_sizes": units, "learning_rate_init": rate, "epochs": 80}
    network = kind(hidden_layer_sizes=units, learning_rate_init=rate, random_state=SEED)
    return Recipe(
        "neural network", make_pipeline(StandardScaler(), network), parameters, _fit_epochs
    )


# --- training, with what it tells on the way ------------------------------------------------------


def _fit_growing_sample(model: Any, data: Data) -> Curve:
    """A learning curve: trained on more and more rows; the step is their number."""
    total = len(data.x_train)
    for rows in np.unique(np.linspace(max(30, total // 10), total, 12).astype(int)):
        part = clone(model).fit(data.x_train[:rows], data.y_train[:rows])
        yield int(rows), losses(data, part, rows=int(rows))
    model.fit(data.x_train, data.y_train)


def _fit_tree_by_tree(model: Any, data: Data) -> Curve:
    trees = model.n_estimators
    for count in sorted({*range(5, trees + 1, 5), trees}):
        model.set_params(n_estimators=count).fit(data.x_train, data.y_train)
        yield count, losses(data, model)


def _fit_stages(model: Any, data: Data) -> Curve:
    model.fit(data.x_train, data.y_train)
    predict = "staged_predict_proba" if data.is_classification else "staged_predict"
    train = getattr(model, predict)(data.x_train)
    test = getattr(model, predict)(data.x_test)
    for stage, (on_train, on_test) in enumerate(zip(train, test, strict=True), start=1):
        yield (
            stage,
            {
                "train_loss": _loss(data, data.y_train, on_train),
                "test_loss": _loss(data, data.y_test, on_test),
            },
        )


def _fit_epochs(model: Any, data: Data) -> Curve:
    scaler, network = model[0], model[1]
    x_train = scaler.fit_transform(data.x_train)
    extra = {"classes": np.unique(data.y_train)} if data.is_classification else {}
    for epoch in range(1, 81):
        network.partial_fit(x_train, data.y_train, **extra)
        yield epoch, losses(data, model)


def losses(data: Data, model: Any, rows: int | None = None) -> dict[str, float]:
    """Loss on the rows trained on and on the test rows: log loss, or the mean squared error."""
    x_train, y_train = data.x_train[:rows], data.y_train[:rows]
    predict = model.predict_proba if data.is_classification else model.predict
    return {
        "train_loss": _loss(data, y_train, predict(x_train)),
        "test_loss": _loss(data, data.y_test, predict(data.x_test)),
    }


def _loss(data: Data, truth: pd.Series, predicted: Any) -> float:
    if not data.is_classification:
        return float(mean_squared_error(truth, predicted))
    return float(log_loss(truth, predicted, labels=list(range(len(data.labels)))))


def accuracy(data: Data, model: Any) -> float:
    return float(accuracy_score(data.y_test, model.predict(data.x_test)))
