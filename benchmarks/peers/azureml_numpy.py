"""Entry script that calls the estimator with a NumPy array and checks nothing."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from native import load


def init():
    global predict
    predict = load(os.environ["AZUREML_MODEL_DIR"])


def run(raw_data):
    return predict(json.loads(raw_data)["data"])
