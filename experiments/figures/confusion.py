"""Confusion matrices of the arms of a run, pooled over seeds."""

import math
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments.figures.style.colours import POSITIVE
from experiments.figures.style.labels import arm_labels, longest_in, short_names
from experiments.figures.style.sizes import FONT_SIZE, WIDTHS, is_wide, new_figure, wrapped

SHADES = mpl.colors.LinearSegmentedColormap.from_list("shades", ["#ffffff", POSITIVE])

PROBABILITY = "probability_"
"""Beginning of the names of the columns with probabilities; the rest is the label of a class."""


HIGHEST = 9.5
"""Largest height of all matrices together in inches; more stand side by side beyond that, and are smaller."""


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


def draw_confusion(
    predictions: pd.DataFrame, width: float = WIDTHS["page"], about: str = ""
) -> Figure:
    """Draw the confusion matrix of each arm on the test part, pooled over seeds.

    A row is a true class, a column a predicted class. The colour is the fraction of the row. With few classes each cell
    has its count and its fraction.

    Parameters
    ----------
    predictions : DataFrame
        The table of that name, of one data set with classes.
    width : float
        Inches.
    about : str
        End of the title.
    """
    labels, matrices = confusion_matrices(predictions)
    n_columns = min(len(matrices), 2 if is_wide(width) else 1)
    while width / n_columns * -(-len(matrices) // n_columns) > HIGHEST:
        n_columns += 1
    n_rows = -(-len(matrices) // n_columns)
    side = min(width / n_columns, 0.5 * len(labels) + 1.6)
    n_seeds = predictions[["run", "seed"]].drop_duplicates().shape[0]
    over = f", {n_seeds} seeds together" if n_seeds > 1 else ""
    title = f"Confusion on the test part{over}\n{about}"
    figure = new_figure(width, (side - 0.1) * n_rows + 0.6, title)
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    names = arm_labels(matrices, width)
    for axes, (arm, counts) in zip(panels, matrices.items(), strict=False):
        image = _draw_matrix(axes, counts, labels, 72 * (side - 0.9))
        right = np.trace(counts) / counts.sum()
        axes.set_title(wrapped(f"{names[arm]}: {right:.1%} of {counts.sum():,} right", side - 0.5))
    for axes in panels[len(matrices) :]:
        axes.set_visible(False)
    bar = figure.colorbar(
        image, ax=list(panels), location="bottom", aspect=40, shrink=0.7, pad=0.02
    )
    bar.set_label("fraction of the true class")
    bar.ax.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
    return figure


def _draw_matrix(axes: Any, counts: NDArray[np.int64], labels: list[str], points: float) -> Any:
    """Draw one matrix into its axes, which have a side in points, and return the image.

    Labels and numbers are left out where they would lie on each other.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap=SHADES, vmin=0, vmax=1)
    axes.spines[:].set_visible(False)
    cell = points / len(labels)
    step = max(1, math.ceil(1.2 * FONT_SIZE / cell))
    ticks = range(0, len(labels), step)
    all_names = short_names(labels, longest_in((points / 72) + 0.9))
    names = [all_names[k] for k in ticks]
    is_long = max(map(len, names)) * 0.6 * FONT_SIZE > step * cell
    axes.set_xticks(ticks, names, rotation=90 if is_long else 0)
    axes.set_yticks(ticks, names)
    axes.set(xlabel="predicted class", ylabel="true class")
    if cell > len(f"{counts.max():,}") * 0.65 * FONT_SIZE:
        for (i, j), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[i, j] > 0.6 else "black"
                text = f"{count:,}\n{shares[i, j]:.0%}" if cell > 3.2 * FONT_SIZE else f"{count:,}"
                axes.text(j, i, text, ha="center", va="center", color=colour, in_layout=False)
    return image
