"""Curves: the best network so far against its cost, the generations of the search, and the training of the winner."""

from collections.abc import Iterator, Mapping

import pandas as pd

from evo.errors import ResultsError
from experiments.analysis.curves import anytime, costs_of
from experiments.analysis.deciding import metric_of, title_of
from experiments.analysis.results import Results
from experiments.figures.curves import COST_TITLES
from experiments.figures.style.facts import arm_of, arms_of, arms_of_searches, where
from experiments.report.blocks.html import figure, paragraph
from experiments.report.blocks.plots import (
    Trace,
    log_axis,
    numbers,
    plot,
    plot_text,
    style_of,
    thinned,
)

FROM_ZERO = {"rangemode": "tozero"}


def curves(results: Results) -> str:
    """Return the figures that the results have data for, and a sentence for each that is left out."""
    parts, found = [], 0
    of_grids = [quality_diversity] if results.grids else []
    for draw in (best_so_far, generations, *of_grids, training):
        try:
            parts.append(draw(results))
            found += 1
        except ResultsError as error:
            parts.append(paragraph(f"A figure is left out: {error}", "left-out"))
    if not found:
        raise ResultsError("there is no search, no comparison and no learning curve yet")
    return "".join(parts)


def best_so_far(results: Results) -> str:
    """Return the figure of the best validation metric so far, of each arm and seed, against its costs."""
    if results.comparison.empty:
        raise ResultsError("anytime curves need a finished run with a test part")
    table = anytime(results)
    if table.empty:
        raise ResultsError("no arm has a result on the test part")
    metric = title_of(f"test_{table['metric'].iloc[0]}")
    choices = [
        {"label": COST_TITLES[cost]}
        | plot(
            list(_lines(table, cost, style_of(arms_of(results)))),
            f"{COST_TITLES[cost]} so far",
            f"validation {metric}",
            xaxis=FROM_ZERO,
        )
        for cost in costs_of(table)
    ]
    return figure(
        f"Best network so far: {where(results, 'validation part')}",
        {"choices": choices, "choose": "Cost"},
        "One line for each arm and seed. A search is summed over all its individuals; seconds differ from run to run.",
    )


def _lines(
    table: pd.DataFrame, cost: str, styles: Mapping[str, Mapping[str, str]]
) -> Iterator[Trace]:
    known: set[str] = set()
    lines = table.groupby(["arm", "run", "seed"])
    for (arm, run, seed), line in lines:
        better = line["best"].ne(line["best"].shift())
        better.iloc[-1] = True
        points = thinned(line[better & line["best"].notna()], len(lines))
        style = styles[str(arm)]
        yield {
            "type": "scatter",
            "mode": "lines" if len(points) > 1 else "markers",
            "x": numbers(points[cost]),
            "y": numbers(points["best"]),
            "name": plot_text(arm),
            "legendgroup": plot_text(arm),
            "showlegend": arm not in known,
            "line": {"color": style["color"], "dash": style["dash"], "shape": "hv", "width": 2},
            "marker": {"color": style["color"], "symbol": style["symbol"], "size": 9},
            "meta": plot_text(f"{arm}, {run}, seed {seed}"),
            "hovertemplate": "%{meta}<br>%{x:.4~g}: %{y:.4~g}<extra></extra>",
        }
        known.add(str(arm))


def generations(results: Results) -> str:
    """Return the figure of the best individual of each generation."""
    table = results.generations
    if table.empty:
        raise ResultsError("nothing evolved, so there are no generations")
    deciding, _ = metric_of(results.comparison)
    name = deciding.removeprefix("test_")
    column = f"best_validation_{name}"
    if column not in table or table[column].isna().all():
        name, column = "loss", "best_validation_loss"
    traces = list(_by_generation(results, table, column))
    return figure(
        f"Best individual of each generation: {where(results, 'validation part')}",
        plot(traces, "generation", f"validation {title_of(f'test_{name}')}"),
        "One line for each search.",
    )


