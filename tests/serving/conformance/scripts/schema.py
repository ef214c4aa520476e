"""A script decorated by inference-schema."""

import numpy as np
import pandas as pd
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import (
    StandardPythonParameterType,
)
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    pass


@input_schema("num", NumpyParameterType(np.array([[1.0, 2.0]])))
@input_schema("frame", PandasParameterType(pd.DataFrame({"a": [1], "b": ["x"]})))
@input_schema("scale", StandardPythonParameterType(1.5), optional=True)
@output_schema(NumpyParameterType(np.array([1.0])))
def run(num, frame, scale=None, request_headers=None):
    assert isinstance(num, np.ndarray)
    assert isinstance(frame, pd.DataFrame)
    if num.sum() > 1000:
        raise ValueError("the script's own")
    return num.sum(axis=1) * (scale or 1.0) + frame["a"].to_numpy()
