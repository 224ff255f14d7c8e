"""The compiled perceptron rule: an inner product for each sample, and an update at each mistake."""

from typing import Any

import numpy.typing as npt

from cnn.arrays import FloatArray, FloatVector
from cnn.compile.compilation import kernel


@kernel
def perceptron_epoch(
    x: FloatArray, signs: FloatVector, order: npt.NDArray[Any], theta: FloatVector
) -> int:
    """Process every sample once, and update the hyperplane at each mistake.

    Parameters
    ----------
    x
        Samples, shape (n, n_features).
    signs
        Target signs, −1 or 1, shape (n,).
    order
        Indices of the samples in the order of processing.
    theta
        (w, b), shape (n_features + 1,); changed in place.

    Returns
    -------
    int
        Number of mistakes, equal to the number of updates.
    """
    n_features = x.shape[1]
    mistakes = 0
    for i in order:
        f = theta[n_features]
        for k in range(n_features):
            f += theta[k] * x[i, k]  # f(x) = w·x + b
        if signs[i] * f <= 0:  # sign(f) ≠ y; f = 0 counts as a mistake
            for k in range(n_features):
                theta[k] += signs[i] * x[i, k]  # w ← w + y x
            theta[n_features] += signs[i]  # b ← b + y
            mistakes += 1
    return mistakes
