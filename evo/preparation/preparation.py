"""The preparation of raw rows for a network, fitted on a training part."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import NDArray

from cnn.checks import brief
from evo.errors import DataError
from evo.preparation.normalization import Normalization, NormalizationMethod, check_told_apart
from evo.preparation.origin import Origin, first_place, read_only, row_blocks
from evo.preparation.schema import Schema, Table
from evo.preparation.sequence_schema import SequenceSchema

MAX_CATEGORIES = 1000
"""Largest number of categories of one column; more are no categories but names or numbers."""

ROWS_CHECKED = 10_000
"""Rows in which different values are counted."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a network reads.

    Attributes
    ----------
    inputs : ndarray, shape (n, *sample_shape)
        Finite numbers; of a sequence, 0 after its last step.
    unseen : dict of str to int
        Number of values of each column of categories that the training part did not have.
    readings : ndarray of int64, shape (2, n_readings), or None
        Where the outputs of sequences are read (:meth:`evo.preparation.sequences.Sequences.readings`).
    """

    inputs: NDArray[Any]
    unseen: dict[str, int]
    readings: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class Preparation:
    """What was learnt from a training part to prepare rows: fills, categories, offsets and scales.

    Numbers, booleans and dates become one input each: a missing one becomes the median of the training part, then
    (x − offset) / scale. A column in which the training part has gaps gets a further input, 1 where a value is missing.
    A category becomes one input for each of the training part's categories: 1 for its own, 0 for the others.

    Attributes
    ----------
    schema : Schema
        What raw rows look like.
    normalization : Normalization
        Of the columns of numbers.
    fills : ndarray of float64, shape (columns of numbers,)
        What stands for a missing number; NaN in columns without gaps. Empty for images.
    indicated : tuple of int
        Columns with an input that tells missing values.
    categories : tuple of tuple of str
        Categories of each column of categories, in ascending order.
    long : tuple of int
        Columns with numbers that float32 would round to something else, such as times in seconds since 1970. They must
        not come as float32.
    """

    schema: Schema
    normalization: Normalization
    fills: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    indicated: tuple[int, ...] = ()
    categories: tuple[tuple[str, ...], ...] = ()
    long: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check that the parts agree, for a preparation may come from a file."""
        n_numbers = len(self.schema.number_columns)
        for name in ("offset", "scale"):
            value = getattr(self.normalization, name)
            if value.dtype != np.float64 or value.shape not in {
                (),
                (n_numbers,),
                self.schema.shape,
            }:
                raise ValueError(
                    f"{name} must be one number or {n_numbers}; got {value.dtype} of shape {value.shape}"
                )
            if not np.isfinite(value).all() or (name == "scale" and (value == 0).any()):
                rule = "finite" if name == "offset" else "finite and not 0"
                raise ValueError(f"{name} must be {rule}; got {brief(value)}")
        fills, gaps = self.fills, {*self.schema.gaps}
        number = self.schema.number_columns if gaps else ()
        filled = [k for k, j in enumerate(number) if j in gaps]
        if (
            fills.dtype != np.float64
            or fills.shape != (len(number),)
            or not np.isfinite(fills[filled]).all()
        ):
            raise ValueError(
                f"fills must be {len(number)} numbers; got {fills.dtype} of shape {fills.shape}"
            )
        if not {*self.indicated} <= gaps:
            raise ValueError(f"indicated must be columns with gaps; got {brief(self.indicated)}")
        if not all(j in self.schema.number_columns for j in self.long):
            raise ValueError(f"long must be columns of numbers; got {brief(self.long)}")
        if len(self.categories) != len(self.schema.category_columns):
            raise ValueError(
                f"categories must be of {len(self.schema.category_columns)} columns; got {len(self.categories)}"
            )

    @classmethod
    def fit(cls, schema: Schema, X: object, method: NormalizationMethod, origin: Origin) -> Self:
        """Learn from the rows of a training part.

        Parameters
        ----------
        schema : Schema
        X : array_like or DataFrame
            Raw rows.
        method : {"standard", "unit", "symmetric", "none"}
            See :meth:`Normalization.fit`.
        origin : Origin
            For messages.

        Raises
        ------
        DataError
            If a column has no value at all, has too many categories, or cannot be told apart in float32.
        ValueError
            If the method is unknown.
        """
        table = schema.read(X, origin)
        numbers, fills = table.numbers, np.empty(0)
        if schema.gaps:
            fills = _medians(schema, table, origin)
            numbers = np.where(np.isnan(numbers), fills, numbers)
        categories = tuple(
            _categories(schema, j, texts, origin)
            for j, texts in zip(schema.category_columns, table.texts.T, strict=True)
        )
        absent = _absences(schema, table)
        indicated = tuple(j for j in schema.gaps if absent[j].any())
        if numbers.shape[1]:
            normalization = Normalization.fit(numbers, method)
        else:
            normalization = Normalization(method, np.empty(0), np.empty(0))
        long = _columns_for_float64(schema, numbers, normalization)
        fitted = cls(schema, normalization, fills, indicated, categories, long)
        fitted._check_distinct(numbers, origin)
        return fitted

    @classmethod
    def scaling(
        cls, shape: tuple[int, ...], *, offset: npt.ArrayLike = 0.0, scale: npt.ArrayLike = 1.0
    ) -> Self:
        """Return the preparation (x − offset) / scale of samples of a shape; () is any shape."""
        numbers = (np.array(value, dtype=np.float64) for value in (offset, scale))
        return cls(Schema(shape), Normalization("none", *map(read_only, numbers)))

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of a prepared sample; images have their channels first."""
        n_more = len(self.indicated) + sum(map(len, self.categories))
        if not n_more:
            return self.schema.sample_shape
        return (len(self.schema.number_columns) + n_more,)

    @property
    def input_names(self) -> tuple[str, ...] | None:
        """Name of each input of a table: ``age``, ``age is missing``, ``colour = red``; None without names."""
        schema = self.schema
        if schema.names is None:
            return None
        return (
            *(schema.name(j) for j in schema.number_columns),
            *(f"{schema.name(j)} is missing" for j in self.indicated),
            *(
                f"{schema.name(j)} = {category}"
                for j, categories in zip(schema.category_columns, self.categories, strict=True)
                for category in categories
            ),
        )

    def transform(
        self, X: object, *, dtype: npt.DTypeLike = np.float32, origin: Origin | None = None
    ) -> Prepared:
        """Prepare raw rows.

        Parameters
        ----------
        X : array_like, DataFrame, Series, path of a CSV file, ...
            See :meth:`Schema.read`.
        dtype : dtype, default float32
            Arithmetic is float64 until the result is rounded.
        origin : Origin, optional
            For messages; by default the rows are called X.

        Raises
        ------
        DataError
            If rows cannot be read, or a value is too far from the training part for `dtype`.
        """
        origin = origin or Origin("X")
        schema, table = self.schema, self.schema.read(X, origin)
        numbers = table.numbers
        for j in self.long:
            if table.rounded[schema.number_columns.index(j)]:
                raise DataError(
                    f"{schema.describe(j, origin)(None)} must be float64, as in the training data, whose values "
                    "float32 does not tell apart; got floats of fewer bits"
                )
        if schema.gaps:
            numbers = np.where(np.isnan(numbers), self.fills, numbers)
        inputs = self.normalization.apply(numbers, dtype)
        place = first_place(~np.isfinite(inputs))
        if place is not None:
            raise DataError(
                f"{self._element(place, origin, table)} must fit into {np.dtype(dtype)} after normalization "
                f"{self.normalization.method!r}; got {numbers[place]}, too far from the training part"
            )
        if schema.channels == "last":
            inputs = np.ascontiguousarray(np.moveaxis(inputs, -1, 1))  # (n, maps, rows, columns)
        absent = _absences(schema, table)
        further = [absent[j][:, np.newaxis] for j in self.indicated]
        unseen = {}
        for j, texts, categories in zip(
            schema.category_columns, table.texts.T, self.categories, strict=True
        ):
            one_hot, n_unseen = _one_hot(texts, categories)
            further.append(one_hot)
            if n_unseen:
                unseen[schema.name(j)] = n_unseen
        if further:
            inputs = np.hstack([inputs, *further], dtype=inputs.dtype, casting="unsafe")
        if table.sequences is not None and isinstance(schema, SequenceSchema):
            ticks = schema.ticks
            readings = table.sequences.readings(ticks, schema.extra_ticks)
            return Prepared(table.sequences.padded(inputs, ticks), unseen, readings)
        return Prepared(inputs, unseen)

    def _element(self, place: tuple[int, ...], origin: Origin, table: Table) -> str:
        if table.sequences is not None:
            sequence, step = table.sequences.place(place[0])
            return f"{origin.element((sequence,))}, step {step}, feature {place[1]}"
        if len(place) == 2:
            return self.schema.describe(self.schema.number_columns[place[1]], origin)(place[0])
        return origin.element(place)

    def _check_distinct(self, numbers: NDArray[Any], origin: Origin) -> None:
        """Raise DataError if many different values of a column, or of images, are one float32 after preparation."""
        if (
            numbers.dtype.kind in "iub" and numbers.dtype.itemsize <= 2
        ):  # too few values to come close
            return
        rows = numbers[:: max(1, len(numbers) // ROWS_CHECKED)]
        prepared = self.normalization.apply(rows)
        if numbers.ndim > 2:  # all pixels are one column
            rows, prepared = (part.reshape(-1, 1)[:ROWS_CHECKED] for part in (rows, prepared))
        for k in range(rows.shape[1]):
            what = origin.whole
            if numbers.ndim == 2:
                what = self.schema.describe(self.schema.number_columns[k], origin)(None)
            step = f"normalization {self.normalization.method!r}"
            check_told_apart(rows[:, k], prepared[:, k], what, step)

    def to_arrays(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return arrays and a description that JSON can hold."""
        arrays = {
            "offset": self.normalization.offset,
            "scale": self.normalization.scale,
            "fills": self.fills,
        }
        return arrays, {
            "schema": self.schema.to_json(),
            "normalization": self.normalization.method,
            "indicated": self.indicated,
            "categories": self.categories,
            "long": self.long,
        }

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], description: Mapping[str, Any]
    ) -> Self:
        """Return the preparation that :meth:`to_arrays` describes; ValueError, TypeError or KeyError if it is none."""
        of_sequences = "sequences" in description["schema"]
        return cls(
            (SequenceSchema if of_sequences else Schema).from_json(description["schema"]),
            Normalization(description["normalization"], arrays["offset"], arrays["scale"]),
            arrays["fills"],
            tuple(description["indicated"]),
            tuple(tuple(map(str, categories)) for categories in description["categories"]),
            tuple(description["long"]),
        )


