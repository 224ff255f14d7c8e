"""Anytime curves: how good the best network is that an arm has found so far, against what it has cost so far."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from evo.errors import ResultsError
from evo.registry import must_be_one_of
from experiments.analysis.comparison import KEY
from experiments.analysis.deciding import direction_of, metric_of
from experiments.analysis.results import Results

COSTS_SO_FAR = ("steps", "macs", "seconds")
"""Columns of :func:`anytime` with costs, summed from the beginning of the arm."""

PLAYED_SO_FAR = {"episodes": "played_episodes", "environment_steps": "played_steps"}
"""Columns of :func:`anytime` with what was played, where a reward judges; and where the tables have it."""


def costs_of(curves: pd.DataFrame) -> tuple[str, ...]:
    """Return the costs of curves, the usual one first: gradient steps; episodes, where a reward judges.

    Where a reward judges, a cost that nobody had is left out, such as gradient steps without a strategy.

    Parameters
    ----------
    curves : DataFrame
        Of :func:`anytime`.
    """
    played = tuple(one for one in PLAYED_SO_FAR if one in curves)
    return played + tuple(one for one in COSTS_SO_FAR if not played or curves[one].any())


def anytime(results: Results, metric: str | None = None) -> pd.DataFrame:
    """Return the best validation metric so far, against the cost so far, of every arm and seed.

    A search has a row for each individual, in the order of evaluation. A baseline has one for each epoch after which it
    was validated, and one for its end; a baseline that was searched for has one for each candidate. Seeds without a
    result on the test part are left out.

    Parameters
    ----------
    results : Results
    metric : str, optional
        Metric that stands in the tables for both parts, such as ``"loss"``; by default that of verdicts.

    Returns
    -------
    DataFrame
        One row per point, with the columns of ``docs/statistics.md#anytime-curves``.

    Raises
    ------
    ResultsError
        If the tables do not have the metric.
    """
    deciding, direction = metric_of(results.comparison)
    name = deciding.removeprefix("test_")
    if metric not in {None, name}:
        name, direction = str(metric), direction_of(str(metric))
    if f"test_{name}" not in results.comparison or f"validation_{name}" not in results.comparison:
        known = [
            column.removeprefix("test_")
            for column in results.comparison.filter(regex="^test_").columns
        ]
        raise ResultsError(f"metric {must_be_one_of(tuple(known), name)}")
    tested = results.comparison.set_index(KEY)[f"test_{name}"].dropna()
    curves = []
    arms = (*_searches(results, name), *_baselines(results, name), *_candidates(results, name))
    for key, points, winner in arms:
        if key in tested.index:
            curve = _with_best(points, direction)
            is_last = np.arange(len(curve)) == len(curve) - 1
            is_tested = is_last if winner is None else curve["best_individual"] == winner
            curve["test"] = np.where(is_tested, tested[key], np.nan)
            curve[KEY] = key
            curves.append(curve)
    played = [one for one, column in PLAYED_SO_FAR.items() if column in results.individuals]
    costs = [*COSTS_SO_FAR, *played]
    columns = [*KEY, "individual", *costs, "value", "best", "best_individual", "test"]
    if not curves:
        return pd.DataFrame(columns=[*columns, "metric", "larger_is_better"])
    table = pd.concat(curves, ignore_index=True)
    return table[columns].assign(metric=name, larger_is_better=direction > 0)


def _with_best(points: pd.DataFrame, direction: int) -> pd.DataFrame:
    """Return points with the best value so far and whose it is; the first of equals stays the best."""
    values = points["value"].to_numpy()
    signed = np.where(np.isfinite(values), direction * values, -np.inf)
    best = np.maximum.accumulate(signed)
    is_new = np.append(True, best[1:] > best[:-1])
    at = np.maximum.accumulate(np.where(is_new, np.arange(len(best)), 0))
    found = np.isfinite(best)
    individuals = points["individual"].astype("Int64").iloc[at]
    return points.assign(
        best=np.where(found, direction * best, np.nan),
        best_individual=individuals.where(found).to_numpy(),
    ).astype({"individual": "Int64", "best_individual": "Int64"})


def time_to_target(curves: pd.DataFrame, target: float, by: str = "steps") -> pd.DataFrame:
    """Return what each arm and seed had cost when its best validation metric first reached a target.

    Parameters
    ----------
    curves : DataFrame
        Of :func:`anytime`.
    target : float
        In the unit of the metric.
    by : str
        A cost: steps, macs or seconds; where a reward judges also episodes or environment_steps.

    Returns
    -------
    DataFrame
        Columns `run`, `seed`, `arm`, and the cost: ∞ where the target was not reached. The median over seeds is
        meaningful all the same.

    Raises
    ------
    ResultsError
        If there is no such cost.
    """
    check_cost(curves, by)
    sign = np.where(curves["larger_is_better"], 1, -1)
    reached = sign * curves["best"] >= sign * target
    cost = curves[by].astype(float).where(reached, np.inf)
    return cost.groupby([curves[key] for key in KEY]).min().reset_index()


def check_cost(curves: pd.DataFrame, by: str) -> None:
    """Raise ResultsError if curves do not have a cost."""
    known = costs_of(curves)
    if by not in known:
        raise ResultsError(f"by must be one of {', '.join(known)}; got {by!r}")


Arm = tuple[tuple[str, int, str], pd.DataFrame, int | None]
"""The key of an arm with a seed, its points, and the individual that was tested; None if it is the last point."""


def _searches(results: Results, metric: str) -> Iterator[Arm]:
    """Yield the individuals of each search, with their own costs."""
    for _, run in results.runs[results.runs["best_individual"].notna()].iterrows():
        of_seed = results.individuals.query("run == @run.run and seed == @run.seed")
        points = of_seed.sort_values(["arrival", "individual"])  # no arrival: in generations
        seconds = points[["modify_seconds", "train_seconds", "evaluate_seconds"]]
        macs = points["steps"] * run["training.batch_size"] * points["macs"]
        if run["task"] == "reward":  # episodes differ in length, so they were counted one by one
            macs = points["training_macs"]
        yield (
            (run["run"], run["seed"], run["arm"]),
            pd.DataFrame(
                {
                    "individual": points["individual"],
                    "steps": points["steps"].astype(float).cumsum(),
                    "macs": macs.astype(float).fillna(0).cumsum(),
                    "seconds": seconds.astype(float).fillna(0).sum(axis=1).cumsum(),
                    **{
                        name: points[column].astype(float).fillna(0).cumsum()
                        for name, column in PLAYED_SO_FAR.items()
                        if column in points
                    },
                    "value": points[f"validation_{metric}"].astype(float),
                }
            ),
            run["best_individual"],
        )


def _baselines(results: Results, metric: str) -> Iterator[Arm]:
    """Yield the epochs of each baseline, and its end, with costs so far."""
    column = f"validation_{metric}"
    batch_sizes = results.runs.set_index(["run", "seed"])["training.batch_size"]
    alone = (results.baseline["status"] == "ok") & results.baseline["candidate"].isna()
    for _, row in results.baseline[alone].iterrows():
        steps, values = np.array([]), np.array([])
        if column in results.training:
            of_arm = results.training.query(
                "run == @row.run and seed == @row.seed and arm == @row.arm and individual.isna()"
            )
            epochs = of_arm[of_arm[column].notna() & (of_arm["step"] < row["steps"])]
            steps, values = epochs["step"].to_numpy(float), epochs[column].to_numpy(float)
        steps = np.append(steps, float(row["steps"]))
        share = steps / row["steps"] if row["steps"] else np.ones_like(steps)
        macs = steps * batch_sizes[row["run"], row["seed"]] * row["macs"]
        played = {
            name: share * row[column]
            for name, column in PLAYED_SO_FAR.items()
            if not pd.isna(row.get(column))
        }
        yield (
            (row["run"], row["seed"], row["arm"]),
            pd.DataFrame(
                {
                    "individual": pd.NA,
                    "steps": steps,
                    "macs": share * row["training_macs"] if played else macs,
                    "seconds": row["train_seconds"] * share,
                    **played,
                    "value": np.append(values, row[column]).astype(float),
                }
            ),
            None,
        )


def _candidates(results: Results, metric: str) -> Iterator[Arm]:
    """Yield the candidates of each baseline that was searched for, with their own costs, summed up."""
    for _, arm in results.baseline[results.baseline["candidate"].notna()].iterrows():
        rows = results.candidates.query("run == @arm.run and seed == @arm.seed and arm == @arm.arm")
        yield (
            (arm["run"], arm["seed"], arm["arm"]),
            pd.DataFrame(
                {
                    "individual": rows["candidate"],
                    "steps": rows["steps"].astype(float).cumsum(),
                    "macs": rows["training_macs"].astype(float).cumsum(),
                    "seconds": rows["train_seconds"].cumsum(),
                    "value": rows[f"validation_{metric}"].astype(float),
                }
            ),
            arm["candidate"],
        )
