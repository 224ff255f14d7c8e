"""The figures of a run."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from evo.genome.codec import load_genomes
from evo.genome.genome import Genome
from evo.storage.run_store import RunStore
from experiments.analysis.deciding import is_fraction, metric_of, title_of
from experiments.analysis.results import Results
from experiments.figures.confusion import draw_confusion
from experiments.figures.labels import one_warning_of_missing_characters
from experiments.figures.networks import NEUTRAL, POSITIVE, draw_matrices, draw_networks

ARM_COLOURS = ("#1f6fb4", "#c8432b", "#3a923a", "#f2b134", "#7a4fa3")
ARM_STYLES: Sequence[Any] = ("--", ":", "-.", (0, (1, 3)))


def save_figures(results: Results, store: RunStore) -> None:
    """Draw and store all figures of a finished run."""
    style: dict[Any, Any] = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    with mpl.rc_context(style), one_warning_of_missing_characters():
        if not results.evolved:
            store.save_figure("learning", draw_learning(results))
            _save_confusion(results, store)
            return
        store.save_figure("generations", draw_generations(results))
        before, after = winner_before_and_after(results)
        networks = {"Founder, untrained": before, "The winner": after}
        winner = results.best()
        inputs, outputs = winner.preparation.input_names or (), winner.output_names or ()
        store.save_figure("graph", draw_networks(networks, inputs=inputs, outputs=outputs))
        store.save_figure("matrix", draw_matrices(networks, inputs=inputs, outputs=outputs))
        _save_confusion(results, store)


def _save_confusion(results: Results, store: RunStore) -> None:
    """Draw and store the confusion matrices, if there are classes and a test part."""
    if (results.runs["task"] == "classification").all() and results.tested:
        store.save_figure("confusion", draw_confusion(results.predictions))


def winner_before_and_after(results: Results) -> tuple[Genome, Genome]:
    """Return the founder of the best winner of a run, untrained, and the winner itself."""
    winner = results.winner()
    founders = load_genomes(results.path / "genomes" / f"seed-{winner['seed']}-founders.npz")
    return founders[int(winner["founder"])], results.best().genome


def draw_generations(results: Results) -> Figure:
    """Draw the best individual's validation metric over the generations, a thin line per seed, and the baselines.

    The metric is that of verdicts; the loss, where it is not defined on the validation part.
    """
    generations, baseline = results.generations, results.baseline
    deciding, _ = metric_of(results.comparison)
    metric = deciding.replace("test_", "validation_", 1)
    if generations[f"best_{metric}"].isna().all():
        deciding, metric = "test_loss", "validation_loss"
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
    axes.set_ylabel(f"validation {title_of(deciding)}")
    axes.set_title(f"{results.runs['experiment'].iloc[0]}: evolution against fixed networks")
    axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    if is_fraction(deciding):
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
