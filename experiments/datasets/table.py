"""Tables with target columns: reading them from files, and telling features, targets and groups apart."""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cnn.checks import brief
from cnn.files import UNREADABLE, one_line
from evo.errors import DataError
from evo.preparation import CsvFormat, Task
from evo.preparation.cells import Quoted, Verbatim
from evo.preparation.containers import of_other_libraries
from evo.preparation.csv_rows import read_texts
from evo.preparation.origin import Origin, first_place

INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
LONGEST_INTEGER = 20
"""Most characters of an integer of 64 bits."""

PLAIN_INTEGER = re.compile(r"0|-?[1-9]\d*", re.ASCII)
FREE_CELLS, CELLS_PER_BYTE = 1 << 24, 1024
"""Largest number of cells of a Parquet file of any size, and of further cells for each byte of it."""

MOST_LISTED = 20
LONGEST_LIST = 200
"""Largest number of names in a message, and of their characters."""


@dataclass(frozen=True)
class ColumnRoles:
    """Which columns of a table are what.

    Attributes
    ----------
    target : tuple
        Labels of the target columns; empty if targets come apart from the table.
    features : sequence of str, optional
        The columns that are features, in this order; by default all that are nothing else.
    drop : sequence of str
        Columns that are not used.
    groups : str, optional
        The column of groups.
    sample_weights : str, optional
        The column of the weights of samples.
    """

    target: tuple[Any, ...]
    features: Sequence[str] | None = None
    drop: Collection[str] = field(default=())
    groups: str | None = None
    sample_weights: str | None = None

    def features_of(self, frame: pd.DataFrame, source: str) -> pd.DataFrame:
        """Return the features of a table.

        Raises
        ------
        DataError
            If names of columns are not different, a named column is not there, or no feature is left.
        """
        for role in ("features", "drop"):
            if isinstance(getattr(self, role), str):
                raise TypeError(f"{role} must be several names; got {getattr(self, role)!r}")
        apart = {"groups": self.groups, "sample_weights": self.sample_weights}
        given = {role: label for role, label in apart.items() if label is not None}
        for role, label in given.items():
            if not isinstance(label, str | int | np.integer):
                raise TypeError(f"{role} must be the name of a column; got {brief(label)}")
        named = {"target": self.target, "features": self.features or (), "drop": self.drop}
        named |= {role: (label,) for role, label in given.items()}
        places = column_places(frame, source)
        for role, columns in named.items():
            for column in columns:
                if str(column) not in places:
                    raise DataError(
                        f"{source}: {role} must be one of the columns {_listed(frame.columns)}; got "
                        f"{column!r}{_nearest(str(column), places)}"
                    )
        for role, label in given.items():
            if str(label) in map(str, self.target):
                raise DataError(f"{source}: {role} must be no target; got {label!r}")
        away = [str(column) for column in (*self.target, *given.values(), *self.drop)]
        chosen = [name for name in places if name not in away]
        if self.features is not None:
            chosen = [str(column) for column in self.features]
            for column in chosen:
                if column in away or chosen.count(column) > 1:
                    raise DataError(
                        f"{source}: features must be named once, and be no target, groups, sample_weights or "
                        f"dropped columns; got {brief(column)}"
                    )
        if not chosen:
            kept = "only the target" if self.target else "none"
            rest = "".join(f" {column!r}" for column in self.target)
            raise DataError(f"{source}: columns must include a feature; got {kept}{rest}")
        return frame.iloc[:, [places[column] for column in chosen]]


def column_places(frame: pd.DataFrame, source: str) -> dict[str, int]:
    """Return the place of each column by its name.

    Raises
    ------
    DataError
        If names are not different texts, or have several levels.
    """
    if frame.columns.nlevels > 1:
        raise DataError(
            f"{source}: columns must have one name each; got names of {frame.columns.nlevels} levels"
        )
    places: dict[str, int] = {}
    for place, label in enumerate(frame.columns):
        if str(label) in places:
            raise DataError(
                f"{source}: names of columns must differ; got {brief(str(label))} twice"
            )
        places[str(label)] = place
    return places


