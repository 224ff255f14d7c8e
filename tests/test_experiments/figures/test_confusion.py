"""The confusion matrix of the arms, from the table of predictions."""

import warnings
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix

from experiments.figures.confusion import confusion_matrices, draw_confusion
from experiments.figures.style.labels import LONGEST, one_warning_of_missing_characters


def predictions(labels, n=200, arms=("evolved", "mlp")):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "run": "r",
            "seed": rng.integers(0, 2, n),
            "arm": rng.choice(arms, n),
            "truth": rng.choice(labels, n),
            "prediction": rng.choice(labels, n),
        }
    )
    return frame.assign(**{f"probability_{label}": 0.5 for label in labels})


@pytest.mark.parametrize("labels", [["calm", "storm", "a_b"], [10, 2, 33]])
def test_it_counts_as_scikit_learn_does(labels):
    frame = predictions(labels)
    names, matrices = confusion_matrices(frame)
    assert names == [str(label) for label in labels]
    for arm, rows in frame.groupby("arm"):
        expected = confusion_matrix(rows["truth"], rows["prediction"], labels=labels)
        assert np.array_equal(matrices[arm], expected)


def test_a_class_without_samples_has_a_row_of_zeros():
    frame = predictions(["a", "b"]).assign(probability_c=0.0)
    _, matrices = confusion_matrices(frame)
    assert all(matrix.shape == (3, 3) and matrix[2].sum() == 0 for matrix in matrices.values())
    draw_confusion(frame).canvas.draw()


def test_it_draws_a_panel_for_each_arm_with_counts_and_fractions():
    frame = predictions(["calm", "$torm"], arms=("evolved", "mlp", "cnn", "static"))
    figure = draw_confusion(frame)
    figure.canvas.draw()
    panels = [axes for axes in figure.axes if axes.get_xlabel() == "predicted class"]
    assert len(panels) == 4
    _, matrices = confusion_matrices(frame)
    counts = matrices["cnn"]
    (panel,) = (axes for axes in panels if axes.get_title().startswith("cnn:"))
    right = np.trace(counts) / counts.sum()
    assert f"{right:.1%} of {counts.sum()} right" in panel.get_title()
    expected = {f"{count}\n{count / row.sum():.0%}" for row in counts for count in row.tolist()}
    assert {text.get_text() for text in panel.texts} == expected
    np.testing.assert_allclose(panel.images[0].get_array(), counts / counts.sum(1, keepdims=True))
    assert [tick.get_text() for tick in panel.get_yticklabels()] == ["calm", r"\$torm"]


def test_many_classes_are_drawn_without_numbers():
    labels = [f"the class of the number {k} among all" for k in range(60)]
    figure = draw_confusion(predictions(labels, 3000))
    figure.canvas.draw()
    (panel, *_) = figure.axes
    assert len(panel.texts) == 0
    names = [tick.get_text() for tick in panel.get_yticklabels()]
    assert len({*names}) == len(names) == 15  # of names that would be alike each has its number
    assert max(map(len, names)) <= LONGEST


def test_names_in_letters_that_the_font_lacks_give_one_warning():
    frames = [predictions(["猫", "犬"]), predictions(["鳥", "b"])]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with one_warning_of_missing_characters():
            for frame in frames:
                draw_confusion(frame).savefig(BytesIO())
            warnings.warn("another matter", UserWarning, stacklevel=1)
    told = [str(one.message) for one in caught]
    assert told[0] == "another matter"
    assert len(told) == 2
    assert "the font of matplotlib lacks" in told[1]
