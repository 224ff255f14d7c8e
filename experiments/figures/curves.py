"""Pictures of learning: the generations of searches, the training of fixed networks, and the best network so far."""

from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from evo.errors import ResultsError
from experiments.analysis.curves import anytime, check_cost, costs_of
from experiments.analysis.deciding import is_fraction, metric_of, title_of
from experiments.analysis.results import Results
from experiments.figures.style.colours import NEUTRAL, style_of
from experiments.figures.style.facts import arms_of, arms_of_searches, where
from experiments.figures.style.labels import arm_labels
from experiments.figures.style.sizes import WIDTHS, is_wide, legend_below, new_figure

MOST_SEEDS = 12
"""Largest number of seeds of an arm that have a thin line each; of more there is only the band."""

COST_TITLES = {
    "steps": "gradient steps",
    "macs": "multiply-accumulates forward",
    "seconds": "seconds",
    "episodes": "episodes",
    "environment_steps": "environment steps",
}


def draw_generations(results: Results, width: float = WIDTHS["page"]) -> Figure:
    """Draw the best individual's validation metric over the generations, and the fixed networks.

    A thin line is a seed, a thick line the mean over the seeds that reached the generation. A cross marks where a study
    stopped a search. The metric is that of verdicts; the loss, where it is not defined on the validation part.
    """
    generations, baseline = results.generations, results.baseline
    if generations.empty:
        raise ResultsError("nothing evolved, so there are no generations")
    deciding, _ = metric_of(results.comparison)
    metric = deciding.replace("test_", "validation_", 1)
    if f"best_{metric}" not in generations or generations[f"best_{metric}"].isna().all():
        deciding, metric = "test_loss", "validation_loss"
    figure = new_figure(
        width, 0.55 * width + 0.5, f"Best of the population\n{where(results, 'validation part')}"
    )
    axes = figure.add_subplot()
    styles, labels = style_of(arms_of(results)), arm_labels(arms_of(results), width)
    stopped = results.runs.set_index(["run", "seed"])["stopped_rung"]
    searches = generations.join(stopped, on=["run", "seed"])
    searches["arm"] = arms_of_searches(results, generations)
    for arm, rows in searches.groupby("arm", sort=False):
        _draw_searches(axes, labels[str(arm)], rows, f"best_{metric}", styles[str(arm)])
    for arm, rows in baseline.groupby("arm"):
        if metric in rows and rows[metric].notna().any():
            steps = int(rows["steps"].mean())
            axes.axhline(
                float(rows[metric].mean()),
                color=styles[str(arm)]["color"],
                linestyle=styles[str(arm)]["linestyle"],
                label=f"{labels[str(arm)]}, {steps:,} steps",
            )
    if searches["stopped_rung"].notna().any():
        axes.plot([], [], "x", color=NEUTRAL, markersize=5, label="stopped by the study")
    axes.set_xlabel("generation (modify, then train)")
    axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    _label_metric(axes, deciding)
    legend_below(figure, axes, width)
    return figure


def _draw_searches(
    axes: Any, name: str, rows: pd.DataFrame, column: str, style: Mapping[str, Any]
) -> None:
    """Draw the searches of an arm: a thin line for each, and a thick one for their mean."""
    colour = style["color"]
    wide = rows.pivot_table(index="generation", columns=["run", "seed"], values=column)
    n_seeds = wide.shape[1]
    if 1 < n_seeds <= MOST_SEEDS:
        axes.plot(wide.index, wide.to_numpy(), color=colour, alpha=0.35, linewidth=0.6)
    elif n_seeds > MOST_SEEDS:
        axes.fill_between(
            wide.index, wide.min(axis=1), wide.max(axis=1), color=colour, alpha=0.2, linewidth=0
        )
    label = f"{name}, mean of {n_seeds} seeds" if n_seeds > 1 else name
    mean = wide.mean(axis=1)
    axes.plot(mean.index, mean, linewidth=2, markersize=3, label=label, **style)
    stopped = rows[rows["stopped_rung"].notna()].groupby(["run", "seed"]).tail(1)
    if len(stopped):
        axes.plot(stopped["generation"], stopped[column], "x", color=colour, markersize=5)


