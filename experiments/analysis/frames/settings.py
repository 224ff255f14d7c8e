"""The settings of runs that are not the defaults."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

COLUMNS = ["run", "setting", "value", "default"]

OF_EVOLUTION = ("founders.", "evolution.", "policy.")
"""Beginnings of the settings that a run in which nothing evolved does not have."""


def changed_settings(runs: pd.DataFrame, defaults: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row for each run and each of its settings that differs from the default.

    Parameters
    ----------
    runs : DataFrame
        The table of that name.
    defaults : mapping
        The default of each setting by its dotted name; None where there is none.

    Returns
    -------
    DataFrame
        Columns `run`, `setting`, `value` and `default`. The last two are text, as JSON writes it but without quotes
        around texts; an empty cell is no value: the run is of an older version and has no such setting, or there is no
        default.
    """
    rows = []
    others = [name for name in map(str, runs) if "." in name and name not in defaults]
    for _, run in runs.drop_duplicates("run").iterrows():
        evolved = run["n_individuals"] > 0
        for setting in (*defaults, *others):
            value, default = _plain(run.get(setting)), defaults.get(setting)
            is_there = evolved or not setting.startswith(OF_EVOLUTION)
            if is_there and _text(value) != _text(default):
                texts = {"value": _text(value), "default": _text(default)}
                rows.append({"run": run["run"], "setting": setting, **texts})
    return pd.DataFrame(rows, columns=COLUMNS).astype("string")


def settings_of_studies(studies: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row for each run of a study and each key of the grid and of halving that the study has.

    Parameters
    ----------
    studies : mapping
        What the file of its study says, by the run's name.

    Returns
    -------
    DataFrame
        The columns of :func:`changed_settings`. By default a study has neither, so `default` is empty.
    """
    rows = [
        {"run": run, "setting": f"{table}.{key}", "value": _text(value)}
        for run, study in studies.items()
        for table in ("grid", "halving")
        for key, value in study.get(table, {}).items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS).astype("string")


def _plain(value: Any) -> Any:
    """Return a cell as an object of Python itself; None if it is empty."""
    if value is None or pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    whole = [_whole(one) for one in value] if isinstance(value, list) else _whole(value)
    return json.dumps(whole)


def _whole(value: Any) -> Any:
    """Return a float without a fraction as an integer: a column of integers with gaps has floats."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
