"""The hyperplane of maximal margin, found by an interior-point method.

For samples x_i with signs y_i ∈ {−1, 1} and f(x) = w·x + b, the primal and the dual problem are

    min  ½‖w‖² + C Σ max(0, 1 − y_i f(x_i))
    max  Σ α_i − ½‖Σ α_i y_i x_i‖²      with 0 ≤ α_i ≤ C and Σ α_i y_i = 0

At the optimum both have one value, and there are s_i, ξ_i ≥ 0 with

    y_i f(x_i) − 1 = s_i − ξ_i,   α_i s_i = 0,   (C − α_i) ξ_i = 0,   w = Σ α_i y_i x_i

(Karush, Kuhn and Tucker). The method sets the products to μ > 0, makes Newton steps on all equations together, and
reduces μ (Mehrotra 1992; for support vector machines Ferris and Munson 2002). A step is a least-squares problem in
(w, b) with weights 1 / (s/α + ξ/(C − α)) and costs O(n d²). Ten to fifty steps suffice for any C and any scale of the
features, whereas coordinate descent on the dual takes longer for larger C. Nothing is random.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.linalg

from cnn.compile.compilation import single_threaded_blas

Floats = npt.NDArray[np.float64]

TO_THE_BORDER = 0.995
"""Fraction of the distance to the boundary of the feasible set that a step may go."""


@dataclass(frozen=True, eq=False)
class Hyperplane:
    """A hyperplane with its duality gap.

    Attributes
    ----------
    weights, bias
        w, shape (d,), and b.
    alpha
        Dual variables, a feasible point of the dual problem, shape (n,).
    supports
        Whether a sample is a support vector, on the margin or inside it; shape (n,).
    primal, dual
        Values of both problems. The optimum lies between them, and ½‖w − w*‖² is at most ``primal - dual``.
    steps
        Number of Newton steps.
    """

    weights: Floats
    bias: float
    alpha: Floats
    supports: npt.NDArray[np.bool_]
    primal: float
    dual: float
    steps: int

    @property
    def relative_gap(self) -> float:
        """(primal − dual) / primal. The primal value is positive if both signs occur."""
        return (self.primal - self.dual) / self.primal


def best_bias(scores: Floats, signs: Floats) -> float:
    """Return the b that minimizes Σ max(0, 1 − y (score + b)), in O(n log n).

    Parameters
    ----------
    scores
        w·x of each sample, shape (n,).
    signs
        y, −1 or 1, both present, shape (n,).

    Returns
    -------
    float
        The midpoint of the minimizers. The sum is piecewise linear in b. Its slope starts at −(number of positives)
        and increases by 1 at each of the points y − score.

    Examples
    --------
    >>> best_bias(np.array([3.0, 5.0]), np.array([-1.0, 1.0]))
    -4.0
    """
    corners = np.sort(signs - scores)
    n_positive = int(np.count_nonzero(signs > 0))
    return float(0.5 * (corners[n_positive - 1] + corners[n_positive]))


def maximum_margin(x: Floats, signs: Floats, C: float, *, tol: float, max_iter: int) -> Hyperplane:
    """Solve both problems until their values agree within `tol`.

    Parameters
    ----------
    x
        Samples, shape (n, d).
    signs
        y, −1 or 1, both present, shape (n,).
    C
        Price of a margin violation, above 0.
    tol
        Stop when (primal − dual) ≤ tol · primal.
    max_iter
        Largest number of Newton steps.

    Returns
    -------
    Hyperplane
        The best hyperplane found. Its `relative_gap` is above `tol` if the method did not converge.

    Raises
    ------
    ValueError
        If C times the squared features overflows.
    """
    with single_threaded_blas(), np.errstate(over="ignore", invalid="ignore"):
        centre = x.mean(axis=0)
        x = x - centre  # b is free, so this changes b alone
        scale = float(np.sqrt(np.mean(np.sum(x * x, axis=1)))) or 1.0
        if not C * scale**2 < np.inf:
            raise ValueError(
                f"C times the features' squares must be finite; got C = {C:g}, scale {scale:g}"
            )
        x = x / scale  # the same problem for w · scale, α · scale² and C · scale²
        basis = None
        if x.shape[1] > x.shape[0]:  # w lies in the span of the samples: work there
            basis = np.linalg.qr(x.T)[0]
            x = x @ basis
        found = _interior_point(x, signs, C * scale**2, tol, max_iter)
        weights = (found.weights if basis is None else basis @ found.weights) / scale
    return Hyperplane(
        weights,
        found.bias - float(weights @ centre),
        found.alpha / scale**2,
        found.supports,
        found.primal / scale**2,
        found.dual / scale**2,
        found.steps,
    )


class _Point(NamedTuple):
    """Values of all unknowns, or a step in each of them."""

    theta: Floats  # (w, b)
    alpha: Floats
    room: Floats  # C − α, stored separately for accuracy near C
    above: Floats  # s: distance beyond the margin
    below: Floats  # ξ: distance short of the margin

    def moved(self, step: "_Point", length: float) -> "_Point":
        """Return the point after `length` times a step."""
        return _Point(*(v + length * d for v, d in zip(self, step, strict=True)))


class _NewtonSystem:
    """The KKT equations linearized at a point, factorized once for several right-hand sides.

    Raises LinAlgError if the matrix is not positive definite in floating point.
    """

    def __init__(self, rows: Floats, y: Floats, point: _Point) -> None:
        theta, alpha, room, above, below = point
        self.rows, self.y, self.point = rows, y, point
        ridge = np.append(np.ones(len(theta) - 1), 0.0)  # ½‖w‖² leaves b free
        # Residuals of the equations y f − 1 = s − ξ and (w, 0) = Σ α y (x, 1).
        self.margin_lack = above - below - (y * (rows @ theta) - 1.0)
        self.weights_lack = rows.T @ (alpha * y) - ridge * theta
        self.diagonal = above / alpha + below / room
        matrix = (rows / self.diagonal[:, np.newaxis]).T @ rows + np.diag(ridge)
        self.factor = scipy.linalg.cho_factor(matrix, check_finite=False)

    def step(self, first: Floats | float, second: Floats | float) -> _Point:
        """Return the step that changes α s by `first` and (C − α) ξ by `second`."""
        _, alpha, room, above, below = self.point
        wanted = self.margin_lack + first / alpha - second / room
        right = self.weights_lack + self.rows.T @ (self.y * wanted / self.diagonal)
        d_theta = scipy.linalg.cho_solve(self.factor, right, check_finite=False)
        d_alpha = (wanted - self.y * (self.rows @ d_theta)) / self.diagonal
        d_above = (first - above * d_alpha) / alpha
        d_below = (second + below * d_alpha) / room
        return _Point(d_theta, d_alpha, -d_alpha, d_above, d_below)

    def reach(self, step: _Point) -> float:
        """Return the largest length, at most 1, at which the step keeps 0 ≤ α ≤ C and s, ξ ≥ 0."""
        values, changes = np.concatenate(self.point[1:]), np.concatenate(step[1:])
        falling = changes < 0
        return float(np.min(values[falling] / -changes[falling], initial=1.0))


def _interior_point(x: Floats, y: Floats, C: float, tol: float, max_iter: int) -> Hyperplane:
    """Solve for centered samples of about unit length."""
    n, d = x.shape
    rows = np.column_stack([x, np.ones(n)])  # f(x) = rows · (w, b)
    half, one = np.full(n, 0.5 * C), np.ones(n)
    point = _Point(np.zeros(d + 1), half, half, one, one)
    best = _assess(x, y, C, point, 0)
    for count in range(1, max_iter + 1):
        if best.relative_gap <= tol:
            break
        try:
            system = _NewtonSystem(rows, y, point)
        except np.linalg.LinAlgError:
            break  # rounding allows no further step
        mu = _mean_product(point)
        # Predictor step towards μ = 0. Its result determines the new μ, and its second-order terms correct the step.
        ahead = system.step(-point.alpha * point.above, -point.room * point.below)
        reached = _mean_product(point.moved(ahead, system.reach(ahead)))
        target = mu * (reached / mu) ** 3
        step = system.step(
            target - point.alpha * point.above - ahead.alpha * ahead.above,
            target - point.room * point.below + ahead.alpha * ahead.below,
        )
        point = point.moved(step, TO_THE_BORDER * system.reach(step))
        best = min(best, _assess(x, y, C, point, count), key=lambda plane: plane.relative_gap)
    return best


def _mean_product(point: _Point) -> float:
    """Return μ, the mean of all α s and (C − α) ξ."""
    total = point.alpha @ point.above + point.room @ point.below
    return float(total / (2 * len(point.alpha)))


def _assess(x: Floats, y: Floats, C: float, point: _Point, steps: int) -> Hyperplane:
    """Compute the best bias of w, a feasible α, and the values of both problems."""
    weights, alpha = point.theta[:-1], point.alpha
    scores = x @ weights
    bias = best_bias(scores, y)
    primal = 0.5 * weights @ weights + C * np.maximum(0.0, 1.0 - y * (scores + bias)).sum()
    # Σ α y = 0: scale the larger side down.
    heavy, light = alpha[y > 0].sum(), alpha[y < 0].sum()
    feasible = alpha * np.where(y > 0, min(1.0, light / heavy), min(1.0, heavy / light))
    spanned = x.T @ (feasible * y)
    dual = feasible.sum() - 0.5 * spanned @ spanned
    # At the end α s = μ, so one of α and s vanishes.
    return Hyperplane(
        weights, bias, feasible, alpha > point.above, float(primal), float(dual), steps
    )
