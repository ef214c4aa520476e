"""The fast loader: scikit-learn, ONNX, XGBoost and LightGBM models, MLflow never imported."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from serving.contract import ReplicaConfig
from serving.loaders import exact
from serving.loaders.base import NoCode, Read
from serving.loaders.enforce import enforce
from serving.loaders.example import example_payload, example_rows
from serving.loaders.faults import library_blames_input
from serving.loaders.mlmodel import read_mlmodel
from serving.loaders.quick import Table, frame
from serving.loaders.samples import draw
from serving.loaders.signature import Signature, read_signature
from serving.payload import CSV_TYPE, Form

log = logging.getLogger("serving.model")

PROOF_ROWS = 24


class Library(Protocol):
    """A model in its own library."""

    def predict(self, data: Any) -> Any:
        """Return predictions for what the signature gives: a frame, an array, named arrays."""

    def predict_rows(self, rows: Any) -> Any:
        """Return predictions for an array of rows of the signature's columns."""

    def reads_frames_as_arrays(self, table: Table) -> bool:
        """Return whether a frame of these columns is known to be to it what its array is."""


class Fast(NoCode):
    """A model that its own library predicts, behind MLflow's rules for its input."""

    library: Library
    inputs: Signature

    def __init__(self, config: ReplicaConfig, mlmodel: dict[str, Any]) -> None:
        signature = mlmodel["signature"]
        inputs = read_signature(signature["inputs"])
        if inputs is None:
            raise ValueError("The fast loader needs a signature of the model's inputs.")
        super().__init__(config, inputs, read_signature(signature.get("outputs")))
        self.folder, self.mlmodel = Path(config["model_dir"]), mlmodel
        self.library = _library(self.folder, mlmodel, inputs)
        self.arrays = self.table is not None and self._arrays_do()

    @classmethod
    def load(cls, config: ReplicaConfig) -> Fast:
        """Load the model; raises whatever its library raises."""
        return cls(config, read_mlmodel(Path(config["model_dir"])))

    def _arrays_do(self) -> bool:
        """Whether arrays of numbers give what frames give, bit for bit, on rows drawn for it."""
        assert self.table is not None
        if self.library.reads_frames_as_arrays(self.table):
            return True  # without a proof, for which pandas would have to be imported
        example = example_rows(self.example(), self.inputs)
        rows = draw(self.inputs, example, PROOF_ROWS)
        try:
            return all(self._alike(rows[:count]) for count in (PROOF_ROWS, 3, 1))
        except Exception as error:  # the library wants names, or took no such row
            log.info("rows are given as frames: %s", error)
            return False

    def _alike(self, rows: list[Any]) -> bool:
        assert self.table is not None
        matrix = self.table.matrix(rows)
        value = {"columns": self.table.names, "data": rows}
        frame = self.read(Form("dataframe_split", value, None, wrapped=True)).data
        left, right = self.library.predict_rows(matrix), self.library.predict(frame)
        same = type(left) is type(right)
        return same and _identical(np.asarray(left), np.asarray(right))

    def example(self) -> dict[str, Any] | None:
        """Return the model's example as a request's document; None where there is no good one."""
        try:
            return example_payload(self.folder, self.mlmodel)
        except (OSError, ValueError) as error:
            log.warning("the model's input example cannot be read: %s", error)
            return None

    def read(self, form: Form) -> Read:
        """Return what a payload means, the signature enforced."""
        data = enforce(exact.read_json(form.key, form.value, self.inputs), self.inputs)
        return Read(data, None, form.wrapped)

    def read_table(self, body: bytes, kind: str) -> Any:
        """Return a table, the signature enforced."""
        if kind == CSV_TYPE:
            return enforce(exact.read_csv(body, self.inputs), self.inputs)
        return enforce(exact.read_parquet(body), self.inputs)

    def feed(self, matrix: Any) -> Any:
        """Return the rows themselves, or a frame where the model needs one."""
        if self.arrays:
            return matrix
        assert self.table is not None
        return frame(matrix, self.table)

    def predict(self, data: Any, params: dict[str, Any] | None) -> Any:
        """Return the library's result; parameters are of no account, the model takes none."""
        if self.arrays and isinstance(data, np.ndarray):
            return self.library.predict_rows(data)
        return self.library.predict(data)

    def blames_input(self, error: Exception) -> bool:
        """Whether a library says that its input is wrong."""
        return library_blames_input(error)


def _identical(left: Any, right: Any) -> bool:
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    same = left.tolist() == right.tolist() if left.dtype.kind == "O" else None
    return bool(left.tobytes() == right.tobytes() if same is None else same)


def _library(folder: Path, mlmodel: dict[str, Any], inputs: Signature) -> Library:
    module = mlmodel["flavors"]["python_function"]["loader_module"]
    if module == "mlflow.onnx":
        from serving.loaders.onnx_runtime import Onnx

        return Onnx(folder, mlmodel, inputs)
    if module == "mlflow.sklearn":
        from serving.loaders.scikit_learn import ScikitLearn

        return ScikitLearn(folder, mlmodel)
    from serving.loaders.gradient_boosting import LightGBM, XGBoost

    if module == "mlflow.xgboost":
        return XGBoost(folder, mlmodel, inputs)
    if module == "mlflow.lightgbm":
        return LightGBM(folder, mlmodel)
    raise ValueError(f"The fast loader does not load models of {module}.")
