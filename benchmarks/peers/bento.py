"""A BentoML service that scores together what waits."""

import os
import sys
from pathlib import Path

import bentoml
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from native import load


@bentoml.service(workers=1, traffic={"timeout": 60, "max_concurrency": 1000})
class Scorer:
    def __init__(self):
        self.predict = load(os.environ["BENTO_MODEL"])

    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=10_000)
    def score(self, data: np.ndarray) -> list:
        return self.predict(data)
