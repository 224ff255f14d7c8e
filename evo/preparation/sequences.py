"""Sequences of unequal length, in raw units: reading them, and laying them out for a network.

All steps of all sequences are the rows of one array, so that they are read and prepared like the rows of a table.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evo.errors import DataError
from evo.preparation.containers import NUMBERS, as_array, column_labels, of_other_libraries
from evo.preparation.origin import FLOAT32_MAX, Origin, first_place, read_only

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences of unequal length; arrays are read-only.

    Attributes
    ----------
    steps : ndarray of real numbers, shape (n_steps, features)
        The steps of the first sequence, then those of the second, and so on.
    lengths : ndarray of int64, shape (n,)
        Number of steps of each sequence, at least 1.
    with_target : ndarray of bool, shape (n_steps,), optional
        Which steps have a target; by default none has, and each sequence has one target of its own.
    names : tuple of str, optional
        Names of the features, where sequences were read from data frames.

    Examples
    --------
    >>> sequences = Sequences.read([[[0.0], [1.0]], [[2.0]]], Origin("X"))
    >>> len(sequences), sequences.lengths.tolist(), sequences[np.array([1])].steps.tolist()
    (2, [2, 1], [[2.0]])
    """

    steps: NDArray[Any]
    lengths: Ints
    with_target: NDArray[np.bool_] | None = None
    names: tuple[str, ...] | None = None

    @classmethod
    def read(cls, X: object, origin: Origin, names: Sequence[str] | None = None) -> Self:
        """Read sequences that a user gives.

        Parameters
        ----------
        X : list of array_like, or ndarray of shape (n, steps, features) or (n, steps)
            One array of shape (steps, features) for each sequence; (steps,) is one feature. Sequences are taken as they
            are. Columns of data frames may have any order.
        origin : Origin
            For messages.
        names : sequence of str, optional
            The columns of data frames, in the order of the features; by default those of the first one.

        Raises
        ------
        DataError
            If there is no sequence, one has no step, or a value cannot be used; the message names sequence and step.
        """
        if isinstance(X, cls):
            return X
        if not isinstance(X, Iterable) or isinstance(X, str | bytes | dict):
            raise DataError(
                f"{origin.whole} must be a list of arrays of shape (steps, features); got {type(X).__name__}"
            )
        if isinstance(of_other_libraries(X), pd.DataFrame):
            raise DataError(
                f"{origin.whole} must be a list of frames, one for each sequence; got one {type(X).__name__}. Put it "
                "in a list if it is one sequence; of many, [one for _, one in frame.groupby(column)]"
            )
        found = []
        for i, one in enumerate(X):
            table = of_other_libraries(one)
            columns = column_labels(table) if isinstance(table, pd.DataFrame) else None
            names = columns if i == 0 and names is None else names
            found.append(_sequence(table, columns, names, f"{origin.whole}[{i}]"))
        if not found:
            raise DataError(f"{origin.whole} must have at least one sequence; got none")
        n_features = found[0].shape[1]
        for i, one in enumerate(found):
            if one.shape[1] != n_features:
                raise DataError(
                    f"{origin.whole}[{i}] must have {n_features} features a step, as {origin.whole}[0] has; got "
                    f"{one.shape[1]}"
                )
        lengths = np.array([len(one) for one in found], np.int64)
        own = None if names is None else tuple(names)
        return cls(read_only(np.concatenate(found)), read_only(lengths), names=own)

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self.lengths)

    def __getitem__(self, chosen: Any) -> "Sequences":
        """Return some of the sequences, by their indices in an array."""
        chosen = np.atleast_1d(np.arange(len(self))[chosen])
        rows = ranges(self.starts[chosen], self.lengths[chosen])
        with_target = None if self.with_target is None else read_only(self.with_target[rows])
        return Sequences(read_only(self.steps[rows]), read_only(self.lengths[chosen]), with_target)

    @property
    def starts(self) -> Ints:
        """The first step of each sequence, as a row of `steps`; shape (n,)."""
        starts: Ints = np.cumsum(self.lengths) - self.lengths
        return starts

    @property
    def longest(self) -> int:
        """Number of steps of the longest sequence."""
        return int(self.lengths.max())

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return len(self) if self.with_target is None else int(np.count_nonzero(self.with_target))

    def targets_of(self, chosen: Ints) -> Ints:
        """Return the indices of the targets of some sequences, in the order of the sequences."""
        if self.with_target is None:
            return chosen
        counts = np.add.reduceat(self.with_target.astype(np.int64), self.starts)
        return ranges((np.cumsum(counts) - counts)[chosen], counts[chosen])

    def place(self, row: int) -> tuple[int, int]:
        """Return sequence and step, both from 0, of a row of `steps`."""
        sequence = int(np.searchsorted(self.starts, row, side="right")) - 1
        return sequence, row - int(self.starts[sequence])

    def padded(self, rows: NDArray[Any], n_ticks: int) -> NDArray[Any]:
        """Return one number or row for each step as an array (n, n_ticks, …), with 0 after the last step."""
        laid_out = np.zeros((len(self), n_ticks, *rows.shape[1:]), rows.dtype)
        laid_out[np.arange(n_ticks) < self.lengths[:, np.newaxis]] = rows
        return laid_out

    def readings(self, n_ticks: int, extra_ticks: int) -> Ints | None:
        """Return where the outputs of a network are read, as :class:`cnn.training.samples.Samples` has it.

        Parameters
        ----------
        n_ticks : int
            Ticks of the network.
        extra_ticks : int
            Ticks between a step and the reading of its output.

        Returns
        -------
        ndarray of int64, shape (2, n_targets), or None
            None if each sequence is read once, after the last tick.
        """
        if self.with_target is not None:
            samples, steps = np.nonzero(self.padded(self.with_target, n_ticks - extra_ticks))
            return read_only(np.stack([samples, steps + extra_ticks]))
        ticks = self.lengths - 1 + extra_ticks
        if (ticks == n_ticks - 1).all():
            return None
        return read_only(np.stack([np.arange(len(self)), ticks]))


def ranges(starts: Ints, counts: Ints) -> Ints:
    """Return start, start + 1, … of each start, `counts` numbers each.

    Examples
    --------
    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(counts)
    found: Ints = np.repeat(starts - (ends - counts), counts) + np.arange(counts.sum())
    return found


def _sequence(
    given: Any, columns: list[str] | None, names: Sequence[str] | None, name: str
) -> NDArray[Any]:
    """Return the steps of one sequence, shape (steps, features); columns of a data frame in the order of `names`."""
    steps = as_array(given, Origin(name))
    if columns is not None and names is not None:
        if sorted(columns) != sorted(names):
            raise DataError(
                f"{name} must have the columns {', '.join(names)}; got {', '.join(columns)}"
            )
        steps = steps[:, [columns.index(one) for one in names]]
    if steps.ndim == 1:
        steps = steps[:, np.newaxis]
    if steps.ndim != 2 or 0 in steps.shape:
        raise DataError(
            f"{name} must have shape (steps, features), with at least one step and feature; got {steps.shape}"
        )
    if steps.dtype.kind not in NUMBERS:
        raise DataError(f"{name} must hold numbers; got {steps.dtype}")
    with np.errstate(invalid="ignore"):
        place = first_place(~(np.abs(steps.astype(np.float64)) <= FLOAT32_MAX))
    if place is not None:
        step, feature = place
        raise DataError(
            f"{name}, step {step}, feature {feature} must be a finite float32; got {steps[place]}"
        )
    return steps
