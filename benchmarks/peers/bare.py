"""The floor: a Starlette application that checks nothing. `bare:app` calls what BARE names."""

import os

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

FOLDER = os.environ["BARE_MODEL"]


def pyfunc():
    import mlflow.pyfunc
    import numpy as np
    import pandas as pd

    model = mlflow.pyfunc.load_model(FOLDER)
    tensor = model.metadata.signature.inputs.is_tensor_spec()

    def predict(document):
        if tensor:
            found = model.predict(np.asarray(document["inputs"], "float32"))
            return {name: value.tolist() for name, value in found.items()}
        return model.predict(pd.DataFrame(**document["dataframe_split"])).tolist()

    return predict


def native():
    from native import load

    predict = load(FOLDER)
    return lambda document: predict(document["data"])


predict = pyfunc() if os.environ["BARE"] == "pyfunc" else native()


async def score(request):
    return JSONResponse(predict(await request.json()))


app = Starlette(routes=[Route("/score", score, methods=["POST"])])
