"""The budgets of arms that follow from the settings, and the check of those that the settings declare equal."""

from collections.abc import Iterable, Mapping

from evo.budgets import Budget, are_equal
from evo.errors import SettingsError
from experiments.arms.settings import SEARCHED
from experiments.settings.experiment import Experiment


def planned_budgets(experiment: Experiment) -> dict[str, dict[Budget, int]]:
    """Return the budgets of each arm that the settings tell, by the arm's name in the tables.

    Examples
    --------
    >>> planned_budgets(Experiment(baseline={"arms": ["mlp"]}))["mlp"]["total_steps"]
    900
    """
    settings, evolution = experiment.baseline, experiment.evolution
    steps = settings.total_steps
    found: dict[str, dict[Budget, int]] = {}
    if experiment.evolve:
        bounded = any(one is not None for _, one in evolution.budget)
        if experiment.continues is not None or bounded:
            return found
        steps, per_phase = evolution.total_steps, evolution.steps_per_generation
        behind = steps
        if evolution.inheritance == "baldwinian":
            behind = (evolution.generations - evolution.last_modified + 1) * per_phase
        total = evolution.expected_individuals() * per_phase
        found[experiment.label(experiment.arm)] = {
            "steps": behind,
            "total_steps": total,
            "total_networks": evolution.expected_individuals(),
        }
    if experiment.task is not None:
        strategy, per_phase = experiment.task.strategy, evolution.steps_per_generation
        trained = (
            per_phase * strategy.population * strategy.episodes if experiment.task.trains else 0
        )
        played = evolution.expected_individuals() * (experiment.task.episodes + trained)
        found[experiment.label(experiment.arm)]["total_played_episodes"] = played
        return found
    for arm in settings.arms:
        if steps is not None:
            found[experiment.label(arm)] = {"steps": steps}
            if arm not in SEARCHED:
                found[experiment.label(arm)] |= {"total_steps": steps, "total_networks": 1}
    batch_size = experiment.training.batch_size
    for budgets in found.values():
        budgets["samples"] = budgets["steps"] * batch_size
        if "total_steps" in budgets:
            budgets["total_samples"] = budgets["total_steps"] * batch_size
    return found


def check_equal_budgets(experiments: Iterable[Experiment]) -> None:
    """Raise SettingsError if arms will not have a budget in common that ``evaluation.equal`` declares.

    The arms are those of the declared comparison, or all if none is declared. What only a run can tell is left to the
    verdicts.

    Parameters
    ----------
    experiments : iterable of Experiment
        All with the same settings of evaluation.
    """
    known: dict[str, Mapping[Budget, int]] = {}
    evaluation = None
    for experiment in experiments:
        evaluation = experiment.evaluation
        known |= planned_budgets(experiment)
    if evaluation is None:
        return
    if evaluation.primary is not None:
        arms = evaluation.primary.split(" - ")
        known = {arm: one for arm, one in known.items() if arm in arms}
    for budget in evaluation.equal:
        of_arms = {arm: one[budget] for arm, one in known.items() if budget in one}
        first = next(iter(of_arms), "")
        for arm, amount in of_arms.items():
            if not are_equal(of_arms[first], amount):
                raise SettingsError(
                    f"evaluation.equal: {budget} must be the same for all arms that are compared, to a percent; got "
                    f"{of_arms[first]:,} for {first} and {amount:,} for {arm}"
                )
