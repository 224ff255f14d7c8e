"""What raw rows look like: their shape, or the names and kinds of their columns; and reading rows of any container.

The same reader serves training and prediction. It refuses what cannot be used with one line that names row and column.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cnn.checks import brief
from evo.errors import DataError
from evo.preparation.cells import Describe, Kind, infer_kind, read_numbers, read_text
from evo.preparation.containers import as_rows, column_labels
from evo.preparation.csv_rows import CsvFormat
from evo.preparation.origin import (
    FLOAT32_MAX,
    MAX_EXACT_INTEGER,
    Origin,
    first_place,
    read_only,
    row_blocks,
)
from evo.preparation.sequences import Sequences

Channels = Literal["first", "last"]
"""Where the maps (colours) of an image stand in its shape."""

Precision = Literal["float64", "float32", "float16"]
"""How exact the training data were."""

RawRows = NDArray[Any] | pd.DataFrame | Sequences
"""Rows in raw units: an array of numbers, a frame if some columns are categories or dates, or sequences."""

MISSING_RULE = "must have a value, as in all samples of the training data; got a missing value"

MAX_AXES = 64
"""Largest number of axes of a NumPy array."""

MAX_FEATURES = 2**31 - 1
"""Largest number of values in a raw sample."""

MAX_COLOURS = 4
"""Largest number that is taken for a number of colours rather than of pixels."""


@dataclass(frozen=True, eq=False)
class Table:
    """Rows as two arrays.

    Attributes
    ----------
    numbers : ndarray of real numbers, shape (n, *shape) or (n, columns of numbers)
        NaN where a value is missing; dates are seconds since 1970.
    texts : ndarray of str or None, shape (n, columns of categories)
        None where a value is missing.
    rounded : ndarray of bool, shape (columns of numbers,)
        Which columns of a table have a type of less than 64 bits, which may have rounded them; empty for images.
    sequences : Sequences, optional
        The sequences whose steps the rows are.
    """

    numbers: NDArray[Any]
    texts: NDArray[np.object_]
    rounded: NDArray[np.bool_]
    sequences: Sequences | None = None


@dataclass(frozen=True, eq=False)
class Schema:
    """What raw rows look like.

    Attributes
    ----------
    shape : tuple of int
        Shape of a sample: (features,), or an image (rows, columns) or with channels. () is any shape.
    names : tuple of str, optional
        Names of the features, if they have names.
    kinds : tuple of {"number", "boolean", "category", "date"}
        Kind of each column; empty if all are numbers.
    gaps : tuple of int
        The columns in which values may be missing.
    channels : {"first", "last"}, optional
        Where the channels of an image with three axes stand.
    form : CsvFormat
        How CSV files spell rows.
    precision : tuple of {"float64", "float32", "float16"}
        Type of each column in the training data, or of all columns; empty if that is float64. Numbers are rounded to
        it: 0.1 in a text file is the float32 that the training data had.
    """

    shape: tuple[int, ...]
    names: tuple[str, ...] | None = None
    kinds: tuple[Kind, ...] = ()
    gaps: tuple[int, ...] = ()
    channels: Channels | None = None
    form: CsvFormat = field(default_factory=CsvFormat)
    precision: tuple[Precision, ...] = ()

    def __post_init__(self) -> None:
        """Check that the parts agree, for a schema may come from a file."""
        if len(self.shape) > MAX_AXES or not all(
            type(one) is int and 0 <= one <= MAX_FEATURES for one in self.shape
        ):
            raise ValueError(f"shape must hold integers of at least 0; got {brief(self.shape)}")
        n = prod(self.shape)
        flat = len(self.shape) == 1
        if n > MAX_FEATURES:
            raise ValueError(f"shape must be of at most {MAX_FEATURES} features; got {n}")
        if self.names is not None and not (flat and len(set(self.names)) == n == len(self.names)):
            raise ValueError(f"names must be {n} different ones of features; got {len(self.names)}")
        if self.kinds and not (
            flat and len(self.kinds) == n and {*self.kinds} <= {*get_args(Kind)}
        ):
            raise ValueError(
                f"kinds must be {n} of {', '.join(get_args(Kind))}; got {brief(self.kinds)}"
            )
        if self.gaps and not (flat and all(type(j) is int and 0 <= j < n for j in self.gaps)):
            raise ValueError(f"gaps must be numbers of features; got {brief(self.gaps)}")
        known = get_args(Precision)
        if not ({*self.precision} <= {*known} and len(self.precision) in {0, 1, n if flat else 1}):
            raise ValueError(
                f"precision must be one or {n} of {', '.join(known)}; got {brief(self.precision)}"
            )
        if self.channels is not None and (
            len(self.shape) != 3 or self.channels not in get_args(Channels)
        ):
            raise ValueError(
                f"channels must be first or last, of images with three axes; got {brief(self.channels)}"
            )

    @classmethod
    def infer(
        cls,
        X: object,
        *,
        names: Sequence[str] | None = None,
        categories: Sequence[str] = (),
        channels: Channels | None = None,
        origin: Origin,
    ) -> tuple[Self, RawRows]:
        """Find out what rows look like.

        Parameters
        ----------
        X : array_like, DataFrame, ...
            See :func:`evo.preparation.containers.as_rows`.
        names : sequence of str, optional
            Names of features, instead of those of the container.
        categories : sequence of str
            Names of columns that are categories whatever is in them, such as postcodes.
        channels : {"first", "last"}, optional
            Where the channels of four-dimensional images stand; needed where the shape allows both.
        origin : Origin
            For messages.

        Returns
        -------
        schema : Schema
        rows : ndarray or DataFrame
            Copies of the rows, which :meth:`read` accepts. A frame only if there are categories or dates.

        Raises
        ------
        DataError
            If rows cannot be used.
        """
        if isinstance(categories, str):
            raise TypeError(f"categories must be several names; got {categories!r}")
        rows = as_rows(X, origin)
        if isinstance(rows, pd.DataFrame):
            return cls._infer_frame(rows, names, categories, origin)
        if categories:
            rows = pd.DataFrame(rows.reshape(len(rows), -1))
            return cls._infer_frame(rows, names, categories, origin)
        shape = rows.shape[1:]
        if 0 in rows.shape:
            raise DataError(
                f"{origin.whole} must have at least one sample and feature; got shape {rows.shape}"
            )
        gaps: tuple[int, ...] = ()
        if rows.ndim == 2 and rows.dtype.kind == "f":
            gaps = tuple(np.flatnonzero(np.isnan(rows).any(axis=0)).tolist())
        if len(shape) == 3:
            channels = _channels(shape, channels, origin)
        elif channels is not None:
            raise DataError(
                f"{origin.source}: channels must be given for four-dimensional images only; "
                f"got shape {rows.shape}"
            )
        precision = _precision([rows.dtype])
        own = _names(names, shape, origin)
        schema = cls(shape, own, gaps=gaps, channels=channels, precision=precision)
        schema.read(rows, origin)
        return schema, _own(rows)

    @classmethod
    def _infer_frame(
        cls,
        frame: pd.DataFrame,
        names: Sequence[str] | None,
        categories: Sequence[str],
        origin: Origin,
    ) -> tuple[Self, RawRows]:
        if 0 in frame.shape:
            raise DataError(
                f"{origin.whole} must have at least one sample and feature; got shape {frame.shape}"
            )
        labels = column_labels(frame) if names is None else list(names)
        own = _names(labels, frame.shape[1:], origin)
        known = own or tuple(map(str, range(frame.shape[1])))
        for name in map(str, categories):
            if name not in known:
                raise DataError(f"{origin.source}: categories must be columns; got {brief(name)}")
        named = cls(frame.shape[1:], own)
        kinds: list[Kind] = []
        for j, name in enumerate(known):
            is_category = name in map(str, categories)
            column = frame.iloc[:, j]
            kinds.append(
                "category" if is_category else infer_kind(column, named.describe(j, origin))
            )
        all_gaps = tuple(range(len(kinds)))
        table = cls(named.shape, own, tuple(kinds), all_gaps).read(frame, origin, by_position=True)
        absent = _absences(table, kinds)
        for k in np.flatnonzero(absent.all(axis=0)).tolist():
            raise DataError(
                f"{named.describe(k, origin)(None)} must have a value; got none in {len(frame)} rows; leave the "
                "column out with drop"
            )
        gaps = tuple(np.flatnonzero(absent.any(axis=0)).tolist())
        if {*kinds} == {"number"}:
            kinds = []
        precision = _precision(frame.dtypes)
        schema = cls(named.shape, own, tuple(kinds), gaps, precision=precision)
        return schema, schema._rows_of(frame, table)

    def rows(self, X: object, origin: Origin) -> RawRows:
        """Return rows of any container as :meth:`infer` does; DataError as for :meth:`read`."""
        table = self.read(X, origin)
        if self.has_frames:
            frame = as_rows(X, origin, self.form)
            if isinstance(frame, np.ndarray):
                frame = pd.DataFrame(frame.reshape(len(frame), -1))
            return self._rows_of(self._matched(frame, origin), table)
        return _own(table.numbers)

    def _rows_of(self, frame: pd.DataFrame, table: Table) -> RawRows:
        if not self.has_frames:
            return _own(table.numbers)
        names = [self.name(j) for j in range(self.n_features)]
        return frame.set_axis(names, axis="columns").reset_index(drop=True).copy()

    def with_gaps_of(self, X: object, origin: Origin) -> Self:
        """Return the schema in which values may also be missing in the columns where they are missing in `X`."""
        if len(self.shape) != 1:
            return self
        numbers: list[Kind] = ["number"] * self.n_features
        table = replace(self, gaps=tuple(range(self.n_features))).read(X, origin)
        absent = _absences(table, self.kinds or numbers).any(axis=0)
        return replace(self, gaps=tuple(sorted({*self.gaps, *np.flatnonzero(absent).tolist()})))

    @property
    def has_frames(self) -> bool:
        """Whether rows are kept as frames, because some columns are categories or dates."""
        return not {*self.kinds} <= {"number", "boolean"}

    @property
    def n_features(self) -> int:
        """Number of values in a raw sample."""
        return prod(self.shape)

    @property
    def category_columns(self) -> tuple[int, ...]:
        """The columns of categories."""
        return tuple(j for j, kind in enumerate(self.kinds) if kind == "category")

    @property
    def number_columns(self) -> Sequence[int]:
        """The columns of numbers, booleans and dates."""
        if not self.kinds:  # a range costs nothing, whatever shape a file claims
            return range(self.n_features)
        return tuple(j for j, kind in enumerate(self.kinds) if kind != "category")

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of a sample with its channels first."""
        return (self.shape[-1], *self.shape[:-1]) if self.channels == "last" else self.shape

    def name(self, j: int) -> str:
        """Return the name of a feature, or its number."""
        return str(j) if self.names is None else self.names[j]

    def element(self, place: tuple[int, ...], origin: Origin) -> str:
        """Name an element of an array of rows: a cell if features have names."""
        return (
            origin.element(place)
            if self.names is None
            else self.describe(place[1], origin)(place[0])
        )

    def describe(self, j: int, origin: Origin) -> Describe:
        """Return the function that names the cells of one column."""
        if self.names is None:
            return lambda row: (
                f"{origin.whole}[:, {j}]" if row is None else origin.element((row, j))
            )
        name = self.names[j]
        return lambda row: origin.column(name) if row is None else origin.cell(name, row)

    def read(self, X: object, origin: Origin, *, by_position: bool = False) -> Table:
        """Read rows.

        Parameters
        ----------
        X : array_like, DataFrame, Series, path of a CSV file, ...
            A frame is matched by the names of its columns; columns without a part in this are left out. Whatever has no
            names is read by position. A series is one sample if its index holds the names.
        origin : Origin
            For messages.
        by_position : bool
            Whether a frame is read by position too.

        Raises
        ------
        DataError
            If rows are not of this schema; one line names row and column.
        """
        if self.names and isinstance(X, pd.Series) and {*self.names} <= {*map(str, X.index)}:
            X = X.to_frame().T
        rows = as_rows(X, origin, self.form)
        if isinstance(X, str | Path):
            origin = Origin(str(X))
        if isinstance(rows, pd.DataFrame):
            if len(self.shape) == 1:
                frame = rows if by_position else self._matched(rows, origin)
                return self._read_frame(frame, origin)
            flat = Schema((self.n_features,))
            rows = flat._read_frame(flat._matched(rows, origin), origin).numbers
        if self.has_frames:
            return self._read_frame(
                self._matched(pd.DataFrame(rows.reshape(len(rows), -1)), origin), origin
            )
        rows = self._shaped(rows, origin)
        self._check_numbers(rows, origin)
        short = bool(_precision([rows.dtype]))
        rounded = np.full(rows.shape[1:] if rows.ndim == 2 else 0, short)
        return Table(self._rounded(rows), np.empty((len(rows), 0), dtype=object), rounded)

    def _matched(self, frame: pd.DataFrame, origin: Origin) -> pd.DataFrame:
        """Return the columns of the schema, in its order."""
        labels = column_labels(frame)
        n = self.n_features
        if self.names is None or labels is None:
            if frame.shape[1] != n:
                raise DataError(
                    f"{origin.whole} must have {n} features a sample; got {frame.shape[1]}"
                )
            wanted = tuple(map(str, range(n)))  # names of 0, 1, … in any order, or any names
            if labels is None or {*labels} != {*wanted}:
                return frame
        else:
            wanted = self.names
        places = {label: place for place, label in enumerate(labels)}
        counts = Counter(labels)
        for name in wanted:
            if counts[name] != 1:
                found = "it twice" if counts[name] else ", ".join(map(repr, labels[:20])) or "none"
                raise DataError(f"{origin.whole} must have one column {brief(name)}; got {found}")
        return frame.iloc[:, [places[name] for name in wanted]]

    def _read_frame(self, frame: pd.DataFrame, origin: Origin) -> Table:
        """Read the columns of a frame by position."""
        number, category = self.number_columns, self.category_columns
        numbers = np.empty((len(frame), len(number)))
        texts = np.empty((len(frame), len(category)), dtype=object)
        for k, j in enumerate(number):
            kind = self.kinds[j] if self.kinds else "number"
            describe = self.describe(j, origin)
            numbers[:, k] = read_numbers(frame.iloc[:, j], kind, describe)
            self._check_gaps(j, np.isnan(numbers[:, k]), describe)
        for k, j in enumerate(category):
            describe = self.describe(j, origin)
            texts[:, k] = read_text(frame.iloc[:, j], describe)
            self._check_gaps(j, pd.isna(texts[:, k]), describe)
        dtypes = list(frame.dtypes)
        rounded = np.array([bool(_precision([dtypes[j]])) for j in number], dtype=bool)
        return Table(self._rounded(numbers), texts, rounded)

    def _rounded(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Return numbers as the type of the training data holds them."""
        with np.errstate(over="ignore"):  # infinity is not prepared
            if len(self.precision) == 1:
                return numbers.astype(self.precision[0], copy=False)
            of_column = [self.precision[j] for j in self.number_columns if self.precision]
            for dtype in {*of_column} - {"float64"}:
                columns = [k for k, one in enumerate(of_column) if one == dtype]
                numbers = numbers.astype(np.float64)
                numbers[:, columns] = numbers[:, columns].astype(dtype)
        return numbers

    def _check_gaps(self, j: int, absent: NDArray[np.bool_], describe: Describe) -> None:
        place = None if j in self.gaps else first_place(absent)
        if place is not None:
            raise DataError(f"{describe(place[0])} {MISSING_RULE}")

    def _shaped(self, rows: NDArray[Any], origin: Origin) -> NDArray[Any]:
        """Return rows in the shape of the schema."""
        given, own = rows.shape[1:], self.shape
        if not own or given == own:
            return rows
        if len(own) == 1:
            if prod(given) != own[0]:
                raise DataError(
                    f"{origin.whole} must have {own[0]} features a sample; got {prod(given)}"
                )
        elif given != (prod(own),) and [s for s in given if s != 1] != [s for s in own if s != 1]:
            raise DataError(f"{origin.whole} must have samples of shape {own}; got {given}")
        return rows.reshape(len(rows), *own)

    def _check_numbers(self, rows: NDArray[Any], origin: Origin) -> None:
        """Check that numbers are finite in float32, or missing where values may be missing."""
        long_integers = rows.dtype.kind in "iu" and rows.dtype.itemsize == 8
        if rows.dtype.kind == "f" or long_integers:
            rule = "an integer below 2**53, or a float" if long_integers else "a finite float32"
            for block in row_blocks(len(rows)):
                place = first_place(self._unusable(rows[block]))
                if place is not None:
                    place = (block.start + place[0], *place[1:])
                    gap = len(self.shape) == 1 and np.isnan(rows[place])
                    problem = MISSING_RULE if gap else f"must be {rule}; got {rows[place]}"
                    raise DataError(f"{self.element(place, origin)} {problem}")
        for j, kind in enumerate(self.kinds):
            if kind == "boolean":
                read_numbers(pd.Series(rows[:, j]), kind, self.describe(j, origin))

    def _unusable(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        if rows.dtype.kind != "f":
            return (rows >= MAX_EXACT_INTEGER) | (rows <= -MAX_EXACT_INTEGER)
        with np.errstate(invalid="ignore"):
            unusable: NDArray[np.bool_] = ~(np.abs(rows) <= FLOAT32_MAX)  # NaN compares False
        if self.gaps and unusable.any():
            unusable[:, self.gaps] &= ~np.isnan(rows[:, self.gaps])
        return unusable

    def to_json(self) -> dict[str, Any]:
        """Return a description that JSON can hold."""
        return {
            "shape": self.shape,
            "names": self.names,
            "kinds": self.kinds,
            "gaps": self.gaps,
            "channels": self.channels,
            "form": self.form.to_json(),
            "precision": self.precision,
        }

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> Self:
        """Return the schema of a description; ValueError, TypeError or KeyError if it is none."""
        names = description["names"]
        return cls(
            tuple(description["shape"]),
            None if names is None else tuple(map(str, names)),
            tuple(description["kinds"]),
            tuple(description["gaps"]),
            description["channels"],
            CsvFormat.from_json(description["form"]),
            tuple(description["precision"]),
        )


def _precision(dtypes: Iterable[Any]) -> tuple[Precision, ...]:
    """Return which types are floats of less than 64 bits; empty if none is, and one for all if they are alike."""
    names = [str(getattr(dtype, "name", dtype)).lower() for dtype in dtypes]
    short: dict[str, Precision] = {"float32": "float32", "float16": "float16"}
    short |= {"float[pyarrow]": "float32", "halffloat[pyarrow]": "float16"}
    found = [short.get(name, "float64") for name in names]
    if {*found} == {"float64"}:
        return ()
    return (found[0],) if len({*found}) == 1 else tuple(found)


def _own(rows: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only array of native numbers; a read-only one is shared, any other copied."""
    dtype = rows.dtype.newbyteorder("=") if rows.dtype.itemsize <= 8 else np.dtype(np.float64)
    if rows.dtype == dtype and rows.flags.c_contiguous and not rows.flags.writeable:
        return rows
    return read_only(np.array(rows, dtype=dtype, order="C"))


def _names(
    names: Sequence[str] | None, shape: tuple[int, ...], origin: Origin
) -> tuple[str, ...] | None:
    """Check the names of features."""
    if names is None:
        return None
    if len(shape) != 1 or len(names) != shape[0]:
        raise DataError(
            f"{origin.source}: names of features must be one for each of {shape}; got {len(names)}"
        )
    own = [str(name) for name in names]
    counts = Counter(own)
    for name in own:
        if counts[name] > 1:
            raise DataError(
                f"{origin.source}: names of columns must differ; got {brief(name)} twice"
            )
    return tuple(own)


def _absences(table: Table, kinds: Sequence[Kind]) -> NDArray[np.bool_]:
    """Return where values are missing, shape (n, columns)."""
    texts, numbers = iter(table.texts.T), iter(table.numbers.T)
    return np.column_stack(
        [pd.isna(next(texts)) if kind == "category" else np.isnan(next(numbers)) for kind in kinds]
    )


def _channels(shape: tuple[int, ...], channels: Channels | None, origin: Origin) -> Channels:
    """Return where the channels of images stand, if it is said or only one reading is likely."""
    if channels is not None:
        if channels not in get_args(Channels):
            raise DataError(f"{origin.source}: channels must be first or last; got {channels!r}")
        return channels
    first, rows, columns = shape
    if first <= MAX_COLOURS < min(rows, columns):
        return "first"
    raise DataError(
        f'{origin.source}: channels must be said for images of shape {shape}: channels="first" reads {first} '
        f'maps of {rows}×{columns}, channels="last" {columns} maps of {first}×{rows}; got None'
    )
