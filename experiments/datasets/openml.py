"""Data sets of openml.org, downloaded by scikit-learn into its cache."""

import warnings
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pandas as pd

from cnn.files import one_line
from evo.errors import DataError


def fetch_table(
    source: str | int, version: int | None, target: str | None, data_home: str | Path | None
) -> tuple[pd.DataFrame, Any, str]:
    """Fetch a data set, or read it from the cache.

    Parameters
    ----------
    source : str or int
        Name, or number on openml.org.
    version : int, optional
        Version of a named data set, which must be given; a number has none.
    target : str, optional
        Name of the target column; by default the one that openml.org says.
    data_home : str or Path, optional
        Folder of the cache; by default scikit-learn's.

    Returns
    -------
    table : DataFrame
        With its target column.
    target : str
        Name of the target column.
    name : str
        Name of the data set and its version.

    Raises
    ------
    DataError
        If openml.org cannot be reached, or has no such data set, or the table has not one target.
    ValueError
        If the version of a name is not said, or that of a number is.
    """
    from sklearn.datasets import fetch_openml  # noqa: PLC0415 - slow to import

    by_name = not isinstance(source, int)
    if by_name != (version is not None):
        rule = "be given with a name" if by_name else "not be given with a number"
        raise ValueError(f"version must {rule}, so that the data stay the same; got {version}")
    which: dict[str, Any] = {"name": source, "version": version} if by_name else {"data_id": source}
    where = f"openml: {source!r}" + (f", version {version}" if by_name else "")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "A network error occurred")  # the error below says it
            bunch = fetch_openml(
                **which,
                target_column="default-target" if target is None else target,
                data_home=None if data_home is None else str(data_home),
                as_frame=True,
                n_retries=1,
                delay=0.1,
            )
    except (URLError, TimeoutError, ConnectionError) as error:
        reason = one_line(getattr(error, "reason", error))
        raise DataError(
            f"{where}: cannot be fetched from openml.org, and is not in the cache: {reason}"
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{where}: cannot be used: {one_line(error)}") from error
    targets = list(bunch.target_names)
    if len(targets) != 1:
        raise DataError(
            f"{where}: target must be named, for openml.org says {len(targets)} of them; got {target!r}"
        )
    return bunch.frame, targets[0], f"{bunch.details['name']}-{bunch.details['version']}"
