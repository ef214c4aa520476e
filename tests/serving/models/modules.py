"""A scikit-learn estimator that answers which modules its process has imported."""

from __future__ import annotations

import sys
from typing import Any

from sklearn.base import BaseEstimator


class Modules(BaseEstimator):
    """Says per row whether MLflow is imported."""

    def predict(self, given: Any) -> Any:
        found = [name for name in sys.modules if name.partition(".")[0] == "mlflow"]
        return [len(found)] * len(given)
