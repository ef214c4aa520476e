"""An undecorated script: does what its body says."""

import datetime
import os
import time

import numpy as np
import pandas as pd

STARTED = []


def init():
    STARTED.append(os.getpid())
    print("init() ran")


def run(raw_data, request_headers, factor=2):
    todo = RESULTS.get(raw_data.strip('"'))
    if todo is not None:
        return todo()
    return {"got": raw_data, "headers": request_headers, "factor": factor, "inits": len(STARTED)}


def fail():
    raise ValueError("the script's secret detail")


def sleep():
    time.sleep(30)


def say():
    print("a print of run()")
    return "said"


RESULTS = {
    "fail": fail,
    "exit": lambda: exit(7),
    "sleep": sleep,
    "say": say,
    "none": lambda: None,
    "text": lambda: "é",
    "list": lambda: [1, 2.5, None, True],
    "array": lambda: np.array([[1.5, 2.0], [3.0, 4.0]]),
    "scalar": lambda: np.float32(1.5),
    "nan": lambda: [1.0, float("nan"), float("inf")],
    "nested": lambda: {"a": np.int64(3), "b": np.arange(3), "c": {1}, 4: "d"},
    "frame": lambda: pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [0.1, np.nan]}),
    "series": lambda: pd.Series([1, 2]),
    "times": lambda: [
        datetime.datetime(2020, 1, 2, 3, 4, 5),
        pd.Timestamp("2020-01-02"),
        np.datetime64("2020-01-02"),
    ],
    "object": object,
    "environment": lambda: dict(os.environ),
    "folder": os.getcwd,
    "stream": lambda: (piece for piece in ["a", "b", "é"]),
    "events": lambda: iter([{"n": 1}, {"n": 2}]),
    "empty stream": lambda: iter([]),
}
