"""The picture of a run: the metric that decides, over the generations."""

import numpy as np
import pytest

from experiments import Dataset, run
from experiments.figures.curves import draw_generations


@pytest.mark.parametrize(
    ("task", "verdict", "label", "percent"),
    [
        ("classes", None, "validation accuracy", True),
        ("classes", "log_loss", "validation log loss", False),
        ("values", "mae", "validation MAE", False),
    ],
)
def test_generations_are_drawn_by_the_metric_of_verdicts(
    tiny, tmp_path, task, verdict, label, percent
):
    X = np.random.default_rng(0).normal(size=(90, 3))
    y = X[:, 0] > 0 if task == "classes" else X.sum(axis=1)
    settings = tiny(
        seeds=1,
        evolution={"population": 2, "generations": 2, "steps_per_generation": 5},
        baseline={"arms": ["mlp"]},
        evaluation={"verdict": verdict} if verdict else {},
    )
    results = run(
        settings, dataset=Dataset.from_arrays(X, y), workers=0, results=tmp_path, figures=False
    )
    figure = draw_generations(results)
    (axes,) = figure.axes
    figure.draw_without_rendering()
    assert axes.get_ylabel() == label
    column = f"validation_{verdict or ('accuracy' if task == 'classes' else 'loss')}"
    best = axes.lines[0].get_ydata()
    assert best.tolist() == results.generations[f"best_{column}"].tolist()
    fixed = axes.lines[-1].get_ydata()
    assert fixed[0] == results.baseline[column].mean()
    assert all("%" in tick.get_text() for tick in axes.get_yticklabels()) == percent
