"""Rosenblatt's perceptron: f(x) = sign(w·x + b), updated at each mistake (S1).

For a sample x with the target sign y ∈ {−1, 1}, the rule is

    if y (w·x + b) ≤ 0:    w ← w + y x,    b ← b + y

It increases y (w·x + b) by ‖x‖² + 1. If a hyperplane with ‖(w, b)‖ = 1 has y (w·x + b) ≥ γ > 0 for all samples, and
‖(x, 1)‖ ≤ R, the rule makes at most (R/γ)² mistakes in any order of samples (Novikoff 1962). Without such a
hyperplane, as for XOR, the mistakes never end.
"""

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from cnn.linear.estimator import Floats, LinearClassifier, check_count, check_scale
from cnn.linear.perceptron_kernels import perceptron_epoch


class Perceptron(LinearClassifier):
    """A perceptron for two classes.

    Parameters
    ----------
    max_epochs
        Largest number of epochs, at least 1.
    random_state
        Seed of the sample order, drawn anew for each epoch. None keeps the given order.

    Attributes
    ----------
    classes_, coef_, intercept_, n_features_in_
        As in `cnn.linear.estimator.LinearClassifier`; one hyperplane, with ``classes_[1]`` on its positive side.
    mistakes_
        Mistakes in each epoch, shape (n_epochs_,). Novikoff's bound applies to their sum.
    n_epochs_
        Number of epochs.
    converged_
        Whether the last epoch had no mistake, so the hyperplane separates the training samples.

    Examples
    --------
    >>> corners = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> Perceptron().fit(corners, ["no", "no", "no", "yes"]).predict(corners).tolist()
    ['no', 'no', 'no', 'yes']
    >>> Perceptron().fit(corners, [0, 1, 1, 0]).converged_
    False
    """

    two_classes_only: ClassVar[bool] = True

    mistakes_: npt.NDArray[np.int64]
    n_epochs_: int
    converged_: bool

    def __init__(self, *, max_epochs: int = 1000, random_state: int | None = None) -> None:
        self.max_epochs = max_epochs
        self.random_state = random_state

    def _fit(self, x: Floats, codes: npt.NDArray[np.intp]) -> None:
        check_count("max_epochs", self.max_epochs, least=1)
        if self.random_state is not None:
            check_count("random_state", self.random_state, least=0)
        check_scale(x, x.size * self.max_epochs + 1)  # w is a sum of one sample per mistake
        signs = np.where(codes == 1, 1.0, -1.0)
        rng = None if self.random_state is None else np.random.default_rng(self.random_state)

        theta = np.zeros(x.shape[1] + 1)
        order = np.arange(len(x))
        mistakes: list[int] = []
        while len(mistakes) < self.max_epochs and (not mistakes or mistakes[-1]):
            if rng is not None:
                order = rng.permutation(len(x))
            mistakes.append(perceptron_epoch(x, signs, order, theta))

        self.coef_, self.intercept_ = theta[np.newaxis, :-1].copy(), theta[-1:].copy()
        self.mistakes_ = np.array(mistakes, np.int64)
        self.n_epochs_ = len(mistakes)
        self.converged_ = mistakes[-1] == 0
