"""Pictures of searches: small and good networks, who descends from whom, operators, and where parameters are spent."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from evo.errors import ResultsError
from evo.genome.genome import Genome, Role
from evo.operators import OPERATORS
from experiments.analysis.deciding import is_fraction, title_of
from experiments.analysis.results import Results
from experiments.figures.edges import effective_edges
from experiments.figures.style.colours import NEUTRAL, PALETTE, style_of
from experiments.figures.style.facts import arm_of, arms_of, arms_of_searches, names_by_seed, where
from experiments.figures.style.labels import arm_labels, short_name
from experiments.figures.style.sizes import FONT_SIZE, WIDTHS, is_wide, legend_below, new_figure

SIZES = {"parameters": "parameters", "macs": "MACs per sample"}

MOST_VECTORS = 2_000
"""Largest number of dots that a vector file has one by one; more are one image in it."""

FAINT = "#b0b0b0"


def draw_pareto(results: Results, width: float = WIDTHS["page"]) -> Figure:
    """Draw a validation metric against parameters and against MACs: all individuals, and the networks of the fronts.

    A network is in the front if no other one of its run and seed beats it in metric, parameters and MACs at once.
    """
    fronts = results.pareto()
    if fronts.empty:
        raise ResultsError("no network has a result on the validation part")
    column = next(str(name) for name in fronts if str(name).startswith("validation_"))
    metric = f"test_{column.removeprefix('validation_')}"
    every = results.individuals[results.individuals["status"] == "ok"]
    fronts["arm"] = fronts["arm"].fillna(arms_of_searches(results, fronts))
    title = "Pareto fronts: no other network of the seed is as good, as small and as cheap"
    title += f"\n{where(results, 'validation part')}"
    behind = f"all {len(every):,} individuals", every
    ordinate = column, f"validation {title_of(metric)}"
    return _draw_fronts(arms_of(results), width, title, behind, fronts, ordinate, [*SIZES])


def draw_selection_front(results: Results, width: float = WIDTHS["page"]) -> Figure:
    """Draw the last populations of the selection nsga2 and their fronts: the first objective against each other one."""
    fronts = results.selection_front()
    objectives = [str(name) for name in fronts.columns[6:]]
    if len(objectives) < 2 or fronts.empty:
        raise ResultsError("the selection nsga2 has one objective, or no network has a result")
    members = results.population_at()
    members = members[members["run"].isin(fronts["run"])]
    fronts["arm"], names = names_by_seed(results, fronts)
    title = "Fronts that nsga2 kept, one for each seed: no other network of its population is at least as good in all"
    title += f" {len(objectives)} objectives\n{where(results, 'validation part')}"
    behind = f"all {len(members):,} of the last populations", members
    ordinate = objectives[0], title_of_objective(objectives[0])
    return _draw_fronts(names, width, title, behind, fronts, ordinate, objectives[1:])


def title_of_objective(name: str) -> str:
    """Return what pictures call an objective of nsga2."""
    return SIZES.get(name, name.replace("_", " "))


def draw_elites(results: Results, width: float = WIDTHS["page"]) -> Figure:
    """Draw the grid of the selection map_elites, a panel for each arm: the mean fitness of the elites of all seeds.

    The first two descriptors are the axes. Of cells that differ in further ones, the best is drawn.
    """
    found, grid = results.elites(), results.grid
    if found.empty:
        raise ResultsError("no network of the selection map_elites has a result")
    names, shape = grid.settings.descriptors[:2], grid.bins[:2]
    bins = [str(name) for name in found.columns if str(name).endswith("_bin")][:2]
    found["arm"] = arms_of_searches(results, found)
    best = found.groupby(["arm", "seed", *bins])["fitness"].max()
    cells = best.groupby(["arm", *bins]).agg(["mean", "size"]).reset_index()
    arms = [arm for arm in arms_of(results) if (cells["arm"] == arm).any()]
    n_seeds = found["seed"].nunique()
    title = f"Elites: mean fitness in each cell, {n_seeds} {'seed' if n_seeds == 1 else 'seeds'}"
    figure = new_figure(
        width, 0.7 * width / len(arms) + 0.8, f"{title}\n{where(results, 'validation part')}"
    )
    panels = figure.subplots(1, len(arms), sharey=True, squeeze=False).ravel()
    limits = {"vmin": cells["mean"].min(), "vmax": cells["mean"].max()}
    extent = [side for name in names for side in grid.settings.bounds[name]]
    labels = arm_labels(arms_of(results), width)
    for axes, arm in zip(panels, arms, strict=True):
        own = cells[cells["arm"] == arm]
        image = np.full((*shape, 1)[:2], np.nan)
        image[tuple(own[name] for name in bins) + (0,) * (2 - len(bins))] = own["mean"]
        shown = axes.imshow(
            image.T,
            origin="lower",
            aspect="auto",
            extent=extent if len(names) > 1 else [*extent, 0, 1],
            **limits,
        )
        axes.set_title(labels[arm])
        axes.set_xlabel(title_of_objective(names[0]))
        if len(names) < 2:
            axes.set_yticks([])
        elif axes.get_subplotspec().is_first_col():
            axes.set_ylabel(title_of_objective(names[1]))
    figure.colorbar(shown, ax=list(panels)).set_label("fitness")
    return figure


def _draw_fronts(
    arms: Mapping[str, str],
    width: float,
    title: str,
    behind: tuple[str, pd.DataFrame],
    fronts: pd.DataFrame,
    ordinate: tuple[str, str],
    others: Sequence[str],
) -> Figure:
    """Draw a column of tables against each of others, a panel each: networks behind, and those of fronts by arm.

    `arms` has the arm of each name in the column `arm` of the fronts.
    """
    (told, every), (column, label) = behind, ordinate
    labels = arm_labels(arms, width)
    n_columns = len(others) if is_wide(width) else 1
    n_rows = len(others) // n_columns
    height = n_rows * 0.62 * width / (max(n_columns, 2) if is_wide(width) else 1) + 0.4
    figure = new_figure(width, height, title)
    panels = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False).ravel()
    for axes, name in zip(panels, others, strict=True):
        if len(every):
            axes.plot(
                every[name],
                every[column],
                ".",
                color=FAINT,
                markersize=2,
                rasterized=len(every) > MOST_VECTORS,
                label=told,
            )
        for arm, style in style_of(arms).items():
            own = fronts[fronts["arm"] == arm]
            if len(own):
                axes.plot(
                    own[name],
                    own[column],
                    style["marker"],
                    color=style["color"],
                    markersize=4.5,
                    markeredgecolor="white",
                    markeredgewidth=0.4,
                    label=f"front: {labels[arm]}",
                )
        axes.set_xlabel(title_of_objective(name))
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel(label)
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(4))
        if name in SIZES:
            axes.xaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
        if is_fraction(column.replace("validation_", "test_")):
            axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
    legend_below(figure, panels[0], width)
    return figure


# -- who descends from whom --------------------------------------------------------------------------------------------


def draw_lineage(results: Results, width: float = WIDTHS["page"]) -> Figure:
    """Draw who descends from whom in the search of the best winner, and the winner's ancestors with their operators.

    A dot is an individual at its generation and slot. A grey line leads from a parent to a child that survived. The
    thick line is the lineage of the winner. An open dot on it was trained on without being modified.
    """
    winner = results.winner()
    graph = results.lineage()
    end = winner["run"], winner["seed"], winner["individual"]
    line = [*nx.ancestors(graph, end), end]
    nodes: Mapping[Any, Mapping[str, Any]] = {
        node: row for node, row in graph.nodes(data=True) if "generation" in row
    }
    own = [node for node in nodes if node[:2] == end[:2]]
    places = {
        node: (float(nodes[node]["generation"]), float(nodes[node]["slot"])) for node in nodes
    }
    drawn = [node for node in own if node in places]
    title = (
        f"Who descends from whom: {len(drawn):,} individuals; thick: the {len(line)} of the winner's lineage\n"
        f"{where(results, 'chosen on the validation part', winner['seed'], arm_of(results, winner))}"
    )
    n_slots = 1 + max((places[node][1] for node in drawn), default=0)
    figure = new_figure(width, float(np.clip(0.13 * n_slots, 1.2, 0.8 * width)) + 0.6, title)
    axes = figure.add_subplot()
    survived = [
        [places[parent], places[child]]
        for parent, child in graph.edges
        if parent in places and child in places and nodes[child]["survived"]
    ]
    is_large = len(drawn) > MOST_VECTORS
    axes.add_collection(
        LineCollection(survived, colors=FAINT, linewidths=0.5, zorder=1, rasterized=is_large)
    )
    x, y = np.array([places[node] for node in drawn]).T
    axes.plot(x, y, ".", color=FAINT, markersize=3, zorder=2, rasterized=is_large)
    known = [node for node in line if node in places]
    n_generations = 1 + max(places[node][0] for node in known) - min(x)
    room = int(0.8 * width * 72 / n_generations / (0.75 * FONT_SIZE))
    _draw_line(axes, known, nodes, places, room)
    axes.set(xlabel="generation", ylabel="slot of the population")
    axes.set_ylim(n_slots - 0.3, -0.9)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    return figure


def _draw_line(
    axes: Any,
    line: list[Any],
    nodes: Mapping[Any, Mapping[str, Any]],
    places: Mapping[Any, tuple[float, float]],
    room: int,
) -> None:
    """Draw the lineage of the winner, with so many letters of the operators that made an individual as have room."""
    ordered = sorted(line, key=lambda node: (places[node][0], node[2]))
    x, y = np.array([places[node] for node in ordered]).T
    colour = PALETTE[0]
    axes.plot(x, y, "-", color=colour, linewidth=1.6, zorder=3)
    is_child = np.array([nodes[node]["origin"] != "continued" for node in ordered])
    axes.plot(x[is_child], y[is_child], "o", color=colour, markersize=4, zorder=4)
    axes.plot(
        *(x[~is_child], y[~is_child], "o"),
        color=colour,
        markerfacecolor="white",
        markersize=4,
        zorder=4,
    )
    for node, place, was_modified in zip(ordered, zip(x, y, strict=True), is_child, strict=True):
        letters = str(nodes[node]["operators"] or "") if was_modified else ""
        if len(letters) > room:
            letters = f"{letters[: room - 1]}…"
        if letters and room:
            axes.annotate(
                letters,
                place,
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                va="bottom",
                color=colour,
                zorder=5,
            )


# -- operators ---------------------------------------------------------------------------------------------------------


def draw_operators(results: Results, width: float = WIDTHS["page"]) -> Figure:
    """Draw how much better or worse the children of each operator are than their parents at equal training.

    A dot is the mean over seeds, a bar its 95 % interval. With one seed there is no interval.
    """
    effects = results.operator_effects()
    effects = effects[effects["difference"].notna()] if len(effects) else effects
    if effects.empty:
        raise ResultsError("no child was made by an operator and compared with its parent")
    effects = effects.sort_values("difference", ignore_index=True)
    title = (
        "Fitness of the children of each operator minus that of their parents at equal training: "
        f"mean and 95 % interval over seeds\n{where(results, 'validation part')}"
    )
    figure = new_figure(width, 0.19 * len(effects) + 0.6, title)
    axes = figure.add_subplot()
    rows = np.arange(len(effects))
    ends = effects[["difference_low", "difference_high"]].to_numpy(float)
    known = np.isfinite(ends).all(axis=1)
    axes.axvline(0, color=NEUTRAL, linewidth=0.6, linestyle=":")
    axes.hlines(rows[known], ends[known, 0], ends[known, 1], color=PALETTE[0], linewidth=1.4)
    axes.plot(effects["difference"], rows, "o", color=PALETTE[0], markersize=4)
    axes.set_yticks(rows, [_operator(row) for _, row in effects.iterrows()])
    axes.set_ylim(-0.6, len(effects) - 0.4)
    axes.set_xlabel("difference of fitness")
    axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(4))
    return figure


def _operator(row: "pd.Series[Any]") -> str:
    """Return letter, name and number of children of an operator."""
    code = str(row["operator"])
    name = f" {OPERATORS[code].name}" if code in OPERATORS else ""
    return f"{short_name(code + name)} ({row['n_children']:,})"


# -- parameters and MACs by level --------------------------------------------------------------------------------------


def draw_levels(genomes: Mapping[str, Genome], about: str, width: float = WIDTHS["page"]) -> Figure:
    """Draw how many parameters, and how many MACs, the nodes of each level of networks take.

    A level is an evaluation layer: 1 plus the largest level of a predecessor.

    Parameters
    ----------
    genomes : mapping
        Genomes by name.
    about : str
        End of the title.
    width : float
        Inches.
    """
    found = {name: spent_by_level(genome) for name, genome in genomes.items()}
    n_columns = 2 if is_wide(width) else 1
    figure = new_figure(
        width,
        (2 // n_columns) * 0.55 * width / n_columns + 0.4,
        f"Parameters and MACs by level of the nodes that use them\n{about}",
    )
    panels = figure.subplots(2 // n_columns, n_columns, squeeze=False).ravel()
    each = 0.8 / len(found)
    for part, (axes, title) in enumerate(zip(panels, SIZES.values(), strict=True)):
        for k, (name, spent) in enumerate(found.items()):
            numbers = spent[part]
            place = np.arange(len(numbers)) + (k - (len(found) - 1) / 2) * each
            label = f"{name}: {numbers.sum():,} in all"
            first = 0 if numbers[0] else 1
            colour = PALETTE[(5, 1)[k % 2]]
            axes.bar(place[first:], numbers[first:], each, color=colour, label=label)
        axes.set(xlabel="level", ylabel=title)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(mpl.ticker.MaxNLocator(6, integer=True))
        axes.yaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
        axes.set_ylim(
            0, 1.5 * max(numbers.max() for numbers in (one[part] for one in found.values()))
        )
        axes.legend(loc="upper left")
    return figure


def spent_by_level(genome: Genome) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the parameters and the MACs of each level of a network; the sums are those of the tables.

    Level 0 has the nodes without in-edges in the same tick: the inputs, and hidden nodes of which only the bias acts.
    """
    edges = effective_edges(genome)
    targets = genome.targets[genome.effective_mask()]
    is_computed = genome.roles == Role.OUTPUT
    is_computed[edges.sources] = is_computed[edges.targets] = True
    is_computed &= genome.roles != Role.INPUT
    n_levels = int(edges.depth.max(initial=0)) + 1
    levels, biases = edges.depth[targets], edges.depth[is_computed]
    pixels = genome.map_sizes[targets].astype(np.int64) ** 2 * genome.ticks
    parameters = np.bincount(levels, minlength=n_levels) + np.bincount(biases, minlength=n_levels)
    macs = np.bincount(levels, pixels, n_levels).astype(np.int64)
    return parameters.astype(np.int64), macs
