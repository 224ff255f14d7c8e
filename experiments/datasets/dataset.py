"""The type of data sets, and their split into training, validation and test parts."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn.checks import check_weights
from cnn.training.samples import Samples
from evo.errors import DataError
from experiments.datasets.arrays import (
    Labels,
    Task,
    bracketed,
    check_task,
    first_place,
    read_only,
    to_inputs,
    to_targets,
)
from experiments.datasets.normalization import Normalization, NormalizationMethod
from experiments.datasets.partition import apportion, stratified_parts
from experiments.datasets.table import read_table

Targets = NDArray[np.int64] | NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DataSplit:
    """The three parts of a data set with the same normalisation.

    Attributes
    ----------
    train, validation, test : Samples
        Disjoint parts that together hold all samples. Inputs are normalised, regression targets keep their units.
        Arrays are read-only.
    normalization : Normalization
        Normalisation fitted on the training part only.
    rows : mapping
        Index of each sample in the data set, by part; in the test part, if that is predefined.
    """

    train: Samples
    validation: Samples
    test: Samples
    normalization: Normalization
    rows: Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples in raw units with their targets; arrays are finite and read-only.

    Writeable arrays are copied, read-only arrays are shared.

    Attributes
    ----------
    name : str
        Name in tables.
    inputs : ndarray of float32, shape (n, *shape)
        Flat features (n, features), or images (n, height, width) and more dimensions.
    targets : ndarray of int64, shape (n,), or of float32, shape (n, k)
        Class indices 0 … len(classes) − 1, or values to regress on.
    classes : tuple of str or int, or None
        Label of each class index, at least two; None in regression.
    test : tuple of (inputs, targets), optional
        Predefined test part, with types and shapes as above.
    sample_weights : array_like, shape (n,), optional
        Weight of each sample in the loss of training and validation: finite, at least 0; kept as float32. Weights are
        divided by their mean over the training part. A predefined test part has none.

    Raises
    ------
    DataError
        If there is no sample, a value is not finite, a class index has no label, or lengths or shapes differ.
    TypeError
        If an array has another type.
    """

    name: str
    inputs: NDArray[np.float32] = field(repr=False)
    targets: Targets = field(repr=False)
    classes: Labels | None
    test: tuple[NDArray[np.float32], Targets] | None = field(default=None, repr=False)
    sample_weights: ArrayLike | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Check everything once, and make the arrays read-only."""
        if self.classes is not None and len(set(self.classes)) < max(2, len(self.classes)):
            raise DataError(
                f"{self.name}: classes must be two or more different labels; got {self.classes}"
            )
        inputs, targets = self._checked(self.inputs, self.targets, "")
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "targets", targets)
        if self.sample_weights is not None:
            object.__setattr__(self, "sample_weights", self._checked_weights(self.sample_weights))
        if self.test is not None:
            inputs, targets = self._checked(*self.test, "test ")
            for part, own in ((inputs, self.inputs), (targets, self.targets)):
                if part.shape[1:] != own.shape[1:]:
                    raise DataError(
                        f"{self.name}: samples of the test part must have shape {own.shape[1:]}, as "
                        f"in the training part; got {part.shape[1:]}"
                    )
            object.__setattr__(self, "test", (inputs, targets))

    @classmethod
    def from_arrays(
        cls,
        X: object,
        y: object,
        *,
        name: str = "arrays",
        task: Task | None = None,
        sample_weights: ArrayLike | None = None,
    ) -> Self:
        """Make a data set from arrays, nested lists or pandas objects.

        Without `task`, integers, booleans and text are class labels, and floats are values.

        Parameters
        ----------
        X : array_like or DataFrame, shape (n, *shape)
            Numbers; a row is a sample.
        y : array_like, Series or DataFrame, shape (n,) or (n, k)
            One label or value per sample; only in regression k > 1.
        name : str, default "arrays"
            Name in tables and messages.
        task : {"classification", "regression"}, optional
            Task to take instead: whole floats can be labels, integers can be values.
        sample_weights : array_like, shape (n,), optional
            Weight of each sample in the loss, see :class:`Dataset`.

        Raises
        ------
        DataError
            If the data cannot be used; the message names the first bad place.
        ValueError
            If `task` is not one of the two.

        Examples
        --------
        >>> Dataset.from_arrays([[0.0], [1.0], [2.0]], ["low", "low", "high"]).classes
        ('high', 'low')
        """
        check_task(task)
        inputs = to_inputs(X, name)
        targets, classes = to_targets(y, name, task)
        return cls(
            name, read_only(inputs), read_only(targets), classes, sample_weights=sample_weights
        )

    @classmethod
    def from_csv(cls, path: str | Path, target: str, *, task: Task | None = None) -> Self:
        """Make a data set from a CSV file with one target column; all other columns are numeric features.

        Without `task`, whole numbers and text in the target column are class labels; numbers with a decimal point or
        exponent are values. The data set is named after the file.

        Parameters
        ----------
        path : str or Path
            A comma-separated file in UTF-8.
        target : str
            Name of the target column.
        task : {"classification", "regression"}, optional
            Task to take instead of the one that the column suggests.

        Raises
        ------
        DataError
            If the file cannot be used; the message names file, column, data row and rule.
        ValueError
            If `task` is not one of the two.
        """
        check_task(task)
        inputs, targets, classes = read_table(path, target, task)
        return cls(Path(path).stem, read_only(inputs), read_only(targets), classes)

    def __len__(self) -> int:
        """Return the number of samples outside a predefined test part."""
        return len(self.inputs)

    @property
    def task(self) -> Task:
        """Return ``"classification"`` if there are classes, else ``"regression"``."""
        return "regression" if self.classes is None else "classification"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return the shape of one sample."""
        return self.inputs.shape[1:]

    @property
    def n_features(self) -> int:
        """Return the number of values in one sample."""
        return int(np.prod(self.input_shape))

    @property
    def n_outputs(self) -> int:
        """Return the number of classes, or of values to regress on."""
        return int(self.targets.shape[1]) if self.classes is None else len(self.classes)

    @cached_property
    def data_hash(self) -> str:
        """Return the SHA-256 of samples, targets and labels, test part included, in hexadecimal.

        It depends on the order of the samples, but not on the name.
        """
        digest = hashlib.sha256(json.dumps(self.classes).encode())
        weights = () if self.sample_weights is None else (np.asarray(self.sample_weights),)
        for array in (self.inputs, self.targets, *(self.test or ()), *weights):
            portable: NDArray[Any] = array.astype(array.dtype.newbyteorder("<"), copy=False)
            digest.update(f"{portable.dtype.str}{portable.shape}".encode())
            digest.update(np.ascontiguousarray(portable).data)
        return digest.hexdigest()

    def split(
        self,
        *,
        seed: int | np.random.SeedSequence,
        validation: float = 0.15,
        test: float = 0.2,
        normalization: NormalizationMethod = "standard",
    ) -> DataSplit:
        """Split into training, validation and test parts, and normalise all parts by the training part.

        The parts are disjoint, together hold all samples, and keep the order of the data set. Each part gets its share
        of every class, rounded down or up, and rounded up if it would else have none. The result depends on data, seed
        and shares only.

        Parameters
        ----------
        seed : int or SeedSequence
            Seed of the draw; it is not advanced.
        validation : float, default 0.15
            Fraction of the samples for validation, taken as an exact decimal number.
        test : float, default 0.2
            Fraction for the test; ignored if the test part is predefined.
        normalization : {"standard", "unit", "symmetric", "none"}, default "standard"
            See :meth:`Normalization.fit`.

        Raises
        ------
        DataError
            If a class has too few samples for every part.
        ValueError
            If a fraction or the normalisation is out of range.
        """
        shares = {"validation": validation} | ({"test": test} if self.test is None else {})
        parts = self._partition(_with_train(shares), np.random.default_rng(seed))
        raw = {part: (self.inputs[rows], self.targets[rows]) for part, rows in parts.items()}
        if self.test is not None:
            raw["test"] = self.test
        fitted = Normalization.fit(raw["train"][0], normalization)
        weights = {}
        if self.sample_weights is not None:
            every = np.asarray(self.sample_weights)
            weights = {part: read_only(every[rows]) for part, rows in parts.items()}
        normalised = {
            part: Samples(read_only(fitted.apply(X)), read_only(y), weights.get(part))
            for part, (X, y) in raw.items()
        }
        rows = {"test": np.arange(len(raw["test"][0]))} | parts
        return DataSplit(**normalised, normalization=fitted, rows=rows)

    def _partition(
        self, shares: dict[str, Fraction], rng: np.random.Generator
    ) -> dict[str, NDArray[np.int64]]:
        """Draw the sample indices of each part, with every class in every part."""
        if self.classes is None:
            groups = np.zeros(len(self), dtype=np.int64)
            labels = ["the data set"]
        else:
            groups = self.targets.astype(np.int64, copy=False)
            labels = [f"class {label!r}" for label in self.classes]
        sizes = np.bincount(groups, minlength=len(labels))
        counts = apportion(sizes.tolist(), list(shares.values()))
        for part, reached in zip(shares, counts.T, strict=True):
            if not reached.all():
                g = int(np.argmin(reached))
                raise DataError(
                    f"{self.name}: {labels[g]} must have enough samples for the {part} part, a "
                    f"fraction of {float(shares[part]):.4g}; got {sizes[g]}"
                )
        if self.classes is not None and self.test is not None:
            reached = np.bincount(self.test[1].astype(np.int64), minlength=len(labels))
            if not reached.all():
                raise DataError(
                    f"{self.name}: {labels[int(np.argmin(reached))]} must have samples in the "
                    "predefined test part; got none"
                )
        return dict(zip(shares, stratified_parts(groups, counts, rng), strict=True))

    def _checked_weights(self, given: ArrayLike) -> NDArray[np.float32]:
        """Check the weights of samples and return them read-only."""
        try:
            weights = check_weights(given, len(self.inputs))
        except ValueError as error:
            raise DataError(f"{self.name}: sample_{error}") from None
        return read_only(weights.astype(np.float32))

    def _checked(
        self, inputs: NDArray[np.float32], targets: Targets, part: str
    ) -> tuple[NDArray[np.float32], Targets]:
        """Check both arrays and return them read-only."""
        dtype, ndim = (np.float32, 2) if self.classes is None else (np.int64, 1)
        if inputs.dtype != np.float32 or targets.dtype != dtype:
            raise TypeError(
                f"{self.name}: {part}inputs must be float32 and {part}targets "
                f"{np.dtype(dtype)}; got {inputs.dtype} and {targets.dtype}"
            )
        if inputs.ndim < 2 or inputs.size == 0 or targets.ndim != ndim or targets.size == 0:
            raise DataError(
                f"{self.name}: {part}inputs and {part}targets must have at least one sample, feature and "
                f"target; got shapes {inputs.shape} and {targets.shape}"
            )
        if len(inputs) != len(targets):
            raise DataError(
                f"{self.name}: {part}targets must be one per sample ({len(inputs)}); got {len(targets)}"
            )
        for what, array in (("inputs", inputs), ("targets", targets)):
            place = first_place(~np.isfinite(array))
            if place is not None:
                raise DataError(
                    f"{self.name}: {part}{bracketed(what, place)} must be finite; got {array[place]}"
                )
        if self.classes is not None:
            place = first_place((targets < 0) | (targets >= len(self.classes)))
            if place is not None:
                raise DataError(
                    f"{self.name}: {part}{bracketed('targets', place)} must be a class index from 0 to "
                    f"{len(self.classes) - 1}; got {targets[place]}"
                )
        return (
            read_only(inputs.copy() if inputs.flags.writeable else inputs),
            read_only(targets.copy() if targets.flags.writeable else targets),
        )


def _with_train(shares: dict[str, float]) -> dict[str, Fraction]:
    """Return exact fractions of all parts; training comes first and gets the rest."""
    given = ", ".join(f"{part} {share}" for part, share in shares.items())
    if not all(0 < share < 1 for share in shares.values()):
        raise ValueError(f"shares must lie between 0 and 1; got {given}")
    exact = {part: Fraction(str(float(share))) for part, share in shares.items()}
    rest = 1 - sum(exact.values(), start=Fraction(0))
    if rest <= 0:
        raise ValueError(f"shares must leave some for training; got {given}")
    return {"train": rest} | exact
