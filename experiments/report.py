"""Figures of a run, for someone who has never seen one."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from evo.genome import Genome, Role
from evo.store import RunStore, load_genomes
from experiments.results import Results
from graphops import evaluation_layers

POSITIVE, NEGATIVE, NEUTRAL = "#1f6fb4", "#c8432b", "#555555"
ROLE_COLOURS = {Role.INPUT: "#8c8c8c", Role.HIDDEN: "#f2b134", Role.OUTPUT: "#3a923a"}
ARM_COLOURS = ("#1f6fb4", "#c8432b", "#3a923a", "#f2b134", "#7a4fa3")
ARM_STYLES: Sequence[Any] = ("--", ":", "-.", (0, (1, 3)))


def save_figures(results: Results, store: RunStore) -> None:
    """Draw and store all figures of a finished run."""
    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        curves = baseline_curves(results)
        if not results.evolved or curves["validation_loss"].count() > len(results.baseline):
            store.save_figure("learning", draw_learning(results))
        if not results.evolved:
            return
        store.save_figure("generations", draw_generations(results))
        before, after = winner_before_and_after(results)
        store.save_figure("graph", draw_graphs(before, after))
        store.save_figure("matrix", draw_matrices(before, after))


def winner_before_and_after(results: Results) -> tuple[Genome, Genome]:
    """Return the founder of the best winner of a run, untrained, and the winner itself."""
    winner = results.winner()
    founders = load_genomes(results.path / "genomes" / f"seed-{winner['seed']}-founders.npz")
    return founders[int(winner["founder"])], results.best().genome


def draw_generations(results: Results) -> Figure:
    """Draw the best validation metric over the generations, a thin line per seed, and the baselines as lines."""
    generations, baseline = results.generations, results.baseline
    metric, label = "validation_accuracy", "validation accuracy"
    if generations["best_validation_accuracy"].isna().all():
        metric, label = "validation_loss", "validation loss"
    wide = generations.pivot_table(index="generation", columns="seed", values=f"best_{metric}")
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(wide.index, wide.to_numpy(), color=POSITIVE, alpha=0.3, linewidth=1)
    axes.plot([], [], color=POSITIVE, alpha=0.3, linewidth=1, label="evolved: single seeds")
    axes.plot(
        wide.index,
        wide.mean(axis=1),
        color=POSITIVE,
        linewidth=2.5,
        marker="o",
        markersize=4,
        label=f"evolved: best of the population (mean of {wide.shape[1]} seeds)",
    )
    for style, (arm, group) in zip(ARM_STYLES, baseline.groupby("arm"), strict=False):
        axes.axhline(
            float(group[metric].mean()),
            color=NEUTRAL,
            linestyle=style,
            label=f"{arm}, after {int(group['steps'].mean())} steps (mean)",
        )
    axes.set_xlabel("generation (one round of modify and train)")
    axes.set_ylabel(label)
    axes.set_title(f"{results.runs['experiment'].iloc[0]}: evolution against fixed networks")
    axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    if metric == "validation_accuracy":
        axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
    axes.legend(frameon=False, loc="best")
    return figure


def baseline_curves(results: Results) -> pd.DataFrame:
    """Return the learning curves of the baselines: rows of ``training``."""
    return results.training[results.training["individual"].isna()]


def draw_learning(results: Results) -> Figure:
    """Draw the baselines' losses over the steps, and where there are classes their validation accuracy."""
    curves = baseline_curves(results)
    panels = {"loss": "loss", "validation_accuracy": "validation accuracy"}
    if curves["validation_accuracy"].isna().all():
        del panels["validation_accuracy"]
    figure = Figure(figsize=(6 * len(panels), 4.5), layout="constrained")
    all_axes = dict(zip(panels, figure.subplots(1, len(panels), squeeze=False)[0], strict=True))
    n_seeds = curves["seed"].nunique()
    for colour, (arm, rows) in zip(cycle(ARM_COLOURS), curves.groupby("arm")):
        lines = [("loss", "loss", f"{arm}: minibatches", "-", 0.6)]
        lines += [("loss", "validation_loss", f"{arm}: validation", "o-", 1.0)]
        lines += [("validation_accuracy", "validation_accuracy", str(arm), "o-", 1.0)]
        for panel, column, label, style, alpha in lines:
            if panel not in all_axes:
                continue
            wide = rows.pivot_table(index="step", columns="seed", values=column)
            axes = all_axes[panel]
            thin = {"color": colour, "linewidth": 0.7, "alpha": 0.25}
            axes.plot(wide.index, wide.to_numpy(), **thin)
            mean = wide.dropna().mean(axis=1)
            axes.plot(mean.index, mean, style, color=colour, alpha=alpha, markersize=4, label=label)
    all_axes["loss"].set_yscale("log")
    for panel, axes in all_axes.items():
        axes.set(xlabel="gradient steps", ylabel=panels[panel])
        axes.legend(frameon=False)
    if "validation_accuracy" in all_axes:
        all_axes["validation_accuracy"].yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
    over = f", mean of {n_seeds} seeds and single seeds" if n_seeds > 1 else ""
    figure.suptitle(f"{results.runs['experiment'].iloc[0]}: how the fixed networks learnt{over}")
    return figure


