"""The files that a run of the demo leaves: plots, a table, a report, a summary."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    accuracy_score,
    f1_score,
    mean_absolute_error,
    mean_squared_error,
    precision_score,
    r2_score,
    recall_score,
)

from studio.demo_data.recipes import Data, Recipe

mpl.use("Agg")
from matplotlib.figure import Figure

Points = list[tuple[int, dict[str, float]]]  # step, metrics
BLUE, GREY = "#0f6cbd", "#8a8886"


def final_metrics(data: Data, model: Any) -> dict[str, float]:
    """What the runs of an experiment are compared by, on the test rows."""
    predicted = model.predict(data.x_test)
    if data.is_classification:
        averaged = {"average": "macro", "zero_division": 0}
        return {
            "accuracy": float(accuracy_score(data.y_test, predicted)),
            "precision": float(precision_score(data.y_test, predicted, **averaged)),
            "recall": float(recall_score(data.y_test, predicted, **averaged)),
            "f1": float(f1_score(data.y_test, predicted, **averaged)),
        }
    return {
        "rmse": float(mean_squared_error(data.y_test, predicted) ** 0.5),
        "mae": float(mean_absolute_error(data.y_test, predicted)),
        "r2": float(r2_score(data.y_test, predicted)),
    }


def write_plots(
    folder: Path, data: Data, model: Any, curve: list[tuple[int, dict[str, float]]]
) -> None:
    """Write `plots/learning_curve.png` and a plot of the predictions."""
    plots = folder / "plots"
    plots.mkdir(parents=True)
    _learning_curve(plots / "learning_curve.png", curve)
    if data.is_classification:
        figure = Figure(figsize=(5, 4.4), layout="constrained")
        ConfusionMatrixDisplay.from_predictions(
            data.y_test,
            model.predict(data.x_test),
            display_labels=data.labels,
            ax=figure.subplots(),
            cmap="Blues",
        )
        figure.savefig(plots / "confusion_matrix.png", dpi=110)
    else:
        _predicted_and_true(plots / "predicted_and_true.png", data, model)


def _learning_curve(path: Path, curve: Points) -> None:
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    steps = [step for step, _ in curve]
    for name, colour in (("train_loss", GREY), ("test_loss", BLUE)):
        axes.plot(steps, [values[name] for _, values in curve], label=name, color=colour)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def _predicted_and_true(path: Path, data: Data, model: Any) -> None:
    figure = Figure(figsize=(5, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.scatter(data.y_test, model.predict(data.x_test), s=14, color=BLUE, alpha=0.7)
    ends = [float(data.y_test.min()), float(data.y_test.max())]
    axes.plot(ends, ends, color=GREY, linewidth=1)
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")
    figure.savefig(path, dpi=110)


def write_files(
    folder: Path, data: Data, recipe: Recipe, model: Any, metrics: dict[str, float]
) -> None:
    """Write a table, a report as HTML and a summary as text."""
    table = pd.DataFrame({"true": data.y_test, "predicted": model.predict(data.x_test)})
    table.index.name = "row"
    table.to_csv(folder / "predictions.csv")
    lines = [f"{recipe.algorithm} on {data.name}", "", repr(model), ""]
    lines += [f"{name:<10} {value:.4f}" for name, value in metrics.items()]
    (folder / "summary.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{value:.4f}</td></tr>"
        for name, value in metrics.items()
    )
    (folder / "report.html").write_text(
        f"<!doctype html><title>{html.escape(recipe.algorithm)}</title>"
        f"<h1>{html.escape(recipe.algorithm)} on {data.name}</h1>"
        f"<table><tr><th>metric</th><th>value</th></tr>{rows}</table>",
        encoding="utf-8",
    )