def _absences(schema: Schema, table: Table) -> dict[int, NDArray[np.bool_]]:
    """Return, for each column if there are gaps, in which rows it has no value."""
    if not schema.gaps:
        return {}
    numbers = zip(schema.number_columns, np.isnan(table.numbers).T, strict=True)
    texts = zip(schema.category_columns, pd.isna(table.texts).T, strict=True)
    return {**dict(numbers), **dict(texts)}


def _columns_for_float64(
    schema: Schema, numbers: NDArray[Any], normalization: Normalization
) -> tuple[int, ...]:
    """Return the columns of a table that change in the third digit after preparation if they are rounded to float32."""
    if numbers.ndim != 2 or numbers.dtype.itemsize < 8:
        return ()
    errors = np.zeros(numbers.shape[1])
    for rows in row_blocks(len(numbers)):
        block = numbers[rows].astype(np.float64)
        errors = np.maximum(errors, np.abs(block - block.astype(np.float32)).max(axis=0))
    changed = np.flatnonzero(errors > 1e-3 * np.abs(normalization.scale))
    return tuple(schema.number_columns[int(k)] for k in changed)


def _medians(schema: Schema, table: Table, origin: Origin) -> NDArray[np.float64]:
    """Return the median of each column of numbers with gaps; NaN for the others."""
    fills = np.full(table.numbers.shape[1], np.nan)
    for k, j in enumerate(schema.number_columns):
        if j not in schema.gaps:
            continue
        present = table.numbers[:, k][~np.isnan(table.numbers[:, k])]
        if not len(present):
            raise DataError(
                f"{schema.describe(j, origin)(None)} must have a value in the training part; got none"
            )
        fills[k] = np.median(present)
    return fills


def _categories(
    schema: Schema, j: int, texts: NDArray[np.object_], origin: Origin
) -> tuple[str, ...]:
    """Return the different categories of a column, in ascending order."""
    found = sorted({text for text in texts if text is not None})
    if len(found) > MAX_CATEGORIES:
        raise DataError(
            f"{schema.describe(j, origin)(None)} must have at most {MAX_CATEGORIES} categories; got {len(found)} "
            f"in {len(texts)} rows"
        )
    return tuple(found)


def _one_hot(
    texts: NDArray[np.object_], categories: tuple[str, ...]
) -> tuple[NDArray[np.bool_], int]:
    """Return 1 at the category of each row, and how many rows have a category that is unknown."""
    numbers = {category: k for k, category in enumerate(categories)}
    codes = np.array([-1 if text is None else numbers.get(text, -2) for text in texts], dtype=int)
    return codes[:, np.newaxis] == np.arange(len(categories)), int(np.sum(codes == -2))