def as_frame(table: object, source: str) -> pd.DataFrame:
    """Return a table of pandas, Polars or PyArrow as a data frame.

    Raises
    ------
    TypeError
        If it is no table.
    """
    frame = of_other_libraries(table)
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{source} must be a data frame; got {type(frame).__name__}")
    return frame


def target_names(target: object) -> tuple[Any, ...]:
    """Return the names of target columns, none if targets come apart from the table; TypeError if there are none."""
    if target is None or (isinstance(target, list | tuple) and not target):
        raise TypeError(
            f"target must be the name of a column, several names, or values; got {target!r}"
        )
    if isinstance(target, list | tuple) and all(isinstance(one, str) for one in target):
        return tuple(target)
    return (target,) if isinstance(target, str | int | np.integer) else ()


def targets_of(frame: pd.DataFrame, names: Sequence[Any], source: str) -> pd.DataFrame:
    """Return the target columns of a table."""
    places = column_places(frame, source)
    for name in names:
        if str(name) not in places:
            raise DataError(
                f"{source}: target must be one of the columns {_listed(frame.columns)}; got {name!r}"
            )
    return frame.iloc[:, [places[str(name)] for name in names]]


def check_apart(
    target: object, features: pd.DataFrame, tables: Collection[str], source: str
) -> object:
    """Return targets that come apart from the table; they must not be features too.

    Raises
    ------
    DataError
        If a feature has the name of the targets.
    TypeError
        If there are own parts, whose targets nothing says.
    """
    if len(tables) > 1:
        raise TypeError("target must be the name of a column if there are own parts")
    if isinstance(target, pd.Series) and str(target.name) in [*map(str, features.columns)]:
        raise DataError(
            f"{source}: target must be no feature too; got a series and a column {target.name!r}: give its name"
        )
    return target


def column(frame: pd.DataFrame, label: object, source: str) -> "pd.Series[Any]":
    """Return one column by its name."""
    return frame.iloc[:, column_places(frame, source)[str(label)]]


def check_groups_apart(tables: Mapping[str, pd.DataFrame], label: str, source: str) -> None:
    """Raise DataError if a group is in two parts that have the column of groups."""
    part_of: dict[Any, str] = {}
    for part, table in tables.items():
        if str(label) not in column_places(table, f"{source}: {part}" if part else source):
            continue
        for group in column(table, label, source).dropna().unique():
            if part_of.setdefault(group, part) != part:
                raise DataError(
                    f"{source}: groups must be in one part each; got {brief(group)} of column {brief(label)} in the "
                    f"{part_of[group] or 'training'} part and the {part} part"
                )


def weights_of(frame: pd.DataFrame, label: object, source: str) -> NDArray[np.float64]:
    """Return the column of the weights of samples.

    Raises
    ------
    DataError
        If a weight is missing, is no finite number, or is negative.
    """
    cells = column(frame, label, source)
    weights = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    place = first_place(~np.isfinite(weights) | (weights < 0))
    if place is not None:
        cell = Origin(source).cell(str(label), *place)
        raise DataError(
            f"{cell} must be a weight, finite and at least 0; got {brief(cells.iloc[place[0]])}"
        )
    return weights


def read_csv_with_targets(
    path: str | Path, targets: Sequence[str], task: Task | None, form: CsvFormat
) -> pd.DataFrame:
    """Read a CSV file and the values of its target columns; all other cells stay text.

    Parameters
    ----------
    path : str or Path
        As for :func:`evo.preparation.read_table`.
    targets : sequence of str
        Names of target columns. Text such as ``NA`` or ``007`` is a label; among numbers ``NA`` is a missing value.
    task : {"classification", "regression"}, optional
        In regression, whole numbers become floats.
    form : CsvFormat

    Raises
    ------
    DataError
        If the file is no such table.
    """
    texts = read_texts(path, form)
    for name in form.dates:
        if name not in texts:
            raise DataError(
                f"{path}: dates must be of the columns {_listed(texts)}; got {name!r}{_nearest(name, texts)}"
            )
    columns: dict[str, Any] = {}
    for name, cells in texts.items():
        if name in targets:
            plain = form.spelled_plainly(cells, name, str(path))
            if task == "regression":
                _check_values(cells, plain, f"{path}: column {brief(name)}")
            columns[name] = _typed(cells, plain, task, form, f"{path}: column {brief(name)}")
        else:
            columns[name] = form.spelled_plainly(cells, name, str(path))
    return pd.DataFrame(columns, dtype=object)


