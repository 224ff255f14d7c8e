"""What the columns of a report mean: those of tables from the data dictionary, those of derived frames from here."""

from collections.abc import Mapping

from evo.budgets import BUDGETS
from evo.storage.tables import PLAYED, TABLES, OwnColumns

_OF_BUDGETS = {one.name: one.description for one in TABLES["comparison"] if one.name in BUDGETS}
_OF_EPISODES = {
    one.name: one.description
    for one in OwnColumns(played=PLAYED).of("comparison")
    if one.name in BUDGETS and one.name not in _OF_BUDGETS
}

COMPARED: Mapping[str, str] = {
    "arm": "The first of the two arms that are compared.",
    "other": "The arm that it is compared with.",
    "winner": "The arm that wins; empty if none does.",
    "metric": "The metric on the test part that decides, that of `evaluation.verdict`.",
    "difference": "Metric of the first arm minus that of the other, paired by seed: mean over seeds.",
    "low": "Lower end of the 95 % interval of the mean difference, by Student's t.",
    "high": "Upper end of the 95 % interval of the mean difference, by Student's t.",
    "p": "Probability that arms that are alike differ this much: two-sided sign-flip test.",
    "p_holm": "p, corrected by Holm over the comparisons that were not declared before the run.",
    "n_comparisons": "Over how many comparisons p is corrected.",
    "seeds": "Number of seeds with which both arms have a finite metric.",
    "declared": "Whether this comparison was declared before the run.",
    "effect_size": "The difference in standard deviations: d_z with Hedges' correction.",
    "superiority": "Share of the seeds with which the first arm is better; a tie counts half.",
    "diverged": "Number of the common seeds with which the first arm has no finite metric.",
    "other_diverged": "Number of the common seeds with which the other arm has no finite metric.",
    "stopped": "Number of runs of the first arm that halving stopped.",
    "other_stopped": "Number of runs of the other arm that halving stopped.",
    "deviation": "Standard deviation of the difference over seeds.",
    "bca_low": "Lower end of the 95 % interval by the BCa bootstrap, without a normal distribution.",
    "bca_high": "Upper end of the 95 % interval by the BCa bootstrap, without a normal distribution.",
    "smallest_p": "The smallest p that so many seeds can show.",
    "margin": "Difference that is too small to matter, if one was declared.",
    "p_equivalence": "The difference is shown to be within ± the margin if this is at most 0.05 (TOST).",
    "seeds_needed": "Number of seeds that would show a difference of the margin with probability 0.8.",
    "larger_is_better": "Whether larger values of the metric are better.",
    "must_be_equal": "The budgets that both arms must have in common for one to win.",
    **{name: f"Of the first arm, mean over seeds: {text}" for name, text in _OF_BUDGETS.items()},
    **{
        f"other_{name}": f"Of the other arm, mean over seeds: {text}"
        for name, text in _OF_BUDGETS.items()
    },
}
"""The columns of :meth:`experiments.analysis.results.Results.compare`, in the order in which a report shows them."""

OF_EPISODES: Mapping[str, str] = {
    **{
        name: f"Mean over seeds; of two arms, of the first: {text}"
        for name, text in _OF_EPISODES.items()
    },
    **{
        f"other_{name}": f"Of the other arm, mean over seeds: {text}"
        for name, text in _OF_EPISODES.items()
    },
}
"""The columns that both have beside, where a reward judges."""

SUMMARY: Mapping[str, str] = {
    "arm": "Name of the arm.",
    "seeds": "Number of seeds with a finite metric.",
    "low": "Lower end of the 95 % interval of the mean.",
    "high": "Upper end of the 95 % interval of the mean.",
    "deviation": "Standard deviation of the metric over seeds.",
    **{name: f"Mean over seeds: {text}" for name, text in _OF_BUDGETS.items()},
    "train_seconds": "Seconds of training of the network and its ancestors, mean over seeds.",
    "diverged": "Number of seeds without a finite metric.",
    "stopped": "Number of runs that halving stopped before the test part was read.",
}
"""The columns of :meth:`experiments.analysis.results.Results.summary`, without that of the metric."""

DATA_SETS: Mapping[str, str] = {
    "arm": "Name of the arm.",
    "metric": "The metric on the test part that decides.",
    "data_sets": "Number of data sets.",
    "seeds": "Number of seeds that count, on all data sets together.",
    "diverged": "Number of seeds without a finite metric.",
    "interquartile_mean": "Mean of the middle half of all seeds on all data sets.",
    "low": "Lower end of the 95 % interval for other seeds on these data sets: stratified bootstrap.",
    "high": "Upper end of the 95 % interval for other seeds on these data sets: stratified bootstrap.",
    "mean_rank": "Mean of the ranks on the data sets; 1 is the best.",
    "p_friedman": "p of Friedman's test that all arms are alike.",
    "critical_difference": "Two mean ranks as far apart as this differ, by Nemenyi's test.",
}
"""The columns of :func:`experiments.analysis.over_data_sets`."""

EFFECTS: Mapping[str, str] = {
    "operator": "Letter of the operator.",
    "name": "The operator in words.",
    "n_children": "Number of children that the operator helped to make.",
    "n_failures": "Number of these children without a fitness.",
    "n_compared": "Number of these children whose parent has a fitness.",
    "survived": "Fraction of these children that hold a slot after selection.",
    "seeds": "Number of seeds, of all runs, with a child that was compared.",
    "gain": "Fitness of a child above that of its parent at equal training, or 0 if it is below: mean over seeds of "
    "the mean over children.",
    "gain_low": "Lower end of the 95 % interval of the gain over seeds.",
    "gain_high": "Upper end of the 95 % interval of the gain over seeds.",
    "difference": "Fitness of a child minus that of its parent at equal training: mean over seeds of the mean over "
    "children.",
    "difference_low": "Lower end of the 95 % interval of the difference over seeds.",
    "difference_high": "Upper end of the 95 % interval of the difference over seeds.",
}
"""The columns of :meth:`experiments.analysis.results.Results.operator_effects`."""

SETTINGS: Mapping[str, str] = {
    "setting": "Dotted name of a setting that is not the default.",
    "value": "Its value in the run; empty if the run has none.",
    "default": "Its default; empty if there is none.",
    "runs": "The runs with this value.",
}
"""The columns of the table of settings."""

NOTES: Mapping[str, str] = {
    "what": "What the run noted about its beginning: commit, versions, machine, arithmetic.",
    "value": "What it noted.",
    "runs": "The runs that noted it.",
}
"""The columns of the table of environments."""


OF_ROWS: Mapping[str, str] = {
    "parent": "Number of the parent; empty for a founder and for a baseline.",
}
"""The columns that derived frames add to rows of tables."""


def of_tables(*tables: str, columns: list[str]) -> dict[str, str]:
    """Return what columns mean, from the data dictionary: of the first table that has each."""
    return {name: OF_ROWS.get(name) or _meaning(name, tables) for name in columns}


def _meaning(name: str, tables: tuple[str, ...]) -> str:
    declared = [one for table in tables for one in TABLES[table]]
    found = next((one for one in declared if one.name == name), None) or next(
        (one for one in declared if one.prefix and name.startswith(one.prefix)), None
    )
    if found is None:
        raise ValueError(f"name must be a column of {', '.join(tables)}; got {name!r}")
    unit = f" Unit: {found.unit}." if found.unit else ""
    return f"{found.description}{unit}"
