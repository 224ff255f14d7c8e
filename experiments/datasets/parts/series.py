"""A time series as windows with a target each, and parts of windows in the order of time.

A window of times s, …, s + w − 1 has as its target the value at time s + w − 1 + h, h times after its last one. Its
*span* is all of that, from s to s + w − 1 + h. The parts of a causal split are the windows whose span lies in the first
times, in the next ones and in the last ones: no part has seen a value of another one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cnn.checks import whole_number
from evo.errors import DataError
from evo.preparation import Origin, Sequences, SequenceSchema
from evo.preparation.containers import NUMBERS, as_array, of_other_libraries
from evo.preparation.origin import first_place, read_only
from evo.preparation.sequences import ranges
from evo.registry import must_be_one_of

Gaps = Literal["refuse", "split", "ignore"]
"""What happens where a time or a value is missing in a series."""


SATURDAY = 5
"""The number of the day in pandas."""


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of a series.

    Attributes
    ----------
    schema : SequenceSchema
    sequences : Sequences
        The windows, all of one length, in the order of time.
    targets : ndarray, shape (n, k)
        The values to predict.
    target_names : tuple of str or None
    spans : ndarray of int64, shape (n, 2)
        First and last time of each window with its target.
    """

    schema: SequenceSchema
    sequences: Sequences
    targets: NDArray[Any]
    target_names: tuple[str, ...] | None
    spans: NDArray[np.int64]


def read_series(
    name: str,
    series: object,
    target: object,
    *,
    window: int,
    horizon: int,
    stride: int,
    features: Sequence[str] | None,
    extra_ticks: int,
    gaps: Gaps,
) -> Windows:
    """Cut a series into windows; the parameters are those of :meth:`experiments.Dataset.from_series`.

    Raises
    ------
    DataError
        If the series cannot be used; the message names time and column.
    TypeError, ValueError
        If a count is no integer, or too small.
    """
    window, horizon = whole_number("window", window, 1), whole_number("horizon", horizon, 1)
    stride = whole_number("stride", stride, 1)
    if gaps not in get_args(Gaps):
        raise ValueError(f"gaps {must_be_one_of(get_args(Gaps), gaps)}")
    series = of_other_libraries(series)
    columns = _columns(name, series)
    wanted = _chosen(name, columns, target, "target")
    read = _chosen(name, columns, features, "features") if features is not None else [*columns]
    table = np.stack([*columns.values()], axis=1)
    place = first_place(np.isinf(table) if gaps == "split" else ~np.isfinite(table))
    if place is not None:
        time, column = place
        hint = '; gaps = "split" leaves out the windows over it' if np.isnan(table[place]) else ""
        raise DataError(
            f"{name}: time {time}, column {[*columns][column]!r} must be finite; got {table[place]}{hint}"
        )
    starts = np.arange(0, len(table) - window - horizon + 1, stride)
    if len(table) < window + horizon:
        raise DataError(
            f"{name}: the series must have at least window + horizon = {window + horizon} times; got {len(table)}"
        )
    if gaps != "ignore":
        after_gap = _after_gaps(series)
        if gaps == "refuse" and after_gap.any():
            raise DataError(f"{name}: {_told_of_gap(series, int(after_gap.argmax()))}")
        used = [[*columns].index(one) for one in {*read, *wanted}]
        missing = np.isnan(table[:, used]).any(axis=1)
        starts = starts[_is_whole(starts, window + horizon, missing, after_gap)]
        if not len(starts):
            raise DataError(
                f"{name}: the series must have window + horizon = {window + horizon} times without a gap; got none"
            )
    lengths = np.full(len(starts), window)
    rows = table[:, [[*columns].index(one) for one in read]]
    sequences = Sequences(read_only(rows[ranges(starts, lengths)]), read_only(lengths))
    named = _names(columns)
    schema = SequenceSchema.of(
        sequences,
        Origin(name, "series"),
        names=None if named is None else read,
        extra_ticks=extra_ticks,
        longest=window,
    )
    last = starts + window - 1 + horizon
    targets = table[last][:, [[*columns].index(one) for one in wanted]]
    spans = np.stack([starts, last], axis=1)
    return Windows(schema, sequences, targets, None if named is None else tuple(wanted), spans)