def _check_values(texts: Sequence[str], cells: Sequence[str | None], where: str) -> None:
    """Raise DataError at the first cell that is no number."""
    for row, cell in enumerate(cells):
        if cell is not None and not _is_number(cell):
            raise DataError(
                f"{where}, data row {row + 1} must be a number to regress on; got {brief(str(texts[row]))}"
            )


def _typed(
    texts: Sequence[str],
    cells: Sequence[str | None],
    task: Task | None,
    form: CsvFormat,
    where: str,
) -> list[Any]:
    """Return targets as integers, as floats, or as the text that they are; None where one is missing."""
    present = [cell for cell in cells if cell is not None]
    are_numbers = bool(present) and all(_is_number(cell) for cell in present)
    whole = are_numbers and all(INTEGER.fullmatch(cell) for cell in present)
    if whole and task != "regression":
        are_numbers = all(
            PLAIN_INTEGER.fullmatch(cell) for cell in present
        )  # 007 and 7 are two labels
    if not are_numbers:
        return [None if text in form.missing_labels else str(text) for text in texts]
    if not whole or task == "regression":
        return [None if cell is None else float(cell) for cell in cells]
    for row, cell in enumerate(cells):
        if cell is not None and len(cell) > LONGEST_INTEGER:
            raise DataError(
                f"{where}, data row {row + 1} must fit into 64 bits; got an integer of {len(cell)} characters"
            )
    return [None if cell is None else int(cell) for cell in cells]


def _is_number(cell: str) -> bool:
    if isinstance(cell, Verbatim | Quoted) or "_" in cell:
        return False
    try:
        float(cell)
    except ValueError:
        return False
    return True


def read_parquet(path: str | Path) -> pd.DataFrame:
    """Read a Parquet file, or a folder of them; integers with gaps stay integers.

    Raises
    ------
    DataError
        If there is no such file, it cannot be read, or names of columns are not different texts.
    """
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    import pyarrow.dataset as ds  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        _check_cells(path, ds.dataset(str(Path(path)), format="parquet"))
        table = pq.read_table(str(Path(path)))
        table.validate(
            full=True
        )  # such as text that is no UTF-8, which pandas would find much later
        frame = as_frame(table, str(path))
    except DataError:
        raise
    except (pa.ArrowException, *UNREADABLE, AttributeError, LookupError) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise DataError(f"{path}: cannot be read as a Parquet file: {reason}") from error
    column_places(frame, str(path))
    return frame


def _check_cells(path: str | Path, stored: Any) -> None:
    """Raise DataError if a Parquet file has so many cells that it hardly stores any of them."""
    size = sum(Path(file).stat().st_size for file in stored.files)
    most = FREE_CELLS + CELLS_PER_BYTE * size
    n_cells = stored.count_rows() * len(stored.schema)
    if n_cells > most:
        raise DataError(
            f"{path}: rows times columns must be at most {most} in {size} bytes; got {n_cells}"
        )


def _listed(names: Iterable[Any]) -> str:
    """Return the first names, as many as a message of one line has room for."""
    every = [brief(name) for name in names]
    lengths = accumulate(len(name) + 2 for name in every[:MOST_LISTED])
    shown = max(1, sum(length <= LONGEST_LIST for length in lengths))
    return ", ".join(every[:shown]) + (", …" if len(every) > shown else "") or "none"


def _nearest(name: str, known: Iterable[str]) -> str:
    by_lower_case = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    return f"; did you mean {by_lower_case[near[0]]!r}?" if near else ""
