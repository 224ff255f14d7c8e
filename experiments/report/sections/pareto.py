"""The networks that are small and good: the Pareto fronts of a validation metric, parameters and MACs."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from evo.errors import ResultsError
from experiments.analysis.deciding import title_of
from experiments.analysis.results import Results
from experiments.figures.searches import SIZES
from experiments.figures.style.facts import arms_of, arms_of_searches, where
from experiments.report.blocks.html import figure, table, without_run
from experiments.report.blocks.meanings import of_tables
from experiments.report.blocks.plots import Trace, numbers, plot, plot_text, style_of

MOST_NETWORKS = 3_000
"""Largest number of networks behind the fronts."""

BEHIND = {"color": "#9aa0a6", "symbol": "circle", "size": 4, "opacity": 0.5}


def small_and_good(results: Results) -> str:
    """Return the figure of metric against parameters or MACs, and the table of the fronts."""
    fronts = results.pareto()
    if fronts.empty:
        raise ResultsError("no network has a result on the validation part")
    columns = [str(name) for name in fronts]
    column = next(name for name in columns if name.startswith("validation_"))
    every = results.individuals[results.individuals["status"] == "ok"]
    step = max(1, -(-len(every) // MOST_NETWORKS))
    metric = title_of(f"test_{column.removeprefix('validation_')}")
    groups = [("all individuals", every.iloc[::step], BEHIND)]
    arms = fronts["arm"].fillna(arms_of_searches(results, fronts))
    for arm, style in style_of(arms_of(results)).items():
        marker = {"color": style["color"], "symbol": style["symbol"], "size": 9}
        groups.append((f"front: {arm}", fronts[arms == arm], marker))
    traces = [
        (rows, _trace(name, rows, column, marker)) for name, rows, marker in groups if len(rows)
    ]
    choices = [
        {"label": title}
        | plot(
            [trace | {"x": numbers(rows[size])} for rows, trace in traces],
            title,
            f"validation {metric}",
        )
        for size, title in SIZES.items()
    ]
    remark = "A network is in the front if no other one of its seed beats it in metric, parameters and MACs at once."
    if step > 1:
        remark += f" Of the {len(every):,} individuals one in {step} is drawn."
    of_validation = where(results, "validation part")
    return figure(
        f"Validation {metric} and size: {of_validation}",
        {"choices": choices, "choose": "Size"},
        remark,
    ) + table(
        without_run(results, fronts),
        f"Pareto fronts: {of_validation}",
        of_tables("individuals", "baseline", columns=columns),
        more="results.pareto()",
    )


def _trace(name: str, rows: pd.DataFrame, column: str, marker: Mapping[str, Any]) -> Trace:
    """Return networks as a trace that lacks their sizes."""
    keys = zip(rows["individual"], rows["run"], rows["seed"], strict=True)
    texts = [
        f"{run}, seed {seed}" if pd.isna(number) else f"individual {number}, {run}, seed {seed}"
        for number, run, seed in keys
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "y": numbers(rows[column]),
        "name": plot_text(name),
        "marker": marker,
        "text": [plot_text(one) for one in texts],
        "hovertemplate": "%{text}<br>%{x:,}: %{y:.4~g}<extra></extra>",
    }
