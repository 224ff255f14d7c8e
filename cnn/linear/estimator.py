"""What the linear estimators share: f(x) = w·x + b, classes of any kind, scikit-learn's customs.

Imported on demand only (see `cnn.__getattr__`), for scikit-learn takes a second to import.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

Floats = npt.NDArray[np.float64]


class LinearClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Base of classifiers that decide by the sign, or the largest, of scores f(x) = w·x + b.

    ``__init__`` only stores the settings; `fit` checks them. So ``get_params``, ``set_params``,
    ``clone``, grid search and pipelines of scikit-learn work.

    Attributes
    ----------
    classes_
        The classes, sorted: labels of any kind.
    coef_
        w, a row per hyperplane, shape (n_hyperplanes, n_features).
    intercept_
        b, shape (n_hyperplanes,).
    n_features_in_
        Features that `fit` saw.
    """

    two_classes_only: ClassVar[bool] = False

    classes_: npt.NDArray[Any]
    coef_: Floats
    intercept_: Floats
    n_features_in_: int

    def decision_function(self, X: npt.ArrayLike) -> Floats:
        """Compute the scores that decide.

        Parameters
        ----------
        X
            Samples, shape (n, n_features).

        Returns
        -------
        ndarray of float64
            With two classes shape (n,): above 0 for ``classes_[1]``. With more, a column per class.

        Raises
        ------
        ValueError
            Where X is not of that shape, holds what is no finite number, or numbers so large that a
            score is none.
        sklearn.exceptions.NotFittedError
            Where there was no `fit` before.
        """
        scores = self._scores(X)
        if scores.shape[1] == 2:  # a hyperplane for each of two classes
            scores = scores[:, 1:] - scores[:, :1]
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Decide for one class each.

        Parameters
        ----------
        X
            As for `decision_function`, which raises what may be raised.

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
        """Tell scikit-learn whether more than two classes will do."""
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
                f"X with features up to {np.abs(x).max():g} is beyond floating point: a score "
                "overflows"
            )
        return scores

    def _read(
        self, X: npt.ArrayLike, y: npt.ArrayLike | Sequence[Any]
    ) -> tuple[Floats, npt.NDArray[np.intp]]:
        """Check samples and labels, and set `classes_`; return the samples and indices of classes."""
        x, labels = validate_data(self, X, y, dtype=np.float64, order="C")
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError(f"y must hold at least 2 classes, not {n_classes} class")
        if self.two_classes_only and n_classes > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass: y "
                f"must hold 2 classes, not {n_classes}"
            )
        return x, codes


def check_scale(x: Floats, terms: float) -> None:
    """Raise ValueError where sums of so many squares of features would overflow.

    Parameters
    ----------
    x
        Samples, shape (n, n_features).
    terms
        How many products of two features are added up at most.
    """
    largest = float(np.abs(x).max())
    if not largest * (largest * terms) < math.inf:  # floats of Python: no warning
        raise ValueError(
            f"X with features up to {largest:g} is beyond floating point: sums of their squares "
            "overflow; normalise them first"
        )


def check_number(name: str, value: Any, *, least: float, excluded: bool = False) -> None:
    """Raise ValueError unless a setting is a finite number, at least `least` - or above it.

    Parameters
    ----------
    name
        Of the setting, for the message.
    value
        What the user gave.
    least
        The bound.
    excluded
        Whether the bound itself is out of range.
    """
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < least or (excluded and value == least):
        rule = f"above {least:g}" if excluded else f"at least {least:g}"
        raise ValueError(f"{name} must be a finite number {rule}, not {value!r}")


def check_count(name: str, value: Any, *, least: int) -> None:
    """Raise ValueError unless a setting is a whole number, at least `least`.

    Parameters
    ----------
    name, value, least
        As for `check_number`.
    """
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number, at least {least}, not {value!r}")
