"""Metrics of trained networks, computed by scikit-learn from predictions that an evaluation has made.

A metric is a name, a function of (truth, output), and what people need to read its values. Any metric can be a column
of the tables, a fitness, and the subject of verdicts. Weights of samples do not enter: a metric judges the predictions
as scikit-learn does by default, and the loss alone is weighted.
"""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn.checks import brief
from cnn.training.samples import Samples
from cnn.training.trainer import Evaluation
from evo.preparation import ScaledSamples
from evo.registry import Registry, check_signature

MetricTask = Literal["classification", "regression"]

Truth = NDArray[Any]
"""Class indices, shape (n,); or values, shape (n, k)."""

Output = NDArray[np.floating[Any]]
"""Class probabilities, shape (n, n_classes); or values, shape (n, k)."""


def _always_defined(truth: Truth, n_outputs: int) -> str:
    """Return no reason."""
    return ""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes
    ----------
    name : str
        Key in :data:`METRICS`, and end of the names of its columns.
    title : str
        Name for people.
    task : {"classification", "regression"}
        The kind of targets that it judges.
    unit : str
        ``"fraction"`` (shown in percent), ``"nat"``, ``"unit"`` (of the target), or empty.
    larger_is_better : bool
    function : callable
        Of (truth, output); returns the value.
    undefined : callable
        Of (truth, number of outputs); returns the reason why the metric is not defined on these samples, or an empty
        text.
    """

    name: str
    title: str
    task: MetricTask
    unit: str
    larger_is_better: bool
    function: Callable[[Truth, Output], float]
    undefined: Callable[[Truth, int], str] = _always_defined

    @property
    def direction(self) -> int:
        """1 if larger is better, else −1."""
        return 1 if self.larger_is_better else -1

    def value(self, truth: Truth, output: Output) -> float | None:
        """Return the metric of predictions; None if it is not defined on these samples, or a prediction is not finite.

        Parameters
        ----------
        truth : ndarray
            Class indices, shape (n,); or values, shape (n, k).
        output : ndarray
            Class probabilities, shape (n, n_classes); or values, shape (n, k).

        Examples
        --------
        >>> METRICS["accuracy"].value(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]))
        0.5
        """
        if self.undefined(truth, output.shape[1]) or not np.isfinite(output).all():
            return None
        with warnings.catch_warnings():  # such as: a predicted class is not in the truth
            warnings.simplefilter("ignore")
            returned: object = self.function(truth, output)
        value = as_number(returned)
        if value is None:
            raise TypeError(f"metric {self.name!r} must return a number; got {brief(returned)}")
        return value


def as_number(returned: Any) -> float | None:
    """Return what a user's function returned as a float; None if it is no number, such as text or several numbers."""
    if isinstance(returned, np.ndarray) and returned.size == 1:
        returned = returned.item()
    if isinstance(returned, str | bytes | bytearray):
        return None
    try:
        return float(returned)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # the last one: of a tensor
        return None


def accuracy(truth: Truth, output: Output, sample_weight: ArrayLike | None = None) -> float:
    """Return the fraction of the samples whose most probable class is the true one; with weights their fraction."""
    from sklearn.metrics import accuracy_score  # noqa: PLC0415 - scikit-learn is slow to import

    return float(accuracy_score(truth, output.argmax(axis=1), sample_weight=sample_weight))


def _balanced_accuracy(truth: Truth, output: Output) -> float:
    from sklearn.metrics import balanced_accuracy_score  # noqa: PLC0415

    return float(balanced_accuracy_score(truth, output.argmax(axis=1)))


def _f1_macro(truth: Truth, output: Output) -> float:
    from sklearn.metrics import f1_score  # noqa: PLC0415

    return float(f1_score(truth, output.argmax(axis=1), average="macro", zero_division=0))


def _roc_auc(truth: Truth, output: Output) -> float:
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415

    if output.shape[1] == 2:
        return float(roc_auc_score(truth, output[:, 1]))
    return float(roc_auc_score(truth, output, multi_class="ovr", average="macro"))


