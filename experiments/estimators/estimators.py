"""Estimators whose `fit` evolves a network: what :func:`experiments.run` does, behind scikit-learn's interface."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from cnn.checks import is_whole
from evo.preparation import Origin
from evo.preparation.labels import to_values
from evo.storage.predictor import Predictor
from experiments.analysis.results import Results
from experiments.datasets import Dataset
from experiments.estimators.checks import check_labels, check_rows
from experiments.settings.experiment import Experiment, load_experiment
from experiments.studies.runner import run


class EvolvedEstimator(BaseEstimator):  # type: ignore[misc]
    """What the classifier and the regressor share: parameters, the search, and the door for rows to predict from."""

    network_: Predictor
    results_: Results
    n_features_in_: int

    def __init__(
        self,
        *,
        experiment: Experiment | str | Path | None = None,
        population: int | None = None,
        generations: int | None = None,
        steps_per_generation: int | None = None,
        founders: Mapping[str, Any] | Sequence[Any] | None = None,
        policy: Mapping[str, Any] | str | None = None,
        training: Mapping[str, Any] | None = None,
        fitness: Callable[..., float] | str | None = None,
        validation: float | None = None,
        random_state: int = 0,
        workers: int | None = 0,
        results: str | Path | None = None,
    ) -> None:
        self.experiment = experiment
        self.population = population
        self.generations = generations
        self.steps_per_generation = steps_per_generation
        self.founders = founders
        self.policy = policy
        self.training = training
        self.fitness = fitness
        self.validation = validation
        self.random_state = random_state
        self.workers = workers
        self.results = results

    def score(self, X: object, y: object, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy, or in regression the coefficient of determination R².

        Parameters
        ----------
        X
            As for `predict`.
        y : array_like, Series or DataFrame, shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array_like, shape (n_samples,), optional
        """
        rows = self._rows(X)
        return self.network_.score(rows, y, sample_weight)

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags.

        `string` stays False although text is read: scikit-learn takes it for a promise to fit cells of any type.
        """
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.three_d_array = True
        return tags

    def _rows(self, X: object) -> Any:
        """Check rows to predict from."""
        check_is_fitted(self, "network_")
        return check_rows(self, X, fitted=True)

    def _search(self, dataset: Dataset, settings: Experiment) -> None:
        """Run the search, and set the results and the winner."""
        with ExitStack() as stack:
            folder = self.results
            if folder is None:
                folder = stack.enter_context(TemporaryDirectory(prefix="evomatrix-"))
            results = run(
                settings,
                dataset=dataset,
                fitness=self.fitness if callable(self.fitness) else None,
                founders=self.founders if isinstance(self.founders, list | tuple) else None,
                workers=self.workers,
                results=folder,
                quiet=True,
                figures=self.results is not None,
            )
            results.predictions  # noqa: B018 - it is read while the folder is there
            self.results_, self.network_ = results, results.best()

    def _settings(self) -> Experiment:
        """Return the settings of the run: those of `experiment`, and over them those of the other parameters."""
        name = type(self).__name__
        if not is_whole(self.random_state) or self.random_state < 0:
            raise ValueError(
                f"random_state must be an integer of at least 0; got {self.random_state!r}"
            )
        base = _base(self.experiment)
        values: dict[str, Any] = {} if base is None else base.model_dump(exclude_unset=True)
        values.setdefault("name", name)
        given = {
            "founders": None if isinstance(self.founders, list | tuple) else self.founders,
            "policy": {"name": self.policy} if isinstance(self.policy, str) else self.policy,
            "training": self.training,
            "evolution": _without_none(
                population=self.population,
                generations=self.generations,
                steps_per_generation=self.steps_per_generation,
                fitness=None if callable(self.fitness) else self.fitness,
            ),
            "dataset": {**_without_none(validation=self.validation), **OF_A_FIT},
        }
        for section, changes in given.items():
            if changes is None:
                continue
            if not isinstance(changes, Mapping):
                raise TypeError(f"{section} must be a dict of settings; got {changes!r}")
            values[section] = {**values.get(section, {}), **changes}
        for key in ("name", "options", "folds"):
            values["dataset"].pop(key, None)
        for key in ("verdict", "primary", "equivalence_margin"):
            values.get("evaluation", {}).pop(key, None)
        values.pop("used", None)
        values |= {"seed": int(self.random_state), "seeds": 1, "baseline": {"arms": ()}}
        own = {section: changes for section, changes in given.items() if changes is not None}
        return Experiment.parse_changed(values, own, name)[0]


OF_A_FIT = {"test": 0.0, "rare_classes": "train"}
"""Settings of the parts of the data: no row is kept for a test, and a class with a single row is learnt."""


class EvolvedClassifier(ClassifierMixin, EvolvedEstimator):  # type: ignore[misc]
    """A classifier whose `fit` evolves a network.

    A fraction of the rows, the validation part, decides which networks survive; the others train them. No row is kept
    for a test. Rows may have gaps, categories and dates, or be images: they are prepared as in any run.

    A fit takes no weights of samples: scikit-learn demands that a weight of 2 does what a sample given twice does,
    which minibatches and a validation part do not allow. ``training={"class_weight": "balanced"}`` weights classes, and
    :func:`experiments.run` takes weights of samples.

    Parameters
    ----------
    experiment : Experiment, str or Path, optional
        Settings, the name of a preset or the path of a TOML file. The parameters below replace single settings of it.
        Its data set, seeds, baselines and what is said of verdicts take no part.
    population, generations, steps_per_generation : int, optional
        Settings of `evolution`; by default those of `experiment`.
    founders : dict or list, optional
        Settings of `founders`, such as ``{"hidden": 16}``; or own founders, as :func:`experiments.run` takes them.
    policy : str or dict, optional
        Name or settings of the policy that chooses operators.
    training : dict, optional
        Settings of `training`, such as ``{"learning_rate": 0.01}``.
    fitness : str or callable, optional
        Name of the fitness, such as ``"balanced_accuracy"``, or a function as :func:`experiments.run` takes it.
    validation : float, optional
        Fraction of the rows in the validation part; 0.15 unless `experiment` says otherwise. A class with one row
        stays in the training part.
    random_state : int, default 0
        The seed: the same seed and data give the same network, with any number of workers.
    workers : int or None, default 0
        Number of Ray workers; 0 evaluates in this process, and None is one worker per core.
    results : str or Path, optional
        Folder in which the run's folder is made and kept. By default it is a temporary one, removed after the fit.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The labels, in ascending order.
    network_ : Predictor
        The winner. It can be saved, and matches the columns of a frame by name, in any order.
    results_ : Results
        The tables of the run. Networks and genomes are in the run's folder only, which `results` keeps.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only if X was a data frame with names.

    Examples
    --------
    >>> X, y = [[0.0], [0.1], [0.9], [1.0]] * 5, ["low", "low", "high", "high"] * 5
    >>> tiny = EvolvedClassifier(population=2, generations=1, steps_per_generation=100)
    >>> tiny.fit(X, y).predict([[0.05], [0.95]]).tolist()
    ['low', 'high']
    """

    classes_: NDArray[Any]

    def fit(self, X: object, y: object) -> Self:
        """Evolve a network.

        Parameters
        ----------
        X : array_like, sparse matrix or DataFrame, shape (n_samples, ...)
            Numbers, text, booleans or dates, with gaps.
        y : array_like or Series, shape (n_samples,)
            Labels, of two classes or more.

        Raises
        ------
        ValueError, TypeError
            Before any work, if a parameter, rows or labels cannot be used.
        EvoMatrixError
            If no individual has a fitness.
        """
        settings = self._settings()
        validate_data(self, y=y, skip_check_array=True)
        rows, labels = check_rows(self, X, fitted=False), check_labels(y)
        dataset = Dataset.from_arrays(rows, labels, name="data", task="classification")
        self._search(dataset, settings)
        self.classes_ = np.unique(labels)
        return self

    def predict(self, X: object) -> NDArray[Any]:
        """Return the most probable label of each row, shape (n_samples,).

        Parameters
        ----------
        X : array_like, sparse matrix or DataFrame, shape (n_samples, ...)
            A frame must have the columns of the fit in the same order, as scikit-learn demands.

        Raises
        ------
        ValueError
            If rows cannot be used.
        """
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return labels

    def predict_proba(self, X: object) -> NDArray[np.floating[Any]]:
        """Return the probability of each class, shape (n_samples, n_classes); otherwise as `predict`."""
        rows = self._rows(X)
        return self.network_.predict_proba(rows)


class EvolvedRegressor(RegressorMixin, EvolvedEstimator):  # type: ignore[misc]
    """A regressor whose `fit` evolves a network, for one value or several.

    Values may have any units: each is scaled as the setting `dataset.target_scaling` says, by default to mean 0 and
    standard deviation 1 in the training part. Losses in `results_` are those of scaled values; metrics, `predict` and
    `network_` have the units of the values.

    Parameters and attributes are those of :class:`EvolvedClassifier`, without classes.

    Examples
    --------
    >>> X = [[x / 20] for x in range(40)]
    >>> tiny = EvolvedRegressor(population=2, generations=1, steps_per_generation=100)
    >>> tiny.fit(X, [x for x, in X]).score(X, [x for x, in X]) > 0.9
    True
    """

    def fit(self, X: object, y: object) -> Self:
        """Evolve a network.

        Parameters
        ----------
        X : array_like, sparse matrix or DataFrame, shape (n_samples, ...)
            Numbers, text, booleans or dates, with gaps.
        y : array_like, Series or DataFrame, shape (n_samples,) or (n_samples, n_outputs)
            Values in any unit.

        Raises
        ------
        ValueError, TypeError
            Before any work, if a parameter, rows or values cannot be used.
        EvoMatrixError
            If no individual has a fitness.
        """
        settings = self._settings()
        validate_data(self, y=y, skip_check_array=True)
        rows, values = check_rows(self, X, fitted=False), to_values(y, Origin("y"))
        check_consistent_length(rows, values)
        dataset = Dataset.from_arrays(rows, values, name="data", task="regression")
        self._search(dataset, settings)
        return self

    def predict(self, X: object) -> NDArray[np.float64]:
        """Return the predicted values, shape (n_samples,) or (n_samples, n_outputs).

        Parameters
        ----------
        X : array_like, sparse matrix or DataFrame, shape (n_samples, ...)
            A frame must have the columns of the fit in the same order, as scikit-learn demands.

        Raises
        ------
        ValueError
            If rows cannot be used.
        """
        rows = self._rows(X)
        values: NDArray[np.float64] = self.network_.predict(rows)
        return values

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _base(experiment: Any) -> Experiment | None:
    """Return the experiment that a parameter gives."""
    if isinstance(experiment, str | Path):
        experiment = load_experiment(experiment)
    if experiment is None:
        return None
    if not isinstance(experiment, Experiment):
        raise TypeError(
            f"experiment must be an Experiment, a preset's name or a path; got {experiment!r}"
        )
    if not experiment.evolve:
        raise ValueError("experiment must have evolve = true; got false")
    return experiment


def _without_none(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
