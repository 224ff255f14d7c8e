"""Draw docs/idea.png: a mutation in the matrix and in the graph. Run: python docs/draw_idea.py."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from evo import Genome, GenomeEditor

BLUE, RED, GREY = "#1f6fb4", "#c8432b", "#555555"
NAMES = ("x1", "x2", "h1", "h2", "y")
POSITIONS = np.array([[0, 1.0], [0, 0.0], [1, 1.0], [1.6, 0.1], [2.6, 0.55]])
START = [
    [0, 0, 0.8, 0, 0],
    [0, 0, -0.5, 0.9, 0],
    [0, 0, 0, 0, 0.7],
    [0, 0, 0, 0, -0.6],
    [0, 0, 0, 0, 0],
]


def draw_matrix(axes: Any, weights: np.ndarray, title: str) -> None:
    """Draw a matrix with its numbers."""
    colours = mpl.colors.LinearSegmentedColormap.from_list("weights", [RED, "#ffffff", BLUE])
    axes.imshow(weights, cmap=colours, vmin=-1.3, vmax=1.3)
    for (i, j), weight in np.ndenumerate(weights):
        if weight:
            axes.text(j, i, f"{weight:.1f}", ha="center", va="center", fontsize=9)
    axes.set_xticks(range(5), NAMES)
    axes.set_yticks(range(5), NAMES)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("column j: in-edges of j", fontsize=8, color=GREY)
    axes.set_ylabel("row i: out-edges of i", fontsize=8, color=GREY)


def draw_graph(axes: Any, weights: np.ndarray) -> None:
    """Draw the graph of a matrix."""
    for i, j in np.argwhere(weights != 0):
        style = {
            "arrowstyle": "-|>",
            "color": BLUE if weights[i, j] > 0 else RED,
            "linewidth": 0.5 + 2.5 * abs(weights[i, j]),
            "shrinkA": 13,
            "shrinkB": 13,
        }
        axes.annotate("", xy=POSITIONS[j], xytext=POSITIONS[i], arrowprops=style)
    colours = ["#bdbdbd", "#bdbdbd", "#f2b134", "#f2b134", "#7bbf7b"]
    axes.scatter(*POSITIONS.T, s=620, c=colours, zorder=3)
    for position, name in zip(POSITIONS, NAMES, strict=True):
        axes.text(*position, name, ha="center", va="center", zorder=4)
    axes.set(xlim=(-0.4, 3.0), ylim=(-0.35, 1.35))
    axes.set_axis_off()


def main() -> None:
    """Draw the three steps: parent, modified, trained."""
    parent = Genome.from_matrix(START, n_inputs=2, n_outputs=1)
    editor = GenomeEditor(parent)
    editor.add_column(source=2, target=3, factor=0.5)
    modified = editor.freeze().to_dense()
    # Weights as training might leave them; the topology stays.
    trained = modified + np.where(modified != 0, [[0.2], [-0.1], [0.4], [-0.3], [0]], 0)
    steps = (
        (parent.to_dense(), "a network is a matrix"),
        (modified, "modify: C adds ½ × column h1\nto column h2"),
        (trained, "train: gradient descent\non the same numbers"),
    )
    figure = Figure(figsize=(10.5, 6), layout="constrained")
    panels = figure.subplots(2, 3, height_ratios=(3, 2))
    for (weights, title), upper, lower in zip(steps, panels[0], panels[1], strict=True):
        draw_matrix(upper, weights, title)
        draw_graph(lower, weights)
    figure.savefig(Path(__file__).with_name("idea.png"), dpi=110)


if __name__ == "__main__":
    main()
