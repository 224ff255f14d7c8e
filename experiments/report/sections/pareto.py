"""The networks that are small and good: the Pareto fronts of a validation metric, parameters and MACs."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from evo.errors import ResultsError
from experiments.analysis.deciding import title_of
from experiments.analysis.results import Results
from experiments.figures.searches import SIZES, title_of_objective
from experiments.figures.style.facts import arms_of, arms_of_searches, names_by_seed, where
from experiments.report.blocks.html import figure, table, without_run
from experiments.report.blocks.meanings import of_tables
from experiments.report.blocks.plots import Trace, numbers, plot, plot_text, style_of

MOST_NETWORKS = 3_000
"""Largest number of networks behind the fronts."""

BEHIND = {"color": "#9aa0a6", "symbol": "circle", "size": 4, "opacity": 0.5}


def small_and_good(results: Results) -> str:
    """Return the figure of metric against parameters or MACs, and the table of the fronts.

    If a run has the selection nsga2, the front that it kept comes after them.
    """
    fronts = results.pareto()
    if fronts.empty:
        raise ResultsError("no network has a result on the validation part")
    column = next(str(name) for name in fronts if str(name).startswith("validation_"))
    every = results.individuals[results.individuals["status"] == "ok"]
    metric = title_of(f"test_{column.removeprefix('validation_')}")
    of_validation = where(results, "validation part")
    remark = "A network is in the front if no other one of its seed beats it in metric, parameters and MACs at once."
    page = _fronts(
        arms_of(results),
        f"Validation {metric} and size: {of_validation}",
        ("all individuals", every),
        fronts.assign(arm=fronts["arm"].fillna(arms_of_searches(results, fronts))),
        (column, f"validation {metric}", SIZES),
        remark,
    ) + table(
        without_run(results, fronts),
        f"Pareto fronts: {of_validation}",
        of_tables("individuals", "baseline", columns=[str(name) for name in fronts]),
        more="results.pareto()",
    )
    return page + _kept_by_selection(results) if results.objectives else page


def _kept_by_selection(results: Results) -> str:
    """Return the figure and the table of the fronts that nsga2 kept."""
    fronts = results.selection_front()
    columns = [str(name) for name in fronts]
    first, *others = columns[6:]
    members = results.population_at()
    of_validation = where(results, "validation part")
    listed = table(
        without_run(results, fronts),
        f"Fronts that nsga2 kept: {of_validation}",
        of_tables("population", "individuals", columns=columns),
        more="results.selection_front()",
    )
    if not others or fronts.empty:
        return listed
    names, arms = names_by_seed(results, fronts)
    drawn = _fronts(
        arms,
        f"Fronts that nsga2 kept: {of_validation}",
        ("the last populations", members[members["run"].isin(fronts["run"])]),
        fronts.assign(arm=names),
        (first, title_of_objective(first), {name: title_of_objective(name) for name in others}),
        "A network is in the front if no other one of the last population beats it in all objectives at once.",
    )
    return drawn + listed


def _fronts(
    arms: Mapping[str, str],
    title: str,
    behind: tuple[str, pd.DataFrame],
    fronts: pd.DataFrame,
    axes: tuple[str, str, Mapping[str, str]],
    remark: str,
) -> str:
    """Return a figure of one column against a choice of others: networks behind, and those of fronts by arm.

    `arms` has the arm of each name in the column `arm` of the fronts.
    """
    (name, every), (column, label, others) = behind, axes
    step = max(1, -(-len(every) // MOST_NETWORKS))
    groups = [(name, every.iloc[::step], BEHIND)]
    for arm, style in style_of(arms).items():
        marker = {"color": style["color"], "symbol": style["symbol"], "size": 9}
        groups.append((f"front: {arm}", fronts[fronts["arm"] == arm], marker))
    traces = [
        (rows, _trace(name, rows, column, marker)) for name, rows, marker in groups if len(rows)
    ]
    choices = [
        {"label": words}
        | plot([trace | {"x": numbers(rows[other])} for rows, trace in traces], words, label)
        for other, words in others.items()
    ]
    if step > 1:
        remark += f" Of the {len(every):,} individuals one in {step} is drawn."
    return figure(title, {"choices": choices, "choose": "Size"}, remark)


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