def _log_loss(truth: Truth, output: Output) -> float:
    from sklearn.metrics import log_loss  # noqa: PLC0415

    return float(log_loss(truth, output, labels=np.arange(output.shape[1])))


def r2(truth: Truth, output: Output, sample_weight: ArrayLike | None = None) -> float:
    """Return the coefficient of determination R², the mean of the values to predict."""
    from sklearn.metrics import r2_score  # noqa: PLC0415

    values = truth.astype(np.float64), output.astype(np.float64)
    return float(r2_score(*values, sample_weight=sample_weight))


def _rmse(truth: Truth, output: Output) -> float:
    from sklearn.metrics import root_mean_squared_error  # noqa: PLC0415

    return float(root_mean_squared_error(truth.astype(np.float64), output.astype(np.float64)))


def _mae(truth: Truth, output: Output) -> float:
    from sklearn.metrics import mean_absolute_error  # noqa: PLC0415

    return float(mean_absolute_error(truth.astype(np.float64), output.astype(np.float64)))


def _a_class_is_missing(truth: Truth, n_outputs: int) -> str:
    missing = sorted(set(range(n_outputs)) - set(np.unique(truth).tolist()))
    return f"it needs samples of every class; class {missing[0]} has none" if missing else ""


def _one_sample(truth: Truth, n_outputs: int) -> str:
    return "it needs at least two samples; there is one" if len(truth) < 2 else ""


def _converted(name: str, given: Any) -> Metric:
    if not isinstance(given, Metric):
        raise TypeError(f"metric {name!r} must be an evo.Metric; got {given!r}")
    if given.task not in get_args(MetricTask):
        raise ValueError(
            f"metric {name!r}: task must be one of {', '.join(get_args(MetricTask))}; got {given.task!r}"
        )
    check_signature("metric", name, given.function, "truth", "output")
    return given if given.name == name else replace(given, name=name)


METRICS: Registry[Metric] = Registry("metric", convert=_converted)
"""Every metric, by name."""

METRICS.fill(
    {
        one.name: one
        for one in (
            Metric("accuracy", "accuracy", "classification", "fraction", True, accuracy),
            Metric(
                "balanced_accuracy",
                "balanced accuracy",
                "classification",
                "fraction",
                True,
                _balanced_accuracy,
            ),
            Metric("f1_macro", "F1 (macro)", "classification", "fraction", True, _f1_macro),
            Metric("roc_auc", "ROC AUC", "classification", "", True, _roc_auc, _a_class_is_missing),
            Metric("log_loss", "log loss", "classification", "nat", False, _log_loss),
            Metric("r2", "R²", "regression", "", True, r2, _one_sample),
            Metric("rmse", "RMSE", "regression", "unit", False, _rmse),
            Metric("mae", "MAE", "regression", "unit", False, _mae),
        )
    }
)


def truth_and_output(samples: Samples, evaluation: Evaluation) -> tuple[Truth, Output]:
    """Return what metrics compare and tables hold: labels and probabilities, or values in the units of the data.

    Parameters
    ----------
    samples : Samples
        The samples that were evaluated.
    evaluation : Evaluation
        With the predictions for these samples; nothing is predicted again.

    Returns
    -------
    truth : ndarray
        Class indices, shape (n,); or values, shape (n, k).
    output : ndarray
        Class probabilities, shape (n, n_classes); or predicted values, shape (n, k).
    """
    if evaluation.output is None:
        raise ValueError("evaluation must hold the predictions; got None")
    if isinstance(samples, ScaledSamples):
        return samples.truth, samples.in_units(evaluation.output)
    return samples.targets, evaluation.output


def measure(
    metrics: Iterable[str], samples: Samples, evaluation: Evaluation
) -> dict[str, float | None]:
    """Return the metrics of an evaluation by name.

    Parameters
    ----------
    metrics : iterable of str
        Keys of :data:`METRICS`.
    samples, evaluation
        As for :func:`truth_and_output`.

    Returns
    -------
    dict
        None where a metric is not defined.
    """
    truth, output = truth_and_output(samples, evaluation)
    return {name: METRICS[name].value(truth, output) for name in metrics}
