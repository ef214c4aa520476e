"""The page of results: tables, goals and a picture, from what one run measured."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import contenders as of
from benchmarks.goals import FULL, Goal
from benchmarks.models import TITLES
from benchmarks.scoring import CASES, Measured, Table

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
PICTURE = ROOT / "docs" / "images" / "benchmarks.svg"
OURS = {of.FAST, of.PLAIN, of.GATEWAY}
MARK = "<!-- below: written by `make bench` -->"


def write(table: Table, goals: Sequence[Goal], sections: Sequence[str]) -> None:
    """Put everything below the mark of docs/benchmarks.md anew, and the picture beside it."""
    head = PAGE.read_text().split(MARK)[0]
    parts = [head + MARK, _when(), "![Requests per second](images/benchmarks.svg)"]
    parts += ["## Goals", goals_table(goals), *sections]
    parts += [f"## {TITLES[model]}\n\n{results_table(rows)}" for model, rows in table.items()]
    PAGE.write_text("\n\n".join(parts) + "\n")
    draw(table)


def _when() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    day, python = datetime.now(UTC).date().isoformat(), platform.python_version()
    return f"Run on {day} at commit {commit}, Python {python}, {platform.machine()}, 2 cores."


def goals_table(goals: Sequence[Goal]) -> str:
    """Return Markdown; a ratio is ours divided by theirs."""
    head = "| model | what | against | ratio | goal | |\n| --- | --- | --- | --- | --- | --- |\n"
    return head + "\n".join(goal.row() for goal in goals)


def results_table(rows: dict[str, Measured]) -> str:
    """Return Markdown: a row per server, requests per second and p50 / p99 per case."""
    titles = [f"{clients} × {count:,} row{'s' * (count > 1)}" for clients, count in CASES]
    head = f"| server | first answer, s | memory, MB | {' | '.join(titles)} |\n"
    lines = [head + "| --- " * (len(titles) + 3) + "|"]
    for name, row in rows.items():
        cells = [_cell(row, case) for case in CASES]
        title = f"**{name}**" if name in OURS else name
        lines.append(f"| {title} | {row.start:.2f} | {row.memory:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(row: Measured, case: tuple[int, int]) -> str:
    if case not in row.load:
        return "–"
    result = row.load[case]
    return f"{result.rate:,.0f}/s<br>{result.p50:.2g} / {result.p99:.2g} ms"


def draw(table: Table) -> None:
    """Draw requests per second at 64 clients with one row each, a panel per model."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "slipway"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(table), figsize=(4.6 * len(table), 3.6), squeeze=False)
    for axis, (model, rows) in zip(axes[0], table.items(), strict=True):
        _panel(axis, TITLES[model], rows)
    figure.tight_layout()
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, metadata={"Date": None})
    pyplot.close(figure)


def _panel(axis: Any, title: str, rows: dict[str, Measured]) -> None:
    found = {name: row.load[FULL].rate for name, row in rows.items() if FULL in row.load}
    names = sorted(found, key=lambda name: found[name])
    colours = ["#0f6cbd" if name in OURS else "#b8bcc2" for name in names]
    bars = axis.barh(names, [found[name] for name in names], color=colours)
    axis.bar_label(bars, [f"{found[name]:,.0f}" for name in names], padding=3, fontsize=8)
    axis.set_xscale("log")
    axis.margins(x=0.25)
    axis.set_title(title, fontsize=9)
    axis.set_xlabel("requests/s, 64 clients, 1 row each (log)", fontsize=8)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
