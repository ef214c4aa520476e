"""A model that does what its input says; saved from code, so it runs in the worker as it stands."""

from __future__ import annotations

import os
import re
import time
import warnings

import mlflow.pyfunc


class Scripted(mlflow.pyfunc.PythonModel):
    """Reads the columns `action` and `amount` of the first row."""

    def load_context(self, context):
        self.kept = []
        print("scripted model loads", flush=True)

    def predict(self, context, model_input, params=None):
        action, amount = model_input["action"].iloc[0], float(model_input["amount"].iloc[0])
        if action == "sleep":
            time.sleep(amount)
        elif action == "backtrack":
            re.match("(a|a)*b", "a" * int(amount))  # holds the interpreter for ever
        elif action == "raise":
            print("the model is about to raise")
            raise RuntimeError("the model's own fault")
        elif action == "exit":
            os._exit(int(amount))
        elif action == "allocate":
            self.kept.append(bytearray(os.urandom(1024) * int(amount * 1024)))
        elif action == "warn":
            warnings.warn("the model warns", stacklevel=1)
        elif action == "set":
            return {object()}
        return [os.getpid()] * len(model_input)


mlflow.models.set_model(Scripted())
