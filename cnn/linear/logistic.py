"""Logistic and softmax regression: one layer, cross-entropy, and the trainer of all networks (S1).

Both minimise  mean −log p(y | x) + ½ λ ‖w‖²  by gradient descent. The layer's gradient is the whole
derivation: ∂E/∂s = p − t, so ∂E/∂w = (p − t) xᵀ + λ w and ∂E/∂b = p − t (S3, S4). Columns of X are
centred meanwhile: as b is free, that changes the way to the minimum and not the minimum.
"""

from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from cnn.arrays import FloatArray, FloatVector, Targets
from cnn.compile.compilation import single_threaded_blas
from cnn.functional import sigmoid, softmax
from cnn.layers.output import SoftmaxLayer
from cnn.linear.estimator import Floats, LinearClassifier, check_count, check_number, check_scale
from cnn.models.network import Network
from cnn.training.recipe import Recipe
from cnn.training.samples import Samples
from cnn.training.trainer import TrainingReport, train

MOMENTUM = 0.9


class _Penalized:
    """A network of one layer whose loss has ½ λ ‖w‖² added: a `cnn.training.trainer.Trainable`."""

    def __init__(self, network: Network, n_weights: int, l2: float) -> None:
        self._network, self._l2 = network, l2
        self._weights = network.parameters[:n_weights]
        self._weights_gradient = network.gradient[:n_weights]
        self.parameters: FloatVector = network.parameters

    def loss_and_gradients(self, inputs: FloatArray, targets: Targets) -> tuple[float, FloatVector]:
        """See `cnn.training.trainer.Trainable`."""
        value, gradient = self._network.loss_and_gradients(inputs, targets)
        self._weights_gradient += self._l2 * self._weights
        return value + self._penalty(), gradient

    def loss(self, inputs: FloatArray, targets: Targets) -> float:
        """See `cnn.training.trainer.Trainable`."""
        return self._network.loss(inputs, targets) + self._penalty()

    def output(self, inputs: FloatArray) -> FloatArray:
        """See `cnn.training.trainer.Trainable`."""
        return self._network.output(inputs)

    def _penalty(self) -> float:
        return 0.5 * self._l2 * float(self._weights @ self._weights)


