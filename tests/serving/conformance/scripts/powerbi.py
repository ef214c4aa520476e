"""The shape that Power BI asks for: Inputs, GlobalParameters, Results."""

import pandas as pd
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import (
    StandardPythonParameterType,
)
from inference_schema.schema_decorators import input_schema, output_schema

INPUTS = StandardPythonParameterType(
    {"data": PandasParameterType(pd.DataFrame({"a": [1.0], "b": [2.0]}))}
)
OUTPUTS = StandardPythonParameterType({"Results": StandardPythonParameterType([3.0])})


def init():
    pass


@input_schema("Inputs", INPUTS)
@input_schema("GlobalParameters", StandardPythonParameterType(1.0))
@output_schema(OUTPUTS)
def run(Inputs, GlobalParameters):
    rows = Inputs["data"]
    return {"Results": ((rows["a"] + rows["b"]) * GlobalParameters).tolist()}
