"""Logistic and softmax regression: one layer with cross-entropy, trained by `cnn.train` (S1).

Both minimize  mean −log p(y | x) + ½ λ ‖w‖²  by gradient descent. With the scores s the gradients are
∂E/∂s = p − t, ∂E/∂w = (p − t) xᵀ + λ w and ∂E/∂b = p − t (S3, S4). Columns of X are centered for the descent. The
minimum does not change, because b is not penalized.
"""

from typing import ClassVar

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
    """A trainable network of one layer with the penalty ½ λ ‖w‖² added to the loss."""

    def __init__(self, network: Network, n_weights: int, l2: float) -> None:
        self._network, self._l2 = network, l2
        self._weights = network.parameters[:n_weights]
        self._weights_gradient = network.gradient[:n_weights]
        self.parameters: FloatVector = network.parameters

    def loss_and_gradients(
        self, inputs: FloatArray, targets: Targets, weights: FloatVector | None = None
    ) -> tuple[float, FloatVector]:
        """See `cnn.Trainable`."""
        value, gradient = self._network.loss_and_gradients(inputs, targets, weights)
        self._weights_gradient += self._l2 * self._weights
        return value + self._penalty(), gradient

    def loss(
        self, inputs: FloatArray, targets: Targets, weights: FloatVector | None = None
    ) -> float:
        """See `cnn.Trainable`."""
        return self._network.loss(inputs, targets, weights) + self._penalty()

    def output(self, inputs: FloatArray) -> FloatArray:
        """See `cnn.Trainable`."""
        return self._network.output(inputs)

    def _penalty(self) -> float:
        return 0.5 * self._l2 * float(self._weights @ self._weights)


class _Regression(LinearClassifier):
    """Base class of both regressions: settings, and training with `cnn.train`."""

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

    def predict_proba(self, X: npt.ArrayLike) -> Floats:
        """Compute the probability of each class.

        Parameters
        ----------
        X
            As for `decision_function`, with the same errors.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            Columns in the order of `classes_`; rows sum to 1.
        """
        scores = self._scores(X)
        if scores.shape[1] == 1:
            return np.asarray(sigmoid(np.hstack([-scores, scores])), np.float64)  # 1 − σ(f) = σ(−f)
        return np.ascontiguousarray(softmax(scores.T).T, np.float64)

    def _descend(
        self, layer: SoftmaxLayer, x: Floats, targets: npt.NDArray[np.intp], curvature: float
    ) -> None:
        """Train one layer and set the fitted attributes.

        `curvature` is a bound on the second derivative of the cross-entropy by the scores.
        """
        check_number("l2", self.l2, least=0)
        check_count("steps", self.steps, least=1)
        check_count("random_state", self.random_state, least=0)
        if not isinstance(self.recipe, Recipe | None):
            raise ValueError(f"recipe must be a cnn.Recipe or None; got {self.recipe!r}")
        check_scale(x, 4 * x.size)  # centring may double a feature
        start, order = np.random.SeedSequence(self.random_state).spawn(2)
        centre = x.mean(axis=0)
        centred = x - centre  # a copy: X is the user's
        recipe = _safe_descent(centred, curvature, self.l2) if self.recipe is None else self.recipe
        network = Network([layer], x.shape[1:], rng=np.random.default_rng(start), dtype=np.float64)
        # Initial weights suit features of size 1. Scaled, they start large features no farther from the minimum.
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
    """Return a recipe of full batches with Nesterov's momentum and the learning rate 1/L.

    L = curvature · λ_max(X̃ᵀX̃/n) + λ with x̃ = (x, 1) is a bound on the second derivative of the loss. A step of
    gradient descent with rate 1/L never increases the loss.
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
    """Logistic regression of two classes: p(classes_[1] | x) = σ(w·x + b).

    The layer is ``SoftmaxLayer(1, implied_other=True)``. Its node is ``classes_[1]``, and "other" is ``classes_[0]``.

    Parameters
    ----------
    l2
        λ of the penalty ½ λ ‖w‖², at least 0. The bias is not penalized. scikit-learn's C is 1 / (n λ).
    steps
        Number of training steps, at least 1.
    recipe
        Training settings. None means full batches, Nesterov's momentum and the highest learning rate that is safe for
        these samples. A step then costs O(n d); for many thousand samples prefer small batches, as in ``Recipe()``.
        The weight decay of a recipe adds to `l2`.
    random_state
        Seed of the initial weights, and of the sample order if batches are not full.

    Attributes
    ----------
    classes_, coef_, intercept_, n_features_in_
        As in `cnn.linear.estimator.LinearClassifier`; one hyperplane.
    report_
        Training report. ``report_.curve.gradient_norm[-1]`` is small near the minimum.

    Notes
    -----
    Descent is slow if features differ much in scale: normalize them first (S6). For separable classes there is no
    minimum without penalty, and w grows with every step.
    """

    two_classes_only: ClassVar[bool] = True

    def _fit(self, x: Floats, codes: npt.NDArray[np.intp]) -> None:
        node = np.where(codes == 1, 0, 1)  # the one node's class, or "other"
        self._descend(SoftmaxLayer(1, implied_other=True), x, node, curvature=0.25)  # max σ′ = ¼


class SoftmaxRegression(_Regression):
    """Softmax regression of two or more classes: p(classes_[i] | x) = softmax(Θ x + b)_i.

    Parameters
    ----------
    l2, steps, recipe, random_state
        As for `LogisticRegression`. The penalty applies to all of Θ.

    Attributes
    ----------
    classes_, coef_, intercept_, n_features_in_
        As in `cnn.linear.estimator.LinearClassifier`; one hyperplane per class, also for two classes.
    report_
        As for `LogisticRegression`.

    Notes
    -----
    See `LogisticRegression`. Adding one vector to every row of Θ, and one number to all of b, does not change the
    probabilities. With λ = 0 the initial weights decide which of these minima is found.
    """

    def _fit(self, x: Floats, codes: npt.NDArray[np.intp]) -> None:
        # diag(o) − o oᵀ has no eigenvalue above ½.
        self._descend(SoftmaxLayer(len(self.classes_)), x, codes, curvature=0.5)
