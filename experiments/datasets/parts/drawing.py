"""Drawing the samples of training, validation and test parts from those of a data set.

:mod:`experiments.datasets.parts.partition` has the arithmetic. The parts of a time series are not drawn:
:mod:`experiments.datasets.parts.series`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evo.errors import DataError
from evo.preparation import Labels
from evo.preparation.labels import Targets
from experiments.datasets.parts.partition import (
    RareClasses,
    draw_parts,
    exact_shares,
    few_of_each_class,
)
from experiments.datasets.parts.series import causal_parts

Part = Literal["train", "validation", "test"]

MANY_CLASSES = 20
"""Number of whole numbers as classes from which on they are rather values, if one has too few samples."""


@dataclass(frozen=True, eq=False)
class Pool:
    """The samples from which parts are drawn.

    Attributes
    ----------
    name : str
        Name of the data set, for messages.
    size : int
        Number of samples.
    targets : ndarray
        The targets of the samples; of sequences perhaps several for each.
    classes : tuple of str or int, or None
        Label of each class index; None in regression.
    groups : ndarray of int64, shape (size,), or None
    spans : ndarray of int64, shape (size, 2), or None
        Of a time series.
    own : mapping of str to int
        Size of the own validation part, and of the own test part, if the data set has them.
    """

    name: str
    size: int
    targets: Targets
    classes: Labels | None
    groups: NDArray[np.int64] | None
    spans: NDArray[np.int64] | None
    own: Mapping[Part, int]

    def parts(
        self,
        validation: float,
        test: float,
        stratify: bool,
        rare_classes: RareClasses,
        fold: tuple[int, int] | None,
        rng: np.random.Generator,
    ) -> dict[Part, NDArray[np.int64]]:
        """Return the sample indices of each part; the arguments are those of :meth:`experiments.Dataset.split`."""
        shares = {} if "validation" in self.own else {"validation": validation}
        if self.spans is not None:
            if fold is not None:
                raise ValueError(f"fold must not be given for a series; got {fold}")
            of_time = exact_shares(shares | ({"test": test} if test else {}))
            drawn = causal_parts(self.name, self.spans, of_time)
        elif fold is not None:
            first, rest = self._fold(*fold, stratify, rng)
            scale = Fraction(fold[1], fold[1] - 1)
            of_rest = {
                part: scale * one for part, one in exact_shares(shares).items() if part in shares
            }
            drawn = {"test": first} | self._draw(rest, exact_shares(of_rest), stratify, rng)
        else:
            if "test" not in self.own and test:
                shares["test"] = test
            everything = np.arange(self.size)
            drawn = self._draw(everything, exact_shares(shares), stratify, rng, rare_classes)
        for part in ("validation", "test"):
            drawn.setdefault(part, np.arange(self.own.get(part, 0)))
        return {part: drawn[part] for part in ("train", "validation", "test")}

    def few(
        self, per_class: int, rows: Mapping[Part, NDArray[np.int64]], rng: np.random.Generator
    ) -> dict[Part, NDArray[np.int64]]:
        """Draw the few samples of each class that remain of the training part and a drawn validation part."""
        reasons = {
            "values to regress on": self.classes is None,
            "groups": self.groups is not None,
            "a target for each step": len(self.targets) != self.size,
            "windows of a series": self.spans is not None,
        }
        if any(reasons.values()):
            of = next(reason for reason, holds in reasons.items() if holds)
            raise ValueError(
                f"labels_per_class must not be given for data with {of}; got {per_class}"
            )
        if per_class < 2:
            raise ValueError(f"labels_per_class must be at least 2; got {per_class}")
        of_parts: list[Part] = ["train"] if "validation" in self.own else ["train", "validation"]
        labels = [f"class {label!r}" for label in self.classes or ()]
        parts = {part: rows[part] for part in of_parts}
        return few_of_each_class(
            self.name, parts, self.targets.astype(np.int64), labels, per_class, rng
        )

    def _fold(
        self, number: int, n_folds: int, stratify: bool, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the samples of one fold, and all others."""
        if "test" in self.own:
            raise ValueError(f"fold must not be given with an own test part; got {number, n_folds}")
        if not (n_folds >= 2 and 0 <= number < n_folds):
            raise ValueError(
                f"fold must be (i, k) with k of at least 2 and i from 0 to k − 1; got {number, n_folds}"
            )
        if self.groups is not None and n_folds > (n_groups := len(np.unique(self.groups))):
            raise DataError(
                f"{self.name}: folds must be at most the {n_groups} groups; got {n_folds}"
            )
        everything = np.arange(self.size)
        shares = {f"fold {i}": Fraction(1, n_folds) for i in range(n_folds)}
        chosen = self._draw(everything, shares, stratify, rng)[f"fold {number}"]
        return chosen, np.setdiff1d(everything, chosen)

    def _draw(
        self,
        rows: NDArray[np.int64],
        shares: Mapping[str, Fraction],
        stratify: bool,
        rng: np.random.Generator,
        rare_classes: RareClasses = "refuse",
    ) -> dict[str, NDArray[np.int64]]:
        """Draw parts of some samples, by their shares. Samples with several targets have no class to stratify by."""
        strata = np.zeros(len(rows), dtype=np.int64)
        labels: Sequence[str] = ["the data set"]
        if self.classes is not None and stratify and len(self.targets) == self.size:
            strata = self.targets[rows].astype(np.int64)
            labels = [f"class {label!r}" for label in self.classes]
        groups = None if self.groups is None else self.groups[rows]
        try:
            drawn = draw_parts(self.name, strata, labels, shares, groups, rng, rare_classes)
        except DataError as error:
            classes = self.classes or ()
            if len(classes) <= MANY_CLASSES or isinstance(classes[0], str):
                raise
            raise DataError(
                f"{error}; if the {len(classes)} whole numbers are values and no labels, give task='regression'"
            ) from None
        return {part: rows[indices] for part, indices in drawn.items()}
