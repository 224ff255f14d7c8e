"""The cells of one column: what kind they are of, and their values as numbers or text."""

import datetime
import decimal
import numbers
import re
from collections.abc import Callable
from typing import Any, Literal

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

BOOLEANS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}
ISO_DATE = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
DATES = datetime.date, np.datetime64  # a datetime and a Timestamp are dates
NUMBERS = numbers.Real, decimal.Decimal, np.bool_
RULES: dict[Kind, str] = {
    "number": "a finite float32",
    "boolean": "true, false, 1 or 0",
    "category": "text, a number or a date",
    "date": "a date such as 2026-01-31",
}


def infer_kind(column: "pd.Series[Any]", describe: Describe) -> Kind:
    """Return the kind of a column.

    Numbers, booleans and dates are told by their type or, in text, by the spelling of every cell that is not missing.
    Any other text is a category, and so is the pandas type of that name. A column without any value is one of numbers.

    Raises
    ------
    DataError
        If the column holds anything else, or numbers together with text or dates.
    """
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
    found = [_kind_of_cell(cells[row], int(row), describe) for row in present]
    if set(found) <= {"number", "boolean"}:
        return "boolean" if {*found} == {"boolean"} else "number"
    if "number" in found:
        number = present[found.index("number")]
        other = next(row for row, kind in zip(present, found, strict=True) if kind != "number")
        raise DataError(
            f"{describe(int(other))} must be a number, as in data row {number + 1} ({_shown(cells[number])}), "
            f"unless the column is named in categories; got {_shown(cells[other])}"
        )
    return found[0] if len(set(found)) == 1 else "category"


def _kind_of_cell(cell: object, row: int, describe: Describe) -> Kind:
    if isinstance(cell, str):
        text = cell.strip()
        if text.lower() in {"true", "false"}:
            return "boolean"
        if ISO_DATE.fullmatch(text):
            return "date"
        return "category" if _number(text) is None else "number"
    if isinstance(cell, bool | np.bool_):
        return "boolean"
    if isinstance(cell, NUMBERS):
        return "number"
    if isinstance(cell, DATES):
        return "date"
    raise _wrong(describe, row, "category", type(cell))


def missing(cells: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where cells are None, NaN, NaT or pandas.NA, or text that means the same."""
    absent: NDArray[np.bool_] = np.asarray(pd.isna(cells))
    if cells.dtype == object:
        spelled = (isinstance(cell, str) and cell.strip() in MISSING for cell in cells)
        absent = absent | np.fromiter(spelled, dtype=bool, count=len(cells))
    return absent


def read_numbers(column: "pd.Series[Any]", kind: Kind, describe: Describe) -> NDArray[np.float64]:
    """Return a column of numbers, booleans or dates as numbers; NaN where a value is missing.

    Raises
    ------
    DataError
        If a cell is of another kind, not finite, or out of range; the message names the cell.
    """
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
        if isinstance(column.iloc[row], int | np.integer):
            raise DataError(
                f"{describe(int(row))} must be an integer below 2**53, or a float; got {column.iloc[row]}"
            )
    return read


def read_text(column: "pd.Series[Any]", describe: Describe) -> NDArray[np.object_]:
    """Return a column of categories as text; None where a value is missing. Whole numbers have no decimal point.

    Raises
    ------
    DataError
        If a cell is neither text, number nor date; the message names the cell.
    """
    cells = column.to_numpy(dtype=object)
    texts = np.full(len(cells), None, dtype=object)
    for row in np.flatnonzero(~missing(cells)):
        cell = cells[row]
        if not isinstance(cell, (str, *DATES, *NUMBERS)):
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
    since: pd.Series[Any] = (times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return np.asarray(since, dtype=np.float64)


def _numbers_in_text(cells: NDArray[np.object_]) -> NDArray[np.float64] | None:
    """Return the numbers that every cell spells, or None; exact, and fast for long columns."""
    if pd.api.types.infer_dtype(cells, skipna=False) != "string" or "_" in "".join(cells):
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
    if isinstance(cell, str) and "_" in cell:  # Python's own spelling
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
    text = repr(cell) if isinstance(cell, str) else str(cell)
    return text if len(text) <= 80 else f"{text[:80]}…"