class _Regression(LinearClassifier):
    """What the two regressions share: settings, and descent with `cnn.train`."""

    report_: TrainingReport

    def __init__(
        self,
        *,
        l2: float = 0.0,
        steps: int = 1000,
        recipe: Recipe | None = None,
        random_state: int = 0,
    ) -> None:
        self.l2 = l2
        self.steps = steps
        self.recipe = recipe
        self.random_state = random_state

    def _descend(
        self, layer: SoftmaxLayer, x: Floats, targets: npt.NDArray[np.intp], curvature: float
    ) -> None:
        """Train one layer, and set what was learned.

        `curvature` bounds the second derivative of the cross-entropy by the scores.
        """
        check_number("l2", self.l2, least=0)
        check_count("steps", self.steps, least=1)
        check_count("random_state", self.random_state, least=0)
        if not isinstance(self.recipe, Recipe | None):
            raise ValueError(f"recipe must be a cnn.Recipe or None, not {self.recipe!r}")
        check_scale(x, 4 * x.size)  # centring may double a feature
        start, order = np.random.SeedSequence(self.random_state).spawn(2)
        centre = x.mean(axis=0)
        centred = x - centre  # a copy: X is the user's
        recipe = _safe_descent(centred, curvature, self.l2) if self.recipe is None else self.recipe
        network = Network([layer], x.shape[1:], rng=np.random.default_rng(start), dtype=np.float64)
        # Weights that suit features of size 1, so that the way to the minimum is not the longer the
        # larger features are.
        layer.weights /= max(1.0, float(np.sqrt(np.mean(centred * centred))))
        report = train(
            _Penalized(network, layer.macs, self.l2),
            Samples(centred, targets),
            recipe,
            first_step=0,
            steps=self.steps,
            total_steps=self.steps,
            order_seed=order,
            record_every=max(self.steps // 100, 1),
        )
        if report.status != "ok":
            raise ValueError(
                f"training diverged ({report.reason}): the recipe's learning rate "
                f"{recipe.learning_rate:g} is too high for features of this scale"
            )
        self.coef_ = np.array(layer.weights, np.float64)
        self.intercept_ = layer.bias - layer.weights @ centre
        self.report_ = report


def _safe_descent(x: Floats, curvature: float, l2: float) -> Recipe:
    """Return full-batch descent with Nesterov's momentum at the rate 1/L.

    L = curvature · λ_max(X̃ᵀX̃/n) + λ with x̃ = (x, 1) bounds the loss's second derivative, so that a
    step of gradient descent at this rate never goes uphill.
    """
    n, n_features = x.shape
    with single_threaded_blas():
        gram = x.T @ x if n_features <= n else x @ x.T
        steepest = max(float(np.linalg.eigvalsh(gram)[-1]) / n, 1.0)
    return Recipe(
        optimizer="nesterov",
        learning_rate=1.0 / (curvature * steepest + l2),
        momentum=MOMENTUM,
        batch_size=n,
        schedule="constant",
    )


class LogisticRegression(_Regression):
    """One unit with the sigmoid as its activation: p(classes_[1] | x) = σ(w·x + b); two classes.

    It is ``SoftmaxLayer(1, implied_other=True)``: the unit stands for ``classes_[1]``, and "other"
    is ``classes_[0]``.

    Parameters
    ----------
    l2
        λ of the penalty ½ λ ‖w‖², which leaves b alone; at least 0. scikit-learn's C is 1 / (n λ).
    steps
        Steps of training, at least 1.
    recipe
        How to train. None: full batches, Nesterov's momentum, and the highest learning rate that is
        safe on these samples. A step then costs O(n d): many thousand samples want small batches,
        as of ``Recipe()``. A recipe's weight decay comes on top of `l2`.
    random_state
        Seed of the starting weights and, where batches are not full, of the order of samples.

    Attributes
    ----------
    classes_, coef_, intercept_, n_features_in_
        As in `cnn.linear.estimator.LinearClassifier`; one hyperplane.
    report_
        The trainer's report. How near the minimum is shows in ``report_.curve.gradient_norm[-1]``.

    Notes
    -----
    Descent is slow where features differ much in scale: normalise them first (S6). Classes that a
    hyperplane separates have no minimum without penalty: w grows with every step.
    """

    two_classes_only: ClassVar[bool] = True

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Descend for `steps` steps.

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
            Where a setting, a shape or a value does not suit, there are not two classes, sums of
            squares of features overflow, or training diverges.
        """
        x, codes = self._read(X, y)
        node = np.where(codes == 1, 0, 1)  # the one node's class, or "other"
        self._descend(SoftmaxLayer(1, implied_other=True), x, node, curvature=0.25)  # max σ′ = ¼
        return self

    def predict_proba(self, X: npt.ArrayLike) -> Floats:
        """Compute the probability of each class.

        Parameters
        ----------
        X
            As for `decision_function`, which raises what may be raised.

        Returns
        -------
        ndarray of float64, shape (n, 2)
            In the order of `classes_`; rows sum to 1.
        """
        scores = self._scores(X)
        both = np.hstack([-scores, scores])  # 1 − σ(f) = σ(−f)
        return np.asarray(sigmoid(both), np.float64)


class SoftmaxRegression(_Regression):
    """A softmax unit for each class: p(classes_[i] | x) = softmax(Θ x + b)_i; two classes or more.

    Parameters
    ----------
    l2, steps, recipe, random_state
        As for `LogisticRegression`; the penalty is on all of Θ.

    Attributes
    ----------
    classes_, coef_, intercept_, n_features_in_
        As in `cnn.linear.estimator.LinearClassifier`; a hyperplane per class, with two classes as well.
    report_
        As for `LogisticRegression`.

    Notes
    -----
    See `LogisticRegression`. One vector may be added to every row of Θ, and one number to all of b,
    without changing a probability: where λ = 0, the starting weights decide which of these minima
    is found.
    """

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Descend for `steps` steps.

        Parameters
        ----------
        X
            Samples, shape (n, n_features).
        y
            Their labels, shape (n,), of two classes or more.

        Returns
        -------
        Self
            This estimator.

        Raises
        ------
        ValueError
            Where a setting, a shape or a value does not suit, there is only one class, sums of
            squares of features overflow, or training diverges.
        """
        x, codes = self._read(X, y)
        # diag(o) − o oᵀ has no eigenvalue above ½.
        self._descend(SoftmaxLayer(len(self.classes_)), x, codes, curvature=0.5)
        return self

    def predict_proba(self, X: npt.ArrayLike) -> Floats:
        """Compute the probability of each class.

        Parameters
        ----------
        X
            As for `decision_function`, which raises what may be raised.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            In the order of `classes_`; rows sum to 1.
        """
        return np.ascontiguousarray(softmax(self._scores(X).T).T, np.float64)
