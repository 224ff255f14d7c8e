"""Confusion matrices of the arms of a run, pooled over seeds."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments.figures.colours import POSITIVE
from experiments.figures.labels import short_name

SHADES = mpl.colors.LinearSegmentedColormap.from_list("shades", ["#ffffff", POSITIVE])

PROBABILITY = "probability_"
"""Beginning of the names of the columns with probabilities; the rest is the label of a class."""

MOST_NUMBERS = 12
"""Largest number of classes for which the numbers are written into the cells."""

MOST_LABELS = 60
"""Largest number of classes for which every class has its label at the axes."""


def confusion_matrices(predictions: pd.DataFrame) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
    """Count the true and the predicted classes of each arm, over all seeds.

    Parameters
    ----------
    predictions : DataFrame
        The table of that name, of one data set with classes.

    Returns
    -------
    labels : list of str
        The classes in their order.
    matrices : dict
        For each arm the counts, shape (n_classes, n_classes): a row is a true class, a column a predicted one.
    """
    columns = [name for name in predictions.columns if name.startswith(PROBABILITY)]
    labels = [name.removeprefix(PROBABILITY) for name in columns]
    matrices = {}
    for arm, rows in predictions.groupby("arm"):
        truth, predicted = (
            pd.Categorical(rows[name].astype(str), categories=labels)
            for name in ("truth", "prediction")
        )
        pairs = truth.codes.astype(np.int64) * len(labels) + predicted.codes
        counts = np.bincount(pairs, minlength=len(labels) ** 2)
        matrices[str(arm)] = counts.reshape(len(labels), len(labels))
    return labels, matrices


def draw_confusion(predictions: pd.DataFrame) -> Figure:
    """Draw the confusion matrix of each arm on the test part, pooled over seeds.

    A row is a true class, a column a predicted class. The colour is the fraction of the row. With few classes each cell
    has its count and its fraction.

    Parameters
    ----------
    predictions : DataFrame
        The table of that name, of one data set with classes.
    """
    labels, matrices = confusion_matrices(predictions)
    side = max(3.6, min(0.62 * len(labels) + 1.4, 9.0))
    n_columns = min(len(matrices), 3)
    n_rows = -(-len(matrices) // n_columns)
    figure = Figure(figsize=(side * n_columns + 0.8, (side + 0.5) * n_rows), layout="constrained")
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    n_seeds = predictions[["run", "seed"]].drop_duplicates().shape[0]
    for axes, (arm, counts) in zip(panels, matrices.items(), strict=False):
        image = _draw_matrix(axes, counts, labels)
        right = np.trace(counts) / counts.sum()
        axes.set_title(f"{arm}: {right:.1%} of {counts.sum():,} right", fontsize="medium")
    for axes in panels[len(matrices) :]:
        axes.set_visible(False)
    bar = figure.colorbar(image, ax=list(panels), shrink=0.8)
    bar.set_label("fraction of the true class")
    bar.ax.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
    over = f", {n_seeds} seeds together" if n_seeds > 1 else ""
    figure.suptitle(f"Confusion on the test part{over}")
    return figure


def _draw_matrix(axes: Any, counts: NDArray[np.int64], labels: list[str]) -> Any:
    """Draw one matrix into its axes, and return the image."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap=SHADES, vmin=0, vmax=1)
    axes.spines[:].set_visible(False)
    step = -(-len(labels) // MOST_LABELS)
    ticks = range(0, len(labels), step)
    names = [short_name(labels[k]) for k in ticks]
    size = "medium" if len(names) <= MOST_NUMBERS else "x-small"
    axes.set_xticks(ticks, names, rotation=90 if max(map(len, names)) > 3 else 0, fontsize=size)
    axes.set_yticks(ticks, names, fontsize=size)
    axes.set(xlabel="predicted class", ylabel="true class")
    if len(labels) <= MOST_NUMBERS:
        for (i, j), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[i, j] > 0.6 else "black"
                text = f"{count:,}\n{shares[i, j]:.0%}"
                axes.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)
    return image
