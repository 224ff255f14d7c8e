"""Rosenblatt's perceptron: f(x) = sign(w·x + b), learned from its mistakes alone (S1).

For a sample x with the wanted sign y ∈ {−1, 1},

    if y (w·x + b) ≤ 0:    w ← w + y x,    b ← b + y

which raises y (w·x + b) by ‖x‖² + 1. If some hyperplane with ‖(w, b)‖ = 1 leaves y (w·x + b) ≥ γ > 0
for all samples, and ‖(x, 1)‖ ≤ R, the rule makes at most (R/γ)² mistakes, in whatever order samples
come (Novikoff 1962). If there is none, as for XOR, it makes mistakes forever.
"""

from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from cnn.linear.estimator import LinearClassifier, check_count, check_scale
from cnn.linear.perceptron_kernels import perceptron_epoch


class Perceptron(LinearClassifier):
    """A single unit with the sign as its activation; two classes.

    Parameters
    ----------
    max_epochs
        Epochs after which to give up, at least 1.
    random_state
        Seed of the order of samples, drawn anew for each epoch; None shows them in their own order.

    Attributes
    ----------
    classes_, coef_, intercept_, n_features_in_
        As in `cnn.linear.estimator.LinearClassifier`; one hyperplane, with ``classes_[1]`` on its positive
        side.
    mistakes_
        Mistakes in each epoch, shape (n_epochs_,). Their sum is what Novikoff's bound is for.
    n_epochs_
        Epochs made.
    converged_
        Whether an epoch without mistake came: the training samples are then told apart.

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

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Learn until an epoch brings no mistake, or `max_epochs` are over.

        Parameters
        ----------
        X
            Samples, shape (n, n_features).
        y
            Their labels, shape (n,), of two classes.

        Returns
        -------
        Self
            This estimator.

        Raises
        ------
        ValueError
            Where a setting, a shape or a value does not suit, there are not two classes, or the
            features are so large that sums of their squares overflow.
        """
        check_count("max_epochs", self.max_epochs, least=1)
        if self.random_state is not None:
            check_count("random_state", self.random_state, least=0)
        x, codes = self._read(X, y)
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
        return self
