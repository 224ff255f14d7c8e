"""What operators did for the children that they made, and how sure that is."""

from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.frames.joins import INDIVIDUAL, with_parent
from experiments.statistics import interval

_SEED = ["run", "seed"]
_GENERATION = ["run", "seed", "generation"]
_PARENT = [*_GENERATION, "parent"]


def operator_uses(individuals: pd.DataFrame, operations: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each child and operator that a policy chose to make it.

    An operation that only freezes a topology (`modification` is drop_dormant) was not chosen and is left out. A child
    is compared with its parent at equal training, as for credits (:mod:`evo.evolution.credit`): with the parent trained
    further in the same generation, or else with the parent's fitness plus the median effect of training in the
    generation.

    Parameters
    ----------
    individuals, operations : DataFrame
        The tables of these names. A parent that is not in the first one, such as one in an older run, has no fitness.

    Returns
    -------
    DataFrame
        Columns `run`, `seed`, `generation`, `individual`, `parent`, `operator`, `status`, `survived` and `fitness`;
        `n_operations`, how often the operator was applied to the child; `difference`, the child's fitness minus that of
        its parent at equal training, empty if one has none; `gain`, the difference or 0 if it is below or the child has
        no fitness, empty if the parent has none.
    """
    chosen = operations[operations["modification"].fillna("policy") == "policy"]
    counts = chosen.groupby([*INDIVIDUAL, "operator"], sort=False).size().rename("n_operations")
    children = _compared(with_parent(individuals), chosen)
    columns = [
        *("run", "seed", "generation", "individual", "parent", "status", "survived", "fitness"),
        *("difference", "gain"),
    ]
    uses = counts.reset_index().merge(children[columns], on=INDIVIDUAL, validate="many_to_one")
    order = [
        *("run", "seed", "generation", "individual", "parent", "operator", "n_operations"),
        *("status", "survived", "fitness", "difference", "gain"),
    ]
    return uses[order]


def _compared(individuals: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """Return the children with their `difference` and `gain` against their parents at equal training."""
    fitness = individuals[[*INDIVIDUAL, "fitness"]]
    before = fitness.rename(columns={"individual": "parent", "fitness": "before"})
    all_born = individuals.merge(before, on=[*_SEED, "parent"], how="left")
    is_trained_on = (all_born["origin"] == "continued") & all_born["fitness"].notna()
    trained_on = all_born[is_trained_on & all_born["before"].notna()].drop_duplicates(
        _PARENT, keep="last"
    )  # a parent in several slots is trained further in each
    modified = all_born.merge(chosen[INDIVIDUAL].drop_duplicates(), on=INDIVIDUAL)
    children = modified[modified["origin"] == "child"]
    after = trained_on[[*_PARENT, "fitness"]].rename(columns={"fitness": "after"})
    children = children.merge(after, on=_PARENT, how="left")
    for name, those in (("effect", trained_on), ("effect_of_children", children)):
        changes = those[_GENERATION].assign(**{name: those["fitness"] - those["before"]})
        medians = changes.groupby(_GENERATION, as_index=False)[name].median()
        children = children.merge(medians, on=_GENERATION, how="left")
    effect = children["effect"].fillna(children["effect_of_children"]).fillna(0.0)
    equal = children["after"].fillna(children["before"] + effect)
    difference = children["fitness"] - equal
    gain = difference.clip(lower=0).mask(children["fitness"].isna(), 0.0)
    return children.assign(difference=difference, gain=gain.where(children["before"].notna()))


def operator_effects(uses: pd.DataFrame) -> pd.DataFrame:
    """Return one row per operator: how many children it helped to make, and how good they were.

    A child that several operators made counts for each of them. So this shows which operators good children have, not
    what an operator does alone.

    Parameters
    ----------
    uses : DataFrame
        Of :func:`operator_uses`.

    Returns
    -------
    DataFrame
        Columns `operator`; `n_children`, and of these `n_failures` without a fitness and `n_compared` with a gain;
        `survived`, the fraction of the children that hold a slot after selection; `seeds` that have a gain, each once;
        `gain`, `gain_low` and `gain_high`, and `difference`, `difference_low` and `difference_high`: mean over seeds of
        the mean over children, and its interval over seeds. Both are in the unit of the fitness.
    """
    rows = []
    for operator, children in uses.groupby("operator"):
        row: dict[str, Any] = {
            "operator": operator,
            "n_children": len(children),
            "n_failures": int((children["status"] != "ok").sum()),
            "n_compared": int(children["gain"].notna().sum()),
            "survived": float(children["survived"].astype(float).mean()),
        }
        for name in ("gain", "difference"):
            # The arms of a study share data and founders, so a seed counts once, not once for each arm.
            of_seeds = children.groupby("seed")[name].mean().to_numpy(np.float64)
            found = interval(of_seeds)
            row |= {"seeds": found.n} if name == "gain" else {}
            row |= {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
        rows.append(row)
    columns = [
        *("operator", "n_children", "n_failures", "n_compared", "survived", "seeds"),
        *("gain", "gain_low", "gain_high", "difference", "difference_low", "difference_high"),
    ]
    return pd.DataFrame(rows, columns=columns)