def draw_graphs(before: Genome, after: Genome) -> Figure:
    """Draw two networks side by side: nodes by depth, left to right, edges by weight."""
    figure = Figure(figsize=(12, 6.5), layout="constrained")
    figure.suptitle("The winning network before and after evolution")
    for axes, genome, title in zip(
        figure.subplots(1, 2),
        (before, after),
        ("its founder, untrained", "the winner"),
        strict=True,
    ):
        edges = _draw_graph(axes, genome)
        axes.set_title(f"{title}: {edges:,} edges that reach an output")
    handles = [
        mpl.lines.Line2D([], [], marker="o", linestyle="", color=colour, label=role.name.lower())
        for role, colour in ROLE_COLOURS.items()
    ]
    handles += [
        mpl.lines.Line2D([], [], color=POSITIVE, label="positive weight"),
        mpl.lines.Line2D([], [], color=NEGATIVE, label="negative weight"),
        mpl.lines.Line2D([], [], color=NEUTRAL, linewidth=0, label="wider: larger weight"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=6, frameon=False)
    return figure


def draw_matrices(before: Genome, after: Genome) -> Figure:
    """Draw two adjacency matrices side by side: row = speaker, column = listener, colour = weight."""
    figure = Figure(figsize=(12, 6.2), layout="constrained")
    figure.suptitle(
        "The same two networks as matrices: entry (row i, column j) is the weight from node i to node j"
    )
    largest = max(float(np.abs(g.values).max(initial=1e-9)) for g in (before, after))
    colours = mpl.colors.LinearSegmentedColormap.from_list(
        "weights", [NEGATIVE, "#ffffff", POSITIVE]
    )
    for axes, genome, title in zip(
        figure.subplots(1, 2), (before, after), ("founder, untrained", "winner"), strict=True
    ):
        shown = genome.to_dense()
        # A power below 1 keeps small weights visible.
        picture = axes.imshow(
            np.sign(shown) * np.abs(shown / largest) ** 0.5,
            cmap=colours,
            vmin=-1,
            vmax=1,
            interpolation="nearest",
        )
        n_inputs = int((genome.roles == Role.INPUT).sum())
        for border in (n_inputs, genome.n_nodes - int((genome.roles == Role.OUTPUT).sum())):
            axes.axhline(border - 0.5, color=NEUTRAL, linewidth=0.6)
            axes.axvline(border - 0.5, color=NEUTRAL, linewidth=0.6)
        axes.set(
            title=title, xlabel="listening node (inputs | hidden | outputs)", ylabel="speaking node"
        )
    bar = figure.colorbar(picture, ax=figure.axes, shrink=0.8, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels([f"{-largest:.2g}", "no edge", f"{largest:.2g}"])
    bar.set_label("weight (square-root scale)")
    return figure


def _draw_graph(axes: Any, genome: Genome) -> int:
    mask = genome.effective_mask()
    sources = genome.indices[mask].astype(np.intp)
    targets = np.repeat(np.arange(genome.n_nodes), np.diff(genome.indptr))[mask]
    weights = genome.values[mask]
    x, y = _layout(genome, sources, targets)
    used = np.zeros(genome.n_nodes, dtype=bool)
    used[sources] = used[targets] = True
    order = np.argsort(np.abs(weights))
    strength = np.abs(weights[order]) / max(float(np.abs(weights).max(initial=0)), 1e-9)
    segments = np.stack(
        [np.column_stack([x[sources], y[sources]]), np.column_stack([x[targets], y[targets]])],
        axis=1,
    )[order]
    base = np.where(
        (weights[order] > 0)[:, None], mpl.colors.to_rgb(POSITIVE), mpl.colors.to_rgb(NEGATIVE)
    )
    colours = np.column_stack([base, 0.06 + 0.7 * strength])
    axes.add_collection(
        LineCollection(list(segments), colors=colours, linewidths=0.2 + 1.8 * strength)
    )
    for role, colour in ROLE_COLOURS.items():
        chosen = genome.roles == role
        axes.scatter(x[chosen], y[chosen], s=np.where(used[chosen], 26, 6), color=colour, zorder=3)
    axes.set_axis_off()
    return len(weights)


def _layout(
    genome: Genome, sources: NDArray[np.intp], targets: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Place nodes: inputs left, outputs right, hidden ones by depth, each near the mean height of its neighbours."""
    depth = evaluation_layers(genome.weights, genome.inputs).astype(float)
    depth[genome.roles == Role.INPUT] = 0
    hidden = genome.roles == Role.HIDDEN
    deepest = depth[hidden].max(initial=0)
    depth[genome.roles == Role.OUTPUT] = deepest + 1
    y = np.zeros(genome.n_nodes)
    for positions in (genome.inputs, genome.outputs):
        y[positions] = np.linspace(1, 0, len(positions) + 2)[1:-1]
    for _ in range(3):
        total = np.bincount(targets, y[sources], genome.n_nodes) + np.bincount(
            sources, y[targets], genome.n_nodes
        )
        degree = np.bincount(targets, minlength=genome.n_nodes) + np.bincount(
            sources, minlength=genome.n_nodes
        )
        y[hidden] = (total / np.maximum(degree, 1))[hidden]
        for level in np.unique(depth[hidden]):
            column = np.flatnonzero(hidden & (depth == level))
            ranks = np.argsort(np.argsort(-y[column], kind="stable"), kind="stable")
            y[column] = 1 - (ranks + 1) / (len(column) + 1)
    return depth, y