def draw_learning(results: Results, width: float = WIDTHS["page"]) -> Figure:
    """Draw the fixed networks' losses over the steps, and where there are classes their validation accuracy."""
    curves = baseline_curves(results)
    if curves.empty:
        raise ResultsError("no learning curve of a fixed network was stored")
    panels = {"loss": "loss", "validation_accuracy": "validation accuracy"}
    if curves.groupby(["run", "seed", "arm"])["validation_accuracy"].count().max() < 2:
        del panels["validation_accuracy"]
    n_columns = len(panels) if is_wide(width) else 1
    n_rows = -(-len(panels) // n_columns)
    n_seeds = curves["seed"].nunique()
    over = ", mean of seeds (thin: single seeds)" if n_seeds > 1 else ""
    figure = new_figure(
        width,
        n_rows * 0.7 * width / n_columns,
        f"Training of the fixed networks{over}\n{where(results, 'training and validation part')}",
    )
    drawn = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    all_axes = dict(zip(panels, drawn, strict=True))
    styles, names = style_of(arms_of(results)), arm_labels(arms_of(results), width)
    for arm, rows in curves.groupby("arm"):
        name, colour = names[str(arm)], styles[str(arm)]["color"]
        marked = f"{styles[str(arm)]['marker']}-"
        lines = [("loss", "loss", f"{name}: minibatches", "-", 0.6)]
        lines += [("loss", "validation_loss", f"{name}: validation", marked, 1.0)]
        lines += [("validation_accuracy", "validation_accuracy", name, marked, 1.0)]
        for panel, column, label, style, alpha in lines:
            if panel not in all_axes:
                continue
            wide = rows.pivot_table(index="step", columns="seed", values=column)
            axes = all_axes[panel]
            if n_seeds > 1:
                axes.plot(wide.index, wide.to_numpy(), color=colour, linewidth=0.5, alpha=0.25)
            mean = wide.dropna().mean(axis=1)
            axes.plot(mean.index, mean, style, color=colour, alpha=alpha, markersize=3, label=label)
    all_axes["loss"].set_yscale("log")
    for panel, axes in all_axes.items():
        axes.set(xlabel="gradient steps", ylabel=panels[panel])
    if "validation_accuracy" in all_axes:
        all_axes["validation_accuracy"].yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
    legend_below(figure, all_axes["loss"], width)
    return figure


def baseline_curves(results: Results) -> pd.DataFrame:
    """Return the learning curves of the baselines: rows of ``training``."""
    return results.training[results.training["individual"].isna()]


def draw_anytime(results: Results, width: float = WIDTHS["page"], by: str | None = None) -> Figure:
    """Draw the best validation metric so far against the cost so far, summed over all individuals of a search.

    A line is the median over seeds, a band reaches from the lowest to the highest seed. A line ends where its first
    seed ends.

    Parameters
    ----------
    results : Results
    width : float
        Inches.
    by : str, optional
        A cost: steps, macs or seconds; where a reward judges also episodes or environment_steps. By default the steps;
        where a reward judges, the episodes.

    Raises
    ------
    ResultsError
        If there is no such cost, or no arm has a result on the test part.
    """
    if results.comparison.empty:
        raise ResultsError("anytime curves need a finished run with a test part")
    table = anytime(results)
    if table.empty:
        raise ResultsError("no arm has a result on the test part")
    by = costs_of(table)[0] if by is None else by
    check_cost(table, by)
    n_stopped = int(results.runs["stopped_rung"].notna().sum())
    left_out = f"; {n_stopped} stopped searches are left out" if n_stopped else ""
    title = f"Best network so far: median and range of seeds{left_out}\n{where(results, 'validation part')}"
    return draw_curves(table, arms_of(results), title, by, width)


def draw_curves(
    table: pd.DataFrame,
    arms: Mapping[str, str],
    title: str,
    by: str,
    width: float = WIDTHS["page"],
) -> Figure:
    """Draw anytime curves: a line for the median over the seeds of each arm, and a band over their range.

    Parameters
    ----------
    table : DataFrame
        Of :func:`experiments.analysis.curves.anytime`; rows that do not change the best value may be left out, but for
        the last row of each arm and seed.
    arms : mapping of str
        Names in the column `arm`, in the order of the legend, each with its arm.
    title : str
    by : str
        Column of the cost.
    width : float
        Inches.
    """
    figure = new_figure(width, 0.55 * width + 0.5, title)
    axes, labels = figure.add_subplot(), arm_labels(arms, width)
    for arm, style in style_of(arms).items():
        of_arm = [rows for _, rows in table[table["arm"] == arm].groupby(["run", "seed"])]
        if not of_arm:
            continue
        cost, low, middle, high = band(of_arm, by)
        axes.step(
            *(cost, middle),
            where="post",
            label=labels[arm],
            markevery=[-1],
            markersize=4,
            **style,
        )
        if len(of_arm) > 1:
            axes.fill_between(
                cost, low, high, step="post", color=style["color"], alpha=0.18, linewidth=0
            )
    if (table[by] > 0).any():  # networks that never train make no steps
        axes.set_xscale("log")
    axes.set_xlabel(f"{COST_TITLES[by]} so far, all individuals")
    _label_metric(axes, f"test_{table['metric'].iloc[0]}")
    legend_below(figure, axes, width)
    return figure


def band(
    curves: list[pd.DataFrame], by: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return costs, and lowest, median and highest best value of the seeds of an arm at each of these costs.

    Parameters
    ----------
    curves : list of DataFrame
        Rows of :func:`experiments.analysis.curves.anytime` of one seed each.
    by : str
        Column of the cost. Costs are those at which a seed has a better network, from the first one at which all seeds
        have one to the last one that all seeds reach.
    """
    found = [curve[curve["best"].notna()] for curve in curves]
    found = [curve for curve in found if len(curve)]
    if not found:
        none = np.empty(0)
        return none, none, none, none
    first = max(float(curve[by].iloc[0]) for curve in found)
    last = max(first, min(float(curve[by].iloc[-1]) for curve in found))
    costs = np.unique(np.concatenate([[first, last], *_changes(found, by)]))
    costs = costs[(costs >= first) & (costs <= last)]
    values = np.array(
        [
            curve["best"].to_numpy(float)[
                np.searchsorted(curve[by].to_numpy(float), costs, side="right") - 1
            ]
            for curve in found
        ]
    )
    return costs, values.min(axis=0), np.median(values, axis=0), values.max(axis=0)


def _changes(curves: list[pd.DataFrame], by: str) -> Iterator[NDArray[np.float64]]:
    for curve in curves:
        yield curve.loc[curve["best"].ne(curve["best"].shift()), by].to_numpy(float)


def _label_metric(axes: Any, deciding: str) -> None:
    axes.set_ylabel(f"validation {title_of(deciding)}")
    if is_fraction(deciding):
        axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
