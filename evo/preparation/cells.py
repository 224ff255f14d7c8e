"""The cells of one column: what kind they are of, and their values as numbers or text."""

import datetime
import decimal
import numbers
import re
from collections.abc import Callable
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evo.errors import DataError
from evo.preparation.origin import FLOAT32_MAX, MAX_EXACT_INTEGER, first_place

Kind = Literal["number", "boolean", "category", "date"]
"""number: real numbers. boolean: 0 and 1. category: text. date: seconds since 1970."""

Describe = Callable[[int | None], str]
"""A function that names a cell by the index of its row, and the column by None."""

MISSING = frozenset(
    [
        "",
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
        "NULL",
        "NaN",
        "NaT",
        "None",
        "n/a",
        "nan",
        "null",
    ]
)
"""Text that is a missing value in a feature, as for :func:`pandas.read_csv`."""


class Verbatim(str):
    """Text of a file that is neither a number nor a missing value, whatever it spells."""

    __slots__ = ()


class Quoted(str):
    """Text in quotes that would else be a missing value: in a column of text, it is a category."""

    __slots__ = ()


class Respelled(str):
    """A number with a decimal point, where the file has a comma.

    Attributes
    ----------
    original : str
        The cell as it stands in the file, for messages.
    """

    __slots__ = ("original",)
    original: str

    @classmethod
    def with_point(cls, original: str) -> Self:
        """Return a number with the decimal mark of the rest of the program."""
        made = cls(original.replace(",", "."))
        made.original = original
        return made


MAX_FREE_TEXTS = 20
"""Number of different texts from which on a column of mostly different texts is no category."""

SPELLED_OTHERWISE = {
    re.compile(
        r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}([ T].*)?"
    ): "dates such as 2026-01-31 (in a CSV file their form may be said in dates)",
    re.compile(
        r"[+-]?\d+,\d+"
    ): "numbers such as 1234.5 (in a CSV file decimal may be said to be ',')",
    re.compile(
        r"[$€£+-]?\s?\d[\d.,'\s_]*([eE][+-]?\d+)?\s?[%$€£]?"
    ): "numbers such as 1234.5, with no mark but the decimal one",
}
"""Patterns of what people read as numbers or dates, and what to write instead."""

BOOLEANS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}
ISO_DATE = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
DATES = datetime.date, np.datetime64  # a datetime and a Timestamp are dates
RANGES = pd.Interval, pd.Period
NUMBERS = numbers.Real, decimal.Decimal, np.bool_
KINDS_ALONE: frozenset[Kind] = frozenset(["number", "date"])
"""Kinds that do not stand in one column with others, where they would be categories by mistake."""

RULES: dict[Kind, str] = {
    "number": "a finite float32",
    "boolean": "true, false, 1 or 0",
    "category": "text, a number or a date",
    "date": "a date such as 2026-01-31, or one of pandas.to_datetime",
}


def infer_kind(column: "pd.Series[Any]", describe: Describe) -> Kind:
    """Return the kind of a column.

    Numbers, booleans and dates are told by their type or, in text, by the spelling of every cell that is not missing.
    Any other text is a category, and so is the pandas type of that name. A column without any value is one of numbers.

    Raises
    ------
    DataError
        If the column holds anything else, numbers or dates together with text, numbers or dates that are spelled in
        another way, or text that hardly repeats.
    """
    column = _of_pandas(column)
    kinds, dtype = pd.api.types, column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    if kinds.is_bool_dtype(dtype):
        return "boolean"
    if kinds.is_numeric_dtype(dtype) and not kinds.is_complex_dtype(dtype):
        return "number"
    if kinds.is_datetime64_any_dtype(dtype):
        return "date"
    if not (kinds.is_object_dtype(dtype) or kinds.is_string_dtype(dtype)):
        raise DataError(f"{describe(None)} must hold numbers, text or dates; got {dtype}")
    cells = column.to_numpy(dtype=object)
    if _numbers_in_text(cells) is not None:
        return "number"
    present = np.flatnonzero(~missing(cells))
    if not len(present):
        return "number" if missing(cells, in_text=True).all() else "category"
    found = [_kind_of_cell(cells[row], int(row), describe) for row in present]
    if set(found) <= {"number", "boolean"}:
        return "boolean" if {*found} == {"boolean"} else "number"
    for kind in KINDS_ALONE & set(found):
        _check_alone(kind, found, present, cells, describe)
    if set(found) == {"date"}:
        return "date"
    _check_categories(cells[present], describe)
    return "category"


