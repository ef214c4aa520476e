"""scikit-learn models of plain numbers start without pandas and scipy.stats; both come later."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor, VotingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from serving.loaders.scikit_learn import ignores_names

ROWS, TARGET = load_diabetes(return_X_y=True, as_frame=True)
NAMES = list(ROWS.columns)

PROGRAM = """
import json, pathlib, sys
from serving.loaders import load
from serving.scoring import ScoreRequest
config = {"service": "s", "revision": 1, "model_dir": sys.argv[1], "model_name": "m",
          "model_version": "1", "verbose_errors": True, "loader": "fast"}
model = load(config, pathlib.Path("."))
told = {"after load": "pandas" in sys.modules}
def ask(document, kind=None):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    (answer,) = model.answer([ScoreRequest(body, kind, "invocations", "")])
    assert answer.status == 200, answer
    return json.loads(answer.body)["predictions"]
row = model.example()["dataframe_split"]
told["json"] = ask({"dataframe_split": row})
told["after json"] = "pandas" in sys.modules
csv = ",".join(row["columns"]) + "\\n" + ",".join(map(str, row["data"][0])) + "\\n"
told["csv"] = ask(csv.encode(), "text/csv")
print(json.dumps(told))
"""


USES = """
import json, sys
if sys.argv[1:]:
    from serving.loaders.later import import_core
    import_core()
    import sklearn.cluster, sklearn.ensemble, sklearn.linear_model
    assert "scipy.stats" not in sys.modules
import numpy as np
from sklearn._loss.link import MultinomialLogit
from sklearn.covariance import MinCovDet
from sklearn.isotonic import check_increasing
from sklearn.metrics import label_ranking_average_precision_score
from sklearn.utils.fixes import _mode
shares, rows = np.array([[0.2, 0.3, 0.5]]), np.random.default_rng(1).normal(size=(40, 3))
found = [
    MultinomialLogit().link(shares).tolist(),
    MinCovDet(random_state=1).fit(rows).dist_.tolist(),
    bool(check_increasing([1, 2, 3, 4, 5], [1, 3, 2, 4, 6])),
    float(label_ranking_average_precision_score([[1, 0, 0]], [[0.75, 0.5, 1]])),
    np.asarray(_mode(np.array([1, 2, 2]))).tolist(),
]
import scipy.stats
from scipy.stats import norm
import sklearn.ensemble, sklearn.cluster, sklearn.calibration
found.append(float(norm.cdf(0.5)) + float(scipy.stats.rankdata([3, 1, 2])[0]))
print(json.dumps(found))
"""


def test_what_scikit_learn_needs_of_scipy_stats_is_there_when_it_is_used() -> None:
    plain, later = (
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", USES, *words],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        for words in ([], ["later"])
    )
    assert later.returncode == 0, later.stderr
    assert later.stdout == plain.stdout != ""


def test_numbers_are_answered_without_pandas_and_tables_with_it(diabetes_model: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(diabetes_model)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["after load"], told["after json"]) == (False, False)
    assert told["csv"][0] == told["json"][0]


def fitted(model: Any, rows: Any = ROWS) -> Any:
    return model.fit(rows, TARGET)


@pytest.mark.parametrize(
    "model",
    [
        fitted(Ridge()),
        fitted(Ridge(), ROWS.to_numpy()),
        fitted(RandomForestRegressor(3, random_state=0)),
        fitted(GradientBoostingRegressor(n_estimators=3)),
        fitted(make_pipeline(StandardScaler(), Ridge())),
        fitted(VotingRegressor([("a", Ridge()), ("b", RandomForestRegressor(2))])),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_frame_is_its_array_to_scikit_learns_own(model: Any) -> None:
    assert ignores_names(model, NAMES)
    frame = pd.DataFrame({name: ROWS[name] for name in NAMES})  # as MLflow makes them
    by_columns = np.asfortranarray(ROWS.to_numpy())  # as Table.matrix makes them
    assert model.predict(by_columns).tobytes() == model.predict(frame).tobytes()


class OfItsOwn(Ridge):
    pass


@pytest.mark.parametrize(
    "model",
    [
        fitted(make_pipeline(make_column_transformer((StandardScaler(), ["age"])), Ridge())),
        fitted(make_pipeline(FunctionTransformer(abs), Ridge())),
        fitted(make_pipeline(StandardScaler().set_output(transform="pandas"), Ridge())),
        fitted(VotingRegressor([("a", OfItsOwn())])),
        fitted(Ridge(), ROWS[NAMES[::-1]]),
    ],
    ids=["columns by name", "a function", "frames inside", "a class of its own", "other order"],
)
def test_where_names_may_matter_a_frame_is_a_frame(model: Any) -> None:
    assert not ignores_names(model, NAMES)
