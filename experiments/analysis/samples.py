"""Two arms on single test samples, from the table ``predictions``."""

import numpy as np
import pandas as pd

from cnn.checks import did_you_mean
from evo.errors import ResultsError
from experiments.analysis.comparison import SEED
from experiments.statistics.intervals import interval, two_way_interval
from experiments.statistics.samples import mcnemar


def over_samples(predictions: pd.DataFrame, arm: str, other: str) -> pd.Series:
    """Return the difference of two arms with an interval that covers other seeds and other test samples.

    Parameters
    ----------
    predictions : DataFrame
        The table of that name.
    arm, other : str

    Returns
    -------
    Series
        `arm`, `other`; `score`, which is ``accuracy`` or, in regression, ``squared error``; `seeds` and `samples` that
        both arms have; `difference`, the mean of arm − other over seeds and samples, where a sample with a target for
        each step counts by its mean; `low` and `high`, the interval over seeds and test samples;
        `seeds_low` and `seeds_high`, the interval of Student's t over the means of the seeds.

    Raises
    ------
    ResultsError
        If an arm has no predictions, or two with one seed, or the arms have none in common, or predict several values.
    """
    one, two = (_of_arm(predictions, name) for name in (arm, other))
    is_regression = pd.api.types.is_float_dtype(one["truth"])
    scores = [_squared_errors(table) if is_regression else _is_right(table) for table in (one, two)]
    differences = (scores[0] - scores[1]).dropna()
    if differences.empty:
        raise ResultsError(f"{arm} and {other} must have predicted the same test samples")
    table = differences.rename("difference").reset_index()
    wide = table.pivot_table(index="seed", columns="row", values="difference").to_numpy(float)
    low, high = two_way_interval(wide, rng=np.random.default_rng(SEED))
    of_seeds = interval(np.nanmean(wide, axis=1))
    return pd.Series(
        {
            "arm": arm,
            "other": other,
            "score": "squared error" if is_regression else "accuracy",
            "seeds": wide.shape[0],
            "samples": wide.shape[1],
            "difference": float(np.nanmean(wide)),
            "low": low,
            "high": high,
            "seeds_low": of_seeds.low,
            "seeds_high": of_seeds.high,
        }
    )


def mcnemar_of_seeds(predictions: pd.DataFrame, arm: str, other: str) -> pd.DataFrame:
    """Return McNemar's test of the networks of two arms, one row per seed.

    Parameters
    ----------
    predictions : DataFrame
        The table of that name, of a classification.
    arm, other : str

    Returns
    -------
    DataFrame
        `seed`; numbers of test samples that are predicted right by `both`, `only_arm`, `only_other` and `neither`; the
        exact `p`, without a correction for the number of seeds.

    Raises
    ------
    ResultsError
        As :func:`over_samples`, or if values are predicted.
    """
    one, two = (_of_arm(predictions, name) for name in (arm, other))
    if pd.api.types.is_float_dtype(one["truth"]):
        raise ResultsError("predictions must be of classes for McNemar's test; got values")
    if "step" in one.index.names:
        raise ResultsError(
            "predictions must be one for each sample for McNemar's test; got one for each step"
        )
    right = pd.concat({"arm": _is_right(one), "other": _is_right(two)}, axis=1, join="inner")
    rows = []
    for seed, group in right.groupby(level="seed"):
        found = mcnemar(group["arm"], group["other"])
        rows.append(
            {
                "seed": seed,
                "both": found.both,
                "only_arm": found.only_first,
                "only_other": found.only_second,
                "neither": found.neither,
                "p": found.p,
            }
        )
    if not rows:
        raise ResultsError(f"{arm} and {other} must have predicted the same test samples")
    return pd.DataFrame(rows)


def _of_arm(predictions: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Return truth and prediction of an arm by seed and test sample."""
    rows = predictions[predictions["arm"] == arm]
    if rows.empty:
        known = sorted(predictions["arm"].unique())
        raise ResultsError(
            f"arms must be among {', '.join(known)}; got {arm}{did_you_mean(arm, known)}"
        )
    if rows["truth"].isna().any():
        raise ResultsError("predictions must be of one label or value a sample; got several values")
    key = ["seed", "row", *(["step"] if "step" in rows else [])]
    table = rows.set_index(key)[["truth", "prediction"]]
    if table.index.has_duplicates:
        raise ResultsError(f"runs must each have an arm and seed of their own; several have {arm}")
    return table


def _is_right(table: pd.DataFrame) -> "pd.Series[float]":
    return (table["truth"] == table["prediction"]).astype(float)


def _squared_errors(table: pd.DataFrame) -> "pd.Series[float]":
    return (table["prediction"] - table["truth"]).astype(float) ** 2
