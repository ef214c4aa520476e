"""`make bench`: our runtime beside `mlflow models serve`, same model, same interpreter, one run."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import TextIO

from benchmarks.load import Result, measure
from benchmarks.servers import Server, gateway, mlflow_serve, runtime


def train(folder: Path) -> tuple[Path, bytes]:
    """The diabetes ridge model with its signature, and a body of one row."""
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge

    rows, target = load_diabetes(return_X_y=True, as_frame=True)
    model = Ridge().fit(rows, target)
    path = folder / "model"
    mlflow.sklearn.save_model(
        model,
        path,
        signature=infer_signature(rows, model.predict(rows)),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )
    split = rows.head(1).to_dict(orient="split")
    body = {"columns": split["columns"], "data": split["data"]}
    return path, json.dumps({"dataframe_split": body}).encode()


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="per measurement")
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 8, 64])
    options = parser.parse_args()
    import sys

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, body = train(folder)
        run(model, body, folder, options.clients, options.seconds, sys.stdout)


def run(
    model: Path, body: bytes, folder: Path, clients: list[int], seconds: float, out: TextIO
) -> None:
    """Start the servers one after the other, measure each, print a table and the ratios."""
    peer, ours = mlflow_serve(model), runtime(model, folder / "replica")
    front = gateway(ours, folder / "run")
    rows: dict[str, dict[int, Result]] = {}
    try:
        for server in (peer, ours, front):
            server.start(body)
        for server in (peer, ours, front):
            rows[server.name] = {n: measure(server, body, n, seconds) for n in clients}
        _print(out, [peer, ours, front], rows)
    finally:
        for server in (front, ours, peer):
            server.stop()


def _print(out: TextIO, servers: list[Server], rows: dict[str, dict[int, Result]]) -> None:
    out.write(f"{'':22}{'clients':>8}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>8}\n")
    base = rows[servers[0].name]
    for server in servers:
        for clients, result in rows[server.name].items():
            ratio = result.rate / base[clients].rate
            out.write(
                f"{server.name:22}{clients:>8}{result.rate:>12.0f}{result.p50:>9.2f}"
                f"{result.p99:>9.2f}{ratio:>7.1f}×\n"
            )
    out.write(f"\n{'':22}{'first answer s':>16}{'memory MB':>12}\n")
    for server in servers:
        out.write(f"{server.name:22}{server.first_answer:>16.1f}{server.memory_mb():>12.0f}\n")


if __name__ == "__main__":
    main()
