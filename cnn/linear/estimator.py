"""The base class of linear classifiers f(x) = w·x + b, with the interface of scikit-learn."""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

Floats = npt.NDArray[np.float64]


class LinearClassifier(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Base class of linear classifiers, which decide by the sign or the maximum of the scores f(x) = w·x + b.

    ``__init__`` only stores the settings, and `fit` checks them. Therefore ``get_params``, ``set_params``, ``clone``,
    grid search and pipelines of scikit-learn work. A subclass defines `_fit`.

    Attributes
    ----------
    classes_
        The class labels, sorted.
    coef_
        Weights w, one row per hyperplane, shape (n_hyperplanes, n_features).
    intercept_
        Biases b, shape (n_hyperplanes,).
    n_features_in_
        Number of features in `fit`.
    """

    two_classes_only: ClassVar[bool] = False

    classes_: npt.NDArray[Any]
    coef_: Floats
    intercept_: Floats
    n_features_in_: int

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Fit the hyperplanes to labelled samples.

        Parameters
        ----------
        X
            Samples, shape (n, n_features).
        y
            Their labels, shape (n,), of two classes, or of more if the classifier allows that.

        Returns
        -------
        Self
            This estimator.

        Raises
        ------
        ValueError
            If a setting, shape or value is not valid, the number of classes is wrong, sums of squared features
            overflow, or training diverges.
        """
        self._fit(*self._read(X, y))
        return self

    @abstractmethod
    def _fit(self, x: Floats, codes: npt.NDArray[np.intp]) -> None:
        """Check the settings and set the fitted attributes; `codes` are the indices of the labels in `classes_`."""

    def decision_function(self, X: npt.ArrayLike) -> Floats:
        """Compute the decision scores.

        Parameters
        ----------
        X
            Samples, shape (n, n_features).

        Returns
        -------
        ndarray of float64
            With two classes shape (n,), positive for ``classes_[1]``. With more classes, one column per class.

        Raises
        ------
        ValueError
            If X has a wrong shape, holds a number that is not finite, or a score overflows.
        sklearn.exceptions.NotFittedError
            If `fit` was not called.
        """
        scores = self._scores(X)
        if scores.shape[1] == 2:  # a hyperplane for each of two classes
            scores = scores[:, 1:] - scores[:, :1]
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the predicted class of each sample.

        Parameters
        ----------
        X
            As for `decision_function`, with the same errors.

        Returns
        -------
        ndarray, shape (n,)
            Entries of `classes_`.
        """
        scores = self.decision_function(X)
        chosen = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        classes: npt.NDArray[Any] = self.classes_[chosen]
        return classes

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn whether the classifier supports more than two classes."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = not self.two_classes_only
        return tags

    def _scores(self, X: npt.ArrayLike) -> Floats:
        """Compute w·x + b for every hyperplane, shape (n, n_hyperplanes)."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            scores: Floats = x @ self.coef_.T + self.intercept_
        if not np.isfinite(scores).all():
            raise ValueError(
                f"X must be small enough that scores do not overflow; got features up to "
                f"{np.abs(x).max():g}"
            )
        return scores

    def _read(self, X: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.intp]]:
        """Check samples and labels, set `classes_`, and return the samples and their class indices."""
        x, labels = validate_data(self, X, y, dtype=np.float64, order="C")
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError(f"y must hold at least 2 classes; got {n_classes} class")
        if self.two_classes_only and n_classes > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass: y "
                f"must hold 2 classes; got {n_classes}"
            )
        return x, codes


def check_scale(x: Floats, terms: float) -> None:
    """Raise ValueError if a sum of squared features could overflow.

    Parameters
    ----------
    x
        Samples, shape (n, n_features).
    terms
        Largest number of terms of the sum.
    """
    largest = float(np.abs(x).max())
    if not largest * (largest * terms) < math.inf:  # floats of Python: no warning
        raise ValueError(
            "X must be small enough that sums of squares do not overflow (normalise X first); got "
            f"features up to {largest:g}"
        )


def check_number(name: str, value: Any, *, least: float, excluded: bool = False) -> None:
    """Raise ValueError unless a setting is a finite number of at least `least`, or above `least` if `excluded`."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < least or (excluded and value == least):
        rule = f"above {least:g}" if excluded else f"at least {least:g}"
        raise ValueError(f"{name} must be a finite number {rule}; got {value!r}")


def check_count(name: str, value: Any, *, least: int) -> None:
    """Raise ValueError unless a setting is an integer of at least `least`, as scikit-learn expects."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number, at least {least}; got {value!r}")
