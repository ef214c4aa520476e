"""A scikit-learn estimator that answers what it was given, so that tests see a model's input."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator


class Echo(BaseEstimator):
    """Predicts its input."""

    def predict(self, given: Any) -> Any:
        return given
