"""Draw docs/delayed.svg and docs/loop.png, the pictures of docs/concepts.md. Run: python docs/draw_concepts.py."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from evo import Genome
from experiments import draw_network

BLUE, GREY = "#1f6fb4", "#555555"
FOLDER = Path(__file__).parent
MATRIX = np.array(
    [
        [0, 0, 0.8, 0.5, 0.0],
        [0, 0, 0.0, -1.0, 0.0],
        [0, 0, 0.0, 0.7, 1.0],
        [0, 0, 0.3, 0.0, -0.5],
        [0, 0, 0.0, 0.0, 0.0],
    ],
    dtype=np.float32,
)
"""The matrix of the first code of the page."""

STEPS = (
    ("Founders", "generation 0:\ndrawn or given"),
    ("Modify", "a policy applies\noperators to a copy"),
    ("Train", "gradient descent,\nweights inherited"),
    ("Evaluate, select", "fitness on the\nvalidation part"),
    ("Compare", "with a CNN, on\nthe test part, once"),
)


def draw_loop() -> Figure:
    """Draw the steps of a run, and the way back from selection to modification."""
    figure = Figure(figsize=(10.5, 2.3), layout="constrained")
    axes = figure.add_subplot()
    for k, (title, text) in enumerate(STEPS):
        _draw_box(axes, 2.1 * k, title, text)
        if k:
            _draw_arrow(axes, (2.1 * k - 1.25, 0), (2.1 * k - 0.85, 0), "arc3")
    _draw_arrow(axes, (6.3, -0.55), (2.1, -0.55), "arc3,rad=-0.22")
    axes.text(4.2, -1.28, "next generation", ha="center", fontsize=10, color=BLUE)
    axes.set(xlim=(-1, 9.4), ylim=(-1.5, 0.7))
    axes.set_axis_off()
    return figure


def _draw_box(axes: Any, x: float, title: str, text: str) -> None:
    box = mpl.patches.FancyBboxPatch(
        (x - 0.75, -0.4), 1.5, 0.8, boxstyle="round,pad=0.1", facecolor="#eef3f8", edgecolor=BLUE
    )
    axes.add_patch(box)
    axes.text(x, 0.24, title, ha="center", va="center", fontsize=11, weight="bold")
    axes.text(x, -0.16, text, ha="center", va="center", fontsize=9, color=GREY)


def _draw_arrow(axes: Any, begin: Any, end: Any, bend: str) -> None:
    style = {"arrowstyle": "-|>", "color": BLUE, "linewidth": 1.5, "connectionstyle": bend}
    axes.annotate("", xy=end, xytext=begin, arrowprops=style)


def main() -> None:
    """Draw both pictures."""
    genome = Genome.from_matrix(MATRIX, n_inputs=2, n_outputs=1, ticks=2, activation="tanh")
    names = {"inputs": ["node 0", "node 1"], "outputs": ["node 4"]}
    draw_network(genome, FOLDER / "delayed.svg", title="The network below", width=4.5, **names)
    draw_loop().savefig(FOLDER / "loop.png", dpi=110)


if __name__ == "__main__":
    main()
