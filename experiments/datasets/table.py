"""Reading a CSV file with a target column."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evo.preparation import Task, read_table
from evo.preparation.cells import MISSING

INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
PLAIN_INTEGER = re.compile(r"0|-?[1-9]\d*", re.ASCII)


def read_table_with_target(path: str | Path, target: str, task: Task | None) -> pd.DataFrame:
    """Read a CSV file and the values of its target column; all other cells stay text.

    Parameters
    ----------
    path : str or Path
        As for :func:`evo.preparation.read_table`.
    target : str
        Name of the target column. Text such as ``NA`` or ``007`` is a label; among numbers ``NA`` is a missing value.
    task : {"classification", "regression"}, optional
        In regression, whole numbers become floats.

    Raises
    ------
    DataError
        If the file is no such table.
    """
    table = read_table(path)
    if target in table.columns:
        table[target] = _typed(table[target], task)
    return table


def _typed(cells: "pd.Series[Any]", task: Task | None) -> "pd.Series[Any]":
    """Return text as integers, as floats, or as it is; an empty cell is missing."""
    absent = cells.isin(MISSING)
    texts = [text for text, gone in zip(cells, absent, strict=True) if not gone]
    try:
        numbers = [float(text) for text in texts if "_" not in text]
    except ValueError:
        numbers = []
    if not texts or len(numbers) < len(texts):
        return cells.mask(cells == "", None)
    whole = all(INTEGER.fullmatch(text) for text in texts)
    if whole and task != "regression":
        if not all(PLAIN_INTEGER.fullmatch(text) for text in texts):
            return cells.mask(absent, None)
        numbers = [int(text) for text in texts]
    typed = pd.Series(np.full(len(cells), None, dtype=object), index=cells.index, name=cells.name)
    typed[~absent] = numbers
    return typed
