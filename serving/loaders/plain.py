"""The plain loader: any MLflow model, through MLflow's own parsing, pyfunc and answering."""

from __future__ import annotations

import importlib
import inspect
import io
import logging
from pathlib import Path
from typing import Any

import numpy as np

from serving.contract import ReplicaConfig
from serving.errors import ServingError, bad_input
from serving.loaders import encode
from serving.loaders.base import NoCode, Read, Task
from serving.loaders.example import example_payload
from serving.loaders.faults import library_blames_input
from serving.loaders.mlmodel import read_mlmodel
from serving.loaders.quick import frame
from serving.loaders.signature import Signature, read_signature
from serving.payload import CSV_TYPE, LLM, Form, short

log = logging.getLogger("serving.model")

PREFIX, SUFFIX = '{"predictions": ', "}"
CUSTOM_CODE = "mlflow.pyfunc.model"  # loader module of models with Python code of their own


class Plain(NoCode):
    """A pyfunc model."""

    def __init__(self, config: ReplicaConfig, pyfunc: Any) -> None:
        self.pyfunc, self.metadata = pyfunc, pyfunc.metadata
        super().__init__(config, _signature(self.metadata, "inputs"), _outputs(self.metadata))
        # A ModuleType, so that its attributes are Any: MLflow's functions are untyped.
        self.scoring = importlib.import_module("mlflow.pyfunc.scoring_server")
        self.schema = self.metadata.get_input_schema()
        flavors = getattr(self.metadata, "flavors", None) or {}
        loader = flavors.get("python_function", {}).get("loader_module")
        self.custom_code = loader == CUSTOM_CODE
        self.takes_params = "params" in inspect.signature(pyfunc.predict).parameters
        if _hinted(self.metadata):  # then the model itself, not its signature, reads the input
            self.table = None

    @classmethod
    def load(cls, config: ReplicaConfig) -> Plain:
        """Load the MLflow model; raises whatever its code raises."""
        return cls(config, importlib.import_module("mlflow.pyfunc").load_model(config["model_dir"]))

    def example(self) -> dict[str, Any] | None:
        """Return the model's example as a request's document; None where there is no good one."""
        folder = Path(self.config["model_dir"])
        try:
            return example_payload(folder, read_mlmodel(folder))
        except (OSError, ValueError) as error:
            log.warning("the model's input example cannot be read: %s", error)
            return None

    def read(self, form: Form) -> Read:
        """Return what MLflow makes of a payload."""
        document = dict(form.value) if form.key == LLM else {form.key: form.value}
        if form.params is not None:
            document["params"] = form.params
        if hasattr(self.scoring, "_parse_json_data"):
            parsed = self.scoring._parse_json_data(document, self.metadata, self.schema)
            wrapped = form.wrapped and not parsed.is_unified_llm_input
            return Read(parsed.data, parsed.params, wrapped, fixed=parsed.is_unified_llm_input)
        document.pop("params", None)
        data = self.scoring.infer_and_parse_data(document, self.schema)
        return Read(data, form.params, form.wrapped)

    def read_table(self, body: bytes, kind: str) -> Any:
        """Return what MLflow makes of a table."""
        if kind == CSV_TYPE:
            return self.scoring.parse_csv_input(io.StringIO(body.decode("utf-8")), self.schema)
        return self.scoring.parse_parquet_input(io.BytesIO(body))

    def feed(self, matrix: Any) -> Any:
        """Return the frame that MLflow would have made of the rows."""
        assert self.table is not None
        return frame(matrix, self.table)

    def predict(self, data: Any, params: dict[str, Any] | None) -> Any:
        """Return the pyfunc's result."""
        if self.takes_params:
            return self.pyfunc.predict(data, params=params)
        return self.pyfunc.predict(data)

    def to_json(self, raw: Any) -> bytes:
        """Return the result as MLflow's encoder writes it."""
        if isinstance(raw, np.ndarray) and raw.dtype.kind in "fiubU":
            return encode.dumps(raw.tolist())
        output = io.StringIO()
        try:
            self.scoring.predictions_to_json(raw, output)
        except TypeError:  # a missing value in an array of its own, for one
            return super().to_json(raw)
        # MLflow's encoder has one entry point in all its versions: the wrapped answer.
        return output.getvalue()[len(PREFIX) : -len(SUFFIX)].encode("ascii")

    def blames_input(self, error: Exception) -> bool:
        """Whether a library says that its input is wrong; a person's own code may mean anything."""
        return not self.custom_code and library_blames_input(error)

    def refusal(self, error: Exception, task: Task, data: Any) -> ServingError:
        """Return the answer for an exception of `predict`, first of all for MLflow's own."""
        if hasattr(error, "get_http_status_code"):  # an MlflowException, of any MLflow version
            reason = self.explained(task)
            # Schema errors had status 500 before MLflow 2.10; a person's code may raise them too.
            if reason or error.get_http_status_code() < 500 or not self.custom_code:
                log.warning("input refused: %s", short(error))
                return bad_input(reason or short(error))
        return super().refusal(error, task, data)


def _signature(metadata: Any, part: str) -> Signature | None:
    schema = metadata.get_input_schema() if part == "inputs" else metadata.get_output_schema()
    return None if schema is None else read_signature(schema.to_json())


def _outputs(metadata: Any) -> Signature | None:
    try:
        return _signature(metadata, "outputs")
    except (AttributeError, KeyError, ValueError):  # only the documents need it
        return None


def _hinted(metadata: Any) -> bool:
    checks = ("_is_signature_from_type_hint", "_is_type_hint_from_example")
    return any(getattr(metadata, check, bool)() for check in checks)
