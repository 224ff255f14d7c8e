"""The settings of a run that continues another one: which of them may change, and which may not."""

import re
from collections.abc import Mapping
from typing import Any

from cnn.checks import brief, is_whole
from evo.errors import SettingsError
from experiments.settings.experiment import Experiment, with_values
from experiments.settings.study import check_primary
from experiments.studies.execution import seeds_of

MAY_CHANGE = ("name", "arm", "evolution", "policy", "training", "evaluation", "baseline")
"""The settings and sections that may change."""

_OF_DATA = "the test part of the newer run would hold samples on which its networks were trained"
REASONS = {
    "dataset": _OF_DATA,
    "task": "its networks were judged otherwise",
    "task.episodes": "the fitness of its population is the mean over so many episodes",
    "task.same_episodes": "the fitness of its population is that of these episodes",
    "task.strategy.name": "the state of its networks is that of this strategy",
    "seed": f"with another one {_OF_DATA}; the argument seed chooses one of the seeds",
    "seeds": "the other seeds have no population; the argument seed chooses one of the seeds",
    "evolve": "only a population can go on",
    "founders": "the networks descend from the founders of that run",
}
"""Why the others may not."""

MAY_CHANGE_OF_TASK = (
    "task.test_episodes",
    "task.strategy.population",
    "task.strategy.std",
    "task.strategy.episodes",
)
"""The settings of a task that may change."""

GENERATIONS = "evolution.generations"


def changed_experiment(
    experiment: Experiment,
    settings: Mapping[str, Any],
    generations: int | str | None,
    seed: int | None,
) -> Experiment:
    """Return the settings of the newer run.

    Parameters
    ----------
    experiment : Experiment
        The settings of the run that goes on.
    settings : mapping
        Changed values by dotted name.
    generations : int or str, optional
        The last generation of the newer run; or ``"+N"``, N more than the older run has.
    seed : int, optional
        Only this seed.

    Raises
    ------
    SettingsError
        If a setting must not change, is not known, or breaks a rule.
    """
    for name, value in settings.items():
        section, _, rest = name.partition(".")
        if section in MAY_CHANGE and (rest or section in {"name", "arm"}):
            continue
        if experiment.task is not None and name in MAY_CHANGE_OF_TASK:
            continue
        if section in MAY_CHANGE:
            rule = f"must name one setting, such as {section}.{_first_key(section)}"
            raise SettingsError(f"settings: {name} {rule}; got {brief(value)}")
        if section in REASONS:
            rule = f"must not be changed, because {REASONS.get(name) or REASONS[section]}"
            if section == "task" and experiment.task is not None:
                rule += f" (of task only {', '.join(MAY_CHANGE_OF_TASK)} may change)"
            raise SettingsError(f"settings: {name} {rule}; got {brief(value)}")
        known = ", ".join(MAY_CHANGE)
        raise SettingsError(f"settings: {name} must be a setting of {known}; got {brief(value)}")
    changes = dict(settings)
    if generations is not None:
        if GENERATIONS in changes:
            raise SettingsError(
                f"settings: {GENERATIONS} must not be given beside generations; got {brief(changes[GENERATIONS])}"
            )
        changes[GENERATIONS] = _total(generations, experiment.evolution.generations)
    if seed is not None:
        seeds = seeds_of(experiment)
        if seed not in seeds:
            raise SettingsError(f"seed must be from {seeds[0]} to {seeds[-1]}; got {brief(seed)}")
        changes |= {"seed": int(seed), "seeds": 1}
    values = experiment.model_dump(mode="json", exclude={"used", "continues"})
    own = with_values({}, changes)
    changed, _ = Experiment.parse_changed(with_values(values, changes), own, "settings")
    if "evaluation.primary" in changes:
        check_primary(changed, changed.arm_names)
    return changed


def _first_key(section: str) -> str:
    model = Experiment.model_fields[section].annotation
    return str(next(iter(getattr(model, "model_fields", {}))))


def _total(generations: object, before: int) -> int:
    """Return the number of generations of the newer run."""
    text = str(generations)
    if re.fullmatch(r"\+?[0-9]{1,9}", text) and (
        isinstance(generations, str) or is_whole(generations)
    ):
        return before + int(text) if text.startswith("+") else int(text)
    raise SettingsError(
        'generations must be a whole number, or a text such as "+10" for 10 more than the '
        f"{before} of that run; got {brief(generations)}"
    )