def _check_alone(
    kind: Kind,
    found: list[Kind],
    present: NDArray[np.intp],
    cells: NDArray[np.object_],
    describe: Describe,
) -> None:
    """Raise DataError if there are cells of another kind too."""
    first = present[found.index(kind)]
    other = next((row for row, one in zip(present, found, strict=True) if one != kind), None)
    if other is not None:
        raise DataError(
            f"{describe(int(other))} must be a {kind}, as in data row {first + 1} ({_shown(cells[first])}), "
            f"unless the column is named in categories; got {_shown(cells[other])}"
        )


def _check_categories(cells: NDArray[np.object_], describe: Describe) -> None:
    """Raise DataError if texts spell numbers or dates in another way, or hardly repeat."""
    texts = [str(cell).strip() for cell in cells]
    for pattern, what in SPELLED_OTHERWISE.items():
        if all(pattern.fullmatch(text) for text in texts):
            raise DataError(
                f"{describe(None)} must hold {what}, or be named in categories; got {_shown(texts[0])}"
            )
    n_different = len(set(texts))
    if n_different > max(MAX_FREE_TEXTS, len(texts) // 2):
        raise DataError(
            f"{describe(None)} must hold categories, which repeat; got {n_different} different texts in {len(texts)} "
            f"rows, such as {_shown(texts[0])}; leave the column out with drop, or name it in categories"
        )


def _kind_of_cell(cell: object, row: int, describe: Describe) -> Kind:
    if isinstance(cell, str):
        text = cell.strip()
        if text.lower() in {"true", "false"}:
            return "boolean"
        if ISO_DATE.fullmatch(text):
            return "date"
        return "category" if _number(cell) is None else "number"
    if isinstance(cell, bool | np.bool_):
        return "boolean"
    if isinstance(cell, NUMBERS):
        return "number"
    if isinstance(cell, DATES):
        return "date"
    raise _wrong(describe, row, "category", type(cell))


def missing(cells: NDArray[Any], *, in_text: bool = False) -> NDArray[np.bool_]:
    """Return where cells are None, NaN, NaT or pandas.NA, or text that means the same.

    Parameters
    ----------
    cells : ndarray, shape (n,)
    in_text : bool
        Whether the column is one of text, in which text in quotes is a value.
    """
    absent: NDArray[np.bool_] = np.asarray(pd.isna(cells))
    if cells.dtype == object:
        values = (Verbatim, Quoted) if in_text else Verbatim
        spelled = (
            isinstance(cell, str) and cell.strip() in MISSING and not isinstance(cell, values)
            for cell in cells
        )
        absent = absent | np.fromiter(spelled, dtype=bool, count=len(cells))
    return absent


def _of_pandas(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column in a type of pandas that this module reads, instead of one of Arrow's own."""
    dtype = column.dtype
    if not isinstance(dtype, pd.ArrowDtype) or dtype.kind in "iufbM":
        return column
    if str(dtype.pyarrow_dtype).startswith("dictionary"):
        return column.astype(object).astype("category")
    return column.astype(object)


def read_numbers(column: "pd.Series[Any]", kind: Kind, describe: Describe) -> NDArray[np.float64]:
    """Return a column of numbers, booleans or dates as numbers; NaN where a value is missing.

    Raises
    ------
    DataError
        If a cell is of another kind, not finite, or out of range; the message names the cell.
    """
    column = _of_pandas(column)
    kinds, dtype = pd.api.types, column.dtype
    if kinds.is_complex_dtype(dtype):
        raise DataError(f"{describe(None)} must hold numbers; got {dtype}")
    if kind == "date":
        return _seconds(column, describe)
    if kinds.is_numeric_dtype(dtype):
        read = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        cells = column.to_numpy(dtype=object)
        of_text = _numbers_in_text(cells) if kind == "number" else None
        read = _each(cells, kind, describe) if of_text is None else of_text
    if kind == "boolean":
        place = first_place(~(np.isnan(read) | (read == 0) | (read == 1)))
        if place is not None:
            raise _wrong(describe, place[0], kind, column.iloc[place[0]])
    with np.errstate(invalid="ignore"):
        place = first_place(np.abs(read) > FLOAT32_MAX)
        if place is not None:
            raise _wrong(describe, place[0], kind, column.iloc[place[0]])
        large = np.flatnonzero(np.abs(read) >= MAX_EXACT_INTEGER)
    for row in large:
        cell = column.iloc[row]
        spelled = isinstance(cell, str) and cell.strip().lstrip("+-").isdecimal()
        if spelled or isinstance(cell, int | np.integer):
            raise DataError(
                f"{describe(int(row))} must be an integer below 2**53, or a float; got {cell}"
            )
    return read


def read_text(column: "pd.Series[Any]", describe: Describe) -> NDArray[np.object_]:
    """Return a column of categories as text; None where a value is missing. Whole numbers have no decimal point.

    Raises
    ------
    DataError
        If a cell is neither text, number nor date; the message names the cell.
    """
    cells = _of_pandas(column).to_numpy(dtype=object)
    texts = np.full(len(cells), None, dtype=object)
    for row in np.flatnonzero(~missing(cells, in_text=True)):
        cell = cells[row]
        if not isinstance(cell, (str, *DATES, *NUMBERS, *RANGES)):
            raise _wrong(describe, row, "category", type(cell))
        if isinstance(cell, float | np.floating) and float(cell).is_integer():
            cell = int(cell)
        texts[row] = str(cell).strip()
    return texts


def _seconds(column: "pd.Series[Any]", describe: Describe) -> NDArray[np.float64]:
    """Return dates as seconds since 1970; a time without zone is one of UTC."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        times = pd.to_datetime(column, utc=True)
    else:
        cells = column.to_numpy(dtype=object)
        absent = missing(cells)
        for row in np.flatnonzero(~absent):
            cell = cells[row]
            is_date = (
                ISO_DATE.fullmatch(cell.strip())
                if isinstance(cell, str)
                else isinstance(cell, DATES)
            )
            if not is_date:
                raise _wrong(describe, row, "date", cell)
        texts = pd.Series(
            [None if gone else str(cell).strip() for cell, gone in zip(cells, absent, strict=True)]
        )
        times = pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce")
        place = first_place(times.isna().to_numpy() & ~absent)
        if place is not None:
            raise _wrong(describe, place[0], "date", cells[place])
    # In the unit of the column: nanoseconds hold the years 1678 to 2262 only.
    since: pd.Series[Any] = times - pd.Timestamp(0, tz="UTC").as_unit(times.dt.unit)
    return np.asarray(since.dt.total_seconds(), dtype=np.float64)


def _numbers_in_text(cells: NDArray[np.object_]) -> NDArray[np.float64] | None:
    """Return the numbers that every cell spells, or None; exact, and fast for long columns."""
    if pd.api.types.infer_dtype(cells, skipna=False) != "string" or "_" in "".join(cells):
        return None
    if Verbatim in set(map(type, cells)):
        return None
    try:
        return np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))
    except ValueError:
        return None


def _each(cells: NDArray[np.object_], kind: Kind, describe: Describe) -> NDArray[np.float64]:
    """Parse cell by cell; NaN where a value is missing."""
    parse = _number if kind == "number" else _boolean
    parsed = np.full(len(cells), np.nan)
    for row in np.flatnonzero(~missing(cells)):
        number = parse(cells[row])
        if number is None:
            raise _wrong(describe, row, kind, cells[row])
        parsed[row] = number
    return parsed


def _number(cell: object) -> float | None:
    if isinstance(cell, Verbatim) or (isinstance(cell, str) and "_" in cell):  # "_": Python's own
        return None
    if not isinstance(cell, (str, *NUMBERS)):
        return None
    try:
        return float(cell)
    except ValueError:
        return None
    except OverflowError:
        return np.inf


def _boolean(cell: object) -> float | None:
    return BOOLEANS.get(str(cell).strip().lower())


def _wrong(describe: Describe, row: Any, kind: Kind, cell: object) -> DataError:
    return DataError(f"{describe(int(row))} must be {RULES[kind]}; got {_shown(cell)}")


def _shown(cell: object) -> str:
    if isinstance(cell, type):
        return cell.__name__
    cell = cell.original if isinstance(cell, Respelled) else cell
    text = repr(cell) if isinstance(cell, str) else str(cell)
    return text if len(text) <= 80 else f"{text[:80]}…"
