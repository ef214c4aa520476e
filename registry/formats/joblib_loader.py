"""Loads an estimator that joblib saved. Copied, as it is, beside such a model by `wrapping`.

MLflow's own scikit-learn flavour opens a file with pickle or skops only. A file of joblib's holds
its arrays outside of the pickle, or is compressed, and only joblib puts that together again. So
MLflow is given this module as `loader_module`, from the model's own `code` folder.
"""

from typing import Any


class Estimator:
    """Predicts as the estimator does."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def predict(self, data: Any) -> Any:
        """Return the estimator's predictions for a frame or an array."""
        return self.estimator.predict(data)


def _load_pyfunc(path: str) -> Estimator:
    """Load the file `path`. Called by MLflow; this runs code of the model's."""
    import joblib  # type: ignore[import-untyped]

    return Estimator(joblib.load(path))
