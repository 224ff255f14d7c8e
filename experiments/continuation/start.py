"""The state with which a run begins that continues another one."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evo.editing.editor import GenomeEditor
from evo.errors import ResultsError, SettingsError
from evo.evolution.individual import Individual, judge_again
from evo.evolution.job import Task
from evo.operators.layers import check_layered, current_layer_sizes
from evo.policies.policies import PolicySettings
from evo.selection import ranked
from evo.storage.individuals import StoredIndividuals, load_individuals
from evo.storage.run_reader import committed_file, how_to_go_on
from experiments.settings.experiment import Experiment
from experiments.studies.search import state_path

BETWEEN_GENERATIONS = (
    "generation",
    "slots",
    "n_individuals",
    "uses",
    "credit",
    "totals",
    "children",
    "seconds",
)
"""The values of a state that belong to complete generations."""


def load_last_state(run: Path, seed: int) -> StoredIndividuals:
    """Read the state after the last committed generation of a run, whether or not a process works on it.

    What a state holds of generations that are not complete is left out.

    Raises
    ------
    ResultsError
        If no generation was committed, or the file is damaged.
    """
    found = committed_file(run, state_path(seed))
    if found is None:
        raise ResultsError(
            f"{run}: seed {seed} has no finished generation that could be continued; {how_to_go_on(run)}"
        )
    try:
        individuals, more = load_individuals(found)
    except ResultsError:
        if found.exists():
            raise
        return load_last_state(run, seed)  # the process that works on the run has committed again
    try:
        return (
            {number: individuals[number] for number in more["slots"]},
            {name: more[name] for name in BETWEEN_GENERATIONS},
        )
    except (KeyError, TypeError) as error:
        raise ResultsError(f"{found}: must be the state of a search; got {error!r}") from error


def with_individual(state: StoredIndividuals, one: Individual, first: int) -> StoredIndividuals:
    """Return a state in which one individual holds every slot.

    Parameters
    ----------
    state : StoredIndividuals
    one : Individual
    first : int
        The earliest generation that may be the next one.
    """
    generation = max(one.job.generation + 1, first)
    number = one.job.individual
    return {number: one}, dict(state[1]) | {"generation": generation, "slots": [number]}


def steps_until(experiment: Experiment, seed: int, generation: int) -> int:
    """Return the gradient steps along an ancestry that a run plans for the generations before one."""
    begun, steps = 0, 0
    if experiment.continues is not None:
        begun = experiment.continues.first_generation[seed]
        steps = experiment.continues.steps_before[seed]
    return steps + (generation - begun) * experiment.evolution.steps_per_generation


def suited(
    state: StoredIndividuals, task: Task, *, keep_moments: bool, judge: bool
) -> StoredIndividuals:
    """Return a state that suits the settings of the newer run.

    Parameters
    ----------
    state : StoredIndividuals
    task : Task
        The task of the newer run.
    keep_moments : bool
        Whether the optimizer states are kept; without them the optimizer begins anew.
    judge : bool
        Whether fitness, loss and metrics are measured again.

    Raises
    ------
    SettingsError
        If an individual has no fitness when it is measured again, or does not suit the policy.
    """
    stored, more = state
    individuals = dict(stored)
    for number, one in individuals.items():
        try:
            if judge and one.fitness is not None:
                individuals[number] = judge_again(task, one)
            _check_policy(task.policy, task.layers, one)
        except ValueError as error:
            raise SettingsError(f"seed {task.seed}: {error}") from error
        if not keep_moments:
            job = replace(one.job, optimizer_state=None)
            individuals[number] = replace(individuals[number], job=job, optimizer_state=None)
    slots = _slots(more["slots"], individuals, task.evolution.population)
    return {number: individuals[number] for number in slots}, dict(more) | {"slots": slots}


def _slots(
    slots: Iterable[int], individuals: Mapping[int, Individual], population: int
) -> list[int]:
    """Return the individual of each slot: as before; or in turn, best first, if the number of slots is another one."""
    before = list(slots)
    if len(before) == population:
        return before
    order = [one.job.individual for one in ranked([*individuals.values()])]
    return [order[slot % len(order)] for slot in range(population)]


def _check_policy(policy: PolicySettings, layers: tuple[int, ...], one: Individual) -> None:
    """Raise ValueError if a policy needs the layers of the founders, and an individual no longer has them."""
    of_layer = policy.method is not None and policy.rewiring_scope == "layer" and layers
    if not of_layer and policy.name != "layerwise":
        return
    check: Any = check_layered if of_layer else current_layer_sizes
    try:
        check(GenomeEditor(one.genome), layers)
    except ValueError as error:
        raise ValueError(
            f"policy.name must not be {policy.name!r} for individual {one.job.individual}: {error}"
        ) from error