def causal_parts(
    name: str, spans: NDArray[np.int64], shares: Mapping[str, Fraction]
) -> dict[str, NDArray[np.int64]]:
    """Return the windows of each part, in the order of time.

    Parameters
    ----------
    name : str
        Name of the data set, for messages.
    spans : ndarray of int64, shape (n, 2)
        First and last time of each window with its target, ascending.
    shares : mapping of str to Fraction
        Share of the times of each part, in the order of time; the sum is 1.

    Returns
    -------
    dict of str to ndarray of int64
        Indices of the windows whose span lies in the times of the part. A window that straddles two is in none.

    Raises
    ------
    DataError
        If no window lies in a part.
    """
    n_times = int(spans[-1, 1]) + 1
    parts, begin, share = {}, 0, Fraction(0)
    for part, own in shares.items():
        share += own
        end = round(n_times * share)
        parts[part] = np.flatnonzero((spans[:, 0] >= begin) & (spans[:, 1] < end))
        if not len(parts[part]):
            raise DataError(
                f"{name}: the {part} part must hold a window with its target, {np.diff(spans).max() + 1} times; got "
                f"{end - begin} of {n_times} times"
            )
        begin = end
    return parts


def _after_gaps(series: Any) -> NDArray[np.bool_]:
    """Return which times come after a gap: more than half as long again after the time before as is usual.

    The usual distance is the median, which months keep well enough. Of dates without a weekend, business days are
    counted. A series without an index of times, or of ascending whole numbers, has no gaps.
    """
    found = np.zeros(len(series), np.bool_)
    index = getattr(series, "index", None)
    if isinstance(index, pd.DatetimeIndex):
        times = index.asi8
        if (index == index.normalize()).all() and (index.day_of_week < SATURDAY).all():
            days = index.tz_localize(None).to_numpy().astype("datetime64[D]")
            times = np.busday_count("1970-01-01", days)
    elif isinstance(index, pd.PeriodIndex):
        times = index.asi8
    elif isinstance(index, pd.Index) and index.dtype.kind in "iu" and index.is_monotonic_increasing:
        times = index.to_numpy()
    else:
        return found
    distances = np.diff(times)
    usual = np.median(distances) if len(distances) else 0
    found[1:] = (distances > 1.5 * usual) & (usual > 0)
    return found


def _told_of_gap(series: Any, time: int) -> str:
    """Return what is wrong with the time after a gap, and what to do."""
    before, after = series.index[time - 1], series.index[time]
    return (
        f"time {time} must follow the one before at the usual distance; got {after} after {before}. Fill the gap; or "
        'gaps = "split" leaves out the windows over it, and "ignore" takes rows as equally far apart'
    )


def _is_whole(
    starts: NDArray[np.int64],
    length: int,
    missing: NDArray[np.bool_],
    after_gap: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return which spans of times have no missing value, and no gap inside."""
    lost, gap = (np.append(0, np.cumsum(one)) for one in (missing, after_gap))
    whole: NDArray[np.bool_] = (lost[starts + length] == lost[starts]) & (
        gap[starts + length] == gap[starts + 1]
    )
    return whole


def _columns(name: str, series: object) -> dict[str, NDArray[Any]]:
    """Return the columns of a series by name; those of an array by number."""
    if isinstance(series, pd.Series):
        series = series.to_frame()
    if isinstance(series, pd.DataFrame):
        if isinstance(series.index, pd.DatetimeIndex) and not series.index.is_monotonic_increasing:
            raise DataError(f"{name}: the index of the series must be in ascending order of time")
        names = [str(one) for one in series.columns]
        arrays = [np.asarray(series.iloc[:, k]) for k in range(len(names))]
    else:
        array = as_array(series, Origin(name, "series"))
        if array.ndim == 1:
            array = array[:, np.newaxis]
        if array.ndim != 2 or 0 in array.shape:
            raise DataError(
                f"{name}: the series must have shape (times,) or (times, columns); got {array.shape}"
            )
        names, arrays = [*map(str, range(array.shape[1]))], [*array.T]
    if len(set(names)) < len(names):
        raise DataError(f"{name}: the columns of the series must have different names; got {names}")
    for column, one in zip(names, arrays, strict=True):
        if one.dtype.kind not in NUMBERS:
            raise DataError(f"{name}: column {column!r} must hold numbers; got {one.dtype}")
    return dict(zip(names, arrays, strict=True))


def _names(columns: Mapping[str, object]) -> tuple[str, ...] | None:
    """Return the names of columns; None if they are numbers."""
    return None if [*columns] == [*map(str, range(len(columns)))] else tuple(columns)


def _chosen(name: str, columns: Mapping[str, object], given: Any, argument: str) -> list[str]:
    """Return the names of the chosen columns: one or several; of a series with one column, this one."""
    if given is None and len(columns) == 1:
        return [*columns]
    several = isinstance(given, list | tuple)
    wanted = [str(one) for one in (given if several else [given])]
    if (
        given is None
        or not wanted
        or not {*wanted} <= columns.keys()
        or len({*wanted}) < len(wanted)
    ):
        raise DataError(
            f"{name}: {argument} must be one or several of the columns {', '.join(columns)}; got {given!r}"
        )
    return wanted
