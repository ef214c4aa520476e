"""ONNX models without MLflow, and without pandas where the input is plain numbers."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

import numpy as np

from serving.loaders.merge import Records, is_frame
from serving.loaders.quick import Table
from serving.loaders.signature import Signature

log = logging.getLogger("serving.model")

CPU = "CPUExecutionProvider"
DEFAULT_PROVIDERS = ["CUDAExecutionProvider", CPU]


class Onnx:
    """A session of ONNX Runtime; predicts as mlflow.onnx's pyfunc does."""

    def __init__(self, folder: Path, mlmodel: dict[str, Any], inputs: Signature) -> None:
        self.runtime = importlib.import_module("onnxruntime")
        own = mlmodel["flavors"]["onnx"]
        pyfunc = mlmodel["flavors"]["python_function"]
        path = str(folder / (pyfunc.get("data") or own["data"]))
        self.session = self._session(path, own)
        self.inputs = [(spec.name, spec.type) for spec in self.session.get_inputs()]
        self.outputs = [spec.name for spec in self.session.get_outputs()]
        self.names = [spec.name for spec in inputs.inputs]
        self.dtypes = [np.dtype(spec.dtype) for spec in inputs.inputs]

    def _session(self, path: str, own: dict[str, Any]) -> Any:
        options = self._options(own.get("onnx_session_options") or {})
        wanted = own.get("providers") or DEFAULT_PROVIDERS
        wanted = [wanted] if isinstance(wanted, str) else wanted
        entries = [tuple(entry) if isinstance(entry, list) else entry for entry in wanted]
        there = set(self.runtime.get_available_providers())
        usable = [e for e in entries if (e[0] if isinstance(e, tuple) else e) in there] or [CPU]
        make = self.runtime.InferenceSession
        try:
            return make(path, providers=usable, sess_options=options)
        except Exception as error:
            if usable == [CPU]:
                raise
            log.warning("ONNX Runtime falls back to the CPU: %s", error)
            return make(path, providers=[CPU], sess_options=options)

    def _options(self, given: dict[str, Any]) -> Any:
        options = self.runtime.SessionOptions()
        for name in ("inter_op_num_threads", "intra_op_num_threads"):
            if given.get(name):
                setattr(options, name, given[name])
        mode = str(given.get("execution_mode") or "").upper()
        if mode in ("SEQUENTIAL", "PARALLEL"):
            options.execution_mode = getattr(self.runtime.ExecutionMode, f"ORT_{mode}")
        if given.get("graph_optimization_level"):
            level = self.runtime.GraphOptimizationLevel(given["graph_optimization_level"])
            options.graph_optimization_level = level
        for key, value in (given.get("extra_session_config") or {}).items():
            options.add_session_config_entry(key, value)
        return options

    def predict(self, data: Any) -> Any:
        """Return predictions for a frame (as records), an array or named arrays (by output)."""
        if is_frame(data):
            if len(self.inputs) > 1:
                feed = {name: data[name].values for name, _ in self.inputs}
            else:
                feed = {self.inputs[0][0]: data.values}
            return self._records(self._run(feed))
        if isinstance(data, np.ndarray):
            if len(self.inputs) != 1:
                names = ", ".join(repr(name) for name, _ in self.inputs)
                raise ValueError(f"The model takes named tensors: {names}")
            data = {self.inputs[0][0]: data}
        return dict(zip(self.outputs, self._run(data)))  # noqa: B905  # Python 3.9

    def predict_rows(self, rows: Any) -> Any:
        """Return predictions, as records, for an array of rows of the signature's columns."""
        if len(self.inputs) == 1:
            return self._records(self._run({self.inputs[0][0]: rows}))
        places = {name: place for place, name in enumerate(self.names)}
        feed = {
            name: rows[:, places[name]].astype(self.dtypes[places[name]]) for name, _ in self.inputs
        }
        return self._records(self._run(feed))

    def reads_frames_as_arrays(self, table: Table) -> bool:
        """Return True: given a frame it is fed that frame's values."""
        return True

    def _run(self, feed: dict[str, Any]) -> list[Any]:
        for name, kind in self.inputs:
            given = feed.get(name)
            if kind == "tensor(float)" and given is not None and given.dtype == np.float64:
                feed[name] = given.astype(np.float32)
        found: list[Any] = self.session.run(self.outputs, feed)
        return found

    def _records(self, found: list[Any]) -> Records:
        """Return the outputs as the columns of a frame, each flat."""
        columns = [np.asarray(values).reshape(-1) for values in found]
        if len({len(column) for column in columns}) > 1:
            raise ValueError("The outputs differ in length; call the model with tensors")
        return Records(zip(self.outputs, columns))  # noqa: B905  # Python 3.9
