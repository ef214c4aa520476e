"""A model with parameters."""

import mlflow.pyfunc


class Scaled(mlflow.pyfunc.PythonModel):
    """Multiplies x by `factor` and says with how many rows it was scored."""

    def predict(self, context, model_input, params=None):
        scaled = model_input["x"] * params["factor"]
        return [
            {"scaled": value, "rows": len(model_input), "words": params["words"]}
            for value in scaled.tolist()
        ]


mlflow.models.set_model(Scaled())
