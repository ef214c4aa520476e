"""Entry script that calls MLflow's pyfunc."""

import json
import os

import mlflow.pyfunc
import pandas as pd


def init():
    global model, tensor
    model = mlflow.pyfunc.load_model(os.environ["AZUREML_MODEL_DIR"])
    tensor = model.metadata.signature.inputs.is_tensor_spec()


def run(raw_data):
    document = json.loads(raw_data)
    if tensor:
        import numpy as np

        data = np.asarray(document["inputs"], dtype="float32")
    else:
        data = pd.DataFrame(**document["dataframe_split"])
    found = model.predict(data)
    if isinstance(found, dict):
        return {name: value.tolist() for name, value in found.items()}
    return found.tolist()