def _by_generation(results: Results, table: pd.DataFrame, column: str) -> Iterator[Trace]:
    """Yield a column of a table with a row for each generation as lines, one for each search."""
    styles, known = style_of(arms_of(results)), set[str]()
    searches = table.assign(arm=arms_of_searches(results, table)).groupby(["run", "seed"])
    for (run, seed), search in searches:
        arm = str(search["arm"].iloc[0])
        style = styles[arm]
        rows = thinned(search, len(searches))
        yield {
            "type": "scatter",
            "mode": "lines+markers",
            "x": numbers(rows["generation"]),
            "y": numbers(rows[column]),
            "name": plot_text(arm),
            "legendgroup": plot_text(arm),
            "showlegend": arm not in known,
            "line": {"color": style["color"], "dash": style["dash"], "width": 1.5},
            "marker": {"size": 5, "symbol": style["symbol"]},
            "meta": plot_text(f"{run}, seed {seed}"),
            "hovertemplate": "%{meta}<br>generation %{x}: %{y:.4~g}<extra></extra>",
        }
        known.add(arm)


def quality_diversity(results: Results) -> str:
    """Return the figure of coverage and QD score of MAP-Elites after each generation."""
    table = results.quality_diversity()
    titles = {"coverage": "coverage", "qd_score": f"QD score above {table['offset'].iloc[0]:.4g}"}
    choices = [
        {"label": title}
        | plot(list(_by_generation(results, table, name)), "generation", title, yaxis=FROM_ZERO)
        for name, title in titles.items()
    ]
    remark = "Coverage: filled cells of all cells of the grid. QD score: sum of the fitnesses of the elites"
    return figure(
        f"What MAP-Elites has found: {where(results, 'validation part')}",
        {"choices": choices, "choose": "Measure"},
        f"{remark}, counted from a fitness of {table['offset'].iloc[0]:.4g}. One line for each search.",
    )


def training(results: Results) -> str:
    """Return the figure of the training of the winner and its ancestors, or of the baselines if nothing evolved."""
    if len(results.individuals):
        winner = results.winner()
        curve = results.learning_curve(winner)
        title = f"Training of the winner, individual {winner['individual']} of {winner['run']}, and its ancestors"
        groups, seed = (
            [("winner and ancestors", arm_of(results, winner), curve)],
            int(winner["seed"]),
        )
    else:
        curve, title, seed = results.training, "Training of the baselines", None
        groups = [(str(arm), str(arm), rows) for arm, rows in curve.groupby("arm")]
    if curve.empty:
        raise ResultsError("no learning curve was stored")
    styles = style_of(arms_of(results))
    traces: list[Trace] = []
    for name, arm, rows in groups:
        for column, what, dash, mode in (
            ("loss", "minibatches", "dot", "lines"),
            ("validation_loss", "validation", "solid", "lines+markers"),
        ):
            points = thinned(
                rows[rows[column].notna()].sort_values("step", kind="stable"), 2 * len(groups)
            )
            if points.empty:
                continue
            traces.append(
                {
                    "type": "scatter",
                    "mode": mode,
                    "x": numbers(points["step"]),
                    "y": numbers(points[column]),
                    "name": plot_text(f"{name}: {what}"),
                    "line": {"color": styles[arm]["color"], "dash": dash, "width": 1.5},
                    "marker": {"size": 5, "symbol": styles[arm]["symbol"]},
                    "text": _who(points),
                    "hovertemplate": "%{text}<br>step %{x}: loss %{y:.4~g}<extra></extra>",
                }
            )
    return figure(
        f"{title}: {where(results, 'training and validation part', seed)}",
        plot(
            traces,
            "gradient steps from the founder on",
            "loss",
            yaxis=log_axis(one for trace in traces for one in trace["y"]),
        ),
    )


def _who(points: pd.DataFrame) -> list[str]:
    """Return for each point whose training it belongs to."""
    if "origin" not in points:
        keys = zip(points["arm"], points["seed"], strict=True)
        return [plot_text(f"{arm}, seed {seed}") for arm, seed in keys]
    rows = zip(points["individual"], points["origin"], points["operators"], strict=True)
    return [
        plot_text(f"individual {number}, {origin}{f', operators {made}' if made else ''}")
        for number, origin, made in rows
    ]
