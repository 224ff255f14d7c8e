"""The networks that are small and good: the Pareto fronts of a validation metric, parameters and MACs."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from evo.errors import ResultsError
from experiments.analysis.deciding import title_of
from experiments.analysis.results import Results
from experiments.figures.searches import SIZES
from experiments.figures.style.colours import PALETTE
from experiments.figures.style.facts import where
from experiments.report.blocks.html import figure, table, without_run
from experiments.report.blocks.meanings import of_tables
from experiments.report.blocks.plots import Trace, numbers, plot, plot_text

MOST_NETWORKS = 3_000
"""Largest number of networks behind the fronts."""

OF_BASELINES = "front, baseline"

BEHIND = {"color": PALETTE[5], "symbol": "circle", "size": 4, "opacity": 0.4}
EVOLVED = {"color": PALETTE[1], "symbol": "diamond", "size": 9}
FIXED = {"color": PALETTE[2], "symbol": "square", "size": 10}


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
    groups = (
        ("all individuals", every.iloc[::step], BEHIND),
        ("front", fronts[fronts["arm"].isna()], EVOLVED),
        (OF_BASELINES, fronts[fronts["arm"].notna()], FIXED),
    )
    traces = [(rows, _trace(name, rows, column, marker)) for name, rows, marker in groups]
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
    if name == OF_BASELINES:
        texts = [f"{arm}, seed {seed}" for arm, seed in zip(rows["arm"], rows["seed"], strict=True)]
    else:
        keys = zip(rows["individual"], rows["run"], rows["seed"], strict=True)
        texts = [f"individual {number}, {run}, seed {seed}" for number, run, seed in keys]
    return {
        "type": "scatter",
        "mode": "markers",
        "y": numbers(rows[column]),
        "name": name,
        "marker": marker,
        "text": [plot_text(one) for one in texts],
        "hovertemplate": "%{text}<br>%{x:,}: %{y:.4~g}<extra></extra>",
    }
