"""The linear support vector machine: the hyperplane of maximal margin (S1)."""

import warnings

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning

from cnn.linear.estimator import Floats, LinearClassifier, check_count, check_number
from cnn.linear.margin import maximum_margin


class LinearSVM(LinearClassifier):
    """Linear support vector machine; for more than two classes one hyperplane per class against the rest.

    It minimizes ½‖w‖² + C Σ max(0, 1 − y (w·x + b)) over w and b, with y ∈ {−1, 1}. The bias is not penalized, as in
    ``sklearn.svm.SVC(kernel="linear")``. For separable classes and large C the result is the hyperplane with the
    largest distance 1/‖w‖ from the nearest samples. The solver is `cnn.linear.margin`.

    Parameters
    ----------
    C
        Cost of a margin violation, above 0.
    tol
        Stop when the duality gap divided by the primal value is at most `tol`; above 0. Below 1e-10 rounding may
        prevent convergence.
    max_iter
        Largest number of Newton steps per hyperplane, at least 1.

    Attributes
    ----------
    classes_, coef_, intercept_, n_features_in_
        As in `cnn.linear.estimator.LinearClassifier`; one hyperplane for two classes, else one per class.
    dual_coef_
        α y of every sample, one row per hyperplane, shape (n_hyperplanes, n). α is feasible in the dual problem, and
        w = Σ α y x up to the duality gap.
    support_
        Indices of the support vectors: samples on or inside the margin of a hyperplane.
    duality_gap_
        Primal minus dual value of each hyperplane, shape (n_hyperplanes,): a bound on the distance from the optimum.
    n_iter_
        Largest number of Newton steps of a hyperplane.
    converged_
        Whether every gap is within `tol`. If not, `fit` warns with `sklearn.exceptions.ConvergenceWarning`.

    Examples
    --------
    >>> svm = LinearSVM(C=1e3).fit([[0.0, 1.0], [0.0, 3.0], [4.0, 2.0], [9.0, 5.0]], list("aabb"))
    >>> svm.support_.tolist(), float(1 / np.linalg.norm(svm.coef_).round(6))
    ([0, 1, 2], 2.0)
    """

    dual_coef_: Floats
    support_: npt.NDArray[np.intp]
    duality_gap_: Floats
    n_iter_: int
    converged_: bool

    def __init__(self, *, C: float = 1.0, tol: float = 1e-8, max_iter: int = 200) -> None:
        self.C = C
        self.tol = tol
        self.max_iter = max_iter

    def _fit(self, x: Floats, codes: npt.NDArray[np.intp]) -> None:
        check_number("C", self.C, least=0, excluded=True)
        check_number("tol", self.tol, least=0, excluded=True)
        check_count("max_iter", self.max_iter, least=1)
        positive = [1] if len(self.classes_) == 2 else range(len(self.classes_))
        signs = [np.where(codes == code, 1.0, -1.0) for code in positive]
        planes = [
            maximum_margin(x, sign, self.C, tol=self.tol, max_iter=self.max_iter) for sign in signs
        ]
        self.coef_ = np.stack([plane.weights for plane in planes])
        self.intercept_ = np.array([plane.bias for plane in planes])
        self.dual_coef_ = np.stack(
            [plane.alpha * sign for plane, sign in zip(planes, signs, strict=True)]
        )
        self.support_ = np.flatnonzero(np.any([plane.supports for plane in planes], axis=0))
        self.duality_gap_ = np.array([plane.primal - plane.dual for plane in planes])
        self.n_iter_ = max(plane.steps for plane in planes)
        worst = max(plane.relative_gap for plane in planes)
        self.converged_ = worst <= self.tol
        if not self.converged_:
            warnings.warn(
                f"LinearSVM stopped {worst:.1e} from the optimum, as a share of its value, after "
                f"{self.n_iter_} steps; tol is {self.tol:g}",
                ConvergenceWarning,
                stacklevel=3,
            )
