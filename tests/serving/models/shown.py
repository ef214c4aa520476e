"""A model that answers its input as text, types included."""

import mlflow.pyfunc


class Shown(mlflow.pyfunc.PythonModel):
    """Answers the type and the text of what it was given."""

    def predict(self, context, model_input, params=None):
        types = str(getattr(model_input, "dtypes", getattr(model_input, "dtype", "")))
        return [f"{type(model_input).__name__} {types} {model_input}"]


mlflow.models.set_model(Shown())
