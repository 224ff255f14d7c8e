"""Tables of runs side by side: joined on their documented keys, without two columns of one name."""

from collections.abc import Mapping

import pandas as pd

from cnn.checks import did_you_mean
from evo.storage.tables import KEYS

INDIVIDUAL = ["run", "seed", "individual"]
"""The key of the table ``individuals``."""


def with_parent(individuals: pd.DataFrame) -> pd.DataFrame:
    """Return individuals with a column `parent`, a number, in the place of `parents`, a list.

    Parameters
    ----------
    individuals : DataFrame
        The table of that name.

    Returns
    -------
    DataFrame
        `parent` is a nullable integer, empty for a founder. Of several parents it is the first one, whose slot and
        ancestry the individual has; the others, its mates, are left out.

    Examples
    --------
    >>> parents = [[], [], [0], [2, 1]]
    >>> with_parent(pd.DataFrame({"individual": range(4), "parents": parents}))["parent"].tolist()
    [<NA>, <NA>, 0, 2]
    """
    numbers = [int(one[0]) if len(one) else None for one in individuals["parents"]]
    parent = pd.Series(numbers, index=individuals.index, dtype="Int64")
    return individuals.assign(parents=parent).rename(columns={"parents": "parent"})


def join_tables(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of the first table with the columns of the others, joined on the keys of the others.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Tables of the same runs by their names in ``docs/tables.md``, in this order. The key of each table after the
        first must be among the columns so far: operations, individuals, runs is an order; runs, individuals is none,
        for a run has many individuals.

    Returns
    -------
    DataFrame
        As many rows as the first table, in its order. A column whose name is taken has the name of its table before it:
        ``runs_arm`` is the column `arm` of ``runs``. ``individuals`` comes with `parent` in the place of `parents`.

    Raises
    ------
    ValueError
        If there is no table of a name, or a row of the first table would match several rows.

    Examples
    --------
    >>> credits = pd.DataFrame({"run": "a", "seed": 0, "generation": 1, "operator": ["A", "N"]})
    >>> generations = pd.DataFrame({"run": "a", "seed": 0, "generation": [1], "mean_fitness": 0.5})
    >>> joined = join_tables({"credits": credits, "generations": generations})
    >>> joined[["operator", "mean_fitness"]].to_numpy().tolist()
    [['A', 0.5], ['N', 0.5]]
    """
    for name in tables:
        if name not in KEYS:
            raise ValueError(
                f"tables must be among {', '.join(KEYS)}; got {name!r}{did_you_mean(name, KEYS)}"
            )
    if not tables:
        raise ValueError("tables must have at least one; got none")
    joined: pd.DataFrame | None = None
    for name, table in tables.items():
        one = with_parent(table) if name == "individuals" else table
        joined = one if joined is None else _joined(joined, name, one)
    assert joined is not None
    return joined


def _joined(left: pd.DataFrame, name: str, right: pd.DataFrame) -> pd.DataFrame:
    key = list(KEYS[name])
    missing = [column for column in key if column not in left]
    if missing:
        raise ValueError(
            f"{name} must come before tables with fewer rows: its key has {', '.join(missing)}, "
            "which no table before it has"
        )
    taken = {column: f"{name}_{column}" for column in right if column in left and column not in key}
    return left.merge(right.rename(columns=taken), on=key, how="left", validate="many_to_one")
