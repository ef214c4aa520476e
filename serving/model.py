"""The model: loaded with MLflow, asked with MLflow's own parsing and answering."""

from __future__ import annotations

import importlib
import inspect
import io
import logging
from pathlib import Path
from typing import Any

from serving.errors import ServingError, bad_input
from serving.explain import Column, explain
from serving.payload import Payload, Schema, parse, short

log = logging.getLogger("serving.model")

PREFIX, SUFFIX = '{"predictions": ', "}"
CUSTOM_CODE = "mlflow.pyfunc.model"  # loader module of models with Python code of their own
LARGEST_FLOAT32 = 3.4028234663852886e38


class Model:
    """A loaded pyfunc model. Use it from one thread: many libraries ask for that."""

    def __init__(self, pyfunc: Any, folder: Path, *, verbose_errors: bool = False) -> None:
        self.pyfunc = pyfunc
        self.folder = folder
        self.metadata = pyfunc.metadata
        self.verbose_errors = verbose_errors
        self.schema = Schema(
            self.metadata, self.metadata.get_input_schema(), _columns(self.metadata)
        )
        flavors = getattr(self.metadata, "flavors", None) or {}
        loader = flavors.get("python_function", {}).get("loader_module")
        self.custom_code = loader == CUSTOM_CODE
        self.takes_params = "params" in inspect.signature(pyfunc.predict).parameters

    @classmethod
    def load(cls, folder: Path, *, verbose_errors: bool = False) -> Model:
        """Load the MLflow model in `folder`; raises whatever its code raises."""
        # A ModuleType, so that its attributes are Any: MLflow's functions are untyped.
        pyfunc = importlib.import_module("mlflow.pyfunc").load_model(str(folder))
        importlib.import_module("mlflow.pyfunc.scoring_server")
        return cls(pyfunc, folder, verbose_errors=verbose_errors)

    def answer(self, body: bytes, content_type: str | None, *, wrap: bool) -> bytes:
        """Score a request's body and return the JSON answer; raises ServingError only.

        `wrap` asks for {"predictions": …} whatever the dialect.
        """
        payload = parse(body, content_type, self.schema)
        try:
            raw = self.predict(payload)
            return self._encode(raw, wrapped=payload.wrapped or wrap)
        except ServingError as error:
            error.mlflow = payload.wrapped
            raise

    def predict(self, payload: Payload) -> Any:
        """Return the model's raw result; raises ServingError 400 for input the model refuses."""
        try:
            if self.takes_params:
                return self.pyfunc.predict(payload.data, params=payload.params)
            return self.pyfunc.predict(payload.data)
        except Exception as error:
            raise self._refusal(error, payload) from error

    def _refusal(self, error: Exception, payload: Payload) -> ServingError:
        if hasattr(error, "get_http_status_code"):  # an MlflowException, of any MLflow version
            reason = explain(payload.source, self.schema.columns)
            # Schema errors had status 500 before MLflow 2.10; a person's code may raise them too.
            if reason or error.get_http_status_code() < 500 or not self.custom_code:
                log.warning("input refused: %s", short(error))
                return bad_input(reason or short(error))
        fault = unusable(payload.data)
        # A library that raises ValueError does so about its input; a person's own code may not.
        blames_input = isinstance(error, (ValueError, TypeError, KeyError, IndexError))
        if fault or (blames_input and not self.custom_code):
            log.warning("input refused by the model", exc_info=error)
            # pandas fills a short row with missing values: then say that, not what came of it.
            structure = explain(payload.source, self.schema.columns) if fault else None
            if structure:
                return bad_input(structure)
            start = fault or "The model did not accept the input"
            return bad_input(f"{start}: {short(error).splitlines()[0]}")
        return self._failure(error)

    def _failure(self, error: Exception) -> ServingError:
        log.error("the model raised an exception", exc_info=error)
        detail = f" {type(error).__name__}: {short(error)}" if self.verbose_errors else ""
        return ServingError(500, f"The model raised an exception; the log has it.{detail}")

    def _encode(self, raw: Any, *, wrapped: bool) -> bytes:
        scoring = importlib.import_module("mlflow.pyfunc.scoring_server")
        output = io.StringIO()
        try:
            scoring.predictions_to_json(raw, output)
        except Exception as error:
            raise self._failure(error) from error
        text = output.getvalue()
        # MLflow's encoder has one entry point in all its versions: the wrapped answer.
        return (text if wrapped else text[len(PREFIX) : -len(SUFFIX)]).encode("ascii")


def _columns(metadata: Any) -> list[Column]:
    schema = metadata.get_input_schema()
    if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
        return []
    return [
        Column(
            str(spec.name),
            getattr(spec.type, "name", str(spec.type)),
            bool(getattr(spec, "required", not getattr(spec, "optional", False))),
        )
        for spec in schema.inputs
    ]


def unusable(data: Any) -> str | None:
    """Return what in the parsed input many models cannot take: no rows, a missing or huge value."""
    numpy: Any = importlib.import_module("numpy")
    pandas: Any = importlib.import_module("pandas")
    if isinstance(data, pandas.DataFrame):
        if not len(data):
            return "The input holds no rows"
        series = [(f"in column {name!r} ", data.iloc[:, i]) for i, name in enumerate(data.columns)]
    elif isinstance(data, dict):
        series = [(f"in {name!r} ", value) for name, value in data.items()]
    else:
        series = [("", data)]
    for where, values in series:
        cells = numpy.asarray(values).ravel()
        faults = pandas.isna(cells)
        if faults.any():
            return f"Missing value {where}(row {int(faults.argmax())})"
        if cells.dtype.kind == "f" and (numpy.abs(cells) > LARGEST_FLOAT32).any():
            return f"Number too large {where}".rstrip()
    return None
